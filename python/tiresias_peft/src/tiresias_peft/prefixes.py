"""Which beginnings some contexts share, so that each is computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WORTH = 8
"""A shared beginning of fewer tokens is computed for each, which is cheaper than one more pass."""
WAVES = 16
"""Passes one after the other at most, however contexts branch."""


@dataclass(frozen=True)
class Piece:
    """Some tokens that come after another piece's."""

    parent: int | None
    """Its index among all pieces."""
    tokens: tuple[int, ...]
    wave: int
    """How many pieces come before it; those of one wave can be computed together."""
    context: int | None
    """The context that ends here; `None` for a shared beginning."""


def pieces(contexts: Sequence[Sequence[int]]) -> list[Piece]:
    """Cuts contexts into a tree of pieces, parents first. Every context ends in a piece of its own that is not empty, because
    what follows its last token is asked for."""
    out: list[Piece] = []

    def grow(members: list[int], start: int, parent: int | None, wave: int) -> None:
        """Lays the pieces of contexts that have their first `start` tokens, those of `parent`, in common. `members` are sorted by
        their tokens, so that those which go on alike are neighbours."""
        at = 0
        while at < len(members):
            first = contexts[members[at]]
            # As many neighbours as share a worthwhile beginning with this one.
            stop, shared = at + 1, len(first) - 1
            while stop < len(members) and wave + 1 < WAVES:
                common = min(shared, _common(first, contexts[members[stop]]))
                if common - start < WORTH:
                    break
                stop, shared = stop + 1, common
            if stop - at == 1:
                out.append(Piece(parent, tuple(first[start:]), wave, members[at]))
            else:
                out.append(Piece(parent, tuple(first[start:shared]), wave, None))
                grow(members[at:stop], shared, len(out) - 1, wave + 1)
            at = stop

    grow(sorted(range(len(contexts)), key=lambda i: tuple(contexts[i])), 0, None, 0)
    return out


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    """How many tokens both begin with, short of the last of either."""
    limit = min(len(a), len(b)) - 1
    return next((i for i in range(limit) if a[i] != b[i]), limit)
