"""Decisions: sessions, shared beginnings, refusals that change nothing."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import support
import torch

from tiresias_peft import serve
from tiresias_peft.config import BaseConfig, DecideConfig
from tiresias_peft.decide import Decider
from tiresias_peft.prefixes import pieces

CANDIDATES = [3, 4, 50]


@pytest.fixture
def decider(folder: Path) -> Decider:
    return serve.decider(DecideConfig(BaseConfig(folder, None), None, 1, None), support.CPU)


def expected(ids: list[int]) -> torch.Tensor:
    with torch.no_grad():
        return support.tiny()(torch.tensor([ids])).logits[0, -1].log_softmax(-1)[CANDIDATES]


def close(found: list[float], ids: list[int]) -> bool:
    return bool((torch.tensor(found) - expected(ids)).abs().max() < 1e-4)


def contexts() -> list[list[int]]:
    """Of many lengths; some begin alike, some wholly, one is another's beginning."""
    a, b = list(range(20)), list(range(40, 60))
    return [a + [1, 2], b + a + [5], a + [1, 7, 8], [9], a, b + a + [6], a + b, a + b, b + [1], a + b + [3]]


def test_pieces_make_up_their_contexts() -> None:
    tree = pieces(contexts())
    whole: list[list[int]] = []
    for piece in tree:
        whole.append((whole[piece.parent] if piece.parent is not None else []) + list(piece.tokens))
        assert piece.tokens and (piece.parent is None or tree[piece.parent].wave == piece.wave - 1)
    ends = {piece.context: tokens for piece, tokens in zip(tree, whole, strict=True) if piece.context is not None}
    assert [ends[i] for i in range(len(contexts()))] == contexts()
    assert sum(len(p.tokens) for p in tree) < 0.6 * sum(map(len, contexts()))
    assert pieces([]) == []
    # However deep they branch, it ends.
    assert len({p.context for p in pieces([[0] * n for n in range(1, 2000, 10)])} - {None}) == 200


def test_sessions_open_and_extend(decider: Decider) -> None:
    sessions, rows = decider.open(contexts(), CANDIDATES)
    assert sessions == list(range(10)) and all(close(row, ids) for row, ids in zip(rows, contexts(), strict=True))
    more = {5: [1], 0: [2, 3, 4], 3: [8]}
    grown = {i: contexts()[i] + new for i, new in more.items()}
    for _ in range(2):
        rows = decider.extend(list(more), list(more.values()))
        assert all(close(row, ids) for row, ids in zip(rows, grown.values(), strict=True))
        grown = {i: grown[i] + new for i, new in more.items()}
    assert decider.close([0, 5]) == 2
    assert decider.open([[1]], CANDIDATES)[0] == [10], "ids are never used again"
    assert close(decider.extend([6], [[4]])[0], contexts()[6] + [4])


def test_a_session_does_not_depend_on_its_neighbours(decider: Decider) -> None:
    _, together = decider.open(contexts(), CANDIDATES)
    alone = [decider.open([context], CANDIDATES)[1][0] for context in contexts()]
    assert (torch.tensor(together) - torch.tensor(alone)).abs().max() < 1e-5


def test_long_requests_go_in_parts(decider: Decider, monkeypatch: pytest.MonkeyPatch) -> None:
    _, whole = decider.open(contexts(), CANDIDATES)
    monkeypatch.setattr("tiresias_peft.decide.CHUNK_TOKENS", {"cpu": 30})
    monkeypatch.setattr("tiresias_peft.decide.CHUNK_HEADS", 2)
    _, parts = decider.open(contexts(), CANDIDATES)
    assert (torch.tensor(whole) - torch.tensor(parts)).abs().max() < 1e-5


def test_refusals_change_nothing(decider: Decider) -> None:
    def ask(value: Any) -> dict[str, Any]:
        return serve.answer(decider, json.dumps(value).encode() if not isinstance(value, bytes) else value)

    assert ask({"id": 0, "op": "open", "contexts": [[1, 2], [3]], "candidates": CANDIDATES})["sessions"] == [0, 1]
    refused = [
        ({"id": 1, "op": "open", "contexts": [[1], [96]], "candidates": [1]}, "BAD_TOKEN"),
        ({"id": 1, "op": "open", "contexts": [[1]], "candidates": [96]}, "BAD_TOKEN"),
        ({"id": 1, "op": "open", "contexts": [[1]], "candidates": []}, "BAD_REQUEST"),
        ({"id": 1, "op": "open", "contexts": [[]], "candidates": [1]}, "BAD_REQUEST"),
        ({"id": 1, "op": "open", "contexts": [[1] * 257], "candidates": [1]}, "TOO_LONG"),
        ({"id": 1, "op": "extend", "sessions": [0, 1], "tokens": [[1], [1] * 256]}, "TOO_LONG"),
        ({"id": 1, "op": "extend", "sessions": [0, 1], "tokens": [[1], [99]]}, "BAD_TOKEN"),
        ({"id": 1, "op": "extend", "sessions": [0, 7], "tokens": [[1], [1]]}, "UNKNOWN_SESSION"),
        ({"id": 1, "op": "extend", "sessions": [0, 0], "tokens": [[1], [1]]}, "BAD_REQUEST"),
        ({"id": 1, "op": "extend", "sessions": [0], "tokens": [[1], [1]]}, "BAD_REQUEST"),
        ({"id": 1, "op": "extend", "sessions": [0], "tokens": [[-1]]}, "BAD_REQUEST"),
        ({"id": 1, "op": "extend", "sessions": [True], "tokens": [[1]]}, "BAD_REQUEST"),
        ({"id": 1, "op": "close", "sessions": [0, 9]}, "UNKNOWN_SESSION"),
        ({"id": 1, "op": "fly"}, "BAD_REQUEST"),
        ({"id": 1, "op": "close", "sessions": [0], "surplus": 1}, "BAD_REQUEST"),
        ({"op": "close", "sessions": [0]}, "BAD_REQUEST"),
        ([1], "BAD_REQUEST"),
        (b"{", "BAD_REQUEST"),
        (b"\xff\xfe", "BAD_REQUEST"),
    ]
    for request, code in refused:
        reply = ask(request)
        assert reply["error"]["code"] == code and reply["error"]["message"], (request, reply)
        assert reply["id"] == (1 if isinstance(request, dict) and "id" in request else None)
    assert close(ask({"id": 2, "op": "extend", "sessions": [0], "tokens": [[5]]})["logprobs"][0], [1, 2, 5])
    assert ask({"id": 3, "op": "open", "contexts": [[1]], "candidates": [1]})["sessions"] == [2]
    assert ask({"id": "x", "op": "open", "contexts": [], "candidates": [1]}) == {"id": "x", "sessions": [], "logprobs": []}


def test_a_failure_half_way_leaves_sessions_alone(decider: Decider, monkeypatch: pytest.MonkeyPatch) -> None:
    decider.open([[1, 2], [3, 4, 5]], CANDIDATES)
    model, calls = decider._model, 0

    def failing(**arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise RuntimeError("half-way")
        return model(**arguments)

    monkeypatch.setattr(decider, "_model", failing)
    monkeypatch.setattr("tiresias_peft.decide.CHUNK_TOKENS", {"cpu": 1})
    with pytest.raises(RuntimeError):
        decider.extend([0, 1], [[7], [8]])
    monkeypatch.setattr(decider, "_model", model)
    assert close(decider.extend([0], [[9]])[0], [1, 2, 9])


def test_lines_come_in_order(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    requests = [
        {"id": 1, "op": "open", "contexts": [[1, 2]], "candidates": CANDIDATES},
        {"id": 2, "op": "extend", "sessions": [0], "tokens": [[3]]},
        {"id": 3, "op": "close", "sessions": [0]},
    ]
    text = "\ufeff" + "\n\n".join(json.dumps(r) for r in requests)
    serve.run(DecideConfig(BaseConfig(folder, None), None, 1, None), support.CPU, io.BytesIO(text.encode()))
    ready, *replies = support.lines(capsys.readouterr().out)
    assert ready == {"event": "ready", "contract": 2, "vocabulary": 96, "context": 256, "adapter": False}
    assert [r["id"] for r in replies] == [1, 2, 3] and replies[2] == {"id": 3, "closed": 1}
    assert close(replies[1]["logprobs"][0], [1, 2, 3])
