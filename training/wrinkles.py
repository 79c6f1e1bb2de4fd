"""Wrinkles that raised and knit brows throw on a render, whose portrait, moved, has none of them.

Across the forehead, where the frontalis lifts it, and upright between the brows, where corrugator and procerus gather
it (action units 1, 2 and 4 of Ekman & Friesen, 1978).
"""

from dataclasses import dataclass

import numpy as np

from training.expressions import NAMES, OUTER, smooth_step

SMOOTH_SKIN = 0.3  # share of people whose skin hardly folds
DEPTH, CREASE = (0.04, 0.24), (0.0008, 0.0015)  # share of the light that a crease takes; half its width, metres
LOWEST, SPACING, HIGHEST = 0.027, 0.0065, 0.060  # metres above the eyes, across the forehead
LEAST, MOST = 0.1, 0.8  # of a slider: from which on the skin folds, and is folded
FOLD, FOLD_WIDTH = 0.45, 2.4  # a crease's lit sides: of its depth, and of its width
_INNER, _LEFT, _RIGHT = (NAMES.index(n) for n in ("browInnerUp", "browOuterUpLeft", "browOuterUpRight"))
_DOWN = [NAMES.index(f"browDown{side}") for side in ("Left", "Right")]


@dataclass(frozen=True)
class Wrinkles:
    """Someone's: `depth`, `width` (metres), `across` (n, 7) and `upright` (m, 4): what each is like, see `drawn`."""

    depth: float
    width: float
    across: np.ndarray
    upright: np.ndarray

    @classmethod
    def drawn(cls, rng):
        depth = 0.0 if rng.random() < SMOOTH_SKIN else rng.uniform(*DEPTH)
        heights = np.arange(LOWEST, HIGHEST, SPACING * rng.uniform(0.8, 1.7))
        across = [
            (
                height + rng.normal(0, 0.001),
                rng.normal(-1.5, 2.5),  # how it bends towards the temples, 1 / metres
                rng.uniform(0.0002, 0.0009),  # a wave's height, length and phase
                rng.uniform(0.018, 0.05),
                rng.uniform(0, 2 * np.pi),
                rng.uniform(0.018, 0.045),  # how far it reaches to both sides
                rng.uniform(0.35, 1),  # its share of the depth
            )
            for height in heights
        ]
        sides = rng.choice([-1, 1], rng.integers(1, 3), replace=False)
        upright = [
            (
                side * rng.uniform(0.003, 0.0075),
                side * rng.uniform(-0.05, 0.25),  # how it leans outwards
                *rng.uniform([0.002, 0.024], [0.010, 0.038]),  # from and up to where it runs
            )
            for side in sides
        ]
        return cls(depth, rng.uniform(*CREASE), np.array(across), np.array(upright))

    def thrown_by(self, more):
        """Whether brows that are moved by `more` (52,) than in the photo show any."""
        return self.depth > 0 and more[[_INNER, _LEFT, _RIGHT, *_DOWN]].max() > LEAST

    def light(self, places, more):
        """Factor (H, W) of the light at places (H, W, 3) of the mean head, for brows moved by `more` (52,) than in the
        photo."""
        x, y = places[..., 0], places[..., 1]
        front = smooth_step(places[..., 2], -0.03, -0.01)
        outer = smooth_step(np.abs(x), *OUTER)
        lifted = more[_INNER] * (1 - outer) + np.where(x > 0, more[_LEFT], more[_RIGHT]) * outer
        lifted, knit = (front * smooth_step(moved, LEAST, MOST) for moved in (lifted, more[_DOWN].mean()))
        dark = np.zeros(x.shape, np.float32)
        for height, bend, wave, length, phase, reach, share in self.across:
            line = height + bend * x**2 + wave * np.sin(2 * np.pi * x / length + phase)
            dark += share * lifted * self._crease(y - line) * (1 - smooth_step(np.abs(x), 0.6 * reach, reach))
        for beside, slant, low, high in self.upright:
            ends = smooth_step(y, low, low + 0.004) * (1 - smooth_step(y, high - 0.008, high))
            dark += knit * self._crease(x - beside - slant * (y - low)) * ends
        return 1 - self.depth * dark

    def _crease(self, apart):
        """A dark line with lit folds beside it, of the distance from its middle in metres."""
        apart = apart / self.width
        return np.exp(-0.5 * apart**2) - FOLD * np.exp(-0.5 * ((np.abs(apart) - FOLD_WIDTH) / 1.2) ** 2)
