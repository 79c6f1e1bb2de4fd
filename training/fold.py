"""Batch-norm folded into the layer before it, in the layouts of `synergy_blender.face.layers`."""

import torch


def folded(sequence):
    """(weight, bias) float32 arrays of a Conv2d followed by a BatchNorm2d.

    1x1: (A, B); depthwise 3x3: (3, 3, C); other 3x3: (9 A, B) in the order row, column, channel.
    """
    convolution, norm = sequence[0], sequence[1]
    scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
    weight = convolution.weight.double() * scale[:, None, None, None]
    bias = norm.bias.double() - norm.running_mean.double() * scale
    return _laid_out(weight, convolution), bias.detach().float().numpy()


def plain(convolution):
    """(weight, bias) of a Conv2d without batch-norm."""
    return _laid_out(convolution.weight.double(), convolution), convolution.bias.detach().float().numpy()


def _laid_out(weight, convolution):
    outputs, inputs, rows, _ = weight.shape
    if convolution.groups > 1:
        laid = weight[:, 0].permute(1, 2, 0)
    elif rows == 1:
        laid = weight[:, :, 0, 0].T
    else:
        laid = weight.permute(2, 3, 1, 0).reshape(9 * inputs, outputs)
    return laid.detach().float().contiguous().numpy()


def folded_dense(linear, norm):
    """(weight (A, B), bias (B,)) float32 arrays of a Linear without bias followed by a BatchNorm1d."""
    scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
    weight = (linear.weight.double() * scale[:, None]).T
    bias = norm.bias.double() - norm.running_mean.double() * scale
    return weight.detach().float().contiguous().numpy(), bias.detach().float().numpy()
