"""Weights in the layouts of `synergy_blender.face.layers`, a batch norm folded into the layer before it."""

import torch
from torch import nn


def folded(layer):
    """(weight, bias) float32 arrays of a Conv2d or Linear, or of one followed by a batch norm; bias may be None.

    Linear and 1x1: (A, B); depthwise 3x3: (3, 3, C); other 3x3: (9 A, B) in the order row, column, channel.
    """
    if isinstance(layer, nn.Module) and not isinstance(layer, nn.Sequential):
        bias = None if layer.bias is None else layer.bias.detach().float().numpy()
        return _laid_out(layer.weight.double(), layer), bias
    layer, norm = layer[0], layer[1]
    scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
    weight = layer.weight.double() * scale.view(-1, *[1] * (layer.weight.ndim - 1))
    bias = norm.bias.double() - norm.running_mean.double() * scale
    return _laid_out(weight, layer), bias.detach().float().numpy()


def arrays_of(layers):
    """The weights of named layers, (name, layer) each, by the names that `synergy_blender.face` gives them."""
    arrays = {}
    for name, layer in layers:
        arrays[f"{name}_weight"], arrays[f"{name}_bias"] = folded(layer)
    return arrays


def _laid_out(weight, layer):
    if isinstance(layer, nn.Linear):
        laid = weight.T
    else:
        outputs, inputs, rows, _ = weight.shape
        if layer.groups > 1:
            laid = weight[:, 0].permute(1, 2, 0)
        elif rows == 1:
            laid = weight[:, :, 0, 0].T
        else:
            laid = weight.permute(2, 3, 1, 0).reshape(9 * inputs, outputs)
    return laid.detach().float().contiguous().numpy()
