"""Lines on standard output, and their durable copy in `metrics.jsonl`."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from .errors import BackendError, io_error

Event = dict[str, Any]


def line(event: Event) -> str:
    """An event as one line of JSON, without its newline."""
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def emit(event: Event) -> None:
    """Writes an event to standard output at once."""
    emit_line(line(event))


def emit_line(text: str) -> None:
    """Writes a line to standard output at once."""
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except OSError as error:
        raise io_error("write to", "standard output", error) from error


def say(text: str) -> None:
    """A line for people."""
    print(text, file=sys.stderr, flush=True)


def error_event(error: BackendError) -> Event:
    """The last line before a non-zero exit."""
    return {"event": "error", "code": error.code, "message": str(error), "exit": error.exit}


class Metrics:
    """`metrics.jsonl`, appended to over restarts. A mark says how far it has come: its first bytes and the hash of those."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.touch()
            data = path.read_bytes()
            # A last line that a crash left unfinished is dropped.
            data = data[: data.rfind(b"\n") + 1]
            os.truncate(path, len(data))
            self._file = path.open("ab")
        except OSError as error:
            raise io_error("open", path, error) from error
        self._bytes = len(data)
        self._digest = hashlib.sha256(data)

    def mark(self) -> dict[str, Any]:
        """How far they have come."""
        return {"bytes": self._bytes, "sha256": self._digest.hexdigest()}

    def begin_with(self, mark: dict[str, Any]) -> bool:
        """Whether the file begins with just the bytes that the mark was made of."""
        data = self.path.read_bytes()[: mark["bytes"]]
        return len(data) == mark["bytes"] and hashlib.sha256(data).hexdigest() == mark["sha256"]

    def cut(self, length: int) -> None:
        """Forgets what came after the first bytes: steps that are done again say their lines again."""
        try:
            self._file.flush()
            os.truncate(self.path, length)
            data = self.path.read_bytes()
        except OSError as error:
            raise io_error("cut", self.path, error) from error
        self._bytes, self._digest = len(data), hashlib.sha256(data)

    def emit(self, event: Event) -> None:
        """One line, to standard output and to the file."""
        self.record(event)
        emit(event)

    def record(self, event: Event) -> None:
        """One line, to the file alone."""
        data = (line(event) + "\n").encode()
        try:
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            raise io_error("write", self.path, error) from error
        self._bytes += len(data)
        self._digest.update(data)

    def sync(self) -> None:
        """Makes what was written so far last through a power cut."""
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise io_error("flush", self.path, error) from error


def peak_rss_bytes() -> int:
    """The most memory that this process has had resident; 0 where the system does not tell."""
    try:
        status = Path("/proc/self/status").read_text()
        return next(int(row.split()[1]) * 1024 for row in status.splitlines() if row.startswith("VmHWM:"))
    except (OSError, StopIteration, ValueError):
        pass
    try:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    except (ImportError, OSError):
        return 0
