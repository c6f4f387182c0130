"""Files that are whole or absent: written under a temporary name, flushed to the disk, renamed. And their seals."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import io_error

_HEAD = b'{\n  "seal": "'


def sha256(data: bytes) -> str:
    """In lower-case hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Of a file of any size."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seal(value: Mapping[str, Any]) -> bytes:
    """An object as indented JSON whose first member is the SHA-256 of the text without it."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return f'{{\n  "seal": "{sha256(text.encode())}",{text[1:]}'.encode()


def unseal(data: bytes) -> dict[str, Any]:
    """What a sealed text holds. Raises ValueError if it is not the text that was sealed."""
    at = len(_HEAD) + 64
    text = b"{" + data[at + 2 :]
    if data[: len(_HEAD)] != _HEAD or data[at : at + 2] != b'",' or data[len(_HEAD) : at] != sha256(text).encode():
        raise ValueError("is damaged: it is not the text that was sealed")
    return json.loads(text)


def write(path: Path, data: bytes) -> None:
    """Writes a file so that its name always stands for whole contents, old or new."""
    temporary = _temporary(path)
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise io_error("write", path, error) from error


def write_folder(path: Path, contents: Mapping[str, bytes]) -> None:
    """Writes a folder of files so that its name always stands for the whole set."""
    temporary = _temporary(path)
    try:
        remove_folder(temporary)
        temporary.mkdir(parents=True)
        for name, data in contents.items():
            write(temporary / name, data)
        remove_folder(path)
        temporary.rename(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise io_error("write the folder", path, error) from error


def create_folder(path: Path) -> None:
    """Makes a folder and those above it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise io_error("create the folder", path, error) from error


def remove_folder(path: Path) -> None:
    """Removes a folder and what it holds, if it exists."""
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise io_error("remove the folder", path, error) from error


def read_if_present(path: Path) -> bytes | None:
    """The contents of a file that may be absent."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise io_error("read", path, error) from error


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.tmp")


def _sync_folder(path: Path) -> None:
    # A rename lasts once the folder that holds the name is on the disk. Only Unix can open a folder for that.
    if os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
