"""Learns what hides faces: `python -m training.train_cover [--samples 140000]`.

Faces of `training.bare_faces` that hair, hats and hands leave free (`uncovered.txt`) are laid flat and get such things
drawn over them (`training.covers`), two of three times, and shadows, and a small U-Net over the cells of face and scalp
(`face.cover`) learns where those are. Writes `addon_assets/cover.npz`; resumes from `work/runs/NAME`.
"""

import cv2
import numpy as np
import torch

from synergy_blender.face import cells, cover
from training import beards, covers, sources, spectacles
from training.run import keep_memory
from training.train_beard import coarse, flattened
from training.train_glasses import BATCH, CHECKED, RATE, Drawn, either_way, lesson_of, taken, validate
from training.unet import UNet, begun, learn, options_of

WORKERS = 2
# shares of the samples over which something is, with shadows, other marks and dyed hair
HIDDEN, SHADED, MARKED, DYED = 0.65, 0.65, 0.25, 0.3
SHIFTED = 2.0  # pixels by which cells are off
COVERED = 0.1, 0.4  # how much of a cell is hidden where that is a little, and wholly
MISTAKEN = 0.5, 40  # how surely cells, and how many, show what hides a face that nothing hides, where that is a mistake
UNCOVERED = sources.PROJECT / "training" / "uncovered.txt"


def faces():
    """The faces of `training.bare_faces` that nothing hides: arrays by name."""
    names = set(UNCOVERED.read_text().split())
    data = dict(np.load(sources.WORK / "bare_faces.npz"))
    chosen = np.array([name in names for name in data["names"]])
    return {name: values[chosen] for name, values in data.items()}


def mistaken(found):
    """Whether so much is found (rows, columns) on a face that it would be a mistake where nothing hides it."""
    return (found > MISTAKEN[0]).sum() >= MISTAKEN[1]


class Hidden(Drawn):
    """Samples (inputs (4, rows, columns), how far each cell is hidden (1, ...), which are seen (1, ...)), no end."""

    def __init__(self, data, held_back, seed):
        chosen = data["held_back"] == held_back
        self.pictures, self.points = data["pictures"][chosen], data["whole"][chosen]
        self.seed = seed
        self.across, self.up = covers.places()

    def sample(self, rng):
        k = rng.integers(len(self.points))
        known = self.points[k][..., 0] >= 0
        off = np.where(known[..., None], rng.normal(0, SHIFTED, 2) - 0.5, 0)
        picture = flattened(self.pictures[k].astype(np.float32), (self.points[k] + off).astype(np.float32))
        covered = np.zeros(picture.shape[:2], np.float32)
        if rng.random() < MARKED:
            picture = spectacles.mark(rng, picture, beards.FINER / cover.GRID.right)
        if rng.random() < DYED:
            picture = covers.dyed(rng, picture, self.across, self.up)
        if rng.random() < HIDDEN:
            picture, covered = covers.draw(rng, picture, self.across, self.up)
        if rng.random() < SHADED:
            picture = beards.shadow(rng, picture, self.across, self.up)
        inputs = cover.GRID.inputs_of(coarse(taken(rng, picture), cover.GRID), known)
        low, high = COVERED
        covered = np.clip((coarse(covered, cover.GRID) - low) / (high - low), 0, 1) * known
        return either_way(rng, (inputs.transpose(2, 0, 1), covered[None], known[None]))


def main():
    options = options_of(__doc__.splitlines()[0], "cover", 140_000, RATE)
    keep_memory()
    cv2.setNumThreads(1)  # its threads do not survive the fork of those that draw
    torch.manual_seed(0)
    data = faces()
    held, rng = Hidden(data, True, 1), np.random.default_rng(7)
    checked = torch.utils.data.default_collate([held.sample(rng) for _ in range(CHECKED)])
    network = UNet(cells.INPUTS, cells.WIDTHS, cells.FINE, 1)
    run = begun(options, network, BATCH)
    hidden = Hidden(data, False, run.step)
    print(f"{len(hidden.points)} faces, {len(held.points)} held back", flush=True)

    def check(average):
        return validate(average, checked, mistaken, "bare_wrong")

    learn(run, lesson_of(network), hidden, WORKERS, check, "cover")


if __name__ == "__main__":
    main()
