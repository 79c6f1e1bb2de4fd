"""Faces of `training.bare_faces` laid flat, finer than a grid's cells, for things to be drawn on them there."""

import cv2
import numpy as np

from training import sources, spectacles
from training.train_glasses import AREA, Drawn, either_way, taken

FINER = 3  # times, that pictures are finer than the cells of a grid, each way
MARKED = 0.25  # share of the samples that have other marks
SHIFTED = 2.0  # pixels by which cells are off


def places(grid):
    """Metres across and up (H, W) of the pixels of a picture over a grid's cells."""
    across = grid.left + (np.arange(grid.columns * FINER) + 0.5) * grid.right / FINER
    up = grid.top - (np.arange(grid.rows * FINER) + 0.5) * grid.down / FINER
    return np.meshgrid(across.astype(np.float32), up.astype(np.float32))


def flattened(picture, points):
    """A picture (H, W, 3) float32 as the head laid flat shows it, FINER times as fine as the cells whose points (rows,
    columns, 2) are known, 0 and more; elsewhere as at the nearest of those."""
    known = points[..., 0] >= 0
    _, nearest = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    table = np.zeros((nearest.max() + 1, 2), np.float32)
    table[nearest[known]] = points[known]
    finer = cv2.resize(table[nearest], None, fx=FINER, fy=FINER, interpolation=cv2.INTER_LINEAR)
    return cv2.remap(cv2.GaussianBlur(picture, (0, 0), AREA), finer[..., 0], finer[..., 1], cv2.INTER_LINEAR)


def coarse(values, grid):
    """The means (rows, columns, ...) for a grid's cells of values that are FINER times as fine."""
    return cv2.resize(values, (grid.columns, grid.rows), interpolation=cv2.INTER_AREA)


def listed(path, data):
    """Which of the faces (N,) of `training.bare_faces` a file names."""
    return np.isin(data["names"], path.read_text().split())


def check(finder, points, says, with_it, without, those):
    """Print on how many faces of `training.bare_faces` a `finder` of the add-on finds something, as `says` says of
    how surely its cells show it: on those that the file `with_it` names, and those that `without` does, called `those`
    two. Where the cells are seen is in the array `points`."""
    data = np.load(sources.WORK / "bare_faces.npz")
    yes, no = listed(with_it, data), listed(without, data)
    found = np.zeros(len(yes), bool)
    pictures, where = data["pictures"], data[points]
    for k in np.flatnonzero(yes | no):
        known = where[k][..., 0] >= 0
        colours = coarse(flattened(pictures[k].astype(np.float32), where[k] - np.float32(0.5)), finder.GRID)
        found[k] = says(finder.GRID.surely(colours, known))
    print(f"found on {found[yes].sum()} of {yes.sum()} {those[0]}")
    for name, some in (("trained on", ~data["held_back"]), ("held back", data["held_back"])):
        print(f"{name}: found on {found[no & some].sum()} of {(no & some).sum()} {those[1]}")


class LaidFaces(Drawn):
    """Samples (inputs (4, rows, columns), how far each cell of a `grid` is covered (1, ...), which are seen (1, ...))
    without end, of faces that the file `free` names; where the cells are seen is in the array `points`.

    `drawn(rng, picture)` gives a face laid flat with something on it, and how far (H, W) 0..1 that covers it; `covered`
    is how far it covers what is a little, and wholly its own.
    """

    def __init__(self, held_back, seed):
        data = np.load(sources.WORK / "bare_faces.npz")
        chosen = listed(self.free, data) & (data["held_back"] == held_back)
        self.pictures, self.where = data["pictures"][chosen], data[self.points][chosen]
        self.seed, self.count = seed, chosen.sum()
        self.across, self.up = places(self.grid)

    def sample(self, rng):
        k = rng.integers(self.count)
        known = self.where[k][..., 0] >= 0
        off = np.where(known[..., None], rng.normal(0, SHIFTED, 2) - 0.5, 0)
        picture = flattened(self.pictures[k].astype(np.float32), (self.where[k] + off).astype(np.float32))
        if rng.random() < MARKED:
            picture = spectacles.mark(rng, picture, FINER / self.grid.right)
        picture, covered = self.drawn(rng, picture)
        inputs = self.grid.inputs_of(coarse(taken(rng, picture), self.grid), known)
        low, high = self.covered
        covered = np.clip((coarse(covered, self.grid) - low) / (high - low), 0, 1) * known
        return either_way(rng, (inputs.transpose(2, 0, 1), covered[None], known[None]))
