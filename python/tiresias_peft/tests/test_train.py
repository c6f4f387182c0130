"""Training as a process: lines, folders, resuming, refusals, several processes."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import pytest
import support
import torch

from tiresias_peft import __main__, adapters, checkpoints, files, hardware, train
from tiresias_peft.config import load_train
from tiresias_peft.errors import BackendError
from tiresias_peft.team import Team

Main = Callable[..., tuple[int, list[dict[str, Any]]]]


@pytest.fixture
def main(capsys: pytest.CaptureFixture[str]) -> Main:
    """Runs the command line in this process; gives the exit code and the lines."""

    def run(*arguments: str | Path) -> tuple[int, list[dict[str, Any]]]:
        capsys.readouterr()
        code = __main__.main([str(a) for a in arguments])
        return code, support.lines(capsys.readouterr().out)

    return run


@pytest.fixture
def started(folder: Path, data: Path, tmp_path: Path, main: Main) -> Main:
    """Trains with some changes to the usual configuration."""

    def run(**changes: Any) -> tuple[int, list[dict[str, Any]]]:
        path = support.write_json(tmp_path / "train.json", support.config(folder, data, tmp_path / "out", **changes))
        return main("train", "--config", path)

    return run


def without_times(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    passing = ("seconds", "tokens_per_second", "peak_rss_bytes", "resumed_from")
    return [{k: v for k, v in line.items() if k not in passing} for line in lines]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_contract_is_kept(started: Main, folder: Path, data: Path, tmp_path: Path, main: Main) -> None:
    code, lines = started()
    assert code == 0
    assert [line["event"] for line in lines] == ["backend", "start", *["step", "step", "checkpoint"] * 3, "done"]
    backend, start, done = lines[0], lines[1], lines[-1]
    assert backend == {
        "event": "backend",
        "contract": 2,
        "name": "peft",
        "version": "0.1.0",
        "can": ["train", "decide"],
        "bases": ["safetensors", "gguf"],
        "hardware": hardware.describe(hardware.device(), 1),
    }
    model = support.tiny()
    trainable = 2 * 4 * ((64 + 64) + 2 * (64 + 32) + (64 + 64) + 3 * (64 + 128))
    assert start == {
        "event": "start",
        "parameters": sum(w.numel() for w in model.parameters()),
        "trainable": trainable,
        "examples": 12,
        "resumed_from": 0,
        "steps": 6,
        "arithmetic": "f32",
    }
    steps = [line for line in lines if line["event"] == "step"]
    assert steps[-1]["loss"] < steps[0]["loss"] and done["loss"] == steps[-1]["loss"]
    assert done["tokens"] == sum(s["tokens"] for s in steps) and done["peak_rss_bytes"] > 1e7 and done["adapter"] == "adapter"
    out = tmp_path / "out"
    assert sorted(p.name for p in (out / "checkpoints").iterdir()) == ["step-4", "step-6"]
    assert [json.loads(x) for x in (out / "metrics.jsonl").read_text().splitlines()] == lines[1:]
    about = files.unseal((out / "adapter" / "tiresias.json").read_bytes())
    assert about["backend"] == "peft" and about["steps"] == 6 and about["base"]["file"] == "tiny"
    assert set(about["files"]) == {"adapter_config.json", "adapter_model.safetensors"}
    # Again: the stored word, and nothing is done.
    before = contents(out / "adapter")
    code, again = main("train", "--config", tmp_path / "train.json")
    assert code == 0 and again == [backend, done] and contents(out / "adapter") == before
    # Threads, output, checkpoints and shards do not make another run; anything else does.
    assert started(threads=2, checkpoint_every=3, shard_base=True)[1][1:] == [done]
    for field, value in {
        "seed": 8,
        "batch_size": 6,
        "arithmetic": "bf16",
        "lora": {"r": 2, "alpha": 8, "targets": ["q_proj"]},
    }.items():
        code, lines = started(**{field: value})
        assert (code, lines[-1]["code"]) == (2, "OTHER_RUN") and f"`{field}`" in lines[-1]["message"]


def test_peft_itself_loads_the_adapter(started: Main, folder: Path, tmp_path: Path) -> None:
    started()
    model = peft.PeftModel.from_pretrained(support.tiny(), tmp_path / "out" / "adapter")
    ours = adapters.read(tmp_path / "out" / "adapter", None)[1]
    theirs = peft.get_peft_model_state_dict(model)
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)
    assert all(w.abs().max() > 0 for w in ours.values())


def reference(started: Main, tmp_path: Path) -> tuple[list[dict[str, Any]], dict[str, bytes]]:
    """A run that is never stopped."""
    code, lines = started(output=str(tmp_path / "whole"))
    assert code == 0
    return lines, contents(tmp_path / "whole" / "adapter")


def test_resumed_is_uninterrupted(started: Main, folder: Path, data: Path, tmp_path: Path, main: Main) -> None:
    whole, adapter = reference(started, tmp_path)
    # Stopped by the flag that signals set, in a step that has no checkpoint of its own.
    config = load_train(support.write_json(tmp_path / "train.json", support.config(folder, data, tmp_path / "out")))
    calls = iter(range(100))
    team = Team(hardware.processes(), support.CPU)
    with pytest.raises(BackendError) as stopped:
        train.run(config, support.CPU, team, lambda: next(calls) == 3)
    assert stopped.value.exit == 75 and "step 3" in str(stopped.value)
    assert sorted(p.name for p in (tmp_path / "out" / "checkpoints").iterdir()) == ["step-2", "step-3"]
    code, lines = main("train", "--config", tmp_path / "train.json")
    assert code == 0 and lines[1]["resumed_from"] == 3
    assert contents(tmp_path / "out" / "adapter") == adapter
    metrics = support.lines((tmp_path / "out" / "metrics.jsonl").read_text())
    steps = [line for line in without_times(metrics) if line["event"] == "step"]
    assert steps == [line for line in without_times(whole) if line["event"] == "step"]


def test_a_killed_process_resumes_exactly(started: Main, folder: Path, data: Path, tmp_path: Path) -> None:
    value = support.config(folder, data, tmp_path / "out", steps=400, checkpoint_every=2)
    path = support.write_json(tmp_path / "long.json", value)
    for number, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 75)):
        process = subprocess.Popen(
            support.peft_command("train", "--config", path), stdout=subprocess.PIPE, text=True, env=support.environment()
        )
        assert process.stdout is not None
        seen = []
        for text in process.stdout:
            seen.append(json.loads(text))
            if seen[-1]["event"] == "checkpoint":
                process.send_signal(number)
                break
        seen += support.lines(process.stdout.read().rpartition("\n")[0])
        assert process.wait() == code
    assert seen[-1]["code"] == "STOPPED" and seen[-1]["exit"] == 75
    stopped_at = int(re.findall(r"step (\d+)", seen[-1]["message"])[0])
    assert (tmp_path / "out" / "checkpoints" / f"step-{stopped_at}" / "state.json").is_file()
    # The same steps without a stop.
    config = load_train(support.write_json(tmp_path / "whole.json", {**value, "output": str(tmp_path / "whole")}))
    calls = iter(range(1000))
    with pytest.raises(BackendError):
        train.run(config, support.CPU, Team(hardware.processes(), support.CPU), lambda: next(calls) == stopped_at)
    for name in (adapters.MODEL, checkpoints.OPTIMIZER):
        ours, whole = ((tmp_path / run / "checkpoints" / f"step-{stopped_at}" / name).read_bytes() for run in ("out", "whole"))
        assert ours == whole, name


def test_damage_is_passed_over(started: Main, tmp_path: Path) -> None:
    _, adapter = reference(started, tmp_path)
    assert started()[0] == 0
    out = tmp_path / "out"
    # The adapter is damaged, the newest checkpoint too: from the one before.
    (out / "adapter" / adapters.MODEL).write_bytes(b"x")
    (out / "checkpoints" / "step-6" / checkpoints.OPTIMIZER).write_bytes(b"x")
    code, lines = started()
    assert code == 0 and lines[1]["resumed_from"] == 4 and contents(out / "adapter") == adapter
    # Damaged metrics leave no checkpoint to go on from.
    metrics = out / "metrics.jsonl"
    metrics.write_bytes(b"{}\n" + metrics.read_bytes())
    code, lines = started()
    assert code == 0 and lines[1]["resumed_from"] == 0 and contents(out / "adapter") == adapter
    (out / "run.json").write_text("{}")
    assert started()[1][-1]["code"] == "OTHER_RUN"


def test_what_is_not_finite_stops(started: Main, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest, calls = train.loss_and_gradient, iter(range(100))

    def broken(*arguments: Any) -> tuple[float, int]:
        loss, correct = honest(*arguments)
        return (float("nan") if next(calls) == 4 else loss), correct

    monkeypatch.setattr(train, "loss_and_gradient", broken)
    code, lines = started()
    assert (code, lines[-1]["code"], lines[-1]["exit"]) == (5, "NOT_FINITE", 5) and "optimizer.lr" in lines[-1]["message"]
    assert checkpoints.name(4) in lines[-2]["path"] and (tmp_path / "out" / "checkpoints" / "step-4").is_dir()
    monkeypatch.setattr(train, "loss_and_gradient", honest)
    assert started()[1][1]["resumed_from"] == 4


def test_configurations_are_refused_by_field(started: Main, tmp_path: Path, main: Main) -> None:
    lora: dict[str, Any] = {"r": 4, "alpha": 8, "targets": ["q_proj"]}
    changes: list[tuple[dict[str, Any], str]] = [
        ({"contract": 1}, "`contract`"),
        ({"backend": "candle"}, "`backend`"),
        ({"surplus": 1}, "`surplus`"),
        ({"data": []}, "`data`"),
        ({"base": {"path": "x", "sha256": "abc"}}, "`base.sha256`"),
        ({"base": {"path": "x", "random_weights": 1}}, "random_weights"),
        ({"architecture": {"kind": "llama"}}, "`architecture`"),
        ({"lora": {**lora, "r": 0}}, "`lora.r`"),
        ({"lora": {**lora, "alpha": -1}}, "`lora.alpha`"),
        ({"lora": {**lora, "targets": ["lm_head"]}}, "lm_head"),
        ({"optimizer": {}}, "`optimizer.lr`"),
        ({"steps": 0}, "`steps`"),
        ({"batch_size": None}, "`batch_size`"),
        ({"threads": True}, "`threads`"),
        ({"arithmetic": "f16"}, "`arithmetic`"),
        ({"token_budget": 10}, "`token_budget`"),
        ({"shard_base": 1}, "`shard_base`"),
    ]
    for change, word in changes:
        code, lines = started(**change)
        assert (code, lines[-1]["code"]) == (2, "CONFIG") and word in lines[-1]["message"], (change, lines)
    assert not (tmp_path / "out").exists()
    assert main("train", "--config", tmp_path / "none.json")[1][-1]["code"] == "CONFIG"
    (tmp_path / "broken.json").write_text("{")
    assert main("train", "--config", tmp_path / "broken.json")[1][-1]["code"] == "CONFIG"
    for arguments in (["train"], ["fly"], []):
        code, lines = main(*arguments)
        assert (code, lines[-1]["code"]) == (2, "USAGE")


def test_bad_data_is_named(started: Main, data: Path, tmp_path: Path) -> None:
    good = {"input_ids": [1, 2, 3], "labels": [-100, 2, 3]}
    bad = [
        ({**good, "labels": [-100, -100, -100]}, "no label"),
        ({**good, "labels": [1, -100, -100]}, "no label"),
        ({**good, "labels": [1, 2]}, "as many"),
        ({**good, "labels": [1, 2, -1]}, "labels[2] is -1"),
        ({**good, "input_ids": [1, 96, 2]}, "input_ids[1] is 96"),
        ({**good, "input_ids": [1, 0.5, 2]}, "list of integers"),
        ({**good, "input_ids": None}, "list of integers"),
        ({"input_ids": [1] * 300, "labels": [1] * 300}, "context is 256"),
    ]
    for row, word in bad:
        path = support.write_rows(tmp_path / "bad.jsonl", [good, row])
        code, lines = started(data=[{"path": str(data)}, {"path": str(path)}])
        message = lines[-1]["message"]
        assert (code, lines[-1]["code"]) == (4, "DATA") and word in message and f"{path}: row 1" in message, message
    for name, text in (("empty.jsonl", ""), ("text.jsonl", "x\n"), ("broken.parquet", "x"), ("rows.csv", "x")):
        (tmp_path / name).write_text(text)
        code, lines = started(data=[{"path": str(tmp_path / name)}])
        assert (code, lines[-1]["code"]) == (4, "DATA") and name in lines[-1]["message"]
    code, lines = started(data=[{"path": str(data), "sha256": "0" * 64}])
    assert (code, lines[-1]["code"]) == (4, "DATA") and "SHA-256" in lines[-1]["message"]
    assert started(data=[{"path": str(tmp_path / "none.jsonl")}])[1][-1]["code"] == "IO"


def test_bad_bases_are_refused(started: Main, folder: Path, gguf_file: Path, tmp_path: Path) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    def refused(base: Path, word: str, **more: Any) -> None:
        code, lines = started(base={"path": str(base), **more})
        assert (code, lines[-1]["code"]) == (3, "BASE_MODEL") and word in lines[-1]["message"], lines[-1]["message"]

    refused(folder, "SHA-256", sha256="0" * 64)
    refused(gguf_file, "SHA-256", sha256="0" * 64)
    refused(tmp_path / "none", "cannot read")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "config.json")
    good = gguf_file.read_bytes()
    for data, word in ((b"not a model", "GGUF"), (good[:300], "GGUF"), (good.replace(b"llama", b"gpt2\0"), "gpt2")):
        (tmp_path / "bad.gguf").write_bytes(data)
        refused(tmp_path / "bad.gguf", word)
    (tmp_path / "bad.gguf").write_bytes(good.replace(b"blk.1.attn_q.weight", b"blk.1.attn_z.weight"))
    refused(tmp_path / "bad.gguf", "attn_z")
    tensors = load_file(folder / "model.safetensors")
    name = "model.layers.1.mlp.up_proj.weight"
    for change, word in (
        ({name: None}, name),
        ({"model.layers.1.mlp.up_proj.bias": torch.zeros(128)}, "up_proj.bias"),
        ({name: torch.zeros(3, 3)}, name),
    ):
        shutil.copytree(folder, tmp_path / "changed", dirs_exist_ok=True)
        changed = {key: value for key, value in {**tensors, **change}.items() if value is not None}
        save_file(changed, tmp_path / "changed" / "model.safetensors", metadata={"format": "pt"})
        refused(tmp_path / "changed", word)
    config = json.loads((folder / "config.json").read_text())
    shutil.copytree(folder, tmp_path / "other")
    (tmp_path / "other" / "config.json").write_text(json.dumps({**config, "model_type": "gpt2"}))
    refused(tmp_path / "other", "gpt2")


def test_adapters_are_held_against_their_base(started: Main, folder: Path, gguf_file: Path, tmp_path: Path, main: Main) -> None:
    from safetensors.torch import load_file, save_file

    started()
    adapter = tmp_path / "out" / "adapter"

    def decide(base: Path) -> tuple[int, dict[str, Any]]:
        value = {"contract": 2, "backend": "peft", "base": {"path": str(base)}, "adapter": str(adapter), "threads": 1}
        code, lines = main("decide", "--config", support.write_json(tmp_path / "decide.json", value))
        return code, lines[-1]

    code, line = decide(gguf_file)
    assert (code, line["code"]) == (4, "ADAPTER") and files.sha256(gguf_file.read_bytes()) in line["message"]
    tensors = load_file(adapter / adapters.MODEL)
    save_file(tensors, adapter / adapters.MODEL)
    assert "damaged" in decide(folder)[1]["message"]
    (adapter / adapters.ABOUT).unlink()
    # Other programs' adapters have no such file, but must fit just as well.
    keys = sorted(tensors)
    surplus = "base_model.model.model.layers.2.mlp.up_proj.lora_A.weight"
    for changed, word in (
        (
            {k: v for k, v in tensors.items() if k not in keys[:2]},
            f"lacks 2 tensors that the base and `adapter_config.json` call for: `{keys[0]}`, `{keys[1]}`",
        ),
        ({**tensors, surplus: torch.zeros(4, 64)}, f"`{surplus}`"),
        ({**tensors, keys[0]: torch.zeros(4, 63)}, f"`{keys[0]}` is [4, 63]"),
    ):
        save_file(changed, adapter / adapters.MODEL)
        code, line = decide(folder)
        assert (code, line["code"]) == (4, "ADAPTER") and word in line["message"], line["message"]
    save_file(tensors, adapter / adapters.MODEL)
    settings = json.loads((adapter / adapters.CONFIG).read_text())
    for field, value in {"use_dora": True, "bias": "all", "rank_pattern": {"q_proj": 2}, "peft_type": "IA3"}.items():
        support.write_json(adapter / adapters.CONFIG, {**settings, field: value})
        code, line = decide(folder)
        assert (code, line["code"]) == (4, "ADAPTER") and field in line["message"]


def test_bf16_learns_too(started: Main) -> None:
    code, lines = started(arithmetic="bf16", gradient_checkpointing=True)
    losses = [line["loss"] for line in lines if line["event"] == "step"]
    assert code == 0 and lines[1]["arithmetic"] == "bf16"
    assert losses[-1] < losses[0]


def test_nf4_learns_too_where_bitsandbytes_is(started: Main) -> None:
    try:
        import bitsandbytes  # noqa: F401
    except ImportError:
        code, lines = started(arithmetic="nf4")
        assert (code, lines[-1]["code"]) == (2, "CONFIG") and "bitsandbytes" in lines[-1]["message"]
        return
    code, lines = started(arithmetic="nf4")
    losses = [line["loss"] for line in lines if line["event"] == "step"]
    assert code == 0 and losses[-1] < losses[0]


TORCHRUN = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
# As `tiresias train --launcher accelerate` has it: `--multi_gpu` is also what several processes on CPUs go by.
ACCELERATE = [
    *["accelerate.commands.accelerate_cli", "launch", "--multi_gpu", "--num_machines", "1", "--num_processes", "2"],
    *["--main_process_port", "0", "--mixed_precision", "no", "--dynamo_backend", "no"],
]


def team(launcher: list[str], folder: Path, data: Path, output: Path, **changes: Any) -> list[dict[str, Any]]:
    """Trains in two processes; gives the lines."""
    path = support.write_json(output.with_suffix(".json"), support.config(folder, data, output, **changes))
    command = [sys.executable, "-m", *launcher, "-m", "tiresias_peft", "train", "--config", str(path)]
    finished = subprocess.run(command, capture_output=True, text=True, env=support.environment())
    assert finished.returncode == 0, finished.stderr
    return support.lines(finished.stdout)


def test_two_processes_learn_as_one(started: Main, folder: Path, data: Path, tmp_path: Path) -> None:
    whole, _ = reference(started, tmp_path)
    lines = team(ACCELERATE, folder, data, tmp_path / "two")
    assert [line["event"] for line in lines] == [line["event"] for line in whole]
    for one, two in zip(without_times(whole), without_times(lines), strict=True):
        for field, value in one.items():
            same = value == pytest.approx(two[field], rel=1e-4) if isinstance(value, float) else value == two[field]
            assert same or field == "hardware", (one, two)
    ours = adapters.read(tmp_path / "whole" / "adapter", None)[1]
    theirs = adapters.read(tmp_path / "two" / "adapter", None)[1]
    assert all((ours[k] - theirs[k]).abs().max() < 1e-4 for k in ours)
    # With the base in two parts, the very same numbers; and where activations are computed again, with the parts gathered again.
    parts = team(TORCHRUN, folder, data, tmp_path / "parts", shard_base=True, gradient_checkpointing=True)
    assert without_times(parts) == without_times(lines)
    assert contents(tmp_path / "parts" / "adapter") == contents(tmp_path / "two" / "adapter")


def test_two_processes_with_4_bit_parts_learn_as_one(started: Main, folder: Path, data: Path, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    whole = started(arithmetic="nf4")[1]
    parts = team(TORCHRUN, folder, data, tmp_path / "parts", arithmetic="nf4", shard_base=True)
    for one, two in zip(whole, parts, strict=True):
        # Products are in bf16, and rows in another order.
        assert one["event"] != "step" or one["loss"] == pytest.approx(two["loss"], rel=3e-3)


def test_dry_runs_estimate_and_write_nothing(
    folder: Path, data: Path, tmp_path: Path, main: Main, capsys: pytest.CaptureFixture[str]
) -> None:
    totals = {}
    for arithmetic in ("f32", "bf16", "nf4"):
        for checkpointing in (False, True):
            value = support.config(folder, data, tmp_path / "out", arithmetic=arithmetic, gradient_checkpointing=checkpointing)
            code, lines = main("train", "--dry-run", "--config", support.write_json(tmp_path / "c.json", value))
            assert code == 0 and [line["event"] for line in lines] == ["backend", "estimate"]
            estimate, model = lines[1], support.tiny()
            parts = estimate["memory_bytes"]
            assert sum(parts.values()) == pytest.approx(2 * parts["total"], abs=10)
            assert estimate["parameters"] == sum(w.numel() for w in model.parameters()) and estimate["trainable"] == 8192
            assert parts["moments"] == 2 * parts["gradients"] == 8 * 8192
            assert estimate["seconds"] == pytest.approx(6 * estimate["seconds_per_step"]) and estimate["tokens_per_second"] > 0
            totals[arithmetic, checkpointing] = parts
    assert not (tmp_path / "out").exists()
    assert totals["f32", False]["weights"] > totals["bf16", False]["weights"] > totals["nf4", False]["weights"]
    assert totals["f32", True]["activations"] < totals["f32", False]["activations"]


# Llama-2-7B's.
SEVEN_BILLION: dict[str, Any] = {
    "model_type": "llama",
    "vocab_size": 32000,
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": False,
}


def test_a_dry_run_needs_no_weights_and_no_card(data: Path, tmp_path: Path, main: Main, monkeypatch: pytest.MonkeyPatch) -> None:
    base = tmp_path / "base"
    base.mkdir()
    support.write_json(base / "config.json", SEVEN_BILLION)
    path = support.write_json(tmp_path / "c.json", support.config(base, data, tmp_path / "out", shard_base=True))

    def estimate(tflops: float) -> dict[str, Any]:
        code, lines = main("train", "--dry-run", "--card-tflops", tflops, "--config", path)
        assert code == 0
        return lines[-1]

    one, faster = estimate(100), estimate(200)
    assert one["arithmetic"] == "nf4" and one["parameters"] == 6_738_415_616
    assert one["seconds_per_step"] == pytest.approx(2 * faster["seconds_per_step"])
    linear, whole = 6_476_005_376, one["memory_bytes"]["weights"]
    assert whole == pytest.approx(linear * (1 / 2 + 1 / 64 + 1 / 4096) + 2 * (one["parameters"] - linear), rel=1e-9)
    # Of four processes each has a quarter of the layers' halves of bytes, and two layers gathered.
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert whole - estimate(100)["memory_bytes"]["weights"] == pytest.approx(linear / 2 * (3 / 4 - 2 / 32), rel=1e-9)
    # Training does need them, and has no use for another card's speed.
    monkeypatch.delenv("WORLD_SIZE")
    code, lines = main("train", "--config", path)
    assert (code, lines[-1]["code"]) == (3, "BASE_MODEL") and "*.safetensors" in lines[-1]["message"]
    code, lines = main("train", "--card-tflops", 1, "--config", path)
    assert (code, lines[-1]["code"]) == (2, "USAGE")


def test_activations_are_estimated_as_they_are(folder: Path, data: Path, tmp_path: Path) -> None:
    from tiresias_peft import bases, estimates, packing
    from tiresias_peft import data as reading
    from tiresias_peft.config import load_train

    config = load_train(support.write_json(tmp_path / "c.json", support.config(folder, data, tmp_path / "out")))
    about = bases.about(config.base)
    examples = reading.load(config.data, about.vocabulary, about.context).examples
    wrapped = adapters.Adapters(bases.load(about, "f32", support.CPU), config.lora)
    pack = packing.pack(examples)
    weights = {w.data_ptr() for w in wrapped.model.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if tensor.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = torch.nn.functional.cross_entropy(train.packed_logits(wrapped.model, pack), pack.targets)
    tokens = sum(pack.lengths)
    parts = estimates.memory(estimates.shape(about), config, "f32", "cpu", tokens, len(pack.targets))
    assert loss.requires_grad
    assert sum(kept.values()) == pytest.approx(parts["activations"] + parts["logits"], rel=0.25)
