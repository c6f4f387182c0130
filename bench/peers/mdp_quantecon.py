"""QuantEcon's DiscreteDP on state-action pairs with a sparse transition matrix."""

import warnings
from importlib.metadata import version

import numpy as np
from mdp_problem import ACTIONS, SUCCESSORS, arguments, report, rewards, rows, sweep_seconds, timed
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


seconds, _, model = timed(build)
value, out = np.zeros(s), np.empty(s)
model.bellman_operator(value, Tv=out)  # compiles
sweep = sweep_seconds(lambda: model.bellman_operator(value, Tv=out))
solves = []
# Its tolerance is a proven distance from the optimal values, half the gap.
for method in ["modified_policy_iteration", "value_iteration"]:
    wall, processor, result = timed(lambda: model.solve(method, epsilon=args.gap, max_iter=10_000))
    solves.append({"solver": method, "seconds": wall, "processorSeconds": processor, "iterations": int(result.num_iter),
                   "value": float(result.v[0])})
report("quantecon", version("quantecon"), buildSeconds=seconds, sweepProcessorSeconds=sweep, solves=solves)
