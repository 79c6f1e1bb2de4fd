"""Brows: the broad shade that usual skin has of them, and hair by hair where no photo shows any."""

from functools import lru_cache

import numpy as np

from .skin import ramp
from .strands import STEPS, between, pieced
from .texels import carry

# usual brows' log brightness, and the share of hair's that dark-haired people's have; where they are: metres from the
# middle and heights from which on and up to which
USUAL, OF_HAIR, WHERE = -0.2, 0.5, ((0.006, 0.012), (0.008, 0.012), (0.03, 0.045))
DRAWN = 1.5  # how dark hairs that are drawn are, over how dark shaded brows would be

# along a brow, metres from the middle: its height on the mean head, half of its breadth, how steeply its hairs rise
ALONG = [0.009, 0.013, 0.02, 0.03, 0.04, 0.047, 0.053]
HEIGHT = [0.0125, 0.0135, 0.0152, 0.0168, 0.0165, 0.0142, 0.0105]
BREADTH = [0.0008, 0.0028, 0.0037, 0.0035, 0.0026, 0.0018, 0.0006]
RISE = [2.2, 1.8, 1.0, 0.5, 0.1, -0.2, -0.5]
DENSER, SPARSER = (0.008, 0.019), (0.046, 0.053)  # metres from the middle between which hairs grow so
SOFT = 0.0022  # metres over which a brow's edge passes into skin
BEFORE = -0.03  # depth on the mean head before which brows are
THICK, LONG = 0.00045, 0.004  # metres across and along a hair
HAIRS, PIECES = 256, 12  # that differ; an even number
APART = 0.65  # how much they differ, over how dark brows are
WITHIN = 0.5  # how far hairs at the edge are longer or shorter, over the edge's softness


@lru_cache(maxsize=2)
def shade(surface):
    """How far (V,) 0..1 each vertex is of the brows as usual skin has them."""
    x, y, z = surface.mean.T
    there = ramp(np.abs(x), *WHERE[0]) * ramp(y, *WHERE[1]) * (1 - ramp(y, *WHERE[2])) * (z > BEFORE)
    return there * np.clip(np.log(surface.usual).mean(1) / USUAL, 0, 1)


def darker(hair):
    """The logarithm by which brows are darker than usual ones beside `hair` whose log colour differs from the skin's by
    so much (3,), or None."""
    return 0.0 if hair is None else min(0, OF_HAIR * hair.mean() - USUAL)


@lru_cache(maxsize=1)
def _table():
    """How brows' hairs differ on their way (HAIRS, STEPS), about 0 and by about 1."""
    rng = np.random.default_rng(0)
    return pieced(rng.standard_normal((HAIRS, PIECES)), rng.random(HAIRS))


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
    offset = HAIRS * (1 + 0.5 * (x[rows] > 0))  # the sides differ, and none is negative
    hair = between(_table(), across + offset, (side * (STEPS / (PIECES * LONG))).astype(int) % STEPS)
    edge = np.interp(side, ALONG, BREADTH) - np.abs(up) + SOFT * WITHIN * hair
    dense = ramp(side, *DENSER) * (1 - ramp(side, *SPARSER)) * ramp(edge, -SOFT / 2, SOFT / 2)
    return rows, (dense * (1 + APART * hair).clip(0)).astype(np.float32)


def draw(skin, dark, rows, detailed, texels):
    """Gives `skin` (m, 3) on neighbouring `rows` of the texels the hairs of brows, `dark` (V,) by a logarithm, in
    place, as far as they are not `detailed` (m,)."""
    at, hairs = drawn(texels)
    some = slice(*np.searchsorted(at, [rows[0], rows[-1] + 1]))
    at, hairs = at[some], hairs[some]
    here = at - rows[0]
    log = DRAWN * carry(dark[:, None], texels, at)[:, 0] * hairs * (1 - detailed[here])
    skin[here] *= np.exp(log)[:, None]
