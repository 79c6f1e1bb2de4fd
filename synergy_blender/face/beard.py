"""Where a beard covers the skin of the lower face, by a small network.

On a grid over the mean head's face, laid flat, it says how surely each cell shows a beard in the place of skin, and not
a shadow, hair that hangs there or clothes.
"""

import numpy as np

from . import cells, chart
from .skin import ramp

LEVEL = slice(3, 36), slice(42, 86)  # rows and columns of cheeks and nose
GRID = cells.Cells("beard", 96, 128, 0.005, -0.112, 0.00135, 0.00175, -0.09, LEVEL, chart.places)
# rows and columns of lip and chin; how surely cells show a beard there where a face has one, and how many do at least
MIDDLE, GROWN, FEWEST = (slice(41, 81), slice(44, 84)), 0.6, 100
SURE = 0.3, 0.6  # how surely cells of such a face must show it to be a little, and wholly of it


def grown(rows, colours, texels):
    """How far (V,) 0..1 a beard covers the vertices, or None where there is none, by some `rows` (m,) of the texels and
    the `colours` (m, 3) seen there."""
    colours, known = GRID.laid(rows, colours, texels)
    if known.sum() < FEWEST:
        return None
    found = GRID.surely(colours, known)
    if not has_one(found):
        return None
    place = GRID.of(texels.surface.mean)
    return np.where(place >= 0, ramp(found, *SURE).ravel()[np.maximum(place, 0)], 0).astype(np.float32)


def has_one(found):
    """Whether a face has a beard of which so much is found (rows, columns)."""
    return (found[MIDDLE] > GROWN).sum() >= FEWEST
