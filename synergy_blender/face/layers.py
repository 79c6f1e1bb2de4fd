"""Convolutions in NumPy on single pictures (H, W, C) float32, batch-norm already folded into weight and bias."""

import numpy as np

AT_ONCE = 1 << 18  # numbers that are laid out for a matrix product: they stay in the processor's cache


def clip6(x):
    """ReLU6, in place."""
    return np.minimum(np.maximum(x, 0, out=x), 6, out=x)  # a quarter faster than NumPy's clip


def pointwise(x, weight, bias):
    """1x1 convolution: (H, W, A) with weight (A, B) and bias (B,) -> (H, W, B)."""
    height, width, channels = x.shape
    out = x.reshape(height * width, channels) @ weight
    out += bias
    return out.reshape(height, width, -1)


def depthwise(x, weight, bias, stride=1):
    """3x3 depthwise convolution with a border of zeros, stride 1 or 2: weight (3, 3, C), bias (C,)."""
    tall, wide, channels = x.shape
    height, width = (tall - 1) // stride + 1, (wide - 1) // stride + 1
    taps = np.broadcast_to(weight[:, :, None], (3, 3, width, channels))
    taps = taps.reshape(3, 3, -1)  # einsum adds fastest along whole rows of the picture
    if stride == 1:
        padded = np.zeros((tall + 2, wide + 2, channels), np.float32)
        padded[1:-1, 1:-1] = x
        out = _filtered(padded, taps, height)
    else:  # columns that are neighbours to a tap lie side by side
        sides = np.zeros((tall + 2, width + 1, channels), np.float32)
        middle = np.zeros((tall + 2, width, channels), np.float32)
        sides[1:-1, 1 : 1 + wide // 2], middle[1:-1] = x[:, 1::2], x[:, ::2]
        out = _filtered(sides, taps[:, ::2], height, 2)
        out += _filtered(middle, taps[:, 1:2], height, 2)
    out = out.reshape(height, width, channels)
    out += bias
    return out


def _filtered(padded, taps, height, stride=1):
    """Every `stride`th row of what taps (3, J, N) make of a padded picture (H, W, C) float32: (height, N)."""
    _, across, along = taps.shape
    down, right, step = padded.strides
    # an eighth of the time of as_strided, and what lies beyond the picture is refused
    windows = np.ndarray((height, 3, across, along), np.float32, padded, 0, (down * stride, down, right, step))
    return np.einsum("hijn,ijn->hn", windows, taps)


def full(x, weight, bias, stride=2):
    """3x3 convolution with a border of zeros: weight (27.., B) in the order row, column, channel; bias (B,)."""
    tall, wide, channels = x.shape
    height, width = (tall - 1) // stride + 1, (wide - 1) // stride + 1
    planes = np.zeros((channels, tall + 2, wide + 2), np.float32)
    planes[:, 1:-1, 1:-1] = x.transpose(2, 0, 1)
    out = np.empty((height * width, weight.shape[1]), np.float32)
    rows = min(height, max(1, AT_ONCE // (9 * channels * width)))
    patches = np.empty((3, 3, channels, rows, width), np.float32)
    for top in range(0, height, rows):
        count = min(rows, height - top)
        here = patches[:, :, :, :count]
        for i in range(3):
            for j in range(3):
                low, last = top * stride + i, (top + count - 1) * stride + i + 1
                here[i, j] = planes[:, low:last:stride, j : j + (width - 1) * stride + 1 : stride]
        flat = here.reshape(9 * channels, count * width)
        np.matmul(flat.T, weight, out=out[top * width : (top + count) * width])
    out += bias
    return out.reshape(height, width, -1)


def unet_shapes(inputs, widths, fine, outputs):
    """Every weight of a `unet` by name, with its shape: `widths` features at a half, quarter, ... of the cells' number,
    `fine` at the whole."""
    table, below = {}, inputs
    for i, width in enumerate(widths):
        table |= {f"down{i}": (9 * below, width), f"at{i}": (9 * width, width)}
        if i:
            table[f"up{i - 1}"] = 9 * (below + width), below
        below = width
    table |= {"fine": (9 * (inputs + widths[0]), fine), "last": (fine, outputs)}
    return {f"{name}_weight": shape for name, shape in table.items()} | {
        f"{name}_bias": shape[1:] for name, shape in table.items()
    }


def unet(inputs, weights, depth):
    """A U-Net (Ronneberger et al., 2015) of inputs (H, W, C), H and W multiples of 2**depth, by the weights that
    `unet_shapes` names."""
    kept, x = [], inputs

    def layer(x, name, stride=1):
        x = full(x, weights[f"{name}_weight"], weights[f"{name}_bias"], stride)
        return np.maximum(x, 0, out=x)

    for i in range(depth):
        x = layer(layer(x, f"down{i}", 2), f"at{i}")
        kept.append(x)
    for i in reversed(range(depth - 1)):
        x = layer(np.concatenate([_twice(x), kept[i]], 2), f"up{i}")
    x = layer(np.concatenate([_twice(x), inputs], 2), "fine")
    return pointwise(x, weights["last_weight"], weights["last_bias"])


def _twice(x):
    return x.repeat(2, axis=0).repeat(2, axis=1)
