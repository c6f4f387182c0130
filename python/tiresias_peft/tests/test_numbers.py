"""What is computed: packed = alone, order and start = candle's, the optimiser = its formula, formats of bases."""

from __future__ import annotations

import math
from pathlib import Path

import gguf
import numpy as np
import pytest
import support
import torch

from tiresias_peft import bases, data, hardware, optimizer, packing, train
from tiresias_peft import data as reading
from tiresias_peft.config import BaseConfig, DataConfig, OptimizerConfig, load_train
from tiresias_peft.gguf_base import permuted, unpermuted
from tiresias_peft.rng import Rng
from tiresias_peft.team import Team


def load(path: Path) -> torch.nn.Module:
    return bases.load(bases.about(BaseConfig(path, None)), "f32", support.CPU)


def test_order_is_candles() -> None:
    # Written out from the generator's definition with whole numbers alone.
    def draws(keys: list[int], count: int) -> list[int]:
        mask, state = 2**64 - 1, 0x7469_7265_7369_6173

        def step() -> int:
            nonlocal state
            state = (state + 0x9E37_79B9_7F4A_7C15) & mask
            z = ((state ^ (state >> 30)) * 0xBF58_476D_1CE4_E5B9) & mask
            z = ((z ^ (z >> 27)) * 0x94D0_49BB_1331_11EB) & mask
            return z ^ (z >> 31)

        for key in keys:
            state = step() ^ key
        return [step() for _ in range(count)]

    order = list(range(7))
    for i, draw in zip(range(6, 0, -1), draws([5, 2, 0], 6), strict=True):
        j = draw * (i + 1) >> 64
        order[i], order[j] = order[j], order[i]
    assert [n for step in range(2) for n in data.batch(7, 3, 5, step)] == order[:6]
    assert Rng([2**64 - 1, 3]).draws(4).tolist() == draws([2**64 - 1, 3], 4)
    assert order == [5, 6, 1, 3, 0, 2, 4]


def test_batches_depend_on_seed_and_number_alone_and_cover_each_epoch() -> None:
    batches = [data.batch(10, 4, 3, step) for step in range(10)]
    visited = [n for batch in batches for n in batch]
    for epoch in range(4):
        assert sorted(visited[10 * epoch : 10 * epoch + 10]) == list(range(10))
    assert visited[:10] != visited[10:20]
    assert data.batch(10, 4, 3, 6) == batches[6] and data.batch(10, 4, 4, 6) != batches[6]


@pytest.mark.parametrize("source", ["folder", "gguf_file"])
def test_packed_rows_have_the_logits_that_they_have_alone(source: str, request: pytest.FixtureRequest) -> None:
    model = load(request.getfixturevalue(source))
    plain = support.tiny() if source == "folder" else None
    examples = [data.Example(np.array(r["input_ids"]), np.array(r["labels"])) for r in support.rows(9)]
    examples += examples[:2]
    pack = packing.pack(sorted(examples, key=lambda e: -len(e.ids)))
    with torch.no_grad():
        packed = train.packed_logits(model, pack)
        alone = torch.cat([train.packed_logits(model, packing.pack([e])) for e in sorted(examples, key=lambda e: -len(e.ids))])
        assert (packed - alone).abs().max() < 1e-5
        if plain:
            # And those of transformers' own attention, with no function of ours.
            first = max(examples, key=lambda e: len(e.ids))
            own = plain(torch.from_numpy(first.ids)[None]).logits[0, first.targets() - 1]
            assert (own - packed[: len(own)]).abs().max() < 1e-5


def test_no_row_sees_another(folder: Path) -> None:
    model = load(folder)
    examples = [data.Example(np.array(r["input_ids"]), np.array(r["labels"])) for r in support.rows(4)]
    other = data.Example((examples[0].ids + 1) % support.VOCABULARY, examples[0].labels)
    count = len(examples[0].targets())
    with torch.no_grad():
        a = train.packed_logits(model, packing.pack(examples))
        b = train.packed_logits(model, packing.pack([other, *examples[1:]]))
    assert torch.equal(a[count:], b[count:]) and not torch.equal(a[:count], b[:count])


def test_passes_keep_to_the_budget_and_lose_no_row() -> None:
    examples = [data.Example(np.arange(n), np.arange(n)) for n in (5, 9, 3, 12, 7, 7)]
    for budget, accumulate in ((None, 1), (12, 1), (20, 1), (None, 4), (100, 100)):
        passes = packing.split(examples, budget, accumulate)
        assert sorted(len(e.ids) for p in passes for e in p) == [3, 5, 7, 7, 9, 12]
        assert len(passes) >= min(accumulate, 6)
        assert budget is None or max(sum(len(e.ids) for e in p) for p in passes) <= budget


def test_split_batches_give_the_gradient_of_whole_ones(folder: Path, data: Path, tmp_path: Path) -> None:
    gradients = []
    for changes in ({}, {"token_budget": 45}, {"accumulate": 3}, {"gradient_checkpointing": True}):
        path = support.write_json(tmp_path / "c.json", support.config(folder, data, tmp_path / "out", **changes))
        config = load_train(path)
        about = bases.about(config.base)
        dataset = reading.load(config.data, about.vocabulary, about.context)
        training = train._Training(config, about, dataset, "f32", support.CPU, Team(hardware.processes(), support.CPU))
        training.adapters.initialise(3)
        with torch.no_grad():
            for weight in training.weights:
                weight.add_(0.01)
        labels = sum(len(e.targets()) for e in dataset.examples)
        part = train.loss_and_gradient(training.model, dataset.examples, config, "f32", support.CPU, labels)
        gradients.append((part, torch.cat([w.grad.flatten() for w in training.weights if w.grad is not None])))
    (loss, correct), whole = gradients[0]
    assert whole.abs().max() > 1e-4
    for (other, other_correct), gradient in gradients[1:]:
        assert math.isclose(loss, other, rel_tol=1e-5) and correct == other_correct
        assert (gradient - whole).abs().max() < 1e-5


def test_learning_rates() -> None:
    def rate(schedule: str, step: int) -> float:
        return optimizer.learning_rate(OptimizerConfig(2.0, schedule, 4, 0.9, 0.999, 1e-8, 0, 1), step, 12)

    assert [rate("cosine", s) for s in (1, 2, 4, 5)] == [0.5, 1.0, 2.0, 2.0]
    assert math.isclose(rate("cosine", 9), 1.0) and math.isclose(rate("linear", 9), 1.0) and rate("constant", 12) == 2.0
    assert rate("linear", 12) == 0.25
    assert optimizer.clip(4.0, 1.0) == 0.25 and optimizer.clip(4.0, 0.0) == 1.0 and optimizer.clip(0.5, 1.0) == 1.0


@pytest.mark.parametrize("kind", ["F32", "F16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"])
@pytest.mark.parametrize("tied", [True, False])
def test_gguf_is_read_as_what_was_written(kind: str, tied: bool, tmp_path: Path) -> None:
    model = support.tiny(tied)
    format_ = gguf.GGMLQuantizationType[kind]
    path = support.write_gguf(tmp_path / "tiny.gguf", model, format_)
    about = bases.about(BaseConfig(path, None))
    read = bases.load(about, "f32", support.CPU)
    assert (about.name, about.quantization, about.vocabulary, about.context) == ("tiny", kind, support.VOCABULARY, support.CONTEXT)
    assert about.parameters == sum(w.numel() for w in model.parameters())
    assert about.config.tie_word_embeddings == tied
    wanted, found = model.state_dict(), read.state_dict()
    assert wanted.keys() == found.keys()
    for name, weight in wanted.items():
        if weight.ndim == 2:
            weight = torch.from_numpy(gguf.quants.dequantize(gguf.quants.quantize(weight.numpy(), format_), format_))
        assert torch.equal(weight, found[name]), name
    assert torch.equal(read.model.rotary_emb.inv_freq, model.model.rotary_emb.inv_freq)


def test_q6_k_is_read(tmp_path: Path) -> None:
    # The package reads this format but does not write it: one block of 256 by hand, all of whose values are (q - 32) * scale * d.
    block = np.zeros(210, np.uint8)
    block[192:208] = 3
    block[208:210] = np.frombuffer(np.float16(0.5).tobytes(), np.uint8)
    dense = gguf.quants.dequantize(block[None], gguf.GGMLQuantizationType.Q6_K)
    assert dense.shape == (1, 256) and (dense == -32 * 3 * 0.5).all()


def test_permutations_undo_each_other() -> None:
    rows = np.arange(64 * 3).reshape(64, 3)
    assert (unpermuted(permuted(rows, 4), 4) == rows).all()
    # Row 2i + t of a head is Hugging Face's row t·dim/2 + i.
    assert (permuted(rows, 4)[16 + 2 * 3 + 1] == rows[16 + 8 + 3]).all()


def test_datasets_in_every_format_are_one(tmp_path: Path) -> None:
    values = support.rows(5)
    hashes = {
        data.load((DataConfig(support.write_rows(tmp_path / f"rows.{ending}", values), None),), support.VOCABULARY, 256).sha256
        for ending in ("parquet", "jsonl")
    }
    assert len(hashes) == 1
