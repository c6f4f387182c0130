"""Robust value iteration over L1 balls in NumPy, all states of an action at once: the textbook's sort of the successors.

The worst distribution gains half the radius at the least successor and loses as much from the greatest ones down (Petrik &
Subramanian 2014). It keeps to the successors, and stops as `ValueIteration` does, by the span of the last change.
"""

import numpy as np
from mdp_problem import ACTIONS, arguments, report, rewards, rows, sweep_seconds, timed

RADIUS = 0.2
args = arguments()
s, discount = args.states, args.discount


def build():
    return [rows(s, action) for action in range(ACTIONS)], rewards(s)


def robust_means(columns, probabilities, value):
    worth = value[columns]
    order = np.argsort(worth, axis=1)
    worth, p = np.take_along_axis(worth, order, 1), np.take_along_axis(probabilities, order, 1)
    moved = np.minimum(RADIUS / 2, 1 - p[:, 0])
    # What is left of the rows' ends after `moved` is taken away, greatest first.
    above = np.cumsum(p[:, ::-1], axis=1)[:, ::-1]
    taken = np.clip(moved[:, None] - (above - p), 0, p)
    return ((p - taken) * worth).sum(axis=1) + moved * worth[:, 0]


def sweep(value):
    best = np.full(s, -np.inf)
    for (columns, probabilities), reward in zip(kernels, reward_of):
        np.maximum(best, reward + discount * robust_means(columns, probabilities, value), out=best)
    return best


def solve():
    value, iterations = np.zeros(s), 0
    while True:
        new, iterations = sweep(value), iterations + 1
        change, value = new - value, new
        low, high = (discount / (1 - discount) * end for end in (change.min(), change.max()))
        if high - low <= args.gap:
            return value + (low + high) / 2, iterations


seconds, _, (kernels, reward_of) = timed(build)
one = sweep_seconds(lambda: sweep(np.arange(s) / s), rounds=3)
wall, processor, (value, iterations) = timed(solve)
solves = [{"solver": "robust value iteration", "seconds": wall, "processorSeconds": processor, "iterations": iterations,
           "value": float(value[0])}]
report("numpy, L1 balls", np.__version__, radius=RADIUS, buildSeconds=seconds, sweepProcessorSeconds=one, solves=solves)
