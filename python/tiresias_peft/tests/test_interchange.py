"""One adapter, both backends: the same order, start, losses and log-probabilities; merged weights; adapters as GGUF."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import support
import torch
from transformers import AutoModelForCausalLM

from tiresias_peft import __main__, adapters, bases, export, serve
from tiresias_peft.config import MODULES, BaseConfig, DecideConfig

TOLERANCE = 1e-3
"""Of log-probabilities, in both directions. Both compute in f32 and differ in the order of their sums."""


def peft_logprobs(base: Path, adapter: Path | None, contexts: list[list[int]], candidates: list[int]) -> torch.Tensor:
    decider = serve.decider(DecideConfig(BaseConfig(base, None), adapter, 1, "f32"), support.CPU)
    return torch.tensor(decider.open(contexts, candidates)[1], dtype=torch.float64)


def train_here(value: dict[str, Any], folder: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert __main__.main(["train", "--config", str(support.write_json(folder / "train.json", value))]) == 0
    return support.lines(capsys.readouterr().out)


def steps(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in lines if line["event"] == "step"]


CONTEXTS = [[1, 2, 3, 4], [5] * 30, list(range(50)), [9]]
CANDIDATES = [0, 7, 33, 95]


def both_train(gguf_file: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], **changes: Any) -> tuple[Any, Any]:
    ours = train_here(support.config(gguf_file, data, tmp_path / "ours", **changes), tmp_path, capsys)
    theirs = support.candle("train", support.config(gguf_file, data, tmp_path / "theirs", **changes), tmp_path)
    return ours, theirs


def test_both_backends_learn_alike(gguf_file: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours, theirs = both_train(gguf_file, data, tmp_path, capsys)
    for a, b in zip(steps(ours), steps(theirs), strict=True):
        # The same rows in the same order, the same learning rate, and the same loss but for rounding.
        assert [a[f] for f in ("step", "tokens", "labels")] == [b[f] for f in ("step", "tokens", "labels")]
        assert a["lr"] == pytest.approx(b["lr"], rel=1e-12)
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-3) and a["grad_norm"] == pytest.approx(b["grad_norm"], rel=2e-3)
    base = bases.about(BaseConfig(gguf_file, None))
    mine, other = (adapters.read(tmp_path / run / "adapter", base)[1] for run in ("ours", "theirs"))
    assert mine.keys() == other.keys()
    assert all((mine[k] - other[k]).abs().max() < 0.01 * mine[k].abs().max() for k in mine)


def test_both_backends_begin_alike(gguf_file: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # While B is zero A has no gradient, so that after one step it is still what the seed made it.
    optimizer = {**support.config(gguf_file, data, tmp_path)["optimizer"], "weight_decay": 0.0}
    both_train(gguf_file, data, tmp_path, capsys, steps=1, seed=2**64 - 3, optimizer=optimizer)
    mine, other = (adapters.read(tmp_path / run / "adapter", None)[1] for run in ("ours", "theirs"))
    for key in mine:
        if "lora_A" in key:
            assert torch.equal(mine[key], other[key]) and mine[key].std() > 0


@pytest.mark.parametrize("run", ["ours", "theirs"])
def test_adapters_go_both_ways(run: str, gguf_file: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both_train(gguf_file, data, tmp_path, capsys, steps=3)
    adapter = tmp_path / run / "adapter"
    mine = peft_logprobs(gguf_file, adapter, CONTEXTS, CANDIDATES)
    other = support.candle_logprobs(gguf_file, adapter, CONTEXTS, CANDIDATES, tmp_path)
    assert (mine - other).abs().max() < TOLERANCE
    assert (mine - peft_logprobs(gguf_file, None, CONTEXTS, CANDIDATES)).abs().max() > 10 * TOLERANCE


def test_smollm2_adapters_go_both_ways(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = support.smollm2()
    data = support.write_rows(tmp_path / "rows.parquet", support.rows(4, vocabulary=200, low=20, high=30))
    changes: dict[str, Any] = {"steps": 2, "batch_size": 2, "lora": {"r": 4, "alpha": 8, "targets": list(MODULES)}}
    ours, theirs = both_train(base, data, tmp_path, capsys, **changes)
    for a, b in zip(steps(ours), steps(theirs), strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-3) and a["grad_norm"] == pytest.approx(b["grad_norm"], rel=5e-3)
    contexts, candidates = (
        [[37, 28, 33, 28, 34, 32, 198, 35, 28, 32], [1, 4093, 198, 19556, 28], list(range(30, 190))],
        list(range(32, 42)),
    )
    bare = support.candle_logprobs(base, None, contexts, candidates, tmp_path)
    for run in ("ours", "theirs"):
        adapter = tmp_path / run / "adapter"
        mine = peft_logprobs(base, adapter, contexts, candidates)
        other = support.candle_logprobs(base, adapter, contexts, candidates, tmp_path)
        assert (mine - other).abs().max() < TOLERANCE
        assert (mine - bare).abs().max() > 10 * TOLERANCE, "the adapter does nothing"


def test_merged_weights_decide_alike(gguf_file: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train_here(support.config(gguf_file, data, tmp_path / "out", steps=3), tmp_path, capsys)
    adapter, merged = tmp_path / "out" / "adapter", tmp_path / "merged"
    command = ["merge", "--base", str(gguf_file), "--adapter", str(adapter), "--output", str(merged)]
    assert __main__.main(command) == 0
    wanted = peft_logprobs(gguf_file, adapter, CONTEXTS, CANDIDATES)
    assert (peft_logprobs(merged, None, CONTEXTS, CANDIDATES) - wanted).abs().max() < 1e-5
    # And for transformers alone.
    model = AutoModelForCausalLM.from_pretrained(merged)
    with torch.no_grad():
        plain = model(torch.tensor([CONTEXTS[2]])).logits[0, -1].log_softmax(-1)[CANDIDATES]
    assert (plain - wanted[2]).abs().max() < 1e-4
    assert __main__.main(command) == 4, "an output that exists is refused"


def test_adapters_go_to_gguf_and_back(gguf_file: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train_here(support.config(gguf_file, data, tmp_path / "out", steps=2), tmp_path, capsys)
    adapter, written = tmp_path / "out" / "adapter", tmp_path / "adapter.gguf"
    assert __main__.main(["export-gguf", "--base", str(gguf_file), "--adapter", str(adapter), "--output", str(written)]) == 0
    about = bases.about(BaseConfig(gguf_file, None))
    alpha, back = export.read_gguf(written, about)
    tensors = adapters.read(adapter, about)[1]
    assert alpha == 8 and back.keys() == tensors.keys()
    assert all((back[k] == tensors[k].numpy()).all() for k in back)

    # As llama.cpp takes it: W + alpha / r · B·A on the file's own rows is the merged weight in the file's order.
    import gguf

    raw = {t.name: np.array(t.data) for t in gguf.GGUFReader(written).tensors}
    base = {t.name: gguf.quants.dequantize(t.data, t.tensor_type) for t in gguf.GGUFReader(gguf_file).tensors}
    merged = adapters.load(adapter, about, bases.load(about, "f32", support.CPU)).model.merge_and_unload()
    again = support.write_gguf(tmp_path / "merged.gguf", merged)
    wanted = {t.name: np.array(t.data) for t in gguf.GGUFReader(again).tensors}
    for name in ("blk.0.attn_q.weight", "blk.1.attn_k.weight", "blk.1.ffn_down.weight", "blk.0.attn_v.weight"):
        a, b = raw[f"{name}.lora_a"], raw[f"{name}.lora_b"]
        assert np.abs(base[name] + 2 * b @ a - wanted[name]).max() < 1e-5
        assert np.abs(b).max() > 0
