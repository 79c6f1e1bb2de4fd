"""Cutting a square out of a picture and resampling it, with NumPy alone.

Picture coordinates are continuous: x right, y down, pixel (column, row) covers [column, column + 1).
"""

import numpy as np

FAINT, NOTHING = 64, 4  # of 255: span of levels below which they are spread, and below which nothing is shown at all
SPREAD = 20, 200  # levels that a faint picture's darkest and brightest hundredth get


def readable(picture):
    """A picture (H, W, 3) uint8 with its levels spread where it is so dark, or so hazy, that all lie close together."""
    step = max(1, min(picture.shape[:2]) // 50)
    low, high = np.percentile(picture[::step, ::step], (1, 99))
    if not NOTHING < high - low < FAINT:
        return picture
    levels = SPREAD[0] + (np.arange(256) - low) * (SPREAD[1] - SPREAD[0]) / (high - low)
    return levels.clip(0, 255).astype(np.uint8)[picture]


def taps(start, length, count, available):
    """Source indices and weights (taps, count): an antialiased triangle filter over [start, start + length).

    What lies outside the picture repeats its edge.
    """
    step = length / count
    reach = max(step, 1.0)
    centres = start + (np.arange(count) + 0.5) * step - 0.5
    sources = np.ceil(centres - reach).astype(int) + np.arange(int(2 * reach) + 1)[:, None]
    weights = np.maximum(0, 1 - np.abs(sources - centres) / reach)
    used = weights.any(1)
    weights = (weights / weights.sum(0))[used].astype(np.float32)
    return np.clip(sources[used], 0, available - 1), weights


def weighted_rows(picture, rows, weights):
    """The sum over taps of rows of a picture (H, W, C) float32 -> (count, W, C)."""
    out = picture[rows[0]] * weights[0, :, None, None]
    for row, weight in zip(rows[1:], weights[1:], strict=True):
        part = picture[row]
        part *= weight[:, None, None]
        out += part
    return out


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
    across, across_weights = taps(left, width, columns, picture.shape[1])
    down, down_weights = taps(top, height, rows, picture.shape[0])
    x0, y0 = across.min(), down.min()
    part = picture[y0 : down.max() + 1, x0 : across.max() + 1].astype(np.float32)
    lines = weighted_rows(part, down - y0, down_weights).transpose(1, 0, 2)
    return np.ascontiguousarray(weighted_rows(lines, across - x0, across_weights).transpose(1, 0, 2))


def square(picture, centre, side, count):
    """A square around `centre` (x, y) as (count, count, 3) float32, 0..255."""
    left, top = centre[0] - side / 2, centre[1] - side / 2
    return resample(picture, left, top, side, side, count, count)
