"""The decider's request loop: a JSON line in, a JSON line out, in order."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import torch

from . import CONTRACT, adapters, bases, hardware
from .config import DecideConfig
from .decide import Decider
from .errors import Refusal
from .events import Event, emit

FIELDS = {"open": {"contexts", "candidates"}, "extend": {"sessions", "tokens"}, "close": {"sessions"}}


def decider(config: DecideConfig, device: torch.device) -> Decider:
    """The model that a configuration names, with its adapter."""
    torch.set_num_threads(config.threads)
    arithmetic = hardware.arithmetic(config.arithmetic, device)
    about = bases.about(config.base)
    model = bases.load(about, arithmetic, device)
    if config.adapter is not None:
        model = adapters.load(config.adapter, about, model).model
        # Merged, a decision costs no more than the base's. 4-bit weights would lose the adapter to rounding, and bf16 a part of it.
        if arithmetic == "f32":
            model = model.merge_and_unload()
    return Decider(model, about.vocabulary, about.context, device)


def run(config: DecideConfig, device: torch.device, lines: Iterable[bytes]) -> None:
    """Serves requests until the input ends."""
    serving = decider(config, device)
    emit(
        {
            "event": "ready",
            "contract": CONTRACT,
            "vocabulary": serving.vocabulary,
            "context": serving.context,
            "adapter": config.adapter is not None,
        }
    )
    for line in lines:
        if line.strip():
            emit(answer(serving, line))


def answer(decider: Decider, line: bytes) -> Event:
    """The reply to one request line."""
    request: Any = None
    try:
        try:
            request = json.loads(line.removeprefix(b"\xef\xbb\xbf"))
        except (ValueError, RecursionError) as error:
            raise Refusal("BAD_REQUEST", f"not JSON: {error}") from None
        checked = _checked(request)
        return {"id": checked["id"], **_serve(decider, checked)}
    except Refusal as refusal:
        id_ = request.get("id") if isinstance(request, dict) else None
        return {"id": id_, "error": {"code": refusal.code, "message": str(refusal)}}


def _checked(request: Any) -> dict[str, Any]:
    def fail(message: str) -> Refusal:
        return Refusal("BAD_REQUEST", f"not a request of this contract: {message}")

    if not isinstance(request, dict) or "id" not in request:
        raise fail("must be an object with `id` and `op`")
    op = request.get("op")
    if not isinstance(op, str) or op not in FIELDS:
        raise fail(f"`op` must be one of {', '.join(FIELDS)}, not {json.dumps(op)}")
    surplus = set(request) - FIELDS[op] - {"id", "op"}
    if surplus:
        raise fail(f"`{min(surplus)}` is not a field of `{op}`")
    for field in FIELDS[op]:
        value = request.get(field)
        if field in ("contexts", "tokens"):
            if not isinstance(value, list) or not all(_are_ids(row, 2**32) for row in value):
                raise fail(f"`{field}` must be a list of lists of token ids")
        elif not _are_ids(value, 2**64 if field == "sessions" else 2**32):
            raise fail(f"`{field}` must be a list of whole numbers from 0")
    return request


def _are_ids(value: Any, limit: int) -> bool:
    return isinstance(value, list) and all(type(x) is int and 0 <= x < limit for x in value)


def _serve(decider: Decider, request: dict[str, Any]) -> Event:
    if request["op"] == "open":
        sessions, logprobs = decider.open(request["contexts"], request["candidates"])
        return {"sessions": sessions, "logprobs": logprobs}
    if request["op"] == "extend":
        return {"logprobs": decider.extend(request["sessions"], request["tokens"])}
    return {"closed": decider.close(request["sessions"])}
