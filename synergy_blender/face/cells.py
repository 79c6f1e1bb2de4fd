"""Grids over the mean head's face, on which small networks find what covers the skin.

What is seen of the head is laid on the cells: there glasses, beards and fringes lie alike on all faces. From its
colours a U-Net (Ronneberger et al., 2015) says how surely each cell shows what it has learned to find.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from . import assets, layers

FAR = -3.0, 2.0  # of log colours from their level: what is darker or brighter is not told apart
AROUND = 4  # neighbours that are known of a cell that is taken to be as they are
INPUTS, WIDTHS, FINE = 4, (16, 24, 32, 48), 12  # log colours and whether they are seen; features, as `layers.unet`


@dataclass(frozen=True)
class Cells:
    """Where the network NAME.npz looks: `rows` by `columns` cells, `down` by `right` metres each, whose corner lies so
    far up at `top` and across at `left`; `flat` gives places (m, 3) of the mean head as metres across and up (m, 2);
    those deeper than `deepest`, metres, are not on it. The colour of the rows and columns of `level` is what the others
    are told over."""

    name: str
    rows: int
    columns: int
    top: float
    left: float
    down: float
    right: float
    deepest: float
    level: tuple
    flat: Callable

    def of(self, places):
        """The flat cell (m,) of places on the mean head (m, 3), -1 beside the grid."""
        across, up = self.flat(places).T
        row = np.floor((self.top - up) / self.down).astype(int)
        column = np.floor((across - self.left) / self.right).astype(int)
        inside = (row >= 0) & (row < self.rows) & (column >= 0) & (column < self.columns)
        return np.where(inside & (places[:, 2] > self.deepest), row * self.columns + column, -1)

    def laid(self, rows, values, texels):
        """The means (rows, columns, k) of values (m, k) seen at some `rows` (m,) of the texels, and the cells (rows,
        columns) that show any; coarse maps have no texel for some: those are as their neighbours."""
        place = self.of(texels.places[rows])
        there = np.flatnonzero(place >= 0)
        place, values = place[there], values[there]
        table = np.column_stack([values, np.ones(len(values))])
        count = self.rows * self.columns
        sums = np.stack([np.bincount(place, one, count) for one in table.T], 1).reshape(self.rows, self.columns, -1)
        means = sums / np.maximum(sums[..., -1:], 1)  # and whether there are any
        padded = np.pad(means, ((1, 1), (1, 1), (0, 0)))
        around = sum(padded[i : i + self.rows, j : j + self.columns] for i in range(3) for j in range(3))
        hole = (means[..., -1] == 0) & (around[..., -1] >= AROUND)
        means[hole] = around[hole] / around[hole, -1:]
        return means[..., :-1], means[..., -1] > 0

    def inputs_of(self, colours, known):
        """The network's inputs (rows, columns, INPUTS) of the cells' colours (rows, columns, 3), where those are
        known."""
        log = np.log(np.maximum(colours, 4)).astype(np.float32)
        cheeks = log[self.level][known[self.level]]
        level = np.median(cheeks, axis=0) if len(cheeks) else log[known].mean(0)
        log = (log - level).clip(*FAR) * known[..., None]
        return np.concatenate([log, known[..., None].astype(np.float32)], 2)

    def surely(self, colours, known):
        """How surely (rows, columns) 0..1 cells of such colours (rows, columns, 3) show what is to be found, where
        those are known."""
        logits = layers.unet(self.inputs_of(colours, known), weights(self.name), len(WIDTHS))[..., 0]
        return known / (1 + np.exp(-logits))

    def uncovered(self, rows, texels, mask, mirrored=False):
        """How far (m,) some `rows` of the texels are not where a mask (rows, columns) 0..1 shows something; `mirrored`
        where they are taken from the other side."""
        place = self.of(texels.places[rows])
        flat = (mask[:, ::-1] if mirrored else mask).ravel()
        return np.where(place >= 0, 1 - flat[np.maximum(place, 0)], 1).astype(np.float32)


@lru_cache
def weights(name):
    """The arrays of NAME.npz, read once. Raises assets.AssetError."""
    return assets.weights(name, shapes())


def wider(mask, by):
    """A mask (rows, columns) with so many cells around what it shows."""
    rows, columns = mask.shape
    wide = np.pad(mask, by)
    wide = np.max([wide[i : i + rows] for i in range(2 * by + 1)], axis=0)
    return np.max([wide[:, j : j + columns] for j in range(2 * by + 1)], axis=0).astype(np.float32)


def shapes():
    """Every weight of such a network by name, with its shape."""
    return layers.unet_shapes(INPUTS, WIDTHS, FINE, 1)
