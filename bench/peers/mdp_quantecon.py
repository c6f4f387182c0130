"""QuantEcon's DiscreteDP on state-action pairs with a sparse transition matrix."""

import warnings
from importlib.metadata import version

import numpy as np
from mdp_problem import ACTIONS, SUCCESSORS, arguments, report, rewards, rows, timed
from quantecon.markov import DiscreteDP
from scipy.sparse import csr_matrix

warnings.filterwarnings("ignore")
args = arguments()
s = args.states


def build():
    # Pairs in the order (state, action), which DiscreteDP would else sort them into.
    columns = np.empty((s, ACTIONS, SUCCESSORS), np.int32)
    probabilities = np.empty((s, ACTIONS, SUCCESSORS))
    for action in range(ACTIONS):
        columns[:, action], probabilities[:, action] = rows(s, action)
    offsets = np.arange(0, s * ACTIONS * SUCCESSORS + 1, SUCCESSORS, dtype=np.int32)
    transition = csr_matrix((probabilities.ravel(), columns.ravel(), offsets), shape=(s * ACTIONS, s))
    pairs = np.divmod(np.arange(s * ACTIONS), ACTIONS)
    return DiscreteDP(rewards(s).T.ravel(), transition, args.discount, *pairs)


seconds, model = timed(build)
value, out = np.zeros(s), np.empty(s)
model.bellman_operator(value, Tv=out)  # compiles
sweep = min(timed(lambda: model.bellman_operator(value, Tv=out))[0] for _ in range(5))
solves = []
for method in ["value_iteration", "modified_policy_iteration"]:
    took, result = timed(lambda: model.solve(method, epsilon=args.gap, max_iter=10_000))
    solves.append({"solver": method, "seconds": took, "iterations": int(result.num_iter), "value": float(result.v[0])})
report("quantecon", version("quantecon"), buildSeconds=seconds, sweepSeconds=sweep, solves=solves)
