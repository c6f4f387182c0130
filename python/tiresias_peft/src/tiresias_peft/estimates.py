"""What a training would take, before it is begun: `train --dry-run`.

Memory, in bytes. With P the weights of the linear maps in the layers, E all others (embeddings, head, norms), T the trained
parameters, and e the bytes of an activation (4 in f32, else 2):

- weights: (P + E)·4 in f32, (P + E)·2 in bf16, P·0.516 + E·2 in NF4. A weight of NF4 has half a byte, and each 64 share a byte of
  scale, whose own scales are 4 bytes for 256 of them: 1/2 + 1/64 + 4/(64·256). With the base in shards of N processes a layer's P/L
  count 1/N, scales whole, and two layers more: the one that is computed, gathered, and the next, on its way.
- adapters: T·4. gradients: T·4. moments: T·8.
- activations, for n tokens in the largest pass: n·L·a, with a what one layer keeps for one token: the stream and both normed
  inputs, queries, keys and values, what attention gives, four rows of the feed-forward block, and the adapters' own:
  a = e·(4·hidden + 3·q + 2·kv + 4·ffn + 2·r·targets) + (0 in f32, else 8·hidden, as norms are taken in f32).
  With gradient checkpointing n·(L·e·hidden + a): the stream before each layer, and one layer at a time.
- logits, at the labelled positions alone, m of them: m·vocabulary·(8 + e): themselves, in f32, and their gradient.
- program: torch itself and what its allocator does not give back. On a CPU 1.9 GB, as measured over SmolLM2-135M (r = 16, a thousand
  tokens a pass: 4.28 GB in all against 4.12 here, with checkpointing 2.98 against 2.93). On a card 0.6 GB, which was not measured.

Time, from floating-point operations: a token costs 2·(P + T) forward, 2·(P + T) back through the activations, 2·T for the adapters'
gradients, with checkpointing 2·(P + T) again; attention of a row of n tokens 4·n²/2·q·L forward and twice that back; a labelled
position 4·vocabulary·hidden. The rate is that of a matrix product measured now, times the share of it that such a training attains:
0.5 on a CPU, 0.4 on a card, where it was not measured. What processes send each other is not counted.

`--card-tflops` asks for the estimate of a card that is not here: arithmetic and memory as on a card, with the rate of its bf16 matrix
product as its maker gives it (A100: 312, H100: 989).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch

from . import bases, data, hardware, packing
from .config import Arithmetic, TrainConfig
from .data import Dataset, Example
from .errors import BackendError
from .events import emit, say

SHARE = {"cpu": 0.5, "cuda": 0.4}
PROGRAM_BYTES = {"cpu": 1_900_000_000, "cuda": 600_000_000}
BATCHES = 50
"""Batches whose sizes are looked at."""


@dataclass(frozen=True)
class Shape:
    """The numbers of a base that memory and time depend on."""

    layers: int
    hidden: int
    q: int
    kv: int
    ffn: int
    vocabulary: int
    parameters: int

    @property
    def linear(self) -> int:
        """Weights of the linear maps in the layers."""
        return self.layers * (2 * self.hidden * (self.q + self.kv) + 3 * self.hidden * self.ffn)

    def trained(self, r: int, targets: tuple[str, ...]) -> int:
        """Parameters of the adapters."""
        width = {
            "q_proj": self.hidden + self.q,
            "k_proj": self.hidden + self.kv,
            "v_proj": self.hidden + self.kv,
            "o_proj": self.hidden + self.q,
        }
        return self.layers * r * sum(width.get(target, self.hidden + self.ffn) for target in targets)


def shape(about: bases.About) -> Shape:
    """From transformers' configuration."""
    c = about.config
    width = getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads
    q, kv = c.num_attention_heads * width, c.num_key_value_heads * width
    return Shape(c.num_hidden_layers, c.hidden_size, q, kv, c.intermediate_size, c.vocab_size, about.parameters)


def memory(
    shape: Shape, config: TrainConfig, arithmetic: Arithmetic, device: str, tokens: int, labels: int, processes: int = 1
) -> dict[str, int]:
    """Bytes in each process, by what they are for. `tokens` and `labels` are those of the largest pass."""
    e = 4 if arithmetic == "f32" else 2
    others = shape.parameters - shape.linear
    trained = shape.trained(config.lora.r, config.lora.targets)
    norms = 0 if arithmetic == "f32" else 8 * shape.hidden
    layer = (
        e * (4 * shape.hidden + 3 * shape.q + 2 * shape.kv + 4 * shape.ffn + 2 * config.lora.r * len(config.lora.targets)) + norms
    )
    kept = shape.layers * e * shape.hidden + layer if config.gradient_checkpointing else shape.layers * layer
    # Of a linear map's weight: what is sharded, and what stays whole.
    weight, scales = (0.5, 1 / 64 + 4 / (64 * 256)) if arithmetic == "nf4" else (e, 0)
    held = 1 / processes + 2 / shape.layers if config.shard_base and processes > 1 else 1
    parts = {
        "weights": shape.linear * (weight * min(held, 1) + scales) + others * e,
        "adapters": trained * 4,
        "gradients": trained * 4,
        "moments": trained * 8,
        "activations": tokens * kept,
        "logits": labels * shape.vocabulary * (8 + e),
        "program": PROGRAM_BYTES[device],
    }
    parts["total"] = sum(parts.values())
    return {name: round(value) for name, value in parts.items()}


def operations(shape: Shape, config: TrainConfig, examples: list[Example]) -> float:
    """Floating-point operations of a step over these rows."""
    trained = shape.trained(config.lora.r, config.lora.targets)
    again = 1.0 if config.gradient_checkpointing else 0.0
    per_token = 2 * (shape.linear + trained) * (2 + again) + 2 * trained
    total = 0.0
    for example in examples:
        n = len(example.ids)
        total += n * per_token + 2 * n * n * shape.q * shape.layers * (3 + again)
        total += 4 * len(example.targets()) * shape.vocabulary * shape.hidden
    return total


def rate(arithmetic: Arithmetic, device: torch.device) -> float:
    """Operations a second of a large matrix product here."""
    n = 512 if device.type == "cpu" else 8192
    a = torch.randn(n, n, device=device, dtype=torch.float32 if arithmetic == "f32" else torch.bfloat16)
    best, begun = float("inf"), time.perf_counter()
    while best == float("inf") or time.perf_counter() - begun < 0.3:
        started = time.perf_counter()
        a @ a
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - started)
    return 2 * n**3 / best


def estimate(
    config: TrainConfig,
    about: bases.About,
    dataset: Dataset,
    device: torch.device,
    processes: int = 1,
    card_tflops: float | None = None,
) -> dict[str, Any]:
    """The `estimate` line, for this device or for a card of so many TFLOP/s."""
    kind = "cuda" if card_tflops else device.type
    arithmetic = config.arithmetic or "nf4" if card_tflops else hardware.arithmetic(config.arithmetic, device)
    size = shape(about)
    batches = [
        [dataset.examples[i] for i in data.batch(len(dataset.examples), config.batch_size, config.seed, step)]
        for step in range(min(config.steps, BATCHES))
    ]
    passes = [part for batch in batches for part in packing.split(batch[::processes], config.token_budget, config.accumulate)]
    tokens = max(sum(len(e.ids) for e in part) for part in passes)
    labels = max(sum(len(e.targets()) for e in part) for part in passes)
    step_operations = sum(operations(size, config, batch) for batch in batches) / len(batches) / processes
    step_tokens = sum(len(e.ids) for batch in batches for e in batch) / len(batches)
    attained = (card_tflops * 1e12 if card_tflops else rate(arithmetic, device)) * SHARE[kind]
    seconds = step_operations / attained
    return {
        "event": "estimate",
        "arithmetic": arithmetic,
        "parameters": about.parameters,
        "trainable": size.trained(config.lora.r, config.lora.targets),
        "pass_tokens": tokens,
        "pass_labels": labels,
        "memory_bytes": memory(size, config, arithmetic, kind, tokens, labels, processes),
        "seconds_per_step": seconds,
        "seconds": seconds * config.steps,
        "tokens_per_second": step_tokens / seconds,
    }


def run(config: TrainConfig, device: torch.device, processes: int, card_tflops: float | None = None) -> None:
    """Prints it as JSON, and for people. Of a base in a folder config.json is enough."""
    torch.set_num_threads(config.threads)
    about = bases.about(config.base, weights=False)
    dataset = data.load(config.data, about.vocabulary, about.context)
    dataset.check_budget(config.token_budget)
    found = estimate(config, about, dataset, device, processes, card_tflops)
    free = None if card_tflops else hardware.free_bytes(device)
    if free is not None:
        found["free_bytes"] = free
    emit(found)
    say(
        f"{about.parameters:,} weights in {found['arithmetic']}, {found['trainable']:,} trained; up to {found['pass_tokens']:,} tokens a pass"
    )
    for name, value in found["memory_bytes"].items():
        say(f"  {name:<12}{value / 1e9:9.2f} GB")
    say(
        f"about {found['seconds_per_step']:.2f} s a step, {found['tokens_per_second']:,.0f} tokens a second, "
        f"{found['seconds'] / 60:,.1f} minutes in all"
    )
    if free is not None:
        enough = found["memory_bytes"]["total"] <= free
        say(f"there are {free / 1e9:.2f} GB free{'' if enough else ', too little: ' + LOWER}")


LOWER = "lower `token_budget` or raise `accumulate`, set `gradient_checkpointing`, or set `arithmetic` to nf4"


def check_memory(config: TrainConfig, about: bases.About, device: torch.device, processes: int) -> None:
    """Refuses a training that a card certainly has no room for: its weights, adapters and moments alone exceed what is free."""
    if device.type != "cuda":
        return
    free = hardware.free_bytes(device)
    parts = memory(shape(about), config, hardware.arithmetic(config.arithmetic, device), device.type, 0, 0, processes)
    if free is not None and parts["total"] > free:
        raise BackendError(
            "MEMORY",
            f"this training needs {parts['total'] / 1e9:.1f} GB before any token, but the card has {free / 1e9:.1f} GB free; {LOWER}",
        )
