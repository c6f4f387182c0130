"""Examples from Parquet and JSON-lines files, and the seeded order in which training visits them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from .config import DataConfig
from .errors import BackendError, at, io_error
from .files import sha256_file
from .rng import Rng

IGNORE = -100
"""No loss here, in Hugging Face's convention."""


@dataclass(frozen=True)
class Example:
    """One row: what is read, and what should stand at each position."""

    ids: np.ndarray
    labels: np.ndarray

    def targets(self) -> np.ndarray:
        """The positions that have a label and a predecessor, whose logits predict it."""
        return np.flatnonzero(self.labels[1:] != IGNORE) + 1


@dataclass(frozen=True)
class Dataset:
    """All examples, in the order of the files, and the hash of every id and label whatever format they came in."""

    examples: list[Example]
    sha256: str

    def longest(self) -> int:
        return max(len(example.ids) for example in self.examples)

    def check_budget(self, token_budget: int | None) -> None:
        """Refuses a budget of tokens that some row alone exceeds."""
        if token_budget is not None and token_budget < self.longest():
            raise BackendError(
                "CONFIG", f"`token_budget` must be at least the longest row's {self.longest()} tokens, not {token_budget}"
            )


def load(files: tuple[DataConfig, ...], vocabulary: int, context: int) -> Dataset:
    """Reads and checks every file that has a hash to have, and every row."""
    examples = []
    for file in files:
        for row, (ids, labels) in enumerate(_read(file)):
            try:
                examples.append(_example(ids, labels, vocabulary, context))
            except ValueError as error:
                raise at("DATA", file.path, f"row {row}: {error}") from None
    if not examples:
        raise at("DATA", files[0].path, "the dataset has no rows; generate it again")
    return Dataset(examples, _fingerprint(examples))


def _fingerprint(examples: list[Example]) -> str:
    digest = hashlib.sha256()
    for example in examples:
        digest.update(len(example.ids).to_bytes(8, "little"))
        digest.update(example.ids.astype("<u4").tobytes())
        # An id never reaches the largest number, so it can stand for "none".
        digest.update(np.where(example.labels == IGNORE, 2**32 - 1, example.labels).astype("<u4").tobytes())
    return digest.hexdigest()


def _example(ids: Any, labels: Any, vocabulary: int, context: int) -> Example:
    ids, labels = _integers(ids, "input_ids"), _integers(labels, "labels")
    if len(ids) != len(labels):
        raise ValueError(f"{len(ids)} `input_ids` but {len(labels)} `labels`; they must be as many")
    if len(ids) > context:
        raise ValueError(f"{len(ids)} tokens, but the model's context is {context}; generate shorter examples")
    for what, values, wrong in (
        ("input_ids", ids, (ids < 0) | (ids >= vocabulary)),
        ("labels", labels, ((labels < 0) | (labels >= vocabulary)) & (labels != IGNORE)),
    ):
        if wrong.any():
            where = int(wrong.argmax())
            raise ValueError(f"{what}[{where}] is {values[where]}, outside the vocabulary of {vocabulary} ids")
    example = Example(ids, labels)
    if len(example.targets()) == 0:
        raise ValueError("no label after the first position, so nothing to learn; generate the dataset again")
    return example


def _integers(values: Any, what: str) -> np.ndarray:
    array = np.asarray(values if values is not None else "none")
    if array.ndim == 1 and array.size == 0:
        return np.zeros(0, np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(f"`{what}` is not a list of integers")
    return array.astype(np.int64)


Row = tuple[Any, Any]


def _read(file: DataConfig) -> Iterator[Row]:
    path = file.path
    try:
        found = sha256_file(path)
        if file.sha256 is not None and found != file.sha256:
            raise at(
                "DATA",
                path,
                f"is damaged or another file: its SHA-256 is {found}, not the expected {file.sha256}; generate the dataset again",
            )
        if path.suffix == ".parquet":
            yield from _read_parquet(path)
        elif path.suffix in (".jsonl", ".json"):
            yield from _read_json_lines(path)
        else:
            raise at("DATA", path, "unknown dataset format; name it *.parquet or *.jsonl")
    except OSError as error:
        raise io_error("read the dataset", path, error) from error


def _read_parquet(path: Path) -> Iterator[Row]:
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(path)
    except pyarrow.ArrowException as error:
        raise at("DATA", path, f"not a readable Parquet file: {error}; generate it again") from error
    for name in ("input_ids", "labels"):
        if name not in file.schema_arrow.names:
            raise at("DATA", path, f"has no column `{name}`")
    try:
        for batch in file.iter_batches(columns=["input_ids", "labels"]):
            for ids, labels in zip(batch.column("input_ids"), batch.column("labels"), strict=True):
                yield _list(ids), _list(labels)
    except pyarrow.ArrowException as error:
        raise at("DATA", path, f"not a readable Parquet file: {error}; generate it again") from error


def _list(scalar: Any) -> Any:
    values = getattr(scalar, "values", None)
    if values is None or values.null_count:
        return None
    return values.to_numpy(zero_copy_only=False)


def _read_json_lines(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        number = 0
        for text in file:
            text = text.removeprefix(b"\xef\xbb\xbf") if number == 0 else text
            if not text.strip():
                continue
            try:
                row = json.loads(text)
                ids, labels = row["input_ids"], row["labels"]
            except (ValueError, KeyError, TypeError) as error:
                raise at("DATA", path, f"row {number}: not an object with `input_ids` and `labels`: {error}") from None
            yield ids, labels
            number += 1


@lru_cache(maxsize=2)
def _epoch(examples: int, seed: int, number: int) -> list[int]:
    return Rng([seed, 2, number]).permutation(examples)


def batch(examples: int, batch_size: int, seed: int, step: int) -> list[int]:
    """The examples of step `step` (from 0): neighbours in an endless sequence of epochs, each shuffled by its own stream of the
    seed. It depends on nothing that happened before, and is the `candle` backend's order."""
    places = range(step * batch_size, (step + 1) * batch_size)
    return [_epoch(examples, seed, place // examples)[place % examples] for place in places]
