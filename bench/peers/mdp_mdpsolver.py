"""mdpsolver (C++) with its sparse lists of probabilities and columns.

It takes Python lists only, but their elements may be any sequence: lists of rows that are views of NumPy arrays weigh a fifth of
lists of Python's own numbers, and a million states fit into 10 GiB.
"""

from importlib.metadata import version

import mdpsolver
import numpy as np
from mdp_problem import ACTIONS, SUCCESSORS, arguments, report, rewards, rows, timed, to_accuracy

args = arguments()
s = args.states


def arrays():
    columns, probabilities = np.empty((s, ACTIONS, SUCCESSORS), np.int32), np.empty((s, ACTIONS, SUCCESSORS))
    for action in range(ACTIONS):
        columns[:, action], probabilities[:, action] = rows(s, action)
    return columns, probabilities, np.ascontiguousarray(rewards(s).T)


def build():
    model = mdpsolver.model()
    model.mdp(
        discount=args.discount,
        rewards=list(reward),
        tranMatProbs=[list(of_state) for of_state in probabilities],
        tranMatColumns=[list(of_state) for of_state in columns],
    )
    return model


columns, probabilities, reward = arrays()
seconds, _, model = timed(build)
# Modified policy iteration is its default and the faster one of the two that end at this size.
run = lambda tolerance: model.solve(algorithm="mpi", tolerance=tolerance, postProcessing=False)
solves = [{"solver": "mpi", **solve} for solve in to_accuracy(run, lambda: model.getValue(0), args)]
report("mdpsolver", version("mdpsolver"), buildSeconds=seconds, solves=solves)
