"""Hair that no photo shows: strands from the crown of the head outwards, as the mean head has them."""

from functools import lru_cache

import numpy as np

CROWN, MIDDLE = (0.012, 0.085, -0.135), (0.0, 0.02, -0.05)  # of the mean head, metres
# strands about the crown, steps along the way from there to the other end of the head, and locks of how many strands
STRANDS, STEPS, LOCK = 800, 128, 5
LENGTHS = 12, 7  # pieces along that way in which strands, and locks, are alike
SHARES = 0.7, 0.7  # of strands and locks in how bright hair is
CLOSE = 0.045  # metres from the axis through the crown within which strands lie too close to tell apart
WAVES = (0.02, 6.0), (0.006, 21.0)  # radians by which strands turn aside, and how often on the way


@lru_cache(maxsize=1)
def _table():
    """How bright every strand is on its way (STRANDS, STEPS), about 0 and by about 1."""
    rng = np.random.default_rng(0)
    return sum(
        share * pieced(rng.standard_normal((count, length)), rng.random(count)).repeat(STRANDS // count, axis=0)
        for share, count, length in zip(SHARES, (STRANDS, STRANDS // LOCK), LENGTHS, strict=True)
    ).astype(np.float32)


def pieced(values, starts):
    """Values (n, k) along every strand, begun somewhere, at all steps (n, STEPS), smooth in between."""
    count, length = values.shape
    at = length * (np.arange(STEPS) / STEPS + starts[:, None])
    whole = at.astype(int)
    share = at - whole
    row = np.arange(count)[:, None]
    return values[row, whole % length] * (1 - share) + values[row, (whole + 1) % length] * share


@lru_cache(maxsize=1)
def _towards_crown():
    """A rotation (3, 3) that turns the way from the head's middle to the crown towards z."""
    axis = np.subtract(CROWN, MIDDLE)
    axis /= np.linalg.norm(axis)
    aside = np.cross([1, 0, 0], axis)
    aside /= np.linalg.norm(aside)
    return np.stack([aside, np.cross(axis, aside), axis]).astype(np.float32)


def strands(places):
    """How much brighter (n,) than hair in the mean, in spreads, what grows at `places` (n, 3) float32 on the mean head,
    metres, is."""
    x, y, z = ((places - np.float32(MIDDLE)) @ _towards_crown().T).T
    away = np.hypot(x, y)
    along = np.arctan2(away, z)
    around = np.arctan2(y, x)
    for wide, often in WAVES:
        around += np.float32(wide) * np.sin(np.float32(often) * along + 3 * np.sin(2 * around))
    across = around * np.float32(STRANDS / (2 * np.pi)) + 2 * STRANDS
    step = (along * np.float32(STEPS / np.pi)).astype(np.int32).clip(0, STEPS - 1)
    return between(_table(), across, step) * np.minimum(away / np.float32(CLOSE), 1)


def between(table, across, step):
    """What a table (strands, STEPS) has at places across (n,), none negative, between strands, and steps (n,) along."""
    strand = across.astype(np.int32)
    share = across - strand
    count = len(table)
    flat, row = table.ravel(), strand % count * STEPS + step
    beside = (strand + 1) % count * STEPS + step
    return flat[row] * (1 - share) + flat[beside] * share
