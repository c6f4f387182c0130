"""Low-rank adapters: made from a seed, put on a base by peft, kept as PEFT folders that name their base and hold their hashes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from peft import LoraConfig, PeftModel, get_peft_model

from . import files
from .bases import About
from .config import MODULES, LoraSettings
from .errors import at, io_error
from .rng import Rng

CONFIG = "adapter_config.json"
MODEL = "adapter_model.safetensors"
ABOUT = "tiresias.json"

_KEY = re.compile(r"base_model\.model\.model\.layers\.(\d+)\.(?:self_attn|mlp)\.(\w+)\.lora_([AB])\.weight")


class Adapters:
    """A base with adapters: peft's model, and its trainable tensors by the names that a PEFT folder has for them."""

    def __init__(self, model: Any, settings: LoraSettings) -> None:
        """Puts adapters, all zero, on the model."""
        present = {name.rpartition(".")[2] for name, _ in model.named_modules()}
        if missing := [target for target in settings.targets if target not in present]:
            raise ValueError(f"the base model has no module {', '.join(missing)}; take it out of the adapter's targets")
        alpha: Any = settings.alpha
        lora = LoraConfig(
            task_type="CAUSAL_LM",
            r=settings.r,
            lora_alpha=alpha,
            lora_dropout=0.0,
            target_modules=list(settings.targets),
            bias="none",
        )
        self.settings = settings
        self.model: PeftModel = get_peft_model(model, lora)
        found = {name.replace(".default.", "."): weight for name, weight in self.model.named_parameters() if weight.requires_grad}
        for name in found:
            if not _KEY.fullmatch(name):
                raise ValueError(f"cannot adapt `{name}`; name another model")
        self.tensors: dict[str, torch.nn.Parameter] = {name: found[name] for name in sorted(found, key=_order)}

    def initialise(self, seed: int) -> None:
        """PEFT's own initial values: A Kaiming-uniform with a = √5, that is, uniform within ±1/√inputs; B zero. The draws are the
        candle backend's."""
        values = {}
        for name, weight in self.tensors.items():
            layer, module, which = _parts(name)
            if which == "B":
                values[name] = torch.zeros(weight.shape)
                continue
            bound = np.float32(1) / np.sqrt(np.float32(weight.shape[1]))
            draws = Rng([seed, 1, layer, module]).uniform(weight.numel(), bound)
            values[name] = torch.from_numpy(draws).view(weight.shape)
        self.put(values)

    def put(self, values: Mapping[str, torch.Tensor]) -> None:
        """Sets every tensor. Raises ValueError unless names and shapes are exactly those that are needed: peft itself passes over
        unknown names in silence, and the adapter then does nothing."""
        lacking, surplus = sorted(set(self.tensors) - set(values)), sorted(set(values) - set(self.tensors))
        if lacking:
            raise ValueError(f"lacks {len(lacking)} tensors that the base and `{CONFIG}` call for: {_listed(lacking)}")
        if surplus:
            raise ValueError(f"has {len(surplus)} tensors that the base and `{CONFIG}` do not call for: {_listed(surplus)}")
        for name, weight in self.tensors.items():
            if values[name].shape != weight.shape:
                raise ValueError(f"tensor `{name}` is {list(values[name].shape)}, but must be {list(weight.shape)}")
        with torch.no_grad():
            for name, weight in self.tensors.items():
                weight.copy_(values[name])

    def files(self, base_name: str) -> dict[str, bytes]:
        """Settings and tensors as a PEFT folder holds them."""
        alpha = self.settings.alpha
        config = {
            "auto_mapping": None,
            "base_model_name_or_path": base_name,
            "bias": "none",
            "fan_in_fan_out": False,
            "inference_mode": True,
            "init_lora_weights": True,
            "lora_alpha": int(alpha) if alpha == int(alpha) else alpha,
            "lora_dropout": 0.0,
            "modules_to_save": None,
            "peft_type": "LORA",
            "r": self.settings.r,
            "revision": None,
            "target_modules": list(self.settings.targets),
            "task_type": "CAUSAL_LM",
            "use_dora": False,
            "use_rslora": False,
        }
        tensors = {name: weight.detach().to("cpu", torch.float32).contiguous() for name, weight in self.tensors.items()}
        text = json.dumps(config, indent=2) + "\n"
        return {CONFIG: text.encode(), MODEL: safetensors.torch.save(tensors, metadata={"format": "pt"})}

    def parameters(self) -> int:
        """How many numbers are trained."""
        return sum(weight.numel() for weight in self.tensors.values())


def _parts(name: str) -> tuple[int, int, str]:
    match = _KEY.fullmatch(name)
    assert match is not None
    return int(match[1]), MODULES.index(match[2]), match[3]


def _order(name: str) -> tuple[int, int, str]:
    """By layer, then by module in the order of use, A before B: candle's order."""
    return _parts(name)


def _listed(names: list[str]) -> str:
    more = f", and {len(names) - 12} more" if len(names) > 12 else ""
    return ", ".join(f"`{name}`" for name in names[:12]) + more


def about_file(made_from: dict[str, Any], contents: Mapping[str, bytes]) -> bytes:
    """`tiresias.json`: what made the folder and the hash of each of its files, sealed."""
    return files.seal({**made_from, "files": {name: files.sha256(data) for name, data in contents.items()}})


def load(folder: Path, base: About, model: Any) -> Adapters:
    """Puts the adapters of a PEFT folder, this program's or another's, on the model. One that says what it was trained on must be
    unchanged and meet that base."""
    settings, tensors = read(folder, base)
    try:
        adapters = Adapters(model, settings)
    except ValueError as error:
        raise at("ADAPTER", folder / CONFIG, str(error)) from error
    try:
        adapters.put(tensors)
    except ValueError as error:
        raise at("ADAPTER", folder / MODEL, f"{error}; name the base model that it was trained on, or train again") from error
    return adapters


def read(folder: Path, base: About | None) -> tuple[LoraSettings, dict[str, torch.Tensor]]:
    """The settings and tensors of a PEFT folder, held against what it says of itself and, if given, against the base."""
    contents = {}
    for name in (CONFIG, MODEL):
        try:
            contents[name] = (folder / name).read_bytes()
        except OSError as error:
            raise io_error("read the adapter", folder / name, error) from error
    _check(folder, base, contents)
    try:
        settings = _settings(json.loads(contents[CONFIG]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise at("ADAPTER", folder / CONFIG, f"{error}; train the adapter without it, or again") from error
    try:
        tensors = safetensors.torch.load(contents[MODEL])
    except Exception as error:
        raise at("ADAPTER", folder / MODEL, f"not readable: {error}; train again") from error
    return settings, tensors


def _check(folder: Path, base: About | None, contents: Mapping[str, bytes]) -> None:
    path = folder / ABOUT
    data = files.read_if_present(path)
    if data is None:
        return
    meant = f"train again, or remove `{ABOUT}` if the change was meant"
    try:
        about = files.unseal(data)
    except ValueError as error:
        raise at("ADAPTER", path, f"{error}; {meant}") from error
    for name, content in contents.items():
        if about.get("files", {}).get(name) != files.sha256(content):
            raise at("ADAPTER", folder / name, f"is damaged: its SHA-256 is not the one in `{ABOUT}`; {meant}")
    made_for = about.get("base") or {}
    if base is not None and made_for.get("sha256") != base.sha256:
        raise at(
            "ADAPTER",
            path,
            f"the adapter was trained on the base model with SHA-256 {made_for.get('sha256', 'unknown')}, not {base.sha256}; "
            "name that model, or train again",
        )
    if made_for.get("random_weights") is not None:
        raise at(
            "ADAPTER",
            path,
            f"the adapter was trained on random weights {made_for['random_weights']} of this model, which the peft backend does not "
            "have; use the candle backend",
        )


def _settings(config: dict[str, Any]) -> LoraSettings:
    unsupported = {
        "peft_type": config["peft_type"] != "LORA",
        "bias": config.get("bias", "none") != "none",
        "r": not isinstance(config["r"], int) or config["r"] < 1,
        "target_modules": not isinstance(config["target_modules"], list) or not set(config["target_modules"]) <= set(MODULES),
    }
    for field in ("use_dora", "fan_in_fan_out", "modules_to_save", "layers_to_transform", "rank_pattern", "alpha_pattern"):
        unsupported[field] = bool(config.get(field))
    for field, wrong in unsupported.items():
        if wrong:
            raise ValueError(f"this value of `{field}` is not supported: {json.dumps(config.get(field))}")
    r, alpha = config["r"], float(config["lora_alpha"])
    if config.get("use_rslora"):
        # Scaled by alpha / √r instead of alpha / r.
        alpha *= r**0.5
    return LoraSettings(r, alpha, tuple(m for m in MODULES if m in config["target_modules"]))
