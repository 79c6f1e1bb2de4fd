"""Where glasses cover the skin about the eyes, by a small network.

On a grid over the mean head's face, a millimetre a cell, it says how surely each cell shows a frame, an arm, a shadow
of these, a reflection or a dark lens in the place of skin.
"""

from . import cells
from .skin import ramp

LEVEL = slice(58, 90), slice(40, 120)  # rows and columns of cheeks and nose
WORN, FEWEST = 0.6, 80  # how surely cells show glasses where a face wears some, and how many do at least
SURE = 0.25, 0.5  # how surely cells of such a face must show them to be doubted, and to be left out
WIDER = 2  # cells around what is found that it may cover as well


def _ahead(places):
    return places[:, :2]


GRID = cells.Cells("glasses", 96, 160, 0.05, -0.08, 0.001, 0.001, -0.05, LEVEL, _ahead)


def covered(rows, colours, texels):
    """How far glasses cover the head's face (rows, columns of the GRID) 0..1, or None where there are none, by some
    `rows` (m,) of the texels and the `colours` (m, 3) seen there."""
    colours, known = GRID.laid(rows, colours, texels)
    if known.sum() < FEWEST:
        return None
    found = GRID.surely(colours, known)
    if not worn(found):
        return None
    return cells.wider(ramp(found, *SURE), WIDER)


def worn(found):
    """Whether a face wears glasses of which so much is found (rows, columns)."""
    return (found > WORN).sum() >= FEWEST
