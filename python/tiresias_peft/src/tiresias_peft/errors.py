"""Whatever ends the process early: one class, with the exit codes and the stable names of docs/contracts.md."""

from __future__ import annotations

from pathlib import Path

EXITS = {
    "USAGE": 2,
    "CONFIG": 2,
    "OTHER_RUN": 2,
    "MEMORY": 2,
    "BASE_MODEL": 3,
    "ADAPTER": 4,
    "DATA": 4,
    "IO": 4,
    "NOT_FINITE": 5,
    "INTERNAL": 70,
    "STOPPED": 75,
}


class BackendError(Exception):
    """A message that says what, where, and what to do; a code that programs can rely on."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.exit = EXITS[code]


def at(code: str, path: Path | str, message: str) -> BackendError:
    """An error about a file."""
    return BackendError(code, f"{path}: {message}")


def io_error(action: str, path: Path | str, error: OSError) -> BackendError:
    """An error of the operating system."""
    return at("IO", path, f"cannot {action}: {error.strerror or error}")


class Refusal(Exception):
    """Why one request of a decider cannot be served. The process goes on."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
