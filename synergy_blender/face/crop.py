"""Cutting a square out of a picture and resampling it, with NumPy alone.

Picture coordinates are continuous: x right, y down, pixel (column, row) covers [column, column + 1).
"""

import numpy as np


def resampling(start, length, count, available):
    """Weights (count, n) and first source index: an antialiased triangle filter over [start, start + length).

    What lies outside the picture repeats its edge.
    """
    step = length / count
    reach = max(step, 1.0)
    centres = start + (np.arange(count) + 0.5) * step
    low = int(np.floor(centres[0] - reach)) - 1
    high = int(np.ceil(centres[-1] + reach)) + 1
    sources = np.arange(low, high)
    weights = np.maximum(0, 1 - np.abs((sources[None] + 0.5 - centres[:, None]) / reach))
    weights /= weights.sum(1, keepdims=True)
    inside = np.clip(sources, 0, available - 1)
    first, last = int(inside[0]), int(inside[-1])
    folded = np.zeros((count, last - first + 1), np.float32)
    np.add.at(folded, (slice(None), inside - first), weights)
    return folded, first


def resample(picture, left, top, width, height, columns, rows):
    """The rectangle of a picture (H, W, 3) uint8 as (rows, columns, 3) float32, 0..255."""
    # whole blocks are averaged first where the picture is much finer than the result
    block = int(max(1, min(width / columns, height / rows) // 2))
    if block > 1:
        x0, y0 = (max(0, int(np.floor(v - 2 * block))) for v in (left, top))
        x1 = min(picture.shape[1], int(np.ceil(left + width + 2 * block)))
        y1 = min(picture.shape[0], int(np.ceil(top + height + 2 * block)))
        x1, y1 = x0 + (x1 - x0) // block * block, y0 + (y1 - y0) // block * block
        if x1 > x0 and y1 > y0:
            part = np.ascontiguousarray(picture[y0:y1, x0:x1])
            lines = part.reshape((y1 - y0) // block, block, -1).sum(1, dtype=np.uint32)  # whole rows add fastest
            blocks = lines.reshape(len(lines), (x1 - x0) // block, block, 3).sum(2, dtype=np.uint32)
            picture = blocks.astype(np.float32) / block**2
            left, top, width, height = (v / block for v in (left - x0, top - y0, width, height))
    across, x = resampling(left, width, columns, picture.shape[1])
    down, y = resampling(top, height, rows, picture.shape[0])
    part = picture[y : y + down.shape[1], x : x + across.shape[1]].astype(np.float32)
    lines = (down @ part.reshape(len(part), -1)).reshape(rows, part.shape[1], 3)
    return np.einsum("ck,rkd->rcd", across, lines, optimize=True)


def square(picture, centre, side, count):
    """A square around `centre` (x, y) as (count, count, 3) float32, 0..255."""
    left, top = centre[0] - side / 2, centre[1] - side / 2
    return resample(picture, left, top, side, side, count, count)
