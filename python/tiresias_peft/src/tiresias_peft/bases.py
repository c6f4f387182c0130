"""Base models: a GGUF file, or a folder with config.json and *.safetensors as transformers writes it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM

from . import attention
from .config import Arithmetic, BaseConfig
from .errors import BackendError, at
from .files import sha256, sha256_file
from .gguf_base import GgufBase

ARCHITECTURES = ("llama", "mistral", "qwen2", "qwen3", "smollm3", "gemma3_text")
"""Of safetensors folders: those whose attention goes through transformers' interface with nothing that `attention.py` lacks."""


@dataclass(frozen=True)
class About:
    """What a base says of itself before its weights are read."""

    path: Path
    sha256: str
    name: str
    quantization: str
    parameters: int
    config: Any
    """transformers' configuration."""
    gguf: GgufBase | None = None
    """The opened file, if it is one."""

    @property
    def vocabulary(self) -> int:
        return self.config.vocab_size

    @property
    def context(self) -> int:
        return self.config.max_position_embeddings


def load(about: About, arithmetic: Arithmetic, device: torch.device | None) -> Any:
    """The base's model, frozen, on the device; without one in main memory, not quantised yet. Linear maps are NF4 if wanted; everything
    else of the model then is bf16."""
    dtype = torch.float32 if arithmetic == "f32" else torch.bfloat16
    try:
        model: Any = about.gguf.load(dtype) if about.gguf else _load_folder(about.path, about.config, dtype)
    except ValueError as error:
        raise at("BASE_MODEL", about.path, str(error)) from error
    model.requires_grad_(False)
    model.set_attn_implementation(attention.NAME)
    if arithmetic == "nf4":
        _to_nf4(model)
    return model if device is None else model.to(device)


def about(base: BaseConfig, weights: bool = True) -> About:
    """Reads and checks what comes before the weights, and the hash of all. Without `weights` a folder may lack them: what a training
    would take can be said before they are fetched."""
    path = base.path
    try:
        found = folder_sha256(path) if path.is_dir() else sha256_file(path)
    except OSError as error:
        raise at(
            "BASE_MODEL", path, f"cannot read the base model: {error.strerror}; fetch it again, or mend `base.path`"
        ) from error
    if base.sha256 is not None and base.sha256 != found:
        raise at("BASE_MODEL", path, f"has SHA-256 {found}, not the configured {base.sha256}; fetch it again or mend `base.sha256`")
    try:
        if path.is_dir():
            return _about_folder(path, found, weights)
        gguf = GgufBase(path)
    except ValueError as error:
        raise at("BASE_MODEL", path, str(error)) from error
    return About(path, found, gguf.name, gguf.quantization, gguf.parameters, gguf.config, gguf)


def folder_sha256(path: Path) -> str:
    """The hash of a safetensors folder: that of what `sha256sum` prints for config.json and every *.safetensors, in the byte order
    of their names."""
    names = sorted(name for name in os.listdir(path) if name == "config.json" or name.endswith(".safetensors"))
    return sha256("".join(f"{sha256_file(path / name)}  {name}\n" for name in names).encode())


def _about_folder(path: Path, digest: str, weights: bool) -> About:
    files = sorted(path.glob("*.safetensors"))
    if (weights and not files) or not (path / "config.json").is_file():
        raise ValueError("is a folder without config.json and *.safetensors; name a folder that has them, or a .gguf file")
    try:
        config = AutoConfig.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        raise ValueError(f"`config.json` cannot be read: {error}; fetch the folder again") from error
    if config.model_type not in ARCHITECTURES:
        raise ValueError(
            f"unsupported architecture `{config.model_type}` (supported: {', '.join(ARCHITECTURES)}); name another model"
        )
    if getattr(config, "quantization_config", None):
        raise ValueError("is quantised already; name the folder of the unquantised model, and set `arithmetic`")
    if not files:
        with torch.device("meta"):
            named = AutoModelForCausalLM.from_config(config).parameters()
        return About(path, digest, path.resolve().name, "F32", sum(weight.numel() for weight in named), config)
    parameters, dtype = 0, "F32"
    for file in files:
        for tensor in _header(file).values():
            count = 1
            for n in tensor["shape"]:
                count *= n
            parameters += count
            dtype = tensor["dtype"]
    return About(path, digest, path.resolve().name, dtype, parameters, config)


def _header(file: Path) -> dict[str, Any]:
    """The tensors of a safetensors file, without their data."""
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if length > 100_000_000:
            raise ValueError(f"`{file.name}` is not a safetensors file; fetch it again")
        try:
            header = json.loads(opened.read(length))
            return {name: tensor for name, tensor in header.items() if name != "__metadata__"}
        except (ValueError, AttributeError) as error:
            raise ValueError(f"`{file.name}` is not a safetensors file: {error}; fetch it again") from error


def _load_folder(path: Path, config: Any, dtype: torch.dtype) -> Any:
    # With output_loading_info it gives a pair, which its type does not say.
    loader: Any = AutoModelForCausalLM
    try:
        model, told = loader.from_pretrained(
            path,
            config=config,
            dtype=dtype,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            # Not to be ignored, but to be told which below.
            ignore_mismatched_sizes=True,
        )
    except Exception as error:  # a hostile file may raise anything
        raise ValueError(f"the weights cannot be read: {error}; fetch the folder again") from error
    # transformers itself only warns of these, and fills what is missing with random numbers.
    for key, what in (
        ("missing_keys", "lacks"),
        ("unexpected_keys", "has, against its config.json,"),
        ("mismatched_keys", "has in another shape"),
    ):
        if names := sorted(str(name) for name in told.get(key) or ()):
            raise ValueError(f"{what} {len(names)} tensors: {', '.join(names[:8])}; fetch the folder again")
    return model


def _to_nf4(model: Any) -> None:
    """Every linear map but the head as 4-bit NormalFloat with double quantisation, computed in bf16 (Dettmers et al. 2023).
    bitsandbytes quantises when the weights move to the device."""
    try:
        import bitsandbytes
    except ImportError:
        raise BackendError(
            "CONFIG",
            "`arithmetic` nf4 needs the package bitsandbytes; install requirements-cuda.txt, or set `arithmetic` to bf16 or f32",
        ) from None
    for name, linear in list(model.named_modules()):
        if type(linear) is not torch.nn.Linear or linear is model.get_output_embeddings():
            continue
        new = bitsandbytes.nn.Linear4bit(
            linear.in_features, linear.out_features, linear.bias is not None, torch.bfloat16, True, "nf4", device="meta"
        )
        new.weight = bitsandbytes.nn.Params4bit(
            linear.weight.data, requires_grad=False, compress_statistics=True, quant_type="nf4", module=new
        )
        new.bias = linear.bias
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, new)
    # peft asks this before it wraps 4-bit maps.
    model.is_loaded_in_4bit = True


transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
