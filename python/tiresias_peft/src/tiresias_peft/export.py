"""Adapters for other programs: merged into their base, or as GGUF."""

from __future__ import annotations

import shutil
from pathlib import Path

import gguf
import numpy as np
import torch

from . import adapters, bases, files
from .adapters import _KEY
from .config import BaseConfig
from .errors import at, io_error
from .gguf_base import MODULES, permuted, unpermuted


def merge(base: Path, adapter: Path, output: Path, dtype: str) -> None:
    """Writes base and adapter as one folder that transformers loads; the tokenizer's files come along if the base has them."""
    _must_be_new(output)
    about = bases.about(BaseConfig(base, None))
    model = bases.load(about, "f32", torch.device("cpu"))
    merged = adapters.load(adapter, about, model).model.merge_and_unload()
    merged.to(torch.float32 if dtype == "f32" else torch.bfloat16)
    temporary = output.with_name(f".{output.name}.tmp")
    files.remove_folder(temporary)
    try:
        merged.save_pretrained(temporary, safe_serialization=True)
        if base.is_dir():
            for path in base.iterdir():
                if "token" in path.name or path.name in ("vocab.json", "merges.txt"):
                    shutil.copy(path, temporary)
        temporary.rename(output)
    except OSError as error:
        raise io_error("write the folder", output, error) from error


def export_gguf(base: Path, adapter: Path, output: Path) -> None:
    """Writes an adapter of a llama as GGUF, in f32, for llama.cpp's `--lora`. The adapter must belong to the base."""
    _must_be_new(output)
    about = bases.about(BaseConfig(base, None))
    if about.config.model_type != "llama":
        raise at("BASE_MODEL", base, f"is a {about.config.model_type}; only adapters of a llama can be written as GGUF")
    loaded = adapters.load(adapter, about, bases.load(about, "f32", torch.device("cpu")))
    temporary = output.with_name(f".{output.name}.tmp")
    try:
        writer = gguf.GGUFWriter(temporary, "llama")
        writer.add_type("adapter")
        writer.add_string("adapter.type", "lora")
        writer.add_float32("adapter.lora.alpha", loaded.settings.alpha)
        for name, weight in loaded.tensors.items():
            layer, module, which = _KEY.fullmatch(name).groups()  # type: ignore[union-attr]
            rows = weight.detach().cpu().float().numpy()
            # Only B has rows that stand for outputs.
            if which == "B" and (heads := _heads(about, module)):
                rows = permuted(rows, heads)
            writer.add_tensor(f"blk.{layer}.{_gguf_name(module)}.weight.lora_{which.lower()}", np.ascontiguousarray(rows))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        temporary.replace(output)
    except OSError as error:
        raise io_error("write", output, error) from error


def read_gguf(path: Path, about: bases.About) -> tuple[float, dict[str, np.ndarray]]:
    """Alpha and the tensors of such a file, under PEFT's names and in its order of rows."""
    reader = gguf.GGUFReader(path)
    modules = {short: long for long, short in MODULES.items()}
    out = {}
    for tensor in reader.tensors:
        _, layer, short, _, which = tensor.name.split(".")
        rows = np.array(tensor.data, dtype=np.float32)
        module = modules[short].rpartition(".")[2]
        if which == "lora_b" and (heads := _heads(about, module)):
            rows = unpermuted(rows, heads)
        out[f"base_model.model.model.layers.{layer}.{modules[short]}.lora_{which[-1].upper()}.weight"] = rows
    alpha = reader.fields["adapter.lora.alpha"].contents()
    return float(alpha), out


def _gguf_name(module: str) -> str:
    return next(short for long, short in MODULES.items() if long.endswith(module))


def _heads(about: bases.About, module: str) -> int | None:
    """As many heads as the outputs of q or k have; `None` for other modules."""
    return {"q_proj": about.config.num_attention_heads, "k_proj": about.config.num_key_value_heads}.get(module)


def _must_be_new(output: Path) -> None:
    if output.exists():
        raise at("IO", output, "exists already; name another output, or remove it")
