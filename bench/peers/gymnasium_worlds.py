"""Environments of Gymnasium as worlds that we did not write: their published tables, records in Minari's files, and policies played in them.

Reads a request a line as JSON from standard input and answers each with a line of JSON:

  {"do": "world", "world"}                                   the table, and what its best policy earns
  {"do": "record", "world", "behaviour", "episodes", "seed", "dataset"}   plays episodes and writes them as a dataset of Minari
  {"do": "towards", "world", "behaviour", "share"}           the policy between who acted and the best first actions, and what it earns
  {"do": "value", "world", "policy"}                         what a policy (stages x states, numbers of actions) earns, from the table
  {"do": "play", "world", "policy", "episodes", "seed"}      what it earned in the environment itself

A behaviour is {"epsilon": e}, the best first action with probability 1 - e and else any, or {"expert": true}, the clinicians' policy that comes with ICU-Sepsis.
"""

import json
import sys
import warnings
from functools import cache

import gymnasium
import minari
import numpy as np
from minari.data_collector import EpisodeBuffer

warnings.filterwarnings("ignore")

WORLDS = {
    "frozen-lake": ("FrozenLake-v1", {}),
    "cliff-walking": ("CliffWalkingSlippery-v1", {"max_episode_steps": 100}),
    "icu-sepsis": ("Sepsis/ICU-Sepsis-v2", {"max_episode_steps": 50}),
}


@cache
def environment(name):
    if name == "icu-sepsis":
        import icu_sepsis  # noqa: F401  registers the environment
    return gymnasium.make(WORLDS[name][0], **WORLDS[name][1])


class World:
    """`go[s, a, s']` is the probability to go on in s', `earns[s, a]` the mean reward, `ends[s, a]` the probability that the episode ends."""

    def __init__(self, name):
        env = environment(name)
        inner = env.unwrapped
        self.horizon = env.spec.max_episode_steps
        if name == "icu-sepsis":
            tables = inner.dynamics
            move, self.start = tables["tx_mat"].copy(), tables["d_0"]
            self.earns = np.einsum("sat,sat->sa", move, tables["r_mat"])
            terminal = [s for s in range(len(self.start)) if inner._is_terminal_state(s)]
            move[:, :, terminal] = 0
            self.go, self.expert = move, inner.expert_policy
        else:
            shape = (inner.observation_space.n, inner.action_space.n)
            self.go, self.earns, self.start = np.zeros((*shape, shape[0])), np.zeros(shape), inner.initial_state_distrib
            for state, choices in inner.P.items():
                for action, outcomes in choices.items():
                    for probability, next_state, reward, over in outcomes:
                        self.earns[state, action] += probability * reward
                        self.go[state, action, next_state] += probability * (not over)
        self.ends = 1 - self.go.sum(axis=2)

    @property
    def shape(self):
        return self.earns.shape

    def best(self):
        """What the best policy earns, and its actions by stage and state."""
        value, policy = np.zeros(self.shape[0]), []
        for _ in range(self.horizon):
            q = self.earns + self.go @ value
            # Ties, which rounding would break at random, go to the first.
            policy.append(np.argmax(q >= q.max(axis=1, keepdims=True) - 1e-12, axis=1))
            value = q.max(axis=1)
        return float(self.start @ value), np.array(policy[::-1])

    def value(self, probabilities):
        """What a policy earns, given by stage, state and action; a single stage stands for all."""
        value = np.zeros(self.shape[0])
        for stage in reversed(range(self.horizon)):
            chosen = probabilities[stage if len(probabilities) > 1 else 0]
            value = np.sum(chosen * (self.earns + self.go @ value), axis=1)
        return float(self.start @ value)

    def value_of_actions(self, policy):
        value, states = np.zeros(self.shape[0]), np.arange(self.shape[0])
        for chosen in reversed(policy):
            value = self.earns[states, chosen] + self.go[states, chosen] @ value
        return float(self.start @ value)


tables = cache(World)


def behaviour_rows(one, asked):
    if asked.get("expert"):
        # Where patients are dead or cured there is nothing to do.
        known = one.expert.sum(axis=1, keepdims=True) > 0
        return np.where(known, one.expert, 1) / np.where(known, one.expert, 1).sum(axis=1, keepdims=True)
    best = one.best()[1][0]
    rows = np.full(one.shape, asked["epsilon"] / one.shape[1])
    rows[np.arange(one.shape[0]), best] += 1 - asked["epsilon"]
    return rows


def record(world, behaviour, episodes, seed, dataset):
    """Plays episodes and has Minari write them, at once: its DataCollector opens the file anew for every episode, and writes the same."""
    one, env = tables(world), environment(world)
    rows, random = behaviour_rows(one, behaviour), np.random.default_rng(seed)
    # As a thousand draws of `choice` would, and faster.
    cumulative = rows.cumsum(axis=1)
    buffers, returns = [], []
    for episode in range(episodes):
        state, _ = env.reset(seed=seed * 1_000_003 + episode)
        # Minari wants the same fields of the info before the first action.
        played = EpisodeBuffer(id=episode, observations=[state], actions=[], infos={"propensity": [1.0]})
        over = False
        while not over:
            action = int(np.searchsorted(cumulative[state], random.random() * cumulative[state, -1], side="right"))
            propensity = float(rows[state, action])
            state, reward, terminated, truncated, _ = env.step(action)
            over = terminated or truncated
            for column, value in [(played.observations, state), (played.actions, action), (played.rewards, float(reward)), (played.terminations, terminated), (played.truncations, truncated), (played.infos["propensity"], propensity)]:
                column.append(value)
        buffers.append(played)
        returns.append(sum(played.rewards))
    minari.create_dataset_from_buffers(dataset, buffers, env=env, data_format="hdf5")
    return {"mean": float(np.mean(returns)), "value": one.value(rows[None])}


def towards(world, behaviour, share):
    """Who acts does the best first action with probability `share`, and else as before."""
    one = tables(world)
    rows = (1 - share) * behaviour_rows(one, behaviour) + share * np.eye(one.shape[1])[one.best()[1][0]]
    return {"rows": rows.tolist(), "value": one.value(rows[None])}


def play(world, policy, episodes, seed):
    env, returns = environment(world), []
    for episode in range(episodes):
        state, _ = env.reset(seed=seed * 1_000_003 + episode)
        total, over, stage = 0.0, False, 0
        while not over:
            state, reward, terminated, truncated, _ = env.step(int(policy[stage][state]))
            total, over, stage = total + float(reward), terminated or truncated, stage + 1
        returns.append(total)
    return {"mean": float(np.mean(returns)), "error": float(np.std(returns, ddof=1) / np.sqrt(episodes))}


def published(world):
    one = tables(world)
    rows = [[[[int(t), float(one.go[s, a, t])] for t in np.flatnonzero(one.go[s, a])] for s in range(one.shape[0])] for a in range(one.shape[1])]
    value, policy = one.best()
    return {
        "environment": environment(world).spec.id, "states": one.shape[0], "actions": one.shape[1], "horizon": one.horizon, "start": one.start.tolist(),
        "transition": rows, "ends": one.ends.T.tolist(), "reward": one.earns.T.tolist(), "best": value, "policy": policy.tolist(),
    }


DO = {
    "world": published, "record": record, "towards": towards, "play": play,
    "value": lambda world, policy: {"value": tables(world).value_of_actions(np.array(policy))},
    "versions": lambda: {"gymnasium": gymnasium.__version__, "minari": minari.__version__, "numpy": np.__version__},
}

for line in sys.stdin:
    request = json.loads(line)
    print(json.dumps(DO[request.pop("do")](**request)), flush=True)
