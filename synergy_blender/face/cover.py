"""What hides skin and scalp that does not belong there, by a small network: hair that hangs over the face, hats, bands,
hands.

On a grid over the mean head's face and the scalp above, laid flat, it says how surely each cell shows such a thing;
hair where it grows, beards and glasses are none.
"""

from . import cells, chart
from .skin import ramp

LEVEL = slice(53, 87), slice(42, 86)  # rows and columns of cheeks and nose
GRID = cells.Cells("cover", 112, 128, 0.095, -0.112, 0.0018, 0.00175, -0.09, LEVEL, chart.places)
FEWEST = 100  # cells that must be seen
MOST = 0.6  # of cheeks and nose that can be hidden: more is none, but a photo that shows too little
SURE = 0.25, 0.5  # how surely cells must show it to be doubted, and to be left out
WIDER = 2  # cells around what is found that it may cover as well


def covered(rows, colours, texels):
    """How far the head is hidden (rows, columns of the GRID) 0..1, or None where too little of it is seen, by some
    `rows` (m,) of the texels and the `colours` (m, 3) seen there."""
    colours, known = GRID.laid(rows, colours, texels)
    if known.sum() < FEWEST:
        return None
    found = ramp(GRID.surely(colours, known), *SURE)
    if found[LEVEL].sum() > MOST * known[LEVEL].sum():
        return None
    return cells.wider(found, WIDER)
