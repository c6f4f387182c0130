"""The device that is computed on, and what it can be told about."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from .config import Arithmetic
from .errors import BackendError


@dataclass(frozen=True)
class Processes:
    """This process among those that `torchrun` or `accelerate launch` started; one of one without them."""

    rank: int
    count: int
    local_rank: int


def processes() -> Processes:
    """As the launcher's variables say."""
    return Processes(*(int(os.environ.get(name, default)) for name, default in (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0))))


def device(local_rank: int = 0) -> torch.device:
    """A CUDA card if there is one, else the CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    torch.cuda.set_device(local_rank)
    return torch.device("cuda", local_rank)


def describe(device: torch.device, threads: int, processes: int = 1) -> dict[str, Any]:
    """The `hardware` of the first line."""
    if device.type == "cpu":
        return {"kind": "cpu", "threads": threads}
    properties = torch.cuda.get_device_properties(device)
    return {"kind": "cuda", "name": properties.name, "devices": processes, "memory_bytes": properties.total_memory}


def arithmetic(wanted: Arithmetic | None, device: torch.device) -> Arithmetic:
    """What is computed in: as configured, else 4-bit weights on a card and f32 on the CPU."""
    if wanted is None:
        return "nf4" if device.type == "cuda" else "f32"
    if wanted == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise BackendError("CONFIG", "`arithmetic`: this card has no bf16; set `arithmetic` to f32")
    return wanted


def free_bytes(device: torch.device) -> int | None:
    """Memory that is free, if the system tells."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        rows = dict(row.split(":", 1) for row in Path("/proc/meminfo").read_text().splitlines())
        return int(rows["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None
