"""The texels of the head's UV map: where on the head each lies, and carrying values between them and the vertices."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from . import raster
from .surface import Surface, bundled

SMOOTHING = 60  # rounds over what was spread
FADING = 0.97  # of what is spread, with every vertex
BLOCK = 1 << 16  # rows that are worked on at a time: they stay in the processor's cache
ENOUGH = 8  # texels of every triangle that tell the vertices' values: more say the same


@dataclass(frozen=True, eq=False)  # they are cached by identity
class Texels:
    """The skin's texels of a `surface`'s map `size` wide: their places `at` (n,) in the flat picture, the `corners`
    (n, 3) of their triangles with `weights` (n, 3), their `places` (n, 3) on the mean head, metres, and how far hair
    grows there, `hairy` (n,); `telling` (m,) of them are enough to tell the vertices' values."""

    surface: Surface
    size: int
    at: np.ndarray
    corners: np.ndarray
    weights: np.ndarray
    places: np.ndarray
    hairy: np.ndarray
    telling: np.ndarray


@lru_cache(maxsize=2)
def texels_of(size, surface=None):
    """The Texels of a map of `size`, found once; of the bundled head where no Surface is given."""
    surface = surface or bundled()
    points = surface.uv.reshape(-1, 2) * [size, -size] + [0, size]
    index, weights = raster.rasterize(points, np.arange(len(points)).reshape(-1, 3), size, size)
    at = np.flatnonzero(index.ravel() >= 0)
    index = index.ravel()[at]
    corners = surface.triangles[surface.skin][index].astype(np.int32)
    weights = np.ascontiguousarray(weights.reshape(-1, 3)[at])
    places = carried(surface.mean.astype(np.float32), corners, weights)
    hairy = carried(surface.hairy.astype(np.float32)[:, None], corners, weights)[:, 0]
    return Texels(surface, size, at, corners, weights, places, hairy, _telling(index))


def _telling(index):
    """Rows (m,) of up to ENOUGH texels of every triangle, evenly apart, by each texel's triangle `index` (n,)."""
    order, number = np.argsort(index, kind="stable"), np.bincount(index)
    rank = np.empty(len(index), np.int64)
    rank[order] = np.arange(len(index)) - (np.cumsum(number) - number)[index[order]]
    number = number[index]
    kept = np.minimum(number, ENOUGH)
    return np.flatnonzero(rank * kept // number != (rank - 1) * kept // number)


def carry(values, texels, rows=None):
    """Values (V, k) of the vertices at the texels, or at some `rows` of them: (n, k) float32."""
    return carried(np.ascontiguousarray(values, np.float32), texels.corners, texels.weights, rows)


def carried(values, corners, weights, rows=None):
    """Values (V, k) of vertices where `weights` (n, 3) mix those of `corners` (n, 3), or at some `rows`: (n, k)."""

    def part(some):
        some = some if rows is None else rows[some]
        at, share = corners[some], weights[some]
        total = values[at[:, 0]] * share[:, :1]
        for k in (1, 2):
            total += values[at[:, k]] * share[:, k : k + 1]
        return total

    return in_blocks(part, len(corners) if rows is None else len(rows))


def in_blocks(function, count):
    """What `function` gives for slices of `count` rows, an array or several, block by block on two threads, put
    together."""
    if count <= BLOCK:
        return function(slice(0, count))
    blocks = [slice(first, min(first + BLOCK, count)) for first in range(0, count, BLOCK)]
    with ThreadPoolExecutor(2) as pool:
        parts = list(pool.map(function, blocks))
    if isinstance(parts[0], tuple):
        return tuple(np.concatenate(columns) for columns in zip(*parts, strict=True))
    return np.concatenate(parts)


def brightness(colours):
    """The mean (n,) of the three channels of colours (n, 3) float32: NumPy's own mean is slow over short rows."""
    return colours @ np.full(3, 1 / 3, np.float32)


def gather(values, trust, texels):
    """Means (V, k) of the texels' values (n, k) at the vertices, weighed by their trust (n,), and the share (V,) of
    each vertex's texels that was trusted."""
    count = len(texels.surface.mean)
    some = texels.telling
    flat, weights = texels.corners[some].ravel(), texels.weights[some]
    parts = (weights * trust[some, None]).ravel()
    total = np.bincount(flat, parts, count)
    three = np.repeat(values[some], 3, axis=0)
    means = np.stack([np.bincount(flat, parts * three[:, c], count) for c in range(values.shape[1])], 1)
    whole = np.bincount(flat, weights.ravel(), count)
    return means / np.maximum(total, 1e-9)[:, None], total / np.maximum(whole, 1e-9)


def spread(values, known, surface):
    """Values (V, k) of a Surface's vertices with the unknown ones filled along the surface: from vertex to
    neighbouring vertex outwards, less with every step, then smoothed."""
    near, number = surface.neighbours
    count = len(values)
    filled = np.zeros((count + 1, values.shape[1]), np.float32)  # the last row is no vertex's
    filled[:count][known] = values[known]
    reached = np.append(known, False)
    while True:
        rest = np.flatnonzero(~reached[:count])
        beside = reached[near[rest]].sum(1)
        new, beside = rest[beside > 0], beside[beside > 0]
        if not len(new):
            break
        filled[new] = filled[near[new]].sum(1) * (FADING / beside)[:, None]
        reached[new] = True
    free = np.flatnonzero(reached[:count] & ~known)
    around, share = near[free], (FADING / number[free]).astype(np.float32)[:, None]
    for _ in range(SMOOTHING):
        filled[free] = np.einsum("nkc->nc", filled[around]) * share
    return filled[:count]
