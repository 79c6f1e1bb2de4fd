"""From the authors' checkpoint to the arrays of a model: what there must be, and batch norm folded into the layers."""

import numpy as np

from ..face import network
from .pickled import UnsafeFile

POSE, IDENTITY, EXPRESSION, LANDMARKS = 12, 40, 10, 68
PARAMETERS = POSE + IDENTITY + EXPRESSION
SMALL = 1e-5  # that PyTorch's batch norm adds to the variance
# inputs and outputs of the layers on each landmark, up to the features of the whole face
POINTS = ((3, 64), (64, 64), (64, 64), (64, 128), (128, 1024))
TOGETHER = 64 + 1024 + network.FEATURES + IDENTITY + EXPRESSION
REFINEMENT = (*POINTS, (TOGETHER, 512), (512, 256), (256, 128), (128, 3))


def shapes():
    """Every array of the networks by name, with its shape."""
    table = {name: shape for name, shape in network.shapes().items() if name.startswith(("stem_", "block", "last_"))}
    table |= {"heads_weight": (network.FEATURES, PARAMETERS), "heads_bias": (PARAMETERS,)}
    for short, widths in (("refine", REFINEMENT), ("reverse", (*POINTS, (1024, PARAMETERS)))):
        for k, (inputs, outputs) in enumerate(widths, 1):
            table[f"{short}{k}_weight"], table[f"{short}{k}_bias"] = (inputs, outputs), (outputs,)
    return table


class Checkpoint:
    """The named arrays of a checkpoint, each taken with the shape that it must have."""

    def __init__(self, arrays):
        self.arrays = {name.removeprefix("module."): values for name, values in arrays.items()}

    def take(self, name, *shape):
        """An array as float32. Raises UnsafeFile where it is missing, of another shape, or not finite."""
        values = self.arrays.get(name)
        if not isinstance(values, np.ndarray):
            raise UnsafeFile(f"lacks {name}")
        if values.shape != shape:
            raise UnsafeFile(f"holds {name} with the shape {values.shape} instead of {shape}")
        values = values.astype(np.float32)
        if not np.isfinite(values).all():
            raise UnsafeFile(f"holds {name} with numbers that are not finite")
        return values

    def folded(self, layer, norm, *shape, bias=False):
        """Weight (outputs first) and bias of a layer with the batch norm behind it."""
        weight = self.take(f"{layer}.weight", *shape)
        scale, shift, mean, variance = (
            self.take(f"{norm}.{name}", shape[0]) for name in ("weight", "bias", "running_mean", "running_var")
        )
        if (variance < 0).any():
            raise UnsafeFile(f"holds {norm}.running_var below zero")
        factor = scale / np.sqrt(variance + SMALL)
        start = self.take(f"{layer}.bias", shape[0]) if bias else 0
        return weight * factor.reshape(-1, *[1] * (len(shape) - 1)), shift + (start - mean) * factor


def of_checkpoint(arrays):
    """The arrays of the networks by name: as in face.network for MobileNetV2, `heads`, `refine1` to `refine9` and
    `reverse1` to `reverse6`, each with weight (inputs, outputs) and bias; whitening `param_mean` and `param_std` (62,).

    Raises UnsafeFile where something is missing or of another shape.
    """
    take = Checkpoint(arrays)
    found = _backbone(take)
    for part, short, widths in (("forward", "refine", REFINEMENT), ("reverse", "reverse", POINTS)):
        for k, (inputs, outputs) in enumerate(widths, 1):
            layer, norm = (f"{part}Direction.{kind}{k}" for kind in ("conv", "bn"))
            weight, bias = take.folded(layer, norm, outputs, inputs, 1, bias=True)
            found[f"{short}{k}_weight"], found[f"{short}{k}_bias"] = weight[..., 0].T, bias
    last = [
        take.folded(f"reverseDirection.conv6_{k}", f"reverseDirection.bn6_{k}", count, 1024, 1, bias=True)
        for k, count in ((1, POSE), (2, IDENTITY), (3, EXPRESSION))
    ]
    found["reverse6_weight"] = np.concatenate([weight[..., 0] for weight, _ in last]).T
    found["reverse6_bias"] = np.concatenate([bias for _, bias in last])
    return {name: np.ascontiguousarray(values, np.float32) for name, values in found.items()}


def _backbone(take):
    found, at, inputs = {}, "I2P.backbone.features", network.STEM
    weight, bias = take.folded(f"{at}.0.0", f"{at}.0.1", inputs, 3, 3, 3)
    found["stem_weight"], found["stem_bias"] = weight.transpose(2, 3, 1, 0).reshape(27, -1), bias
    k = 0
    for expansion, outputs, repeats, _ in network.BLOCKS:
        for _ in range(repeats):
            hidden, layer, name = inputs * expansion, f"{at}.{k + 1}.conv", f"block{k:02d}"
            step = 0
            if expansion > 1:
                weight, bias = take.folded(f"{layer}.0.0", f"{layer}.0.1", hidden, inputs, 1, 1)
                found[f"{name}_expand_weight"], found[f"{name}_expand_bias"] = weight[:, :, 0, 0].T, bias
                step = 1
            weight, bias = take.folded(f"{layer}.{step}.0", f"{layer}.{step}.1", hidden, 1, 3, 3)
            found[f"{name}_depthwise_weight"] = weight[:, 0].transpose(1, 2, 0)
            found[f"{name}_depthwise_bias"] = bias
            weight, bias = take.folded(f"{layer}.{step + 1}", f"{layer}.{step + 2}", outputs, hidden, 1, 1)
            found[f"{name}_project_weight"], found[f"{name}_project_bias"] = weight[:, :, 0, 0].T, bias
            inputs, k = outputs, k + 1
    weight, bias = take.folded(f"{at}.{k + 1}.0", f"{at}.{k + 1}.1", network.FEATURES, inputs, 1, 1)
    found["last_weight"], found["last_bias"] = weight[:, :, 0, 0].T, bias
    heads = [(f"I2P.backbone.classifier_{part}.1", n) for part, n in (("ori", 12), ("shape", 40), ("exp", 10))]
    found["heads_weight"] = np.concatenate([take.take(f"{h}.weight", n, network.FEATURES) for h, n in heads]).T
    found["heads_bias"] = np.concatenate([take.take(f"{h}.bias", n) for h, n in heads])
    return found
