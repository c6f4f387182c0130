"""mdpsolver (C++) with its sparse lists of probabilities and columns. It takes Python lists only, so the model is made of them."""

from importlib.metadata import version

import mdpsolver
from mdp_problem import ACTIONS, arguments, report, rewards, rows, timed

args = arguments()
s = args.states


def build():
    columns, probabilities = [[] for _ in range(s)], [[] for _ in range(s)]
    for action in range(ACTIONS):
        c, p = rows(s, action)
        for state, (cs, ps) in enumerate(zip(c.tolist(), p.tolist())):
            columns[state].append(cs)
            probabilities[state].append(ps)
    model = mdpsolver.model()
    model.mdp(
        discount=args.discount, rewards=rewards(s).T.tolist(), tranMatProbs=probabilities, tranMatColumns=columns
    )
    return model


seconds, model = timed(build)
solves = []
for algorithm in ["vi", "mpi"]:
    for parallel in [False, True]:
        took, _ = timed(
            lambda: model.solve(algorithm=algorithm, tolerance=args.gap, parallel=parallel, postProcessing=False)
        )
        solves.append({"solver": algorithm, "parallel": parallel, "seconds": took, "value": model.getValue(0)})
report("mdpsolver", version("mdpsolver"), buildSeconds=seconds, solves=solves)
