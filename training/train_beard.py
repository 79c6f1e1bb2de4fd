"""Learns where beards are: `python -m training.train_beard [--samples 140000]`.

Shaven faces (those of `training.bare_faces` in `shaven.txt`) are laid flat and get beards drawn (`training.beards`),
two of three times, and shadows, and a small U-Net over the face's cells (`face.beard`) learns what is the beard's.
Writes `addon_assets/beard.npz`; resumes from `work/runs/NAME`.
"""

import numpy as np

from synergy_blender.face import beard
from training import beards, sources
from training.laid_faces import LaidFaces
from training.train_glasses import train

WORKERS = 2
GROWN, SHADED = 0.65, 0.6  # shares of the samples that have a beard, and shadows
SHAVEN = sources.PROJECT / "training" / "shaven.txt"


class Grown(LaidFaces):
    grid, points, free, covered = beard.GRID, "lower", SHAVEN, (0.08, 0.25)

    def drawn(self, rng, picture):
        covered = np.zeros(picture.shape[:2], np.float32)
        if rng.random() < GROWN:
            picture, covered = beards.draw(rng, picture, self.across, self.up)
        if rng.random() < SHADED:
            picture = beards.shadow(rng, picture, self.across, self.up)
        return picture, covered


if __name__ == "__main__":
    train(__doc__.splitlines()[0], "beard", 140_000, Grown, WORKERS, beard.has_one, "shaven_wrong")
