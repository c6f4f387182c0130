"""Rows of a batch laid end to end, so that nothing is computed for padding.

No row sees another: positions begin again with each row, and attention goes over one row at a time (`attention.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from .data import Example


@dataclass(frozen=True)
class Pack:
    """Some rows as one sequence."""

    ids: torch.Tensor
    """`1 × tokens`."""
    positions: torch.Tensor
    """`1 × tokens`; begin at 0 with each row."""
    lengths: tuple[int, ...]
    """Of the rows."""
    kept: torch.Tensor
    """Where logits are needed: the predecessors of the labelled positions."""
    targets: torch.Tensor
    """What should come after each of those."""

    def to(self, device: torch.device) -> Pack:
        moved = (t.to(device, non_blocking=True) for t in (self.ids, self.positions, self.kept, self.targets))
        ids, positions, kept, targets = moved
        return Pack(ids, positions, self.lengths, kept, targets)


def pack(examples: Sequence[Example]) -> Pack:
    """Lays rows end to end, in the given order."""
    starts = np.cumsum([0] + [len(e.ids) for e in examples])
    ids = np.concatenate([e.ids for e in examples])
    positions = np.concatenate([np.arange(len(e.ids)) for e in examples])
    at = [e.targets() for e in examples]
    kept = np.concatenate([start + a - 1 for start, a in zip(starts, at, strict=False)])
    targets = np.concatenate([e.labels[a] for e, a in zip(examples, at, strict=True)])
    tensor = torch.from_numpy
    return Pack(tensor(ids)[None], tensor(positions)[None], tuple(len(e.ids) for e in examples), tensor(kept), tensor(targets))


def split(examples: Sequence[Example], token_budget: int | None, accumulate: int) -> list[list[Example]]:
    """The passes that a batch is computed in: each within the budget, and at least `accumulate` if there are as many rows.

    Rows are sorted by length, because attention takes rows of one length together; the longest goes first into the pass with the
    fewest tokens, so that the passes are even.
    """
    rows = sorted(examples, key=lambda e: len(e.ids), reverse=True)
    total = sum(len(e.ids) for e in rows)
    passes = min(len(rows), max(accumulate, -(-total // token_budget) if token_budget else 1))
    while True:
        bins: list[list[Example]] = [[] for _ in range(passes)]
        loads = [0] * passes
        for row in rows:
            least = loads.index(min(loads))
            bins[least].append(row)
            loads[least] += len(row.ids)
        # A row longer than the budget has been refused before, so that one pass a row always fits.
        if token_budget is None or max(loads) <= token_budget or passes == len(rows):
            return [b for b in bins if b]
        passes += 1
