"""Baum–Welch on two hidden Markov models, by hmmlearn.  pip install hmmlearn==0.3.3; python hmm.py > hmm.json

Each case has its sequences, the parameters that the iterations start from, the log-likelihood before each iteration, and the parameters
after the last.
"""

import json

import hmmlearn
import numpy as np
from hmmlearn.hmm import CategoricalHMM

ITERATIONS = 12


def case(seed, states, symbols, lengths):
    rng = np.random.default_rng(seed)
    hmm = CategoricalHMM(states, n_features=symbols, init_params="", n_iter=ITERATIONS, tol=-1.0, implementation="scaling")
    hmm.startprob_ = rng.dirichlet(np.ones(states))
    hmm.transmat_ = rng.dirichlet(np.ones(states), states)
    hmm.emissionprob_ = rng.dirichlet(np.ones(symbols), states)
    sequences = [rng.integers(0, symbols, length) for length in lengths]
    # Runs of a symbol, so that there is something to find.
    sequences = [np.repeat(sequence, rng.integers(1, 4, len(sequence)))[: len(sequence)] for sequence in sequences]
    start = [hmm.startprob_.tolist(), hmm.transmat_.tolist(), hmm.emissionprob_.tolist()]
    hmm.fit(np.concatenate(sequences)[:, None], lengths)
    return {
        "sequences": [sequence.tolist() for sequence in sequences],
        "from": start,
        "logLikelihoods": list(hmm.monitor_.history),
        "to": [hmm.startprob_.tolist(), hmm.transmat_.tolist(), hmm.emissionprob_.tolist()],
    }


print(json.dumps({
    "hmmlearn": hmmlearn.__version__,
    "cases": [case(1, 2, 3, [40, 40, 40]), case(2, 4, 5, [25, 60, 1, 7])],
}))
