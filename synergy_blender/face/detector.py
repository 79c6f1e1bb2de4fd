"""A one-stage face detector in NumPy: where the faces are, as squares around their 68 landmarks."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from . import assets, crop, layers

STEM = 16
# output channels and stride of each depthwise-separable block; a level is read after each block with a True
BLOCKS = [
    (24, 2, False), (24, 1, False), (48, 2, False), (48, 1, False), (48, 1, True),
    (96, 2, False), (96, 1, False), (96, 1, True), (128, 2, False), (128, 1, False), (128, 1, True),
]  # fmt: skip
LEVELS = (8, 16, 32)  # picture pixels per cell
DEEPER = (2, 2, 2)  # residual blocks at each level, before it is read
WIDTH = 48  # channels of the merged levels
OUTPUTS = 4  # score, x and y from the cell's centre in cells, log2 of the side over four cells
SIZE = 640  # the picture is looked at with its longer side so many pixels long, and half as many
THRESHOLD = 0.75  # `training.detector_threshold` prints what each finds
ABOUT, PART = 2.6, 128  # side of the part about a square that is looked at alone, over the square's, and in pixels
OVERLAP = 0.35  # intersection over union above which two squares are one face
WITHIN = 0.45  # of a face's side: no other face's middle is so near its own


@dataclass(frozen=True)
class Face:
    """A square around a face's landmarks: `centre` (x, y) and `side` in picture pixels, `score` 0..1."""

    centre: tuple
    side: float
    score: float


def shapes():
    """Every weight of the detector by name, with its shape."""
    table = {"stem_weight": (27, STEM), "stem_bias": (STEM,)}
    inputs, level = STEM, 0
    for i, (outputs, _, read) in enumerate(BLOCKS):
        table |= _separable(f"block{i:02d}", inputs, outputs)
        inputs = outputs
        if read:
            for k in range(DEEPER[level]):
                table |= _separable(f"deeper{level}{k}", outputs, outputs)
            table[f"lateral{level}_weight"], table[f"lateral{level}_bias"] = (outputs, WIDTH), (WIDTH,)
            table[f"head{level}_depthwise_weight"], table[f"head{level}_depthwise_bias"] = (3, 3, WIDTH), (WIDTH,)
            table[f"head{level}_hidden_weight"], table[f"head{level}_hidden_bias"] = (WIDTH, WIDTH), (WIDTH,)
            table[f"head{level}_output_weight"], table[f"head{level}_output_bias"] = (WIDTH, OUTPUTS), (OUTPUTS,)
            level += 1
    return table


def _separable(name, inputs, outputs):
    return {
        f"{name}_depthwise_weight": (3, 3, inputs),
        f"{name}_depthwise_bias": (inputs,),
        f"{name}_project_weight": (inputs, outputs),
        f"{name}_project_bias": (outputs,),
    }


class Detector:
    def __init__(self, weights):
        self.weights = {name: np.ascontiguousarray(value, np.float32) for name, value in weights.items()}

    def maps(self, picture):
        """picture (H, W, 3) RGB 0..255, sides multiples of 32 -> per level (h, w, 4) raw outputs."""
        w = self.weights

        def dense(x, name):
            return layers.pointwise(x, w[f"{name}_weight"], w[f"{name}_bias"])

        def spread(x, name, stride=1):
            return layers.clip6(layers.depthwise(x, w[f"{name}_weight"], w[f"{name}_bias"], stride))

        def separable(x, name, stride=1):
            return dense(spread(x, f"{name}_depthwise", stride), f"{name}_project")

        x = np.multiply(picture, 1 / 127.5, dtype=np.float32)
        x -= 1
        x = layers.clip6(layers.full(x, w["stem_weight"], w["stem_bias"]))
        read = []
        for i, (_, stride, is_level) in enumerate(BLOCKS):
            x = layers.clip6(separable(x, f"block{i:02d}", stride))
            if is_level:
                for k in range(DEEPER[len(read)]):
                    x += separable(x, f"deeper{len(read)}{k}")
                read.append(x)
        merged, outputs = None, []
        for level in reversed(range(len(LEVELS))):
            here = dense(read[level], f"lateral{level}")
            if merged is not None:
                here += merged.repeat(2, axis=0).repeat(2, axis=1)
            merged = here
            y = layers.clip6(dense(spread(merged, f"head{level}_depthwise"), f"head{level}_hidden"))
            outputs.append(dense(y, f"head{level}_output"))
        return outputs[::-1]

    def looks(self, picture, threshold=THRESHOLD):
        """Candidates (n, 4) in a picture (H, W, 3) uint8 seen at both sizes."""
        height, width = picture.shape[:2]
        scale = SIZE / max(height, width)
        if scale == 1:
            large = _filled_up(picture)
        else:
            rows, columns = (int(-(-round(v * scale) // 32) * 32) for v in (height, width))
            large = crop.resample(picture, 0, 0, columns / scale, rows / scale, columns, rows)
        rows, columns = large.shape[0] // 2, large.shape[1] // 2
        lines = large.reshape(rows, 2, 2 * columns, 3).sum(1, dtype=np.float32)  # whole rows add fastest
        small = _filled_up((lines[:, ::2] + lines[:, 1::2]) / 4)
        both = (self.maps(large), scale), (self.maps(small), scale / 2)
        return np.concatenate([decode(maps, threshold) / [1, s, s, s] for maps, s in both])

    def about(self, picture, middle, side):
        """Candidates (n, 4) of every score in the part of a picture (H, W, 3) uint8 about a square: score, x and y from
        its `middle` (2,) and side, all three over its `side`."""
        part = crop.square(picture, np.array(middle), ABOUT * side, PART)
        found = decode(self.maps(part), threshold=0.0)
        found[:, 1:3] -= PART / 2
        return found / [1, *[PART / ABOUT] * 3]

    def __call__(self, picture, threshold=THRESHOLD):
        """Faces (list of Face) of at least such a score in a picture (H, W, 3) uint8 RGB, largest first."""
        height, width = picture.shape[:2]
        found = keep_best(self.looks(picture, threshold))
        inside = [f for f in found if 0 <= f.centre[0] <= width and 0 <= f.centre[1] <= height]
        return sorted(inside, key=lambda face: -face.side)


def _filled_up(picture):
    """The picture with its last row and column repeated until both sides are multiples of 32."""
    rows, columns = (-v % 32 for v in picture.shape[:2])
    return np.pad(picture, ((0, rows), (0, columns), (0, 0)), mode="edge") if rows or columns else picture


def decode(maps, threshold=THRESHOLD):
    """Candidates (n, 4): score, x, y, side, from the raw outputs of every level."""
    rows = []
    for cell, output in zip(LEVELS, maps, strict=True):
        score = 1 / (1 + np.exp(-output[..., 0]))
        row, column = np.nonzero(score > threshold)
        found = output[row, column]
        x, y = (column + 0.5 + found[:, 1]) * cell, (row + 0.5 + found[:, 2]) * cell
        side = 4 * cell * 2.0 ** np.clip(found[:, 3], -4, 4)
        rows.append(np.column_stack([score[row, column], x, y, side]))
    return np.concatenate(rows)


def keep_best(candidates):
    """Faces out of candidates (n, 4): of those that overlap, the mean of the best one's near copies."""
    candidates = candidates[np.argsort(-candidates[:, 0])]
    faces = []
    while len(candidates):
        best = candidates[0]
        low = np.maximum(best[1:3] - best[3] / 2, candidates[:, 1:3] - candidates[:, 3:] / 2)
        high = np.minimum(best[1:3] + best[3] / 2, candidates[:, 1:3] + candidates[:, 3:] / 2)
        common = np.clip(high - low, 0, None).prod(1)
        area = np.minimum(best[3], candidates[:, 3]) ** 2
        union = best[3] ** 2 + candidates[:, 3] ** 2 - common
        within = np.abs(candidates[:, 1:3] - best[1:3]).max(1) < WITHIN * best[3]
        same = (common / union > OVERLAP) | (common / area > 0.7) | within
        near = candidates[same & (common / union > 0.5)]
        x, y, side = np.average(near[:, 1:], axis=0, weights=near[:, 0])
        faces.append(Face((float(x), float(y)), float(side), float(best[0])))
        candidates = candidates[~same]
    return faces


@lru_cache(maxsize=4)
def load(path=None):
    """The bundled detector, read once. Raises assets.AssetError if the file is missing or damaged."""
    path = path or assets.FOLDER / "detector.npz"
    weights = assets.load(path, "face detector")
    assets.expect(path, weights, shapes())
    return Detector(weights)
