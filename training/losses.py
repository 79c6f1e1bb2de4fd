"""The losses of the official SynergyNet release, with the reverse module's numbers compared in their right columns."""

import math

import torch

from training.network import CROP, EXPRESSION, IDENTITY, POSE

# Of the paper: landmarks of the mesh, parameters, refined landmarks, reverse parameters, consistency both ways.
# Ours: exact truth allows to blame pose, identity and expression for the points that each alone moves, every expression
# for itself ("units": those that move few points would drown), and the sight of the points with its own error.
# The weights let each pull the shared features about as strongly: landmarks and pose alone would drown the others 60
# to 1, and closed eyes would never be learned.
WEIGHTS = {
    "landmarks": 0.015,
    "parameters": 0.1,
    "refined": 0.05,
    "reverse": 0.02,
    "consistency": 0.001,
    "pose": 0.015,
    "identity": 0.15,
    "expression": 1.5,
    "units": 1.1,
    "sight": 0.1,
    "error": 0.01,
}
OMEGA, EPSILON = 10.0, 2.0
FAR = 20.0  # pixels: points farther off say no more of how well a point is seen
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


def error_loss(error, offset):
    """Negative log likelihood of offsets (B, 2, K) in pixels under normal errors of log standard deviation (B, K)."""
    square = (offset**2).sum(1).clamp(max=FAR**2)
    error = error.clamp(-3, 4)
    return (2 * error + square / (2 * torch.exp(2 * error))).mean()


def apart(network, parameters, truth):
    """Losses of the points that a wrong pose, identity or expression alone would move.

    `parameters`, `truth`: unwhitened (B, 104). Points and landmarks of the true head under the predicted pose against
    the true ones; movement of the points by identity and by expression in crop pixels, before the head is turned. Of
    expressions the squares: their best guess is the mean, where wing loss would have rare ones in doubt be none.
    """
    shape = PIXELS_PER_METRE * (parameters - truth)[:, POSE:]
    posed = network.points(torch.cat([parameters[:, :POSE], truth[:, POSE:]], 1))
    return {
        "pose": wing(posed, network.points(truth)),
        "identity": wing(shape[:, :IDENTITY] @ network.basis[:IDENTITY], 0),
        "expression": (shape[:, IDENTITY:] @ network.basis[IDENTITY:]).square().mean(),
    }


def losses(network, output, truth):
    """Each loss by name, unweighted; `output` of `network(crops)`, truth unwhitened (B, 104)."""
    whitened, (glance, closer, seen, error), points, refined, reverse = output
    whitened_truth = (truth - network.whitening_mean) / network.whitening_std
    target = network.points(truth)
    landmarks = target[:, :, :68]
    glance, closer, seen = ((CROP / 2) * (at + 1).transpose(1, 2) for at in (glance, closer, seen))
    parts = {
        "landmarks": wing(points[:, :, :68], landmarks),
        "parameters": parameter_loss(whitened, whitened_truth),
        "sight": sum(wing(at, target[:, :2]) for at in (glance, closer, seen)) / 3,
        "error": error_loss(error, (seen - target[:, :2]).detach()),
        **apart(network, network.unwhiten(whitened), truth),
        "units": ((whitened - whitened_truth)[:, -EXPRESSION:] ** 2).mean(),
    }
    if refined is None:
        return parts
    return parts | {
        "refined": wing(refined, landmarks),
        "reverse": parameter_loss(reverse, whitened_truth, pose=False),
        "consistency": parameter_loss(reverse, whitened, pose=False),
    }


def total(parts, enabled):
    """The weighted sum of the enabled losses, scaled so that the wing loss of sight has weight 1."""
    return sum(WEIGHTS[name] * value for name, value in parts.items() if name in enabled) / WEIGHTS["sight"]
