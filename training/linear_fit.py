"""What a fit makes of what is seen, to first order about the truth: `face.fit` as layers that a loss can look through.

Points and shapes that a network sees are no end in themselves: a fit weighs them against each other. What is left wrong
after it is what training has to make small, most of all errors that points make together and a fit cannot tell from
another pose or another person (differentiable least squares, as Tang & Tan, BA-Net, ICLR 2019).
"""

import torch

from synergy_blender.face.fit import POSE, TOGETHER
from synergy_blender.face.network import LOG_ERRORS


def slopes(mean, basis, shape, scale, rotation):
    """How points move in the picture by each unknown (B, S + 6, K, 2): S numbers of the shape, then pose as in
    `face.fit`: a turn in the picture's frame, the log of the scale and a shift in pixels.

    mean (K, 3), basis (S, K, 3) in metres; shape (B, S), scale (B,) pixels per metre, rotation (B, 3, 3).
    """
    matrix = scale[:, None, None] * rotation
    points = (mean + torch.einsum("bs,skd->bkd", shape, basis)) @ matrix.transpose(1, 2)
    x, y, z = points.unbind(2)
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    rows = [(zero, -z), (z, zero), (-y, x), (x, y), (one, zero), (zero, one)]
    pose = torch.stack([torch.stack(row, 2) for row in rows], 1)
    return torch.cat([torch.einsum("skd,bed->bske", basis, matrix[:, :2]), pose], 1)


def left_wrong(slope, offsets, log_errors, wrong, precision):
    """What a fit leaves wrong of every unknown (B, S + 6), by slopes (B, S + 6, K, 2).

    Seen points are off by `offsets` (B, K, 2) pixels with expected errors' logs (B, K), a regressed shape by `wrong`
    (B, S), or shape and turn and scale, with that `precision`.
    """
    errors = log_errors.clamp(*LOG_ERRORS)
    weights = torch.exp(-2 * errors) / TOGETHER  # no outliers: how far off a point is must not tell how well it is seen
    weighted = (slope * weights[:, None, :, None]).flatten(2)
    normal = (weighted @ slope.flatten(2).transpose(1, 2)).double()
    right = torch.einsum("buk,bk->bu", weighted, offsets.flatten(1)).double()
    known, precision = wrong.shape[1], precision.double()
    unknown = slope.shape[1]
    rows = torch.zeros(unknown, unknown, dtype=torch.double, device=slope.device)
    rows[:known, :known] = precision
    right = right + torch.nn.functional.pad(wrong.double() @ precision, (0, unknown - known))
    return torch.linalg.solve_ex(normal + rows, right)[0].float()  # a check would have a GPU wait


def shape_of(unknowns):
    """The part of unknowns (B, S + 6) that belongs to the shape, and the pose's."""
    return unknowns[:, :-POSE], unknowns[:, -POSE:]
