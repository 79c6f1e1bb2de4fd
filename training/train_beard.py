"""Learns where beards are: `python -m training.train_beard [--samples 140000]`.

Shaven faces (those of `training.bare_faces` in `shaven.txt`) are laid flat and get beards drawn (`training.beards`),
two of three times, and shadows, and a small U-Net over the face's cells (`face.beard`) learns what is the beard's.
Writes `addon_assets/beard.npz`; resumes from `work/runs/NAME`.
"""

import cv2
import numpy as np
import torch

from synergy_blender.face import beard, cells
from training import beards, sources, spectacles
from training.run import keep_memory
from training.train_glasses import AREA, BATCH, CHECKED, RATE, Drawn, either_way, lesson_of, taken, validate
from training.unet import UNet, begun, learn, options_of

WORKERS = 2
GROWN, SHADED, MARKED = 0.65, 0.6, 0.25  # shares of the samples that have a beard, shadows and other marks
SHIFTED = 2.0  # pixels by which cells are off
COVERED = 0.08, 0.25  # how far a beard covers what is a little, and wholly its own
SHAVEN = sources.PROJECT / "training" / "shaven.txt"


def flattened(picture, points):
    """A picture (H, W, 3) float32 as the head laid flat shows it, `beards.FINER` times as fine as the cells whose
    points (rows, columns, 2) are known, 0 and more; elsewhere as at the nearest of those."""
    known = points[..., 0] >= 0
    _, nearest = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    table = np.zeros((nearest.max() + 1, 2), np.float32)
    table[nearest[known]] = points[known]
    finer = cv2.resize(table[nearest], None, fx=beards.FINER, fy=beards.FINER, interpolation=cv2.INTER_LINEAR)
    return cv2.remap(cv2.GaussianBlur(picture, (0, 0), AREA), finer[..., 0], finer[..., 1], cv2.INTER_LINEAR)


def coarse(values, grid=beard.GRID):
    """The means (rows, columns, ...) for a grid's cells of values that are `beards.FINER` times as fine."""
    return cv2.resize(values, (grid.columns, grid.rows), interpolation=cv2.INTER_AREA)


def faces():
    """The faces of `training.bare_faces` that are shaven: arrays by name."""
    names = set(SHAVEN.read_text().split())
    data = dict(np.load(sources.WORK / "bare_faces.npz"))
    chosen = np.array([name in names for name in data["names"]])
    return {name: values[chosen] for name, values in data.items()}


class Grown(Drawn):
    """Samples (inputs (4, rows, columns), how far a beard covers each cell (1, ...), which are seen (1, ...)) without
    end."""

    def __init__(self, data, held_back, seed):
        chosen = data["held_back"] == held_back
        self.pictures, self.points = data["pictures"][chosen], data["lower"][chosen]
        self.seed = seed
        self.across, self.up = beards.places()

    def sample(self, rng):
        k = rng.integers(len(self.points))
        known = self.points[k][..., 0] >= 0
        off = np.where(known[..., None], rng.normal(0, SHIFTED, 2) - 0.5, 0)
        picture = flattened(self.pictures[k].astype(np.float32), (self.points[k] + off).astype(np.float32))
        covered = np.zeros(picture.shape[:2], np.float32)
        if rng.random() < MARKED:
            picture = spectacles.mark(rng, picture, beards.FINER / beard.GRID.right)
        if rng.random() < GROWN:
            picture, covered = beards.draw(rng, picture, self.across, self.up)
        if rng.random() < SHADED:
            picture = beards.shadow(rng, picture, self.across, self.up)
        inputs = beard.GRID.inputs_of(coarse(taken(rng, picture)), known)
        low, high = COVERED
        covered = np.clip((coarse(covered) - low) / (high - low), 0, 1) * known
        parts = inputs.transpose(2, 0, 1), covered[None], known[None]
        return either_way(rng, parts)


def main():
    options = options_of(__doc__.splitlines()[0], "beard", 140_000, RATE)
    keep_memory()
    cv2.setNumThreads(1)  # its threads do not survive the fork of those that draw
    torch.manual_seed(0)
    data = faces()
    held, rng = Grown(data, True, 1), np.random.default_rng(7)
    checked = torch.utils.data.default_collate([held.sample(rng) for _ in range(CHECKED)])
    network = UNet(cells.INPUTS, cells.WIDTHS, cells.FINE, 1)
    run = begun(options, network, BATCH)
    grown = Grown(data, False, run.step)
    print(f"{len(grown.points)} shaven faces, {len(held.points)} held back", flush=True)

    def check(average):
        return validate(average, checked, beard.has_one, "shaven_wrong")

    learn(run, lesson_of(network), grown, WORKERS, check, "beard")


if __name__ == "__main__":
    main()
