"""Where glasses cover the skin about the eyes, by a small network.

What is seen of the head is laid on a grid over the mean head's face, a millimetre a cell: there glasses lie alike on
all faces. From its colours a U-Net (Ronneberger et al., 2015) says how surely each cell shows a frame, an arm, a shadow
of these, a reflection or a dark lens in the place of skin.
"""

from functools import lru_cache

import numpy as np

from . import assets, layers
from .skin import ramp

CELL = 0.001  # metres
TOP, LEFT = 0.05, -0.08  # height, and place beside the middle, of the grid's corner on the mean head, metres
ROWS, COLUMNS = 96, 160  # of the grid
DEEPEST = -0.05  # depth behind the eyes up to which the grid shows the head, metres
AROUND = 4  # neighbours that are known of a cell that is taken to be as they are
LEVEL = slice(58, 90), slice(40, 120)  # rows and columns of cheeks and nose, whose colour the others are told over
FAR = -3.0, 2.0  # of log colours from their level: what is darker or brighter is not told apart
INPUTS, WIDTHS, FINE = 4, (16, 24, 32, 48), 12  # log colours and whether they are seen; features, as `layers.unet`
WORN, FEWEST = 0.6, 80  # how surely cells show glasses where a face wears some, and how many do at least
SURE = 0.25, 0.5  # how surely cells of such a face must show them to be doubted, and to be left out
WIDER = 2  # cells around what is found that it may cover as well


def laid(rows, values, texels):
    """The means (ROWS, COLUMNS, k) of values (m, k) seen at some `rows` (m,) of the texels, and the cells (ROWS,
    COLUMNS) that show any; coarse maps have no texel for some: those are as their neighbours."""
    place = _cells(texels.places[rows])
    there = np.flatnonzero(place >= 0)
    place, values = place[there], values[there]
    table = np.column_stack([values, np.ones(len(values))])
    sums = np.stack([np.bincount(place, one, ROWS * COLUMNS) for one in table.T], 1).reshape(ROWS, COLUMNS, -1)
    means = sums / np.maximum(sums[..., -1:], 1)  # and whether there are any
    padded = np.pad(means, ((1, 1), (1, 1), (0, 0)))
    around = sum(padded[i : i + ROWS, j : j + COLUMNS] for i in range(3) for j in range(3))
    hole = (means[..., -1] == 0) & (around[..., -1] >= AROUND)
    means[hole] = around[hole] / around[hole, -1:]
    return means[..., :-1], means[..., -1] > 0


def inputs_of(colours, known):
    """The network's inputs (ROWS, COLUMNS, INPUTS) of the cells' colours (ROWS, COLUMNS, 3), where those are known."""
    log = np.log(np.maximum(colours, 4)).astype(np.float32)
    cheeks = log[LEVEL][known[LEVEL]]
    level = np.median(cheeks, axis=0) if len(cheeks) else log[known].mean(0)
    log = (log - level).clip(*FAR) * known[..., None]
    return np.concatenate([log, known[..., None].astype(np.float32)], 2)


def shapes():
    """Every weight of the network by name, with its shape."""
    return layers.unet_shapes(INPUTS, WIDTHS, FINE, 1)


@lru_cache(maxsize=1)
def load():
    """The arrays of glasses.npz. Raises assets.AssetError."""
    return assets.weights("glasses", shapes())


def covered(rows, colours, texels):
    """How far glasses cover the head's face (ROWS, COLUMNS) 0..1, or None where there are none, by some `rows` (m,) of
    the texels and the `colours` (m, 3) seen there."""
    colours, known = laid(rows, colours, texels)
    if known.sum() < FEWEST:
        return None
    found = surely(colours, known)
    if not worn(found):
        return None
    wide = np.pad(ramp(found, *SURE), WIDER)
    wide = np.max([wide[i : i + ROWS] for i in range(2 * WIDER + 1)], axis=0)
    return np.max([wide[:, j : j + COLUMNS] for j in range(2 * WIDER + 1)], axis=0).astype(np.float32)


def surely(colours, known):
    """How surely (ROWS, COLUMNS) 0..1 cells of such colours (ROWS, COLUMNS, 3) show glasses, where those are known."""
    logits = layers.unet(inputs_of(colours, known), load(), len(WIDTHS))[..., 0]
    return known / (1 + np.exp(-logits))


def worn(found):
    """Whether a face wears glasses of which so much is found (ROWS, COLUMNS)."""
    return (found > WORN).sum() >= FEWEST


def uncovered(rows, texels, mask, mirrored=False):
    """How far some `rows` (m,) of the texels are not under the glasses that a mask (ROWS, COLUMNS) shows; `mirrored`
    where they are taken from the other side."""
    place = _cells(texels.places[rows])
    flat = (mask[:, ::-1] if mirrored else mask).ravel()
    return np.where(place >= 0, 1 - flat[np.maximum(place, 0)], 1).astype(np.float32)


def _cells(places):
    """The flat cell (m,) of places on the mean head (m, 3), -1 beside the grid."""
    row = np.floor((TOP - places[:, 1]) / CELL).astype(int)
    column = np.floor((places[:, 0] - LEFT) / CELL).astype(int)
    inside = (row >= 0) & (row < ROWS) & (column >= 0) & (column < COLUMNS) & (places[:, 2] > DEEPEST)
    return np.where(inside, row * COLUMNS + column, -1)
