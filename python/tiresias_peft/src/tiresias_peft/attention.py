"""Attention over rows that lie end to end, each seeing itself alone: a block-diagonal causal mask that is never built.

Registered with transformers under the name `tiresias`, so that every architecture whose attention goes through its interface
computes this. The caller hands `segments` to the model, which transformers passes down to each layer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from .errors import BackendError

NAME = "tiresias"

KeysValues = tuple[torch.Tensor, torch.Tensor]
"""Of one layer: `1 × key heads × tokens × width` each."""


@dataclass
class Segment:
    """The new tokens of one row. A row that goes on brings what its earlier tokens left, and gets its own added."""

    length: int
    past: int = 0
    cache: dict[int, KeysValues] | None = None
    """By layer; `None` in training, where nothing is kept."""
    grown: dict[int, KeysValues] = field(default_factory=dict)
    """The cache after this pass, by layer."""


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float,
    dropout: float = 0.0,
    segments: list[Segment] | None = None,
    sliding_window: int | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """transformers' attention function: `1 × heads × tokens × width` in, `1 × tokens × heads × width` out."""
    unknown = [name for name in ("softcap", "s_aux", "position_bias") if others.get(name) is not None]
    if unknown or attention_mask is not None or segments is None:
        what = f"attention with `{unknown[0]}`" if unknown else "an attention mask of its own"
        raise BackendError("BASE_MODEL", f"this base model needs {what}, which is not computed here; name another model")
    settings = _Settings(scaling, dropout, sliding_window, query.shape[1] != key.shape[1])
    if all(segment.cache is None for segment in segments):
        if query.is_cuda and _varlen_works(query.dtype, query.shape[-1], settings.grouped):
            return _varlen(query, key, value, segments, settings), None
        return _in_runs(query, key, value, segments, settings), None
    return _with_caches(module, query, key, value, segments, settings), None


@dataclass(frozen=True)
class _Settings:
    scale: float
    dropout: float
    window: int | None
    grouped: bool


def _sdpa(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, settings: _Settings) -> torch.Tensor:
    new, total = query.shape[2], key.shape[2]
    mask = None
    window = total if settings.window is None else settings.window
    if window < total or 1 < new < total:
        ahead = torch.arange(total - new, total, device=query.device)[:, None] - torch.arange(total, device=query.device)
        mask = ahead >= 0
        if window < total:
            mask &= ahead < window
    return scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=mask,
        dropout_p=settings.dropout,
        is_causal=mask is None and new == total,
        scale=settings.scale,
        enable_gqa=settings.grouped,
    )


def _in_runs(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, segments: list[Segment], settings: _Settings
) -> torch.Tensor:
    """Neighbouring rows of one length are one batch."""
    out, start = [], 0
    for length, run in groupby(segments, key=lambda s: s.length):
        count = len(list(run))
        stop = start + count * length

        def cut(x: torch.Tensor, start: int = start, stop: int = stop, count: int = count) -> torch.Tensor:
            return x[0, :, start:stop].unflatten(1, (count, -1)).transpose(0, 1)

        attended = _sdpa(cut(query), cut(key), cut(value), settings)
        out.append(attended.transpose(1, 2).flatten(0, 1))
        start = stop
    return torch.cat(out)[None]


def _with_caches(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    segments: list[Segment],
    settings: _Settings,
) -> torch.Tensor:
    """Rows with as many old and new tokens as each other are one batch."""
    layer: int = module.layer_idx  # type: ignore[assignment]
    starts: dict[tuple[int, int], list[tuple[int, Segment]]] = {}
    at = 0
    for segment in segments:
        span = slice(at, at + segment.length)
        keys, values = key[:, :, span], value[:, :, span]
        if segment.past:
            assert segment.cache is not None
            old_keys, old_values = segment.cache[layer]
            keys, values = torch.cat([old_keys, keys], 2), torch.cat([old_values, values], 2)
        else:
            # Of its own, or it would keep the keys of all other rows alive.
            keys, values = keys.clone(), values.clone()
        segment.grown[layer] = (keys, values)
        starts.setdefault((segment.past, segment.length), []).append((at, segment))
        at += segment.length
    out = query.new_empty(query.shape[2], query.shape[1], query.shape[3])
    for (_, length), rows in starts.items():
        queries = torch.cat([query[:, :, at : at + length] for at, _ in rows])
        keys = torch.cat([segment.grown[layer][0] for _, segment in rows])
        values = torch.cat([segment.grown[layer][1] for _, segment in rows])
        attended = _sdpa(queries, keys, values, settings).transpose(1, 2)
        for (at, _), row in zip(rows, attended, strict=True):
            out[at : at + length] = row
    return out[None]


def _varlen(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, segments: list[Segment], settings: _Settings
) -> torch.Tensor:
    """All rows in one call of the kernel for rows of many lengths."""
    from torch.nn.attention.varlen import varlen_attn

    lengths = [segment.length for segment in segments]
    ends = torch.tensor([0, *_ends(lengths)], dtype=torch.int32, device=query.device)
    q, k, v = (x[0].transpose(0, 1).contiguous() for x in (query, key, value))
    window = (-1 if settings.window is None else settings.window - 1, 0)
    longest = max(lengths)
    out = varlen_attn(q, k, v, ends, ends, longest, longest, scale=settings.scale, window_size=window, enable_gqa=settings.grouped)
    assert isinstance(out, torch.Tensor)
    return out[None]


def _ends(lengths: list[int]) -> Iterator[int]:
    end = 0
    for length in lengths:
        end += length
        yield end


@lru_cache
def _varlen_works(dtype: torch.dtype, width: int, grouped: bool) -> bool:
    """Whether this torch and this card have that kernel, and it agrees with the other way on a small case."""
    if dtype not in (torch.bfloat16, torch.float16):
        return False
    try:
        generator = torch.Generator("cuda").manual_seed(0)
        heads, segments = (4, 2 if grouped else 4), [Segment(5), Segment(19), Segment(19)]

        def draw(n: int) -> torch.Tensor:
            return torch.randn(1, n, 43, width, dtype=dtype, device="cuda", generator=generator)

        q, k, v = draw(heads[0]), draw(heads[1]), draw(heads[1])
        settings = _Settings(width**-0.5, 0.0, None, grouped)
        with torch.no_grad():
            difference = _varlen(q, k, v, segments, settings) - _in_runs(q, k, v, segments, settings)
        return difference.abs().max().item() < 0.05
    except (ImportError, RuntimeError, TypeError, NotImplementedError):
        return False


AttentionInterface.register(NAME, attend)
