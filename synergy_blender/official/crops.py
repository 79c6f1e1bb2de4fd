"""The authors' crops of pictures, and OpenCV's two ways of resizing them as it does in whole numbers."""

import numpy as np

ABOUT = 1.2  # side of a crop over the height of the detected box
BITS = 11  # of the weights of OpenCV's resize


def region_of(box):
    """The unrounded square (x0, y0, x1, y1) about a detected box (x0, y0, x1, y1): 1.2 times its height."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    margin = (box[3] - box[1]) * ABOUT // 2
    return x - margin, y - margin, x + margin, y + margin


def cut(picture, region):
    """The part of a picture (H, W, 3) uint8 in a region whose edges are rounded, black outside; and those edges."""
    x0, y0, x1, y1 = (round(edge) for edge in region)
    height, width = picture.shape[:2]
    part = np.zeros((y1 - y0, x1 - x0, 3), np.uint8)
    top, left, low, right = max(y0, 0), max(x0, 0), min(y1, height), min(x1, width)
    if low > top and right > left:
        part[top - y0 : low - y0, left - x0 : right - x0] = picture[top:low, left:right]
    return part, (x0, y0, x1, y1)


def resized(picture, side, kind):
    """A picture (H, W, 3) uint8 as (side, side, 3) uint8, as OpenCV resizes it: `kind` "lanczos" or "bilinear"."""
    if picture.shape[:2] == (side, side):
        return picture.copy()
    rows, down = _taps(picture.shape[0], side, kind)
    columns, across = _taps(picture.shape[1], side, kind, within=True)
    values = picture.astype(np.int64)
    wide = sum(values[:, columns[k]] * across[k][:, None] for k in range(len(columns)))
    if kind == "bilinear":  # its two rows are rounded one by one
        both = [((wide[rows[k]] >> 4) * down[k][:, None, None]) >> 16 for k in (0, 1)]
        total = (both[0] + both[1] + 2) >> 2
    else:
        total = sum(wide[rows[k]] * down[k][:, None, None] for k in range(len(rows)))
        total = (total + (1 << (2 * BITS - 1))) >> (2 * BITS)
    return total.clip(0, 255).astype(np.uint8)


def _taps(length, side, kind, within=False):
    """Indices and whole-number weights (taps, side) along one axis; `within`, the borders have no second sample."""
    at = ((np.arange(side) + 0.5) * (1 / (side / length)) - 0.5).astype(np.float32)
    first = np.floor(at).astype(np.int64)
    share = at - first.astype(np.float32)
    if kind == "bilinear":
        if within:
            share = np.where((first < 0) | (first >= length - 1), 0, share)
            first = first.clip(0, length - 1)
        weights = np.stack([1 - share, share])
        index = np.stack([first, first + 1])
    else:
        weights = np.array([_lanczos(one) for one in share], np.float32).T
        index = first + np.arange(-3, 5)[:, None]
    # rounded half to even, as processors do
    return index.clip(0, length - 1), np.rint(weights.astype(np.float32) * (1 << BITS)).astype(np.int64)


def _lanczos(share):
    """OpenCV's eight weights for a place `share` 0..1 past the fourth sample."""
    if share < np.finfo(np.float32).eps:
        return np.eye(8, dtype=np.float32)[3]
    angle = -(float(share) + 3 - np.arange(8)) * np.pi / 4
    r = np.sqrt(0.5)
    turns = np.array([[1, 0], [-r, -r], [0, 1], [r, -r], [-1, 0], [r, r], [0, -1], [-r, r]])
    weights = ((turns @ [np.sin(angle[0]), np.cos(angle[0])]) / angle**2).astype(np.float32)
    return weights * np.float32(1 / weights.sum(dtype=np.float32))
