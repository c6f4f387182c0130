"""pymdptoolbox's value iteration on one sparse matrix an action."""

from importlib.metadata import version

import numpy as np
from mdp_problem import ACTIONS, SUCCESSORS, arguments, report, rewards, rows, sweep_seconds, timed, to_accuracy
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


# To its favour: without its check of the input, which takes longer than solving, and without its bound on the number of
# iterations, which makes S dense columns for every action.
mdp._util.check = lambda transitions, reward: None
mdp.ValueIteration._boundIter = lambda self, epsilon: None


seconds, _, (transitions, reward) = timed(build)
check, _, model = timed(lambda: mdp.ValueIteration(transitions, reward, args.discount, epsilon=args.gap, max_iter=10_000))
value = np.zeros(s)
sweep = sweep_seconds(lambda: model._bellmanOperator(value))


def run(tolerance):
    # Its own threshold at the first call; it leaves its values as a tuple.
    model.thresh = threshold * tolerance / args.gap
    model.V = np.array(model.V)
    model.run()


threshold = model.thresh
solves = [{"solver": "value_iteration", **solve} for solve in to_accuracy(run, lambda: model.V[0], args)]
report("pymdptoolbox", version("pymdptoolbox"), buildSeconds=seconds + check, sweepProcessorSeconds=sweep, solves=solves)
