"""The fine detail of skin that no photo shows: pores, wrinkles and freckles as those of the seen cheek.

By-example noise (Heitz & Neyret, 2018): the map is covered with a grid of triangles, every corner takes the cheek's
detail from another place of it, and the three about a texel are mixed so that their spread stays.
"""

from functools import lru_cache

import numpy as np

from .texels import brightness

CHEEK = (0.03, 0.054), (-0.05, -0.014), -0.03  # metres from the middle, heights, depth before which detail is taken
EDGE = 5, 95  # percentiles between which the cheek's texels fill a rectangle of the map
SURE, ENOUGH = 0.9, 0.35  # trust of texels that show detail; share of the rectangle that must
FINE = 5  # texels of a map of 1,024: what is coarser than that is left out
LIMIT, MOST = 2.0, 0.1  # robust spreads, and logarithms, beyond which it is something else
SIDE = 36  # of a triangle, texels of a map of 1,024
TILES = 4  # squares of detail on a side of the map
SHARP = 2  # power of the weights of three corners: the nearest one's detail is seen best
OFFSETS = 64  # corners each way after which places repeat


def of_cheek(colour, trust, plain, texels):
    """The log detail (h, w) of the cheek that is seen best, as it lies on the map, or None where too little is seen: by
    texels' seen `colour` (n, 3), how far it is to be believed (n,), and `plain` (m, 3), what is coarser than vertices
    on some rows, as a function of these."""
    best, shown = None, ENOUGH
    for rows, cells, shape in _cheeks(texels):
        sure = trust[rows] > SURE
        if sure.mean() > shown:
            best, shown = (rows[sure], cells[sure], shape), sure.mean()
    if best is None:
        return None
    rows, cells, shape = best
    log = np.log(np.maximum(brightness(colour[rows]), 4) / np.maximum(brightness(plain(rows)), 4))
    both = np.zeros((*shape, 2), np.float32)
    both.reshape(-1, 2)[cells] = np.stack([log, np.ones_like(log)], 1)
    coarse = _coarser(both, FINE * texels.size / 1024)
    detail = np.where(both[..., 1] > 0, both[..., 0] - coarse[..., 0] / np.maximum(coarse[..., 1], 1e-6), 0)
    most = min(LIMIT * 1.48 * np.median(np.abs(detail.ravel()[cells])), MOST)
    return np.clip(detail, -most, most)


def _coarser(values, sigma):
    """Gaussian means of values (h, w, k), what is beyond the edge being nothing."""
    down, across = (
        np.exp(-0.5 * (np.subtract.outer(*[np.arange(n, dtype=np.float32)] * 2) / sigma) ** 2) for n in values.shape[:2]
    )
    return np.einsum("ij,jkc,lk->ilc", down, values, across, optimize=True)


@lru_cache(maxsize=2)
def _cheeks(texels):
    """For both cheeks the rows (m,) of the texels, their cells (m,) in a rectangle of the map, and its shape."""
    x, y, z = texels.places.T
    found = []
    for side in (-1, 1):
        across = side * x
        rows = np.flatnonzero(
            (across > CHEEK[0][0]) & (across < CHEEK[0][1]) & (y > CHEEK[1][0]) & (y < CHEEK[1][1]) & (z > CHEEK[2])
        )
        at = np.stack(np.divmod(texels.at[rows], texels.size), 1)
        low, high = np.percentile(at, EDGE, axis=0).astype(int)
        inside = ((at >= low) & (at <= high)).all(1)
        height, width = high - low + 1
        found.append((rows[inside], (at[inside] - low) @ [width, 1], (height, width)))
    return found


def spread_out(detail, size):
    """The detail (h, w) without end, as a square of the map `size` wide that may be folded to and fro over it."""
    row, column = np.indices((size // TILES,) * 2, np.int32)
    side = np.float32(SIDE * size / 1024)
    u, v = column / side, row / side
    u, v = u - np.float32(0.57735) * v, np.float32(1.1547) * v  # axes along two edges of the triangles
    i, j = np.floor(u).astype(np.int32), np.floor(v).astype(np.int32)
    u, v = u - i, v - j
    upper = u + v > 1
    weights = np.stack([np.abs(1 - u - v), np.where(upper, 1 - v, u), np.where(upper, 1 - u, v)]) ** SHARP
    weights /= np.sqrt(np.square(weights).sum(0))
    corners = (i + upper, j + upper), (i + 1, j), (i, j + 1)
    offsets, (height, width) = _offsets(), detail.shape
    total = np.zeros(row.shape, np.float32)
    for weight, (i, j) in zip(weights, corners, strict=True):
        down, right = np.moveaxis(offsets[i % OFFSETS, j % OFFSETS], 2, 0)
        total += weight * detail[_folded(row + down, height), _folded(column + right, width)]
    return total


def at_texels(square, rows, texels):
    """The detail (m,) at some `rows` of the texels by a square that is folded over the map."""
    row, column = np.divmod(texels.at[rows].astype(np.int32), np.int32(texels.size))
    return square[_folded(row, len(square)), _folded(column, len(square))]


@lru_cache(maxsize=1)
def _offsets():
    return np.random.default_rng(0).integers(0, 1 << 14, (OFFSETS, OFFSETS, 2), dtype=np.int32)


def _folded(at, length):
    """Places (m,) on a line of that length, to and fro."""
    at = at % (2 * length)
    return np.minimum(at, 2 * length - 1 - at)
