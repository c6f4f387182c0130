"""A training by a program under Tiresias's contract (docs/contracts.md): the peft backend, or candle's binary."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from shapes import BATCH

REPOSITORY = Path(__file__).resolve().parents[2]
LORA = {"r": 16, "alpha": 32, "targets": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]}
LR = 1e-3
PEFT = [sys.executable, "-m", "tiresias_peft"]


def train(
    program: list[str], backend: str, base: Path, rows: Path, output: Path, steps: int, arithmetic: str | None
) -> dict[str, Any]:
    """What the program said of its steps; `failed` with its last words where it came to no end."""
    config: dict[str, Any] = {
        "contract": 2,
        "backend": backend,
        "base": {"path": str(base)},
        "data": [{"path": str(rows)}],
        "output": str(output),
        "lora": LORA,
        "optimizer": {
            "lr": LR,
            "schedule": "constant",
            "warmup_steps": 0,
            "beta1": 0.9,
            "beta2": 0.999,
            "eps": 1e-8,
            "weight_decay": 0.0,
            "max_grad_norm": 1.0,
        },
        "steps": steps,
        "batch_size": BATCH,
        "seed": 0,
        "threads": os.cpu_count() or 1,
        "checkpoint_every": steps,
        "gradient_checkpointing": True,
    }
    if arithmetic:
        config["arithmetic"] = arithmetic
    path = output.with_suffix(".json")
    path.write_text(json.dumps(config))
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "python" / "tiresias_peft" / "src")}
    finished = subprocess.run([*program, "train", "--config", str(path)], capture_output=True, text=True, env=environment)
    lines = [json.loads(line) for line in finished.stdout.splitlines()]
    if finished.returncode != 0 or not lines:
        said = lines[-1].get("message") if lines else finished.stderr.strip()[-500:]
        return {"failed": said, "exit": finished.returncode}
    told = {line["event"]: line for line in lines}
    losses = [line["loss"] for line in lines if line["event"] == "step"]
    seconds = [line["seconds"] for line in lines if line["event"] == "step"]
    return {
        "hardware": told["backend"]["hardware"],
        "arithmetic": told["start"]["arithmetic"],
        **summary(losses, seconds, told["step"]["tokens"], told["done"].get("peak_device_bytes")),
    }


def summary(losses: list[float], seconds: list[float], tokens: int, peak_device_bytes: int | None) -> dict[str, Any]:
    """What is kept of a training. The first steps choose kernels and allocate: the rate is the median step's of the others."""
    counted = sorted(seconds[min(2, len(seconds) - 1) :])
    return {
        "steps": len(losses),
        "first_loss": losses[0],
        "last_loss": losses[-1],
        "tokens_per_second": tokens / counted[len(counted) // 2],
        "peak_device_bytes": peak_device_bytes,
    }
