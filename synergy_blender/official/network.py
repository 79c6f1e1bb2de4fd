"""The authors' networks in NumPy: image to parameters, refined landmarks, and back from landmarks to parameters."""

import numpy as np

from ..face import layers
from ..face.network import BLOCKS
from .weights import EXPRESSION, IDENTITY, POSE, REFINEMENT

CROP = 120
RESIDUAL = 0.05  # of the refinement that is added to landmarks


def parameters_of(weights, crop):
    """Whitened parameters (62,) and image feature (1280,) of a crop (120, 120, 3) BGR 0..255."""
    w = weights
    x = (np.asarray(crop, np.float32) - 127.5) / 128
    x = layers.clip6(layers.full(x, w["stem_weight"], w["stem_bias"]))
    k = 0
    for expansion, _, repeats, first_stride in BLOCKS:
        for repeat in range(repeats):
            skip, name, stride = x, f"block{k:02d}", first_stride if repeat == 0 else 1
            if expansion > 1:
                x = layers.clip6(layers.pointwise(x, w[f"{name}_expand_weight"], w[f"{name}_expand_bias"]))
            x = layers.depthwise(x, w[f"{name}_depthwise_weight"], w[f"{name}_depthwise_bias"], stride)
            x = layers.pointwise(layers.clip6(x), w[f"{name}_project_weight"], w[f"{name}_project_bias"])
            if stride == 1 and skip.shape[2] == x.shape[2]:
                x += skip
            k += 1
    x = layers.clip6(layers.pointwise(x, w["last_weight"], w["last_bias"]))
    feature = x.mean((0, 1))
    return feature @ w["heads_weight"] + w["heads_bias"], feature


def refinement_of(weights, landmarks, feature, whitened):
    """The residual (3, 68) of landmarks (3, 68) in crop pixels, y down (MAFA); RESIDUAL of it is to be added."""
    point, whole = _encoded(weights, "refine", landmarks)
    context = np.concatenate([whole, feature, whitened[POSE:]])
    split = point.shape[1]
    x = point @ weights["refine6_weight"][:split] + context @ weights["refine6_weight"][split:]
    x = np.maximum(x + weights["refine6_bias"], 0)
    for k in range(7, len(REFINEMENT) + 1):
        x = np.maximum(x @ weights[f"refine{k}_weight"] + weights[f"refine{k}_bias"], 0)
    return x.T


def reverse_of(weights, landmarks):
    """Whitened parameters (62,) from landmarks (3, 68) in crop pixels, y down."""
    _, whole = _encoded(weights, "reverse", landmarks)
    return np.maximum(whole @ weights["reverse6_weight"] + weights["reverse6_bias"], 0)


def _encoded(weights, name, landmarks):
    """Features (68, 64) of the landmarks and those (1024,) of the whole face."""
    x = np.asarray(landmarks, np.float32).T
    for k in range(1, 6):
        x = np.maximum(x @ weights[f"{name}{k}_weight"] + weights[f"{name}{k}_bias"], 0)
        if k == 2:
            point = x
    return point, x.max(0)


def parts_of(weights, whitened):
    """Pose (3, 4), identity (40,) and expression (10,) of whitened parameters (62,)."""
    values = whitened * weights["param_std"] + weights["param_mean"]
    return values[:POSE].reshape(3, 4), values[POSE : POSE + IDENTITY], values[POSE + IDENTITY :][:EXPRESSION]
