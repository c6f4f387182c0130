"""Iterates of tabular discrete CQL, each by SciPy's minimisers (some minutes).  python cql.py > cql.json

The objective is d3rlpy's (DiscreteCQL): the mean over recorded decisions of the TD loss plus alpha times logsumexp Q(s, .) - Q(s, a).
d3rlpy's TD loss is Huber's, which is the square while errors are below 1; "huber" says that both have the same minimiser here.
A trajectory's last decision has no successor: its target takes the mean value of the other successors of its state and action,
or 0 when there are none. Actions that a state's data lacks have no minimiser and are null.
"""

import json

import numpy as np
from scipy.optimize import minimize
from scipy.special import huber, logsumexp


def iterate(data, states, actions, discount, alpha, iterations, loss):
    q = np.full((states, actions), -np.inf)
    values = np.zeros(states)
    apart = 0.0
    for _ in range(iterations):
        targets = {}
        for s, a, r, s2 in data:
            successors = [values[t] for (x, y, _, t) in data if (x, y) == (s, a) and t is not None]
            known = np.mean(successors) if successors else 0.0
            targets.setdefault(s, []).append((a, r + discount * (values[s2] if s2 is not None else known)))
        for s, pairs in targets.items():
            seen = sorted({a for a, _ in pairs})

            def objective(x):
                at = dict(zip(seen, x))
                td = sum(loss(at[a] - y) for a, y in pairs)
                return td + alpha * sum(logsumexp(x) - at[a] for a, _ in pairs)

            start = np.array([np.mean([y for a, y in pairs if a == b]) for b in seen])
            best = minimize(objective, start, method="BFGS", options={"gtol": 1e-9}).x
            best = minimize(objective, best, method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-14}).x
            q[s, seen] = best
            apart = max(apart, max(abs(dict(zip(seen, best))[a] - y) for a, y in pairs))
        values = np.array([q[s].max() if np.isfinite(q[s]).any() else 0.0 for s in range(states)])
    return q, apart


def case(seed, states, actions, trajectories, horizon, discount, alpha, iterations, size):
    rng = np.random.default_rng(seed)
    kernel = rng.dirichlet(np.ones(states), size=(states, actions))
    reward = size * rng.uniform(-1, 1, (states, actions))
    behaviour = rng.dirichlet(np.ones(actions), size=states)
    columns, data = ([], [], []), []
    for _ in range(trajectories):
        s = rng.integers(states)
        for t in range(horizon):
            a = rng.choice(actions, p=behaviour[s])
            r = round(reward[s, a] + 0.1 * size * rng.standard_normal(), 3)
            s2 = rng.choice(states, p=kernel[s, a])
            data.append((int(s), int(a), r, int(s2) if t + 1 < horizon else None))
            for column, x in zip(columns, (int(s), int(a), r)):
                column.append(x)
            s = s2
    run = lambda loss: iterate(data, states, actions, discount, alpha, iterations, loss)
    q, apart = run(lambda d: d * d / 2)
    if apart < 1:
        same, _ = run(lambda d: huber(1.0, d))
        seen = np.isfinite(q)
        assert np.abs(same[seen] - q[seen]).max() < 1e-5
    names = ("observations", "actions", "rewards")
    return {
        "states": states, "actionCount": actions, "horizon": horizon, "discount": discount, "alpha": alpha,
        "iterations": iterations, "huber": bool(apart < 1), **dict(zip(names, columns)),
        "q": [[x if np.isfinite(x) else None for x in row] for row in q.round(8).tolist()],
    }


cases = [
    case(1, 4, 3, 6, 8, 0.9, 0.05, 60, 0.1),
    case(2, 4, 3, 6, 8, 0.9, 1.0, 60, 1.0),
    case(3, 3, 4, 10, 6, 1.0, 0.5, 6, 1.0),
    case(4, 5, 3, 5, 10, 1.0, 4.0, 10, 3.0),
    case(5, 3, 3, 12, 6, 0.5, 0.3, 25, 0.3),
]
print(json.dumps(cases))
