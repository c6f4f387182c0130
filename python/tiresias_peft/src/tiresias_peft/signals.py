"""What a signal does to training: it ends after the step that is under way."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def stop_flag() -> Iterator[Callable[[], bool]]:
    """A flag that SIGTERM and SIGINT set, instead of what they do otherwise."""
    got: list[int] = []
    before = {s: signal.signal(s, lambda number, _: got.append(number)) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: bool(got)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
