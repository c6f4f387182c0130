"""The large MDP that `crates/solve/examples/mdp_rate.rs` draws, as NumPy arrays; and what the MDP peers' scripts share."""

import argparse
import json
import resource
import time

import numpy as np

ACTIONS, SUCCESSORS = 10, 10


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--states", type=int, default=1_000_000)
    parser.add_argument("--discount", type=float, default=0.95)
    parser.add_argument("--gap", type=float, default=1e-3)
    parser.add_argument("--gibibytes", type=float, default=16, help="limit on the address space")
    parser.add_argument("--value", type=float, help="of state 0, from bounds that are proven: what equal accuracy is measured by")
    parser.add_argument("--seconds", type=float, default=120, help="of the processor, to try for that accuracy")
    args = parser.parse_args()
    limit = int(args.gibibytes * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    return args


def splitmix64(x):
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def rows(states, action):
    """Columns (int32) and probabilities of the rows of one action, both of shape (states, SUCCESSORS)."""
    first = action * states * SUCCESSORS
    draws = splitmix64(np.arange(first, first + states * SUCCESSORS, dtype=np.uint64)).reshape(states, SUCCESSORS)
    share = states // SUCCESSORS
    columns = (draws >> np.uint64(32)) % np.uint64(share) + np.arange(SUCCESSORS, dtype=np.uint64) * np.uint64(share)
    weights = (draws & np.uint64(1023)).astype(np.float64) + 1.0
    return columns.astype(np.int32), weights / weights.sum(axis=1, keepdims=True)


def rewards(states):
    """R[a][s]."""
    first = ACTIONS * states * SUCCESSORS
    draws = splitmix64(np.arange(first, first + ACTIONS * states, dtype=np.uint64)) >> np.uint64(11)
    return (draws.astype(np.float64) / 2.0**53).reshape(ACTIONS, states)


def timed(work):
    """Seconds of wall time and of the processor, and the result."""
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    return time.perf_counter() - wall, time.process_time() - processor, result


def to_accuracy(run, value_of, args):
    """A solver's own stop, and what it takes until the value of state 0 is within half the gap of the known one: its tolerance falls by
    ten (to what rounding allows) and it goes on from the values that it left, so that the times add up. For so many seconds at most."""
    solves, wall, processor, tolerance = [], 0.0, 0.0, args.gap
    while True:
        more, busy, _ = timed(lambda: run(tolerance))
        wall, processor, value = wall + more, processor + busy, float(value_of())
        accurate = args.value is not None and abs(value - args.value) <= args.gap / 2
        solves.append({"tolerance": tolerance, "seconds": wall, "processorSeconds": processor, "value": value, "accurate": accurate})
        if accurate or args.value is None or processor > args.seconds:
            return solves[:1] + solves[1:][-1:]
        tolerance = max(tolerance / 10, 1e-12)


def sweep_seconds(sweep, rounds=5):
    """Processor seconds of a sweep, the fastest of some."""
    return min(timed(sweep)[1] for _ in range(rounds))


def report(peer, version, **measured):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"peer": peer, "version": version, "peakBytes": peak, **measured}))
