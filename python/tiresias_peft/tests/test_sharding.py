"""What a process keeps of a base in shards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import support
import torch
import torch.distributed as dist
from torch.distributed.tensor import DTensor
from torch.testing._internal.distributed.fake_pg import FakeStore

from tiresias_peft import bases, hardware, sharding
from tiresias_peft.adapters import Adapters
from tiresias_peft.config import BaseConfig, LoraSettings
from tiresias_peft.team import Team


@pytest.fixture
def four() -> Iterator[Team]:
    """The first of four processes whose others do not exist; nothing may be gathered."""
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=4)
    yield Team(hardware.Processes(0, 4, 0), support.CPU)
    dist.destroy_process_group()


@pytest.mark.parametrize("arithmetic", ["f32", "nf4"])
def test_a_process_keeps_its_part_of_the_layers_alone(four: Team, folder: Path, arithmetic: str) -> None:
    if arithmetic == "nf4":
        pytest.importorskip("bitsandbytes")
    about = bases.about(BaseConfig(folder, None))
    model = bases.load(about, arithmetic, None)
    adapters = Adapters(model, LoraSettings(4, 8, ("q_proj", "down_proj")))
    sharding.shard(model, sharding.mesh(four, support.CPU), support.CPU)
    frozen = {name: weight for name, weight in adapters.model.named_parameters() if not weight.requires_grad}
    kept = {name: weight for name, weight in frozen.items() if isinstance(weight, DTensor)}
    assert {name for name in frozen if ".layers." in name} == set(kept)
    for weight in kept.values():
        assert weight.to_local().numel() * 4 == weight.numel()
    # A 4-bit matrix is half a byte a weight before it is cut.
    linear = {name: weight for name, weight in kept.items() if "proj" in name}
    bytes_a_weight = 0.5 if arithmetic == "nf4" else 4
    own = sum(weight.to_local().untyped_storage().nbytes() for weight in linear.values())
    shape = 2 * (2 * 64 * (64 + 32) + 3 * 64 * 128)
    assert own == shape * bytes_a_weight / 4
    assert all(not isinstance(weight, DTensor) and weight.device == support.CPU for weight in adapters.tensors.values())
    assert all(torch.isfinite(weight).all() for weight in adapters.tensors.values())
