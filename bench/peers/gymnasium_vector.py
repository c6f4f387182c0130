"""gymnasium's vector environments stepped with random actions drawn beforehand.

`--env FrozenLake-v1` steps 64 copies in one process (`SyncVectorEnv`): the toy-text environments have no vectorised
form of their own. `--env CartPole-v1` is the one that has (a NumPy batch of 4,096), and shows what it gives.
"""

import gymnasium
import numpy as np

from measure import arguments, rate, report

args = arguments("--env")
own = args.env == "CartPole-v1"
copies, steps = (4096, 50) if own else (64, 100)
env = gymnasium.make_vec(args.env, num_envs=copies, vectorization_mode="vector_entry_point" if own else "sync")
env.reset(seed=0)
actions = np.random.default_rng(0).integers(0, env.single_action_space.n, (steps, copies))


def play():
    for action in actions:
        env.step(action)


report(rate(play, copies * steps, args.seconds), "steps/s", f"gymnasium {gymnasium.__version__}")
