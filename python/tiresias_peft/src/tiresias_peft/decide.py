"""The `decide` mode: many sessions, each with its keys and values kept, so that a decision costs only its new tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from .attention import KeysValues, Segment
from .errors import Refusal
from .prefixes import pieces

CHUNK_TOKENS = {"cpu": 2048, "cuda": 16384}
"""Tokens that go through the layers together: enough for the matrix products, and a bound on memory."""
CHUNK_HEADS = 128
"""Positions whose log-softmax over the vocabulary is computed together."""


@dataclass(frozen=True)
class Session:
    """One conversation with the model. Never changed: a request that fails half-way leaves it as it was."""

    length: int
    candidates: tuple[int, ...]
    cache: dict[int, KeysValues]


@dataclass(frozen=True)
class _Turn:
    """New tokens, after what a cache holds."""

    tokens: Sequence[int]
    past: int
    cache: dict[int, KeysValues]


class Decider:
    """The model and its open sessions."""

    def __init__(self, model: Any, vocabulary: int, context: int, device: torch.device) -> None:
        self._model, self.vocabulary, self.context, self._device = model.eval(), vocabulary, context, device
        self._sessions: dict[int, Session] = {}
        self._next = 0

    def open(self, contexts: list[list[int]], candidates: list[int]) -> tuple[list[int], list[list[float]]]:
        """Runs each context, a beginning that several share but once. Returns the new sessions' ids and, for each, log-probabilities
        of the candidates."""
        if not candidates:
            raise Refusal("BAD_REQUEST", "`candidates` must name at least one token id")
        self._check_ids("candidates", candidates)
        for i, context in enumerate(contexts):
            self._check_tokens(f"contexts[{i}]", context, 0)
        tree = pieces(contexts)
        caches: dict[int, dict[int, KeysValues]] = {}
        lengths: dict[int, int] = {}
        opened: dict[int, Session] = {}
        rows: dict[int, list[float]] = {}
        for wave in range(max((piece.wave for piece in tree), default=-1) + 1):
            members = [i for i, piece in enumerate(tree) if piece.wave == wave]
            turns = [
                _Turn(piece.tokens, 0, {})
                if piece.parent is None
                else _Turn(piece.tokens, lengths[piece.parent], caches[piece.parent])
                for piece in (tree[i] for i in members)
            ]
            wanted: list[Sequence[int]] = [() if tree[i].context is None else candidates for i in members]
            for i, turn, (cache, row) in zip(members, turns, self._run(turns, wanted), strict=True):
                caches[i], lengths[i] = cache, turn.past + len(turn.tokens)
                if (context_index := tree[i].context) is not None:
                    opened[context_index] = Session(lengths[i], tuple(candidates), cache)
                    rows[context_index] = row
        ids = list(range(self._next, self._next + len(contexts)))
        self._next += len(contexts)
        self._sessions.update(zip(ids, (opened[i] for i in range(len(contexts))), strict=True))
        return ids, [rows[i] for i in range(len(contexts))]

    def extend(self, ids: list[int], tokens: list[list[int]]) -> list[list[float]]:
        """Appends tokens to sessions and runs only those. Returns a row of log-probabilities for each."""
        if len(ids) != len(tokens):
            raise Refusal("BAD_REQUEST", f"{len(ids)} `sessions` but {len(tokens)} lists of `tokens`; they must be as many")
        self._check_sessions(ids)
        before = [self._sessions[i] for i in ids]
        for i, (session, new) in enumerate(zip(before, tokens, strict=True)):
            self._check_tokens(f"tokens[{i}]", new, session.length)
        turns = [_Turn(new, session.length, session.cache) for session, new in zip(before, tokens, strict=True)]
        results = list(self._run(turns, [session.candidates for session in before]))
        for i, session, new, (cache, _) in zip(ids, before, tokens, results, strict=True):
            self._sessions[i] = Session(session.length + len(new), session.candidates, cache)
        return [row for _, row in results]

    def close(self, ids: list[int]) -> int:
        """Forgets sessions; returns how many."""
        self._check_sessions(ids)
        for i in ids:
            del self._sessions[i]
        return len(ids)

    def _check_sessions(self, ids: list[int]) -> None:
        for n, i in enumerate(ids):
            if i not in self._sessions:
                raise Refusal("UNKNOWN_SESSION", f"session {i} is not open")
            if i in ids[:n]:
                raise Refusal("BAD_REQUEST", f"session {i} stands twice in one request")

    def _check_ids(self, what: str, ids: list[int]) -> None:
        for i in ids:
            if i >= self.vocabulary:
                raise Refusal("BAD_TOKEN", f"`{what}` holds {i}, outside the vocabulary of {self.vocabulary} ids")

    def _check_tokens(self, what: str, tokens: list[int], before: int) -> None:
        if not tokens:
            raise Refusal("BAD_REQUEST", f"`{what}` must hold at least one token")
        if before + len(tokens) > self.context:
            raise Refusal("TOO_LONG", f"`{what}`: {before} tokens and {len(tokens)} more exceed the context of {self.context}")
        self._check_ids(what, tokens)

    def _run(self, turns: list[_Turn], wanted: list[Sequence[int]]) -> Iterator[tuple[dict[int, KeysValues], list[float]]]:
        """The grown cache of each turn, and the log-probabilities that it wants of what comes next."""
        for chunk in _chunks(turns, CHUNK_TOKENS[self._device.type]):
            part = slice(chunk.start, chunk.stop)
            yield from self._run_chunk(turns[part], wanted[part])

    @torch.inference_mode()
    def _run_chunk(self, turns: list[_Turn], wanted: list[Sequence[int]]) -> list[tuple[dict[int, KeysValues], list[float]]]:
        segments = [Segment(len(turn.tokens), turn.past, turn.cache) for turn in turns]
        ids = torch.tensor([[token for turn in turns for token in turn.tokens]], device=self._device)
        positions = torch.cat([torch.arange(turn.past, turn.past + len(turn.tokens)) for turn in turns])[None].to(self._device)
        ends = torch.tensor([len(turn.tokens) for turn in turns]).cumsum(0) - 1
        asking = [i for i, candidates in enumerate(wanted) if candidates]
        out = self._model(
            input_ids=ids,
            position_ids=positions,
            use_cache=False,
            logits_to_keep=ends[asking].to(self._device),
            segments=segments,
        )
        rows: list[list[float]] = [[] for _ in turns]
        for at in range(0, len(asking), CHUNK_HEADS):
            logprobs = out.logits[0, at : at + CHUNK_HEADS].float().log_softmax(-1)
            for i, row in zip(asking[at : at + CHUNK_HEADS], logprobs, strict=True):
                rows[i] = row[torch.tensor(wanted[i], device=self._device)].tolist()
        return [(segment.grown, row) for segment, row in zip(segments, rows, strict=True)]


def _chunks(turns: list[_Turn], limit: int) -> Iterator[range]:
    """Neighbouring turns with at most so many tokens together, and at least one."""
    start, tokens = 0, 0
    for i, turn in enumerate(turns):
        if i > start and tokens + len(turn.tokens) > limit:
            yield range(start, i)
            start, tokens = i, 0
        tokens += len(turn.tokens)
    if turns:
        yield range(start, len(turns))
