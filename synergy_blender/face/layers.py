"""Convolutions in NumPy on single pictures (H, W, C) float32, batch-norm already folded into weight and bias."""

import numpy as np


def clip6(x):
    """ReLU6, in place."""
    np.maximum(x, 0, out=x)
    return np.minimum(x, 6, out=x)


def pointwise(x, weight, bias):
    """1x1 convolution: (H, W, A) with weight (A, B) and bias (B,) -> (H, W, B)."""
    height, width, channels = x.shape
    out = x.reshape(height * width, channels) @ weight
    out += bias
    return out.reshape(height, width, -1)


def pad(x):
    """A border of one pixel of zeros."""
    height, width, channels = x.shape
    out = np.zeros((height + 2, width + 2, channels), np.float32)
    out[1:-1, 1:-1] = x
    return out


def depthwise(x, weight, bias, stride=1):
    """3x3 depthwise convolution with a border of zeros: weight (3, 3, C), bias (C,)."""
    padded = pad(x)
    height, width = (x.shape[0] - 1) // stride + 1, (x.shape[1] - 1) // stride + 1
    out = np.empty((height, width, x.shape[2]), np.float32)
    # a band of rows at a time stays in the processor's cache
    band = max(1, 24_000 // (width * x.shape[2]))
    scratch = np.empty((band, width, x.shape[2]), np.float32)
    for top in range(0, height, band):
        rows = min(band, height - top)
        here, product = out[top : top + rows], scratch[:rows]
        here[:] = bias
        for i in range(3):
            first = top * stride + i
            lines = padded[first : first + (rows - 1) * stride + 1 : stride]
            for j in range(3):
                np.multiply(lines[:, j : j + (width - 1) * stride + 1 : stride], weight[i, j], out=product)
                here += product
    return out


def full(x, weight, bias, stride=2):
    """3x3 convolution with a border of zeros: weight (27.., B) in the order row, column, channel; bias (B,)."""
    tall, wide, channels = x.shape
    height, width = (tall - 1) // stride + 1, (wide - 1) // stride + 1
    planes = np.zeros((channels, tall + 2, wide + 2), np.float32)
    planes[:, 1:-1, 1:-1] = x.transpose(2, 0, 1)
    patches = np.empty((3, 3, channels, height, width), np.float32)
    for i in range(3):
        for j in range(3):
            last = i + (height - 1) * stride + 1, j + (width - 1) * stride + 1
            patches[i, j] = planes[:, i : last[0] : stride, j : last[1] : stride]
    out = patches.reshape(9 * channels, height * width).T @ weight
    out += bias
    return out.reshape(height, width, -1)
