"""Fixed-grid value iteration for the energy APOMDP as one plainly writes it in NumPy: values at the points of a regular grid over
beliefs, interpolated on Freudenthal's triangulation (Lovejoy 1991), swept back over the stages. No bounds.

`simplex` lays the grid over all ten states. `faces` knows what Tiresias finds out by itself: that a reading leaves three states open.
Divisions grow until the value at the start is within `--accuracy` of the reference. Seconds are the processor's.
"""

import argparse
import json
import time
from itertools import combinations
from pathlib import Path

import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("--inputs", type=Path, required=True, help="energy-apomdp.json: the model, a reference value, its span")
parser.add_argument("--grid", choices=["simplex", "faces"], required=True)
parser.add_argument("--accuracy", type=float, default=0.005, help="share of the value's span")
parser.add_argument("--seconds", type=float, default=10.0, help="gives up after the first grid that takes longer")
args = parser.parse_args()

task = json.loads((args.inputs / "energy-apomdp.json").read_text())
T, Q, R, start = (np.array(task[name]) for name in ["T", "Q", "R", "start"])  # [m,a,s,s'], [m,a,s',o], [a,s], [s]
H, alpha = task["horizon"], task["alpha"]
M, A, S, O = Q.shape


def lattice(states, n):
    """All points with coordinates that are multiples of 1/n, and a function that gives a point's cell: vertices and weights."""
    bars = np.array(list(combinations(range(n + states - 1), states - 1))).reshape(-1, states - 1)
    edges = np.hstack([np.full((len(bars), 1), -1), bars, np.full((len(bars), 1), n + states - 1)])
    points = np.diff(edges, axis=1) - 1
    base = (n + 1) ** np.arange(states)
    tails = lambda x: x[:, ::-1].cumsum(1)[:, ::-1]
    keys = tails(points) @ base
    order = np.argsort(keys)
    keys = keys[order]

    def cell(x):
        z = tails(x * n)
        z[:, 0] = n
        floor = np.clip(np.floor(z + 1e-9), 0, n)
        part = np.clip(z - floor, 0, 1)
        rank = np.argsort(-part, axis=1, kind="stable")
        part = np.take_along_axis(part, rank, 1)
        key = floor.astype(np.int64) @ base
        at = np.hstack([key[:, None], key[:, None] + base[rank].cumsum(1)])
        weights = -np.diff(part, axis=1, prepend=1, append=0)
        # A vertex of weight 0 may lie outside the simplex: any vertex will do.
        found = np.searchsorted(keys, at).clip(0, len(keys) - 1)
        return order[np.where(weights > 0, found, 0)], weights * (weights > 0)

    return points / n, cell


def blend(q):
    """H^alpha over the models, q[m, ...]."""
    return alpha * q.min(0) + (1 - alpha) * q.max(0)


def images(beliefs):
    """joint[m,a,o,b,s'] of many beliefs."""
    return np.einsum("bs,mast,mato->maobt", beliefs, T, Q, optimize=True)


def solve_simplex(n):
    points, cell = lattice(S, n)

    def places(beliefs):
        joint = images(beliefs)
        mass = joint.sum(-1)
        vertices, weights = cell((joint / np.where(mass > 0, mass, 1)[..., None]).reshape(-1, S))
        return vertices, weights * mass.reshape(-1, 1), mass.shape

    def backup(value, beliefs, where):
        vertices, weights, shape = where
        ahead = (value[vertices] * weights).sum(1).reshape(shape).sum(2)
        return blend(beliefs @ R.T + ahead.transpose(0, 2, 1)).max(1)

    where = places(points)
    value = np.zeros(len(points))
    for _ in range(H - 1):
        value = backup(value, points, where)
    return len(points), backup(value, start[None], places(start[None]))[0]


def solve_faces(n):
    """The face of reading o holds the states from `first[o]` on, three of them."""
    points, cell = lattice(3, n)
    first = np.clip(np.arange(O) - 1, 0, S - 3)
    window = first[:, None] + np.arange(3)

    def places(beliefs):
        joint = images(beliefs)
        joint = np.take_along_axis(joint, window[None, None, :, None, :].repeat(len(beliefs), 3), 4)
        mass = joint.sum(-1)
        vertices, weights = cell((joint / np.where(mass > 0, mass, 1)[..., None]).reshape(-1, 3))
        vertices = vertices.reshape(*mass.shape, -1) + (first * len(points))[None, None, :, None, None]
        return vertices, weights.reshape(*mass.shape, -1) * mass[..., None]

    def backup(value, beliefs, where):
        vertices, weights = where
        ahead = (value[vertices] * weights).sum((2, 4))
        return blend(beliefs @ R.T + ahead.transpose(0, 2, 1)).max(1)

    beliefs = np.zeros((S - 2, len(points), S))
    for f in range(S - 2):
        beliefs[f, :, f : f + 3] = points
    beliefs = beliefs.reshape(-1, S)
    where = places(beliefs)
    value = np.zeros(len(beliefs))
    for _ in range(H - 1):
        value = backup(value, beliefs, where)
    return len(beliefs), backup(value, start[None], places(start[None]))[0]


rows = []
for n in [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 20, 24, 32]:
    begin = time.process_time()
    vertices, value = (solve_simplex if args.grid == "simplex" else solve_faces)(n)
    seconds = time.process_time() - begin
    error = abs(value - task["reference"]) / task["span"]
    rows.append({"divisions": n, "vertices": vertices, "seconds": seconds, "value": float(value), "errorOfSpan": float(error)})
    if error <= args.accuracy or seconds > args.seconds:
        break
print(json.dumps({"peer": f"NumPy, grid over the {args.grid}", "version": np.__version__, "reached": rows[-1]["errorOfSpan"] <= args.accuracy, **rows[-1], "rows": rows}))
