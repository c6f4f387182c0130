"""The generator of the `candle` backend, number for number, so that one seed means the same order and the same start in both.

SplitMix64 (Steele, Lea, Flood 2014). A stream is named by its keys, so no draw depends on how many were made elsewhere. Its state
grows by a constant, so draw `n` needs no earlier one: numpy makes as many as are wanted at once.
"""

from __future__ import annotations

import numpy as np

_MASK = 2**64 - 1
_STEP = 0x9E37_79B9_7F4A_7C15
_START = 0x7469_7265_7369_6173


def _mix(z: np.ndarray) -> np.ndarray:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
    return z ^ (z >> np.uint64(31))


class Rng:
    """The stream with these keys."""

    def __init__(self, keys: list[int]) -> None:
        self._state = _START
        for key in keys:
            self._state = int(self.draws(1)[0]) ^ key

    def draws(self, count: int) -> np.ndarray:
        """The next draws of 64 bits."""
        with np.errstate(over="ignore"):
            states = np.uint64(self._state) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(_STEP)
            self._state = (self._state + count * _STEP) & _MASK
            return _mix(states)

    def uniform(self, count: int, bound: np.float32) -> np.ndarray:
        """Uniform in `[-bound, bound)`, in f32."""
        unit = (self.draws(count) >> np.uint64(40)).astype(np.float32) / np.float32(2**24)
        return (np.float32(2) * unit - np.float32(1)) * bound

    def permutation(self, n: int) -> list[int]:
        """Fisher and Yates' shuffle of `0..n`."""
        order = list(range(n))
        draws = self.draws(max(n - 1, 0)).tolist()
        for i, draw in zip(range(n - 1, 0, -1), draws, strict=True):
            j = (draw * (i + 1)) >> 64
            order[i], order[j] = order[j], order[i]
        return order
