"""Configurations of both modes. Unknown fields are refused, and every message names its field."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from . import CONTRACT
from .errors import at

Arithmetic = Literal["f32", "bf16", "nf4"]
ARITHMETICS = ("f32", "bf16", "nf4")
MODULES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""The linear maps of a layer that can get adapters, in the order of their use."""


@dataclass(frozen=True)
class BaseConfig:
    """The base model: a GGUF file, or a folder with config.json and *.safetensors."""

    path: Path
    sha256: str | None


@dataclass(frozen=True)
class DataConfig:
    """One dataset file: `.parquet`, `.jsonl` or `.json`."""

    path: Path
    sha256: str | None


@dataclass(frozen=True)
class LoraSettings:
    """Low-rank adapters: the product B·A is scaled by `alpha / r`."""

    r: int
    alpha: float
    targets: tuple[str, ...]


@dataclass(frozen=True)
class OptimizerConfig:
    """AdamW with warm-up, a schedule and clipping."""

    lr: float
    schedule: str
    warmup_steps: int
    beta1: float
    beta2: float
    eps: float
    weight_decay: float
    max_grad_norm: float


@dataclass(frozen=True)
class TrainConfig:
    """The `train` mode."""

    base: BaseConfig
    data: tuple[DataConfig, ...]
    output: Path
    lora: LoraSettings
    optimizer: OptimizerConfig
    steps: int
    batch_size: int
    seed: int
    threads: int
    checkpoint_every: int
    gradient_checkpointing: bool
    arithmetic: Arithmetic | None
    token_budget: int | None
    accumulate: int
    shard_base: bool
    raw: dict[str, Any]
    """The object as it stood in the file."""


@dataclass(frozen=True)
class DecideConfig:
    """The `decide` mode."""

    base: BaseConfig
    adapter: Path | None
    threads: int
    arithmetic: Arithmetic | None


class _Fault(Exception):
    pass


class _Object:
    """A JSON object whose fields are taken one by one; what is left at the end is refused."""

    def __init__(self, value: Any, name: str) -> None:
        if not isinstance(value, dict):
            raise _Fault(f"`{name}` must be an object, not {json.dumps(value)}" if name else "must hold a JSON object")
        self._fields, self._prefix = dict(value), f"{name}." if name else ""

    def __contains__(self, field: str) -> bool:
        return self._fields.get(field) is not None

    def take(self, field: str, check: Callable[[Any], bool], must: str, default: Any = ...) -> Any:
        value = self._fields.pop(field, None)
        if value is None:
            if default is ...:
                raise _Fault(f"`{self._prefix}{field}` is missing; it {must}")
            return default
        if not check(value):
            raise _Fault(f"`{self._prefix}{field}` {must}, not {json.dumps(value)}")
        return value

    def whole(self, field: str, low: int, high: int, default: Any = ...) -> Any:
        must = f"must be a whole number in {low}..={high}"
        return self.take(field, lambda x: isinstance(x, int) and not isinstance(x, bool) and low <= x <= high, must, default)

    def real(self, field: str, check: Callable[[float], bool], must: str) -> float:
        return float(self.take(field, lambda x: _is_number(x) and check(x), must))

    def text(self, field: str, default: Any = ...) -> Any:
        return self.take(field, lambda x: isinstance(x, str) and x != "", "must be a text", default)

    def hash(self, field: str) -> str | None:
        def check(x: Any) -> bool:
            return isinstance(x, str) and len(x) == 64 and all(c in "0123456789abcdefABCDEF" for c in x)

        value = self.take(field, check, "must be 64 hexadecimal digits", None)
        return value and value.lower()

    def choice(self, field: str, choices: tuple[str, ...], default: Any = ...) -> Any:
        return self.take(field, lambda x: x in choices, f"must be one of {', '.join(choices)}", default)

    def items(self, field: str) -> list[Any]:
        return self.take(field, lambda x: isinstance(x, list) and len(x) > 0, "must be a list that is not empty")

    def object(self, field: str) -> _Object:
        return _Object(self.take(field, lambda x: isinstance(x, dict), "must be an object"), self._prefix + field)

    def end(self) -> None:
        for field in self._fields:
            raise _Fault(f"`{self._prefix}{field}` is not a field of this contract; remove it")


def _is_number(x: Any) -> bool:
    return isinstance(x, (int, float)) and not isinstance(x, bool) and math.isfinite(x)


def _common(fields: _Object) -> None:
    fields.take("contract", lambda x: x == CONTRACT, f"must be {CONTRACT} for this program: update the older side")
    fields.take("backend", lambda x: x == "peft", "must be `peft` for this program")
    for other, what in (("architecture", "trains a network from nothing"), ("model", "reads a network trained from nothing")):
        if other in fields:
            raise _Fault(f"`{other}`: the peft backend knows adapters over a `base` alone; the candle backend {what}")


def _base(fields: _Object) -> BaseConfig:
    base = fields.object("base")
    if "random_weights" in base:
        raise _Fault("`base.random_weights`: the peft backend has no random bases; use the candle backend for them")
    config = BaseConfig(Path(base.text("path")), base.hash("sha256"))
    base.end()
    return config


def _data(fields: _Object) -> tuple[DataConfig, ...]:
    files = []
    for i, value in enumerate(fields.items("data")):
        file = _Object(value, f"data[{i}]")
        files.append(DataConfig(Path(file.text("path")), file.hash("sha256")))
        file.end()
    return tuple(files)


def _lora(fields: _Object) -> LoraSettings:
    lora = fields.object("lora")
    r = lora.whole("r", 1, 4096)
    alpha = lora.real("alpha", lambda x: x > 0, "must be positive")
    targets = lora.items("targets")
    for target in targets:
        if target not in MODULES:
            raise _Fault(f"`lora.targets` must name some of {', '.join(MODULES)}, not {json.dumps(target)}")
    lora.end()
    return LoraSettings(r, alpha, tuple(m for m in MODULES if m in targets))


def _optimizer(fields: _Object) -> OptimizerConfig:
    o = fields.object("optimizer")
    config = OptimizerConfig(
        lr=o.real("lr", lambda x: x > 0, "must be positive"),
        schedule=o.choice("schedule", ("constant", "linear", "cosine")),
        warmup_steps=o.whole("warmup_steps", 0, 2**63),
        beta1=o.real("beta1", lambda x: 0 <= x < 1, "must be in [0, 1)"),
        beta2=o.real("beta2", lambda x: 0 <= x < 1, "must be in [0, 1)"),
        eps=o.real("eps", lambda x: x > 0, "must be positive"),
        weight_decay=o.real("weight_decay", lambda x: x >= 0, "must be 0 or positive"),
        max_grad_norm=o.real("max_grad_norm", lambda x: x >= 0, "must be positive, or 0 for no clipping"),
    )
    o.end()
    return config


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise at("CONFIG", path, f"cannot read the configuration: {error.strerror}") from error
    except ValueError as error:
        raise at("CONFIG", path, f"is not JSON: {error}") from error


def load_train(path: Path) -> TrainConfig:
    """Reads and checks the configuration of `train`."""
    raw = _read(path)
    try:
        fields = _Object(raw, "")
        _common(fields)
        config = TrainConfig(
            base=_base(fields),
            data=_data(fields),
            output=Path(fields.text("output")),
            lora=_lora(fields),
            optimizer=_optimizer(fields),
            steps=fields.whole("steps", 1, 2**63),
            batch_size=fields.whole("batch_size", 1, 2**31),
            seed=fields.whole("seed", 0, 2**64 - 1),
            threads=fields.whole("threads", 1, 1024),
            checkpoint_every=fields.whole("checkpoint_every", 1, 2**63),
            gradient_checkpointing=fields.take("gradient_checkpointing", lambda x: isinstance(x, bool), "must be true or false"),
            arithmetic=_arithmetic(fields),
            token_budget=fields.whole("token_budget", 1, 2**31, None),
            accumulate=fields.whole("accumulate", 1, 2**20, 1),
            shard_base=fields.take("shard_base", lambda x: isinstance(x, bool), "must be true or false", False),
            raw=raw,
        )
        fields.end()
    except _Fault as fault:
        raise at("CONFIG", path, str(fault)) from None
    return config


def _arithmetic(fields: _Object) -> Arithmetic | None:
    """What was chosen; none where that is left to the machine (`hardware.arithmetic`)."""
    chosen = fields.choice("arithmetic", (*ARITHMETICS, "auto"), "auto")
    return None if chosen == "auto" else chosen


def load_decide(path: Path) -> DecideConfig:
    """Reads and checks the configuration of `decide`."""
    raw = _read(path)
    try:
        fields = _Object(raw, "")
        _common(fields)
        base = _base(fields)
        adapter = fields.text("adapter", None)
        config = DecideConfig(
            base, adapter and Path(adapter), fields.whole("threads", 1, 1024), _arithmetic(fields)
        )
        fields.end()
    except _Fault as fault:
        raise at("CONFIG", path, str(fault)) from None
    return config
