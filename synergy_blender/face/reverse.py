"""SynergyNet's reverse direction in NumPy: from landmarks to the shape that they show.

A point network (PointNet, Qi et al., CVPR 2017, as in SynergyNet's landmark-to-3DMM module) regresses identity and
expression; `start_pose` places the head by closed form. Together they are where a fit to landmarks starts.
"""

import numpy as np

POINT, WHOLE = (
    (3, 64, 64),
    (64, 64, 128, 1024),
)  # widths of the layers on each landmark, and of those before the maximum


def shapes(parameters):
    """Every weight of the module by name, with its shape."""
    table = {}
    for k, (inputs, outputs) in enumerate(_widths()):
        table[f"reverse{k}_weight"], table[f"reverse{k}_bias"] = (inputs, outputs), (outputs,)
    return table | {"reverse_heads_weight": (WHOLE[-1], parameters), "reverse_heads_bias": (parameters,)}


def _widths():
    for widths in (POINT, WHOLE):
        yield from zip(widths, widths[1:], strict=False)


def shape_of(weights, landmarks, crop):
    """Identity (40,) and expression (52,) of landmarks (68, 3) in pixels of a crop of side `crop`, y up."""
    found = told(weights, landmarks, crop) @ weights["reverse_heads_weight"] + weights["reverse_heads_bias"]
    return np.split(found[12:].astype(float), [40])


def told(weights, landmarks, crop):
    """All (1024,) that tells the shape of landmarks."""
    x = (landmarks / (crop / 2) - 1).astype(np.float32)
    for k, _ in enumerate(_widths()):
        x = np.maximum(x @ weights[f"reverse{k}_weight"] + weights[f"reverse{k}_bias"], 0)
    return x.max(0)


def with_depth(landmarks, points, start):
    """Landmarks (K, 2) with the depth that model points (K, 3) have in a pose (3, 4): (K, 3), as the module is told."""
    return np.column_stack([landmarks, points @ start[2, :3]])


def start_pose(points, target):
    """The pose (3, 4) that carries model points (K, 3) closest to target (K, 2), y up (weak perspective)."""
    middle, to = points.mean(0), target.mean(0)
    affine = np.linalg.lstsq(points - middle, target - to, rcond=None)[0].T
    u, s, vt = np.linalg.svd(affine, full_matrices=False)
    rows = u @ vt
    rotation = np.vstack([rows, np.cross(*rows)])
    scale = s.mean()
    return np.column_stack([scale * rotation, [*(to - scale * rows @ middle), 0]])
