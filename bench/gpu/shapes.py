"""Llamas of known shapes with random weights, as folders of safetensors, and rows to train them on. Nothing is downloaded: how long a
step takes does not depend on what a model has learned."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

SHAPES: dict[str, dict[str, Any]] = {
    # For `--small`: what a CPU trains in seconds.
    "tiny": {
        "vocab_size": 512,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "tie_word_embeddings": True,
    },
    "smollm2-135m": {
        "vocab_size": 49152,
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "tie_word_embeddings": True,
    },
    "llama-2-7b": {
        "vocab_size": 32000,
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
        "tie_word_embeddings": False,
    },
}
BATCH, TOKENS = 8, 250


def write_base(folder: Path, shape: str) -> Path:
    """A folder that transformers loads, in bf16."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(**SHAPES[shape], max_position_embeddings=4096, rms_norm_eps=1e-5)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        # Billions of draws take minutes on a processor and moments on a card.
        with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
            model = LlamaForCausalLM(config)
    finally:
        torch.set_default_dtype(before)
    model.save_pretrained(folder)
    return folder


def write_rows(path: Path, vocabulary: int) -> Path:
    """One batch, so that every step of every program sees the same rows: a label at every tenth id, as few-shot decisions are."""
    draw = random.Random(0)
    lines = []
    for _ in range(BATCH):
        ids = [draw.randrange(vocabulary) for _ in range(TOKENS)]
        lines.append(json.dumps({"input_ids": ids, "labels": [token if i % 10 == 9 else -100 for i, token in enumerate(ids)]}))
    path.write_text("\n".join(lines) + "\n")
    return path
