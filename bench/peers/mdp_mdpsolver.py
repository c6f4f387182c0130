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


seconds, _, model = timed(build)
solves = []
# Its tolerance is no gap; the second is what makes a change that small a proof.
for tolerance in [args.gap, args.gap * (1 - args.discount) / args.discount / 2]:
    for algorithm in ["vi", "mpi"]:
        wall, processor, _ = timed(lambda: model.solve(algorithm=algorithm, tolerance=tolerance, postProcessing=False))
        solves.append({"solver": algorithm, "tolerance": tolerance, "seconds": wall, "processorSeconds": processor,
                       "value": model.getValue(0)})
report("mdpsolver", version("mdpsolver"), buildSeconds=seconds, solves=solves)
