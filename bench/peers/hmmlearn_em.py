"""One iteration of hmmlearn's Baum and Welch: the difference between two numbers of iterations, from the same start.

The sequences are a file of one byte a symbol, all sequences equally long: `hmmlearn_em.py FILE STATES SYMBOLS STEPS FEW MANY`.
"""

import json
import sys
import time

import hmmlearn
import numpy as np
from hmmlearn.hmm import CategoricalHMM

path, *numbers = sys.argv[1:]
states, symbols, steps, few, many = map(int, numbers)
seen = np.fromfile(path, dtype=np.uint8).astype(int).reshape(-1, 1)
lengths = np.full(len(seen) // steps, steps)


def fit(iterations):
    model = CategoricalHMM(n_components=states, n_features=symbols, n_iter=iterations, tol=-np.inf, random_state=0)
    start, used = time.perf_counter(), time.process_time()
    model.fit(seen, lengths)
    return time.perf_counter() - start, time.process_time() - used


pairs = np.array(fit(many)) - np.array(fit(few))
seconds, processor = (float(x) / (many - few) for x in pairs)
print(json.dumps({"seconds": seconds, "processor": processor, "version": f"hmmlearn {hmmlearn.__version__}"}))
