"""Several processes that train together: each computes some rows of every batch, and their gradients are added.

Data parallelism. Only adapters are trained, so what goes between processes at a step is one vector of their gradients. Each process
holds the whole frozen base, or a part of it (`sharding.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from .errors import BackendError
from .hardware import Processes

T = TypeVar("T")


class Team:
    """This process among its peers; alone, everything here does nothing."""

    def __init__(self, processes: Processes, device: torch.device) -> None:
        self.rank, self.count, self._device = processes.rank, processes.count, device
        if self.count > 1 and not dist.is_initialized():
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo")

    @property
    def leads(self) -> bool:
        """Whether this is the one that writes and speaks."""
        return self.rank == 0

    def share(self, rows: list[T]) -> list[T]:
        """The rows of a batch that this process computes."""
        return rows[self.rank :: self.count]

    def sum(self, values: list[float]) -> list[float]:
        """Added over all processes."""
        if self.count == 1:
            return values
        tensor = torch.tensor(values, dtype=torch.float64, device=self._device)
        dist.all_reduce(tensor)
        return tensor.tolist()

    def sum_gradients(self, weights: Iterable[torch.nn.Parameter]) -> None:
        """Adds every gradient over all processes, in one message."""
        if self.count == 1:
            return
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def lead(self, work: Callable[[], Any]) -> Any:
        """What the leader's work gives, or the error that it raises, in every process."""
        if self.count == 1:
            return work()
        result: list[Any] = [None, None]
        if self.leads:
            try:
                result[0] = work()
            except BackendError as error:
                result[1] = (error.code, str(error))
        dist.broadcast_object_list(result, src=0)
        if result[1] is not None:
            raise BackendError(*result[1])
        return result[0]

    def in_turn(self, work: Callable[[], T]) -> T:
        """Each process's own work, one process after another: for what takes more memory than there is for all at once."""
        for turn in range(self.count):
            if turn == self.rank:
                result = work()
            if self.count > 1:
                dist.barrier()
        return result

    def follow(self, tensors: Iterable[torch.Tensor]) -> None:
        """Sets tensors as the leader has them."""
        if self.count > 1:
            for tensor in tensors:
                dist.broadcast(tensor, src=0)

    def close(self) -> None:
        """Leaves the others in peace."""
        if self.count > 1 and dist.is_initialized():
            dist.destroy_process_group()
