"""EnvPool's FrozenLake (16 states, 4 actions), in C++, stepped synchronously by one thread with random actions."""

import envpool
import numpy as np

from measure import arguments, rate, report

COPIES = 4096
STEPS = 50

args = arguments()
env = envpool.make_gymnasium("FrozenLake-v1", num_envs=COPIES, num_threads=1, seed=0)
env.reset()
actions = np.random.default_rng(0).integers(0, 4, (STEPS, COPIES), dtype=np.int32)


def play():
    for action in actions:
        env.step(action)


report(rate(play, COPIES * STEPS, args.seconds), "steps/s", f"EnvPool {envpool.__version__}")
