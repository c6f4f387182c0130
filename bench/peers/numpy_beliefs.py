"""4,096 beliefs over the 10 states of the energy POMDP, updated together in NumPy with `einsum`, in f64 or f32.

Lanes have different actions. One product with all three transition matrices and a selection is faster than gathering a
matrix for each lane, so that is what is timed; log-likelihoods are returned as Tiresias returns them.
"""

import numpy as np

from measure import arguments, energy, rate, report

LANES = 4096
STAGES = 10

args = arguments("--dtype")
dtype = np.dtype(args.dtype)
model = energy(args.inputs, "pomdp")
T, Q = model["T"].astype(dtype), model["Q"].astype(dtype)
start = np.tile(model["start"].astype(dtype), (LANES, 1))
lanes = np.arange(LANES)
likelihoods = np.ascontiguousarray(Q.transpose(0, 2, 1))


def update(belief, action, observation):
    predicted = np.einsum("ns,ast->nat", belief, T, optimize=True)[lanes, action]
    joint = predicted * likelihoods[action, observation]
    likelihood = joint.sum(-1)
    return joint / likelihood[:, None], np.log(likelihood)


# Observations that the model gives: a simulated history of each lane.
random = np.random.default_rng(0)
hidden = random.choice(len(model["start"]), LANES, p=model["start"])
history = []
for t in range(STAGES):
    action = random.integers(0, len(T), LANES)
    draw = lambda rows: (random.random((LANES, 1)) > rows.cumsum(-1)[:, :-1]).sum(-1)
    hidden = draw(model["T"][action, hidden])
    history.append((action, draw(model["Q"][action, hidden])))


def track():
    belief = start
    for action, observation in history:
        belief, _ = update(belief, action, observation)
    return belief


assert np.isfinite(track()).all()
report(rate(track, LANES * STAGES, args.seconds), "updates/s", f"NumPy {np.__version__}")
