"""pomdp-py: `update_histogram_belief` on the energy POMDP (10 states, 10 observations), one belief at a time.

The models are tables looked up by state, action and observation objects with hashes, as its tutorial writes them. The
belief after each update is compared with Bayes' rule before anything is timed.
"""

import numpy as np
import pomdp_py
from importlib.metadata import version

from measure import arguments, energy, rate, report

args = arguments()
model = energy(args.inputs, "pomdp")
T, Q = model["T"].tolist(), model["Q"].tolist()


class Numbered:
    def __init__(self, number):
        self.number = number

    def __hash__(self):
        return self.number

    def __eq__(self, other):
        return self.number == other.number


class State(Numbered, pomdp_py.State):
    pass


class Action(Numbered, pomdp_py.Action):
    pass


class Observation(Numbered, pomdp_py.Observation):
    pass


class Transition(pomdp_py.TransitionModel):
    def probability(self, next_state, state, action):
        return T[action.number][state.number][next_state.number]


class Gauge(pomdp_py.ObservationModel):
    def probability(self, observation, next_state, action):
        return Q[action.number][next_state.number][observation.number]


states = [State(s) for s in range(len(T[0]))]
prior = pomdp_py.Histogram({s: p for s, p in zip(states, model["start"].tolist())})
transition, gauge = Transition(), Gauge()


def update(belief, action, observation):
    return pomdp_py.update_histogram_belief(belief, action, observation, gauge, transition)


# A history that the model allows: the actions in turn, each followed by the likeliest observation.
history, belief, exact = [], prior, model["start"]
for t in range(30):
    a = t % len(T)
    o = int(np.argmax(exact @ model["T"][a] @ model["Q"][a]))
    exact = (exact @ model["T"][a]) * model["Q"][a][:, o]
    exact /= exact.sum()
    belief = update(belief, Action(a), Observation(o))
    assert np.allclose([belief[s] for s in states], exact)
    history.append((Action(a), Observation(o)))


def track():
    belief = prior
    for action, observation in history:
        belief = update(belief, action, observation)


report(rate(track, len(history), args.seconds), "updates/s", f"pomdp-py {version('pomdp-py')}")
