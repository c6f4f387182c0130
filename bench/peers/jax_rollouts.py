"""Episodes of the energy MDP in JAX, as its users would write them: one jitted `lax.scan` over stages, batched over episodes.

One uniform number a step decides the next state against the row's cumulative probabilities; the generator is JAX's own
default (threefry). Records states, observations, actions and rewards on the device (f32 rewards: 13 bytes a step).
"""

import jax
import jax.numpy as jnp

from measure import arguments, energy, rate, report

EPISODES = 4096  # the best of 1,024 to 65,536 on the machine of the README

args = arguments()
model = energy(args.inputs, "mdp")
cumulative = jnp.cumsum(jnp.array(model["T"]), -1)[..., :-1]
reward, start, policy = jnp.array(model["R"]), jnp.array(model["start"]), jnp.array(model["policy"], jnp.uint8)


@jax.jit
def rollouts(key):
    def step(s, scanned):
        actions_by_state, key = scanned
        a = actions_by_state[s]
        u = jax.random.uniform(key, s.shape)
        following = jnp.sum(u[:, None] >= cumulative[a, s], -1, dtype=jnp.uint32)
        return following, (s, s.astype(jnp.int32), a, reward[a, s])

    key_start, key_steps = jax.random.split(key)
    s = jax.random.choice(key_start, len(start), (EPISODES,), p=start).astype(jnp.uint32)
    _, recorded = jax.lax.scan(step, s, (policy, jax.random.split(key_steps, len(policy))))
    return recorded


key = jax.random.key(0)
report(
    rate(lambda: jax.block_until_ready(rollouts(key)), EPISODES * len(policy), args.seconds),
    "steps/s",
    f"JAX {jax.__version__}",
)
