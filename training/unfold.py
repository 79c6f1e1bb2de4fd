"""Shipped weights as a network that can be trained on: batch norms, folded for NumPy, are put back.

A folded layer says y = W x + b. Any batch norm over W' x gives the same y if W' is W with its channels scaled and the
norm's statistics are those of W' x, so these are measured on the pictures that training begins with.
"""

import numpy as np
import torch
from torch import nn

RMS = 0.1  # of each channel's weights behind a norm: what Adam's steps are measured against


@torch.no_grad()
def take(layer, weight, bias):
    """Put arrays of `training.fold` into a layer; a norm behind it only adds the bias, until `measure` is called."""
    if not isinstance(layer, nn.Module) or isinstance(layer, nn.Sequential):
        layer, norm = layer[0], layer[1]
        norm.weight.fill_(1)
        norm.running_mean.zero_()
        norm.running_var.fill_(1 - norm.eps)
        norm.bias.copy_(torch.as_tensor(bias))
    elif bias is not None and layer.bias is not None:
        layer.bias.copy_(torch.as_tensor(bias))
    layer.weight.copy_(torch.as_tensor(_laid_back(np.asarray(weight), layer)))


def _laid_back(weight, layer):
    if isinstance(layer, nn.Linear):
        return weight.T
    outputs, inputs, rows, columns = layer.weight.shape
    if layer.groups > 1:
        return weight.transpose(2, 0, 1)[:, None]
    if rows == 1:
        return weight.T[:, :, None, None]
    return weight.reshape(rows, columns, inputs, outputs).transpose(3, 2, 0, 1)


@torch.no_grad()
def measure(network, pairs, batches):
    """Scale the layers and set the norms of `pairs` [(layer, norm)], all taken from folded weights, so that the network
    says in training mode what it says now on `batches`, tuples of inputs of the network."""
    sums = {norm: [] for _, norm in pairs}
    hooks = [norm.register_forward_hook(lambda norm, inputs, _: sums[norm].append(moments(inputs[0]))) for norm in sums]
    network.eval()
    for batch in batches:
        network(*batch)
    for hook in hooks:
        hook.remove()
    for layer, norm in pairs:
        mean, square = torch.stack(sums[norm]).mean(0)
        variance = (square - mean**2).clamp(min=0)
        rows = layer.weight.flatten(1)
        scale = RMS / rows.square().mean(1).sqrt().clamp(min=1e-8)
        layer.weight.mul_(scale.view(-1, *[1] * (layer.weight.ndim - 1)))
        norm.bias.add_(mean)
        norm.running_mean.copy_(scale * mean)
        norm.running_var.copy_(scale**2 * variance)
        norm.weight.copy_(torch.sqrt(scale**2 * variance + norm.eps) / scale)


def moments(x):
    """Mean and mean square (2, C) of rows (B, C) or maps (B, C, H, W), by channel."""
    x = x.float().transpose(0, 1).flatten(1)
    return torch.stack([x.mean(1), x.square().mean(1)])
