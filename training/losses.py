"""The losses of the official SynergyNet release, with the reverse module's numbers compared in their right columns."""

import math

import torch

from training.network import CROP, IDENTITY, POSE

# landmarks of the mesh, parameters, refined landmarks, reverse parameters, consistency of both directions
WEIGHTS = {"landmarks": 0.05, "parameters": 0.02, "refined": 0.05, "reverse": 0.02, "consistency": 0.001}
# ours: exact truth allows to blame each group of parameters for the points it alone moves
WEIGHTS |= {"pose": 0.05, "identity": 0.05, "expression": 0.05, "sight": 0.05}
OMEGA, EPSILON = 10.0, 2.0
PIXELS_PER_METRE = 500.0  # of a head in a crop, about


def wing(predicted, truth):
    """Wing loss (Feng et al., CVPR 2018) in crop pixels."""
    distance = (predicted - truth).abs()
    offset = OMEGA - OMEGA * math.log(1 + OMEGA / EPSILON)
    return torch.where(distance < OMEGA, OMEGA * torch.log1p(distance / EPSILON), distance - offset).mean()


def parameter_loss(predicted, truth, pose=True):
    """sqrt(mean square over pose + mean square over shape and expression) of whitened parameters."""
    square = (predicted - truth) ** 2
    total = square[:, POSE:].mean(1)
    if pose:
        total = total + square[:, :POSE].mean(1)
    return torch.sqrt(total + 1e-12).mean()


def apart(network, parameters, truth):
    """Wing losses of the points that a wrong pose, identity or expression alone would move.

    `parameters`, `truth`: unwhitened (B, 104). Points and landmarks of the true head under the predicted pose against
    the true ones; movement of the points by identity and by expression in crop pixels, before the head is turned.
    """
    shape = PIXELS_PER_METRE * (parameters - truth)[:, POSE:]
    posed = network.points(torch.cat([parameters[:, :POSE], truth[:, POSE:]], 1))
    return {
        "pose": wing(posed, network.points(truth)),
        "identity": wing(shape[:, :IDENTITY] @ network.basis[:IDENTITY], 0),
        "expression": wing(shape[:, IDENTITY:] @ network.basis[IDENTITY:], 0),
    }


def losses(network, output, truth):
    """Each loss by name, unweighted; `output` of `network(crops)`, truth unwhitened (B, 104)."""
    whitened, seen, points, refined, reverse = output
    whitened_truth = (truth - network.whitening_mean) / network.whitening_std
    landmarks = network.points(truth)[:, :, :68]
    parts = {
        "landmarks": wing(points[:, :, :68], landmarks),
        "parameters": parameter_loss(whitened, whitened_truth),
        "sight": wing((CROP / 2) * (seen + 1).transpose(1, 2), landmarks[:, :2]),
        **apart(network, network.unwhiten(whitened), truth),
    }
    if refined is None:
        return parts
    return parts | {
        "refined": wing(refined, landmarks),
        "reverse": parameter_loss(reverse, whitened_truth, pose=False),
        "consistency": parameter_loss(reverse, whitened, pose=False),
    }


def total(parts, enabled):
    """The weighted sum of the enabled losses, scaled so that one wing loss has weight 1."""
    return sum(WEIGHTS[name] * value for name, value in parts.items() if name in enabled) / WEIGHTS["landmarks"]
