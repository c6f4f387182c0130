"""Checkpoints: everything that the next step depends on, with a hash of every file, so that half a checkpoint is never resumed.

No state of a generator is among it: each step names its own stream by the seed and its number.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import safetensors.torch
import torch

from . import files
from .adapters import MODEL, Adapters
from .errors import io_error
from .events import Metrics, say

STATE = "state.json"
OPTIMIZER = "optimizer.safetensors"
KEPT = 2
"""The newest, and one in case the newest turns out damaged."""


@dataclass
class Progress:
    """Where a run stands."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    loss: float = 0.0


def name(step: int) -> str:
    """Where the checkpoint of a step lies, relative to the output folder."""
    return f"checkpoints/step-{step}"


def save(
    output: Path, progress: Progress, adapters: Adapters, optimizer: torch.optim.AdamW, metrics: Metrics, base_name: str
) -> None:
    """Writes a checkpoint with how far the metrics have come, and removes all but the newest two."""
    contents = adapters.files(base_name)
    contents[OPTIMIZER] = safetensors.torch.save(_moments(adapters, optimizer))
    hashes = {file: files.sha256(data) for file, data in contents.items()}
    contents[STATE] = files.seal({"progress": asdict(progress), "metrics": metrics.mark(), "sha256": hashes})
    files.create_folder(output / "checkpoints")
    files.write_folder(output / name(progress.step), contents)
    for _, old in _newest_first(output)[KEPT:]:
        files.remove_folder(old)


def resume(output: Path, adapters: Adapters, optimizer: torch.optim.AdamW, metrics: Metrics) -> Progress | None:
    """Sets everything as the newest whole checkpoint that continues these metrics has it, if there is one; cuts the metrics to it;
    says on standard error what it passes over."""
    for _, folder in _newest_first(output):
        try:
            progress, length = _load(folder, adapters, optimizer, metrics)
        except (ValueError, KeyError, TypeError, OSError) as error:
            say(f"passing over the checkpoint {folder}: {error}")
            continue
        metrics.cut(length)
        return progress
    return None


def _newest_first(output: Path) -> list[tuple[int, Path]]:
    folder = output / "checkpoints"
    if not folder.is_dir():
        return []
    try:
        found = [(path.name.removeprefix("step-"), path) for path in folder.iterdir() if path.name.startswith("step-")]
    except OSError as error:
        raise io_error("list", folder, error) from error
    return sorted(((int(step), path) for step, path in found if step.isdigit()), reverse=True)


def _load(folder: Path, adapters: Adapters, optimizer: torch.optim.AdamW, metrics: Metrics) -> tuple[Progress, int]:
    state = files.unseal((folder / STATE).read_bytes())
    if not metrics.begin_with(state["metrics"]):
        raise ValueError("the metrics up to it are damaged")
    progress = Progress(**state["progress"])
    contents = {}
    for file, digest in state["sha256"].items():
        contents[file] = (folder / file).read_bytes()
        if files.sha256(contents[file]) != digest:
            raise ValueError(f"`{file}` is damaged")
    moments = safetensors.torch.load(contents[OPTIMIZER])
    adapters.put(safetensors.torch.load(contents[MODEL]))
    _put_moments(adapters, optimizer, moments, progress.step)
    return progress, state["metrics"]["bytes"]


def _moments(adapters: Adapters, optimizer: torch.optim.AdamW) -> dict[str, torch.Tensor]:
    out = {}
    for key, weight in adapters.tensors.items():
        state = optimizer.state[weight]
        for which, moment in (("first", "exp_avg"), ("second", "exp_avg_sq")):
            out[f"{which}.{key}"] = state[moment].to("cpu").contiguous() if state else torch.zeros(weight.shape)
    return out


def _put_moments(adapters: Adapters, optimizer: torch.optim.AdamW, moments: dict[str, torch.Tensor], step: int) -> None:
    for key, weight in adapters.tensors.items():
        optimizer.state[weight] = {
            # AdamW counts its steps in a tensor of its own.
            "step": torch.tensor(float(step)),
            "exp_avg": moments[f"first.{key}"].to(weight.device),
            "exp_avg_sq": moments[f"second.{key}"].to(weight.device),
        }
