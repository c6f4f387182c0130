"""Seconds of one iteration of Baum–Welch in hmmlearn: what `crates/fit/examples/em_rate.rs` does with one action.

`CategoricalHMM` with `implementation="scaling"`, the faster of its two. The timed fit has all iterations, and one of a single
iteration is taken off, so that what it does once is not counted. Processor seconds are printed too: on a machine with other work
they are the fairer number. Needs `pip install -r requirements-hmmlearn.txt`.
"""

import argparse
import json
import logging
import time

import hmmlearn
import numpy as np
from hmmlearn.hmm import CategoricalHMM

parser = argparse.ArgumentParser()
for option, default in [("states", 10), ("symbols", 10), ("episodes", 100_000), ("steps", 10), ("iterations", 3)]:
    parser.add_argument(f"--{option}", type=int, default=default)
args = parser.parse_args()
logging.disable(logging.CRITICAL)

random = np.random.default_rng(0)
symbols = random.integers(0, args.symbols, (args.episodes * args.steps, 1))
lengths = [args.steps] * args.episodes


def fit(iterations):
    model = CategoricalHMM(
        n_components=args.states,
        n_features=args.symbols,
        n_iter=iterations,
        tol=-np.inf,
        random_state=0,
        implementation="scaling",
    )
    wall, cpu = time.perf_counter(), time.process_time()
    model.fit(symbols, lengths)
    return np.array([time.perf_counter() - wall, time.process_time() - cpu])


fit(1)
once, all_ = fit(1), fit(1 + args.iterations)
wall, cpu = (all_ - once) / args.iterations
print(
    json.dumps(
        {
            **vars(args),
            "secondsPerIteration": wall,
            "processorSecondsPerIteration": cpu,
            "version": f"hmmlearn {hmmlearn.__version__}, NumPy {np.__version__}",
        }
    )
)
