"""The losses of the official SynergyNet release, with the reverse module's numbers compared in their right columns."""

import math

import torch

from training.network import POSE

# landmarks of the mesh, parameters, refined landmarks, reverse parameters, consistency of both directions
WEIGHTS = {"landmarks": 0.05, "parameters": 0.02, "refined": 0.05, "reverse": 0.02, "consistency": 0.001}
SURFACE_WEIGHT = 0.05  # ours: further points of the surface, whose truth is exact here
OMEGA, EPSILON = 10.0, 2.0


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


def losses(output, whitened_truth, true_points):
    """Each loss by name, unweighted; `output` of SynergyNet.forward, truth whitened (B, 104), points (B, 3, K)."""
    whitened, points, refined, reverse = output
    parts = {
        "landmarks": wing(points[:, :, :68], true_points[:, :, :68]),
        "surface": wing(points[:, :, 68:], true_points[:, :, 68:]),
        "parameters": parameter_loss(whitened, whitened_truth),
    }
    if refined is None:
        return parts
    return parts | {
        "refined": wing(refined, true_points[:, :, :68]),
        "reverse": parameter_loss(reverse, whitened_truth, pose=False),
        "consistency": parameter_loss(reverse, whitened, pose=False),
    }


def total(parts, enabled):
    """The weighted sum of the enabled losses, scaled so that one wing loss has weight 1."""
    weights = {**WEIGHTS, "surface": SURFACE_WEIGHT}
    return sum(weights[name] * value for name, value in parts.items() if name in enabled) / WEIGHTS["landmarks"]
