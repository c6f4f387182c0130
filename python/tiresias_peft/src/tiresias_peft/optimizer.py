"""Learning rates, clipping and AdamW as the `candle` backend has them."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch

from .config import OptimizerConfig


def adamw(parameters: Iterable[torch.nn.Parameter], config: OptimizerConfig) -> torch.optim.AdamW:
    """PyTorch's own AdamW (Loshchilov and Hutter 2019), which is also what candle's was made after. Its moments belong to the
    adapters alone and are small, so they need no paging."""
    return torch.optim.AdamW(
        parameters, lr=config.lr, betas=(config.beta1, config.beta2), eps=config.eps, weight_decay=config.weight_decay
    )


def clip(norm: float, max_norm: float) -> float:
    """What a gradient of this norm is multiplied by."""
    return max_norm / norm if max_norm > 0 and norm > max_norm else 1.0


def learning_rate(config: OptimizerConfig, step: int, steps: int) -> float:
    """That of step `step` (from 1) of `steps`."""
    warmup = config.warmup_steps
    if step <= warmup:
        return config.lr * step / warmup
    progress = (step - warmup - 1) / max(steps - warmup, 1)
    if config.schedule == "constant":
        return config.lr
    if config.schedule == "linear":
        return config.lr * (1 - progress)
    return config.lr * 0.5 * (1 + math.cos(math.pi * progress))
