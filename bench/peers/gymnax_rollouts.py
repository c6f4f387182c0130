"""gymnax: jit + vmap + lax.scan over one of its environments, the way its README rolls out.

`--env energy` is the same energy MDP as an `Environment` of gymnax's, with its table policy; `--env FrozenLake-misc` is
an environment that gymnax ships (16 states, 4 actions), with random actions. Records state, action and reward.
"""

import gymnax
import jax
import jax.numpy as jnp
from gymnax.environments import environment, spaces
from flax import struct
from importlib.metadata import version

from measure import arguments, energy, rate, report

EPISODES = 4096
HORIZON = 10

args = arguments("--env")


@struct.dataclass
class State(environment.EnvState):
    energy: jax.Array
    time: int


class Energy(environment.Environment):
    """Ends after HORIZON steps; gymnax's `step` then starts the next episode by itself."""

    def __init__(self, model):
        super().__init__()
        self.cumulative = jnp.cumsum(jnp.array(model["T"]), -1)[..., :-1]
        self.reward = jnp.array(model["R"])
        self.start = jnp.array(model["start"])

    @property
    def default_params(self):
        return environment.EnvParams(max_steps_in_episode=HORIZON)

    def step_env(self, key, state, action, params):
        u = jax.random.uniform(key)
        following = State(energy=jnp.sum(u >= self.cumulative[action, state.energy]), time=state.time + 1)
        return following.energy, following, self.reward[action, state.energy], False, {}

    def reset_env(self, key, params):
        state = State(energy=jax.random.choice(key, len(self.start), p=self.start), time=0)
        return state.energy, state

    def action_space(self, params=None):
        return spaces.Discrete(len(self.reward))


if args.env == "energy":
    model = energy(args.inputs, "mdp")
    env, params = Energy(model), Energy(model).default_params
    table = jnp.array(model["policy"])
    act = lambda key, t, observation: table[t, observation]
else:
    env, params = gymnax.make(args.env)
    act = lambda key, t, observation: env.action_space(params).sample(key)


@jax.jit
@jax.vmap
def rollout(key):
    key_reset, key_steps = jax.random.split(key)
    observation, state = env.reset(key_reset, params)

    def step(carry, t):
        key, observation, state = carry
        key, key_act, key_step = jax.random.split(key, 3)
        action = act(key_act, t, observation)
        following, state, reward, *_ = env.step(key_step, state, action, params)
        return (key, following, state), (observation, action, reward)

    _, recorded = jax.lax.scan(step, (key_steps, observation, state), jnp.arange(HORIZON))
    return recorded


keys = jax.random.split(jax.random.key(0), EPISODES)
report(
    rate(lambda: jax.block_until_ready(rollout(keys)), EPISODES * HORIZON, args.seconds),
    "steps/s",
    f"gymnax {version('gymnax')}, JAX {jax.__version__}",
)
