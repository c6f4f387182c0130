"""Transitions made in the style of the Decision-Pretrained Transformer's Darkroom data collection (Lee et al. 2023).

Our own few lines of the same procedure, not the authors' code: a Python loop draws a cell and a one-hot action uniformly,
moves, compares with the goal and appends to lists; every 100 transitions become NumPy arrays with a query cell and its
optimal action. `--save yes` adds the pickle at the end, as their script does; without it nothing reaches the disk.
With several `--processes` each makes its share of the transitions, from its own seed.
"""

import os
import pickle
from multiprocessing import Pool

import numpy as np

from measure import arguments, rate, report

SIDE = 10
HORIZON = 100
MOVES = np.array([[1, 0], [-1, 0], [0, 1], [0, -1], [0, 0]])

args = arguments("--transitions", "--processes", "--save")
processes = int(args.processes)
share = int(args.transitions) // HORIZON // processes


def one_hot(action):
    vector = np.zeros(len(MOVES))
    vector[action] = 1
    return vector


def towards(cell, goal):
    for axis in range(2):
        if cell[axis] != goal[axis]:
            return one_hot(2 * axis + int(cell[axis] > goal[axis]))
    return one_hot(4)


def history(goal):
    states, actions, followings, rewards = [], [], [], []
    for _ in range(HORIZON):
        state = np.random.randint(0, SIDE, 2)
        action = one_hot(np.random.randint(0, len(MOVES)))
        following = np.clip(state + MOVES[np.argmax(action)], 0, SIDE - 1)
        states.append(state)
        actions.append(action)
        followings.append(following)
        rewards.append(1 if np.all(following == goal) else 0)
    query = np.random.randint(0, SIDE, 2)
    return {
        "query_state": query,
        "optimal_action": towards(query, goal),
        "context_states": np.array(states),
        "context_actions": np.array(actions),
        "context_next_states": np.array(followings),
        "context_rewards": np.array(rewards),
        "goal": goal,
    }


def collect(seed):
    np.random.seed(seed)
    histories = [history(np.random.randint(0, SIDE, 2)) for _ in range(share)]
    if args.save:
        with open(args.inputs / f"histories-{seed}.pkl", "wb") as file:
            pickle.dump(histories, file)
            file.flush()
            os.fsync(file.fileno())


if __name__ == "__main__":
    if processes == 1:
        measured = rate(lambda: collect(0), share * HORIZON, args.seconds)
    else:
        with Pool(processes) as pool:
            measured = rate(lambda: pool.map(collect, range(processes)), processes * share * HORIZON, args.seconds)
    report(measured, "transitions/s", f"NumPy {np.__version__}")
