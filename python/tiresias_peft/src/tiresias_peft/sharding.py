"""The frozen base in shards, one a process, so that N cards hold what one could not: FSDP over the layers (Zhao et al. 2023), which
with NF4 weights and adapters is called FSDP-QLoRA.

A layer's weights are gathered before it is computed, forward and backward, and dropped after. Adapters, embeddings, the last norm and
the head stay whole in every process: the first are what is trained, the others are needed whole for most of a step. So gradients,
moments and checkpoints are those of plain data parallelism, and so are the numbers, to the last bit. The scales of NF4 weights
(0.016 bytes a weight beside 0.5) stay whole too.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from .team import Team


def mesh(team: Team, device: torch.device) -> DeviceMesh:
    """All processes in a row. They must ask for it together."""
    return init_device_mesh(device.type, (team.count,))


def shard(model: Any, mesh: DeviceMesh, device: torch.device) -> None:
    """Leaves of every layer's frozen weights this process's part, on the device, and everything else there whole. Goes over one layer
    at a time, so that the device never holds the base; NF4 weights are quantised as they come to it."""
    for layer in decoder_layers(model):
        layer.to(device)
        trained = {weight for weight in layer.parameters() if weight.requires_grad}
        fully_shard(layer, mesh=mesh, reshard_after_forward=True, ignored_params=trained)
    model.to(device)
    # The layers' common root, with no weights of its own: through it the next layer is gathered while one is computed.
    rest = {weight for weight in model.parameters() if not isinstance(weight, DTensor)}
    fully_shard(model, mesh=mesh, ignored_params=rest)


def decoder_layers(model: Any) -> Any:
    """The layers of one of the supported architectures, or of peft's model over it."""
    return model.get_decoder().layers
