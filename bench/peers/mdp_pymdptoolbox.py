"""pymdptoolbox's value iteration and modified policy iteration on one sparse matrix an action."""

from importlib.metadata import version

import numpy as np
from mdp_problem import ACTIONS, SUCCESSORS, arguments, report, rewards, rows, timed
from mdptoolbox import mdp
from scipy.sparse import csr_matrix

args = arguments()
s = args.states


def transition(action):
    columns, probabilities = rows(s, action)
    offsets = np.arange(0, s * SUCCESSORS + 1, SUCCESSORS, dtype=np.int32)
    return csr_matrix((probabilities.ravel(), columns.ravel(), offsets), shape=(s, s))


def build():
    return [transition(action) for action in range(ACTIONS)], np.ascontiguousarray(rewards(s).T)


seconds, (transitions, reward) = timed(build)
check, model = timed(lambda: mdp.ValueIteration(transitions, reward, args.discount, epsilon=args.gap, max_iter=10_000))
value = np.zeros(s)
sweep = min(timed(lambda: model._bellmanOperator(value))[0] for _ in range(3))
took, _ = timed(model.run)
solves = [{"solver": "value_iteration", "seconds": took, "iterations": model.iter, "value": model.V[0]}]
report("pymdptoolbox", version("pymdptoolbox"), buildSeconds=seconds + check, sweepSeconds=sweep, solves=solves)
