"""Brows that no photo shows, hair by hair, as the mean head has them: usual skin knows them as a broad shade only."""

from functools import lru_cache

import numpy as np

from .skin import ramp

# along a brow, metres from the middle: its height on the mean head, half of its breadth, how steeply its hairs rise
ALONG = [0.009, 0.013, 0.02, 0.03, 0.04, 0.047, 0.053]
HEIGHT = [0.0125, 0.0135, 0.0152, 0.0168, 0.0165, 0.0142, 0.0105]
BREADTH = [0.0008, 0.0028, 0.0037, 0.0035, 0.0026, 0.0018, 0.0006]
RISE = [2.2, 1.8, 1.0, 0.5, 0.1, -0.2, -0.5]
DENSER, SPARSER = (0.008, 0.019), (0.046, 0.053)  # metres from the middle between which hairs grow so
SOFT = 0.0022  # metres over which a brow's edge passes into skin
BEFORE = -0.03  # depth on the mean head before which brows are
THICK, LONG = 0.00045, 0.004  # metres across and along a hair
HAIRS, PIECES = 256, 32  # that differ
APART = 0.65  # how much they differ, over how dark brows are
WITHIN = 0.5  # how far hairs at the edge are longer or shorter, over the edge's softness


@lru_cache(maxsize=2)
def drawn(texels):
    """Rows (m,) of the texels that brows may lie on, and how dark (m,) each is there: 1 in the mean of a brow."""
    x, y, z = texels.places.T
    side = np.abs(x)
    within = (side > ALONG[0]) & (side < ALONG[-1]) & (z > BEFORE)
    rows = np.flatnonzero(within & (np.abs(y - np.interp(side, ALONG, HEIGHT)) < max(BREADTH) + 2 * SOFT))
    side, up = side[rows], y[rows] - np.interp(side[rows], ALONG, HEIGHT)
    steps = np.linspace(ALONG[0], ALONG[-1], 200)
    risen = np.cumsum(np.interp(steps, ALONG, RISE)) * (steps[1] - steps[0])
    across = (up - np.interp(side, steps, risen)) / THICK / np.sqrt(1 + np.interp(side, ALONG, RISE) ** 2)
    hair = _mixed(across + 1000 * (x[rows] > 0), side / LONG)
    edge = np.interp(side, ALONG, BREADTH) - np.abs(up) + SOFT * WITHIN * hair
    dense = ramp(side, *DENSER) * (1 - ramp(side, *SPARSER)) * ramp(edge, -SOFT / 2, SOFT / 2)
    return rows, (dense * (1 + APART * hair).clip(0)).astype(np.float32)


def _mixed(across, along):
    """What hairs differ by (m,) at places (m,) across and along them, between hairs and their pieces."""
    table = np.random.default_rng(0).standard_normal((HAIRS, PIECES))
    strand = np.floor(across).astype(int)
    start = along + np.random.default_rng(1).random(HAIRS)[strand % HAIRS]
    piece = np.floor(start).astype(int)

    def at(strand):
        share = start - piece
        low, high = (table[strand % HAIRS, (piece + k) % PIECES] for k in (0, 1))
        return low + share * (high - low)

    share = across - strand
    return at(strand) + share * (at(strand + 1) - at(strand))
