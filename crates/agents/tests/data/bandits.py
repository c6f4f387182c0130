"""Regret of three ways of choosing among five Gaussian arms, in NumPy.  python bandits.py > bandits.json

Means are uniform in [0, 1], the noise has a standard deviation of 0.3; 20,000 environments, 500 steps. Cumulative pseudo-regret after 100
and 500 steps as [mean, standard error].
"""

import json

import numpy as np

rng = np.random.default_rng(20)
N, K, T, NOISE = 20_000, 5, 500, 0.3
MEANS = rng.random((N, K))


def run(choose, each_once):
    pulls, sums, regret, out = np.zeros((N, K)), np.zeros((N, K)), np.zeros(N), []
    rows = np.arange(N)
    for t in range(T):
        arm = np.full(N, t) if each_once and t < K else choose(pulls, sums, t)
        reward = MEANS[rows, arm] + NOISE * rng.standard_normal(N)
        pulls[rows, arm] += 1
        sums[rows, arm] += reward
        regret += MEANS.max(1) - MEANS[rows, arm]
        if t + 1 in (100, 500):
            out.append([round(regret.mean(), 4), round(regret.std() / N**0.5, 4)])
    return out


def thompson(pulls, sums, _):
    # The arms' means have mean 1/2 and variance 1/12 before they are pulled.
    precision = 12 + pulls / NOISE**2
    return ((6 + sums / NOISE**2) / precision + rng.standard_normal((N, K)) / precision**0.5).argmax(1)


print(json.dumps({
    "empirical": run(lambda n, s, t: (s / n).argmax(1), True),
    "ucb-constant": run(lambda n, s, t: (s / n + 1 / n**0.5).argmax(1), True),
    "ucb-log": run(lambda n, s, t: (s / n + (np.log(t) / n) ** 0.5).argmax(1), True),
    "thompson": run(thompson, False),
}, indent=1))
