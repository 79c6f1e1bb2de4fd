"""Learns what hides faces: `python -m training.train_cover [--samples 140000]`.

Faces of `training.bare_faces` that hair, hats and hands leave free (`uncovered.txt`) are laid flat and get such things
drawn over them (`training.covers`), two of three times, and shadows, and a small U-Net over the cells of face and scalp
(`face.cover`) learns where those are. Writes `addon_assets/cover.npz`; resumes from `work/runs/NAME`.
"""

import numpy as np

from synergy_blender.face import cover
from training import beards, covers, sources
from training.laid_faces import LaidFaces
from training.train_glasses import train

WORKERS = 2
HIDDEN, SHADED, DYED = 0.65, 0.65, 0.3  # shares of the samples over which something is, with shadows and dyed hair
MISTAKEN = 0.5, 40  # how surely cells, and how many, show what hides a face that nothing hides, where that is a mistake
UNCOVERED = sources.PROJECT / "training" / "uncovered.txt"


def mistaken(found):
    """Whether so much is found (rows, columns) on a face that it would be a mistake where nothing hides it."""
    return (found > MISTAKEN[0]).sum() >= MISTAKEN[1]


class Hidden(LaidFaces):
    grid, points, free, covered = cover.GRID, "whole", UNCOVERED, (0.1, 0.4)

    def drawn(self, rng, picture):
        covered = np.zeros(picture.shape[:2], np.float32)
        if rng.random() < DYED:
            picture = covers.dyed(rng, picture, self.across, self.up)
        if rng.random() < HIDDEN:
            picture, covered = covers.draw(rng, picture, self.across, self.up)
        if rng.random() < SHADED:
            picture = beards.shadow(rng, picture, self.across, self.up)
        return picture, covered


if __name__ == "__main__":
    train(__doc__.splitlines()[0], "cover", 140_000, Hidden, WORKERS, mistaken, "bare_wrong")
