"""The U-Nets over a head's cells that `face.layers.unet` runs (Ronneberger et al., 2015), to be trained."""

import copy

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from training.fold import folded


def block(inputs, outputs, stride=1):
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


class UNet(nn.Module):
    """Inputs (B, inputs, H, W) -> outputs (B, outputs, H, W), zero at first."""

    def __init__(self, inputs, widths, fine, outputs):
        super().__init__()
        self.depth = len(widths)
        for i, (a, b) in enumerate(zip((inputs, *widths), widths, strict=False)):
            setattr(self, f"down{i}", block(a, b, 2))
            setattr(self, f"at{i}", block(b, b))
        for i in range(self.depth - 1):
            setattr(self, f"up{i}", block(widths[i] + widths[i + 1], widths[i]))
        self.fine = block(inputs + widths[0], fine)
        self.last = nn.Conv2d(fine, outputs, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x):
        kept, inputs = [], x
        for i in range(self.depth):
            x = getattr(self, f"at{i}")(getattr(self, f"down{i}")(x))
            kept.append(x)
        for i in reversed(range(self.depth - 1)):
            x = getattr(self, f"up{i}")(torch.cat([twice(x), kept[i]], 1))
        return self.last(self.fine(torch.cat([twice(x), inputs], 1)))


def twice(x):
    return F.interpolate(x, scale_factor=2, mode="nearest")


def arrays_of(network):
    """The weights of a UNet by the names of the NumPy one."""
    arrays = {}
    for name, layer in network.named_children():
        arrays[f"{name}_weight"], arrays[f"{name}_bias"] = folded(layer)
    return arrays


def weights_of(run):
    """The averaged weights of a Run as they are shipped."""
    arrays = arrays_of(copy.deepcopy(run.average).eval())
    return {name: values.astype(np.float16) for name, values in arrays.items()}
