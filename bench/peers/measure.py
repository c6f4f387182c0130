"""What every peer's script shares: its arguments, how it is timed, and the one JSON line that it prints."""

import argparse
import json
import time
from pathlib import Path
from statistics import median


def arguments(*own):
    """`inputs` is the folder that `data.mjs` prepared; the timed part lasts about `seconds`. `own` names further options."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--inputs", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=1.0)
    for option in own:
        parser.add_argument(option)
    return parser.parse_args()


def rate(work, count, seconds):
    """Median over repetitions of `count` per second; one repetition warms caches and compilers up."""
    work()
    times = []
    stop = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < stop:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return {"rate": count / median(times), "repetitions": len(times)}


def report(measured, unit, version):
    print(json.dumps({**measured, "unit": unit, "version": version}))


def energy(inputs, regime):
    """The energy model that `data.mjs` wrote: T[a][s][s'], R[a][s], Q[a][s'][o], start[s], policy[t][s]."""
    import numpy as np

    tables = json.loads((inputs / f"energy-{regime}.json").read_text())
    return {name: np.array(table) for name, table in tables.items()}
