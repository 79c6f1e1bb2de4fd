"""SynergyNet's image-to-parameters network in NumPy: MobileNetV2 with spatial pooling and sight of the landmarks."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from . import assets, fit, layers, reverse

CROP = 120
# expansion, channels, repeats, stride (Sandler et al., 2018)
BLOCKS = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
STEM, FEATURES, PARAMETERS, SHAPE = 32, 1280, 104, 92  # the shape's: 40 of identity, 52 of expression
DETAIL, FINE, DEEP = 4, 7, 14  # layers (stem, blocks) up to the features of 1/4, 1/8 and 1/16 of the crop
LANDMARKS, POINTS, SIGHT, SEEN = 68, 268, 192, 256  # the points begin with the landmarks
LOG_ERRORS = -3.0, 4.0  # of the points, pixels
NEAR, LOOKED = 32, 256  # features about each landmark, and of all looks together
FLIP = np.array([-1.0, 1, 1])  # the mirror image of a point


def shapes_of_sight(channels):
    """Every weight of the layers that see points in a picture of so many channels, by name, with its shape."""
    table = {"stem_weight": (9 * channels, STEM), "stem_bias": (STEM,)}
    inputs = STEM
    for i, (expansion, outputs, _) in enumerate(blocks()):
        hidden = inputs * expansion
        if expansion > 1:
            table[f"block{i:02d}_expand_weight"], table[f"block{i:02d}_expand_bias"] = (inputs, hidden), (hidden,)
        table[f"block{i:02d}_depthwise_weight"], table[f"block{i:02d}_depthwise_bias"] = (3, 3, hidden), (hidden,)
        table[f"block{i:02d}_project_weight"], table[f"block{i:02d}_project_bias"] = (hidden, outputs), (outputs,)
        inputs = outputs
    table |= {"last_weight": (inputs, FEATURES), "last_bias": (FEATURES,), "pooling_weight": (4, 4, FEATURES)}
    table |= {"sight_fine_weight": (BLOCKS[2][1], SIGHT)}
    table |= {"sight_deep_weight": (BLOCKS[4][1], SIGHT), "sight_deep_bias": (SIGHT,)}
    table |= {"sight_around_weight": (3, 3, SIGHT), "sight_around_bias": (SIGHT,)}
    table |= {"sight_heat_weight": (SIGHT, POINTS), "sight_heat_bias": (POINTS,)}
    table |= {"sight_near_weight": (SIGHT, NEAR), "sight_near_bias": (NEAR,)}
    look = BLOCKS[1][1] + NEAR
    table |= {"closer_weight": (POINTS, look, 3), "closer_bias": (POINTS, 3)}
    table |= {"from_sight_weight": (2 * POINTS, SEEN), "from_sight_bias": (SEEN,)}
    table |= {"from_look_weight": (LANDMARKS * look, LOOKED), "from_look_bias": (LOOKED,)}
    table |= {"together_weight": (LOOKED, 3 * POINTS), "again_weight": (POINTS, look, 3), "again_bias": (POINTS, 3)}
    return table | {"from_last_look_weight": (LANDMARKS * look, LOOKED), "from_last_look_bias": (LOOKED,)}


def shapes():
    """Every weight of the network by name, with its shape."""
    table = shapes_of_sight(3)
    table |= {"heads_weight": (FEATURES + 2 * POINTS + SEEN + LOOKED, PARAMETERS), "heads_bias": (PARAMETERS,)}
    # spread of each parameter in training, to compare errors by; how precise the regressed shape is
    table |= {"whitening_std": (PARAMETERS,), "precision": (SHAPE, SHAPE)}
    table |= reverse.shapes(PARAMETERS) | {"reverse_precision": (SHAPE, SHAPE), "confidence": (4,)}
    # the points of the head, metres; the shape of the mirrored head is mirror @ shape
    return table | {"points_mean": (POINTS, 3), "points_basis": (SHAPE, POINTS, 3), "mirror": (SHAPE, SHAPE)}


def blocks():
    """Expansion, output channels and stride of each inverted residual block."""
    for expansion, outputs, repeats, stride in BLOCKS:
        for repeat in range(repeats):
            yield expansion, outputs, stride if repeat == 0 else 1


@dataclass(frozen=True)
class Seen:
    """What is seen in a picture: `feature` (1280,) of it all, `points` (268, 2) in -1..1, y up, with the log of the
    error in pixels (268,) to expect of each, `spots` (256,) of where they lie and `looked` (256,) of close looks."""

    feature: np.ndarray
    points: np.ndarray
    log_errors: np.ndarray
    spots: np.ndarray
    looked: np.ndarray


class Sight:
    """The layers that see points of a face in a picture."""

    def __init__(self, weights):
        self.weights = {
            name: value if value.dtype.kind in "iu" else np.ascontiguousarray(value, np.float32)
            for name, value in weights.items()
        }

    def see(self, x):
        """What is Seen in a picture (120, 120, C) float32, colours in -1..1."""
        w = self.weights
        x = layers.clip6(layers.full(x, w["stem_weight"], w["stem_bias"]))
        for i, (expansion, outputs, stride) in enumerate(blocks()):
            skip, name = x, f"block{i:02d}"
            if expansion > 1:
                x = layers.clip6(layers.pointwise(x, w[f"{name}_expand_weight"], w[f"{name}_expand_bias"]))
            x = layers.depthwise(x, w[f"{name}_depthwise_weight"], w[f"{name}_depthwise_bias"], stride)
            x = layers.pointwise(layers.clip6(x), w[f"{name}_project_weight"], w[f"{name}_project_bias"])
            if stride == 1 and skip.shape[2] == outputs:
                x += skip
            if i + 2 == DETAIL:
                detail = x
            elif i + 2 == FINE:
                fine = x
            elif i + 2 == DEEP:
                seen, near = self.sight(fine, x)
        x = layers.clip6(layers.pointwise(x, w["last_weight"], w["last_bias"]))
        x *= w["pooling_weight"]

        def at(points):
            return np.concatenate([look(detail, points), look(near, points)], 1)

        closer = (at(seen)[:, None] @ w["closer_weight"])[:, 0] + w["closer_bias"]
        seen = seen + closer[:, :2] / CROP
        features = at(seen)
        looked = np.maximum(features[:LANDMARKS].ravel() @ w["from_look_weight"] + w["from_look_bias"], 0)
        again = (features[:, None] @ w["again_weight"])[:, 0] + w["again_bias"]
        again += (looked @ w["together_weight"]).reshape(again.shape)
        seen = seen + again[:, :2] / CROP
        spots = np.maximum(seen.ravel() @ w["from_sight_weight"] + w["from_sight_bias"], 0)
        looked = at(seen[:LANDMARKS]).ravel()
        looked = np.maximum(looked @ w["from_last_look_weight"] + w["from_last_look_bias"], 0)
        return Seen(x.mean((0, 1)), seen, (closer + again)[:, 2].clip(*LOG_ERRORS), spots, looked)

    def sight(self, fine, deep):
        """Where fine (15, 15, 32) and deep (8, 8, 96) features show the points: (268, 2) in -1..1, y up.

        Also returns the features (15, 15, NEAR) to look at around them.
        """
        w = self.weights
        deep = layers.pointwise(deep, w["sight_deep_weight"], w["sight_deep_bias"]).repeat(2, 0).repeat(2, 1)
        both = fine @ w["sight_fine_weight"] + deep[: fine.shape[0], : fine.shape[1]]
        x = layers.depthwise(layers.clip6(both), w["sight_around_weight"], w["sight_around_bias"])
        heat = layers.pointwise(layers.clip6(x), w["sight_heat_weight"], w["sight_heat_bias"])
        share = np.exp(heat - heat.max((0, 1)))
        share /= share.sum((0, 1))
        height, width, _ = share.shape
        across, down = (np.arange(n, dtype=np.float32) * (2 / n) + (1 / n - 1) for n in (width, height))
        near = layers.clip6(layers.pointwise(layers.clip6(x), w["sight_near_weight"], w["sight_near_bias"]))
        return np.stack([across @ share.sum(0), -down @ share.sum(1)], 1), near


class ImageToParameters(Sight):
    """From a crop to 12 pose, 40 identity and 52 expression numbers (not whitened).

    The pose is a 3x4 matrix, row by row: model metres to crop pixels, x right, y up from the crop's lower edge.
    `points_mean` (536, 3), `points_basis` (92, 536, 3): the points of the head, metres, then the same points of the
    mirrored head where they lie on this one.
    """

    def __init__(self, weights):
        super().__init__(weights)
        mean, basis, self.mirror, self.precision, self.reverse_precision = (
            self.weights[name].astype(float)
            for name in ("points_mean", "points_basis", "mirror", "precision", "reverse_precision")
        )
        self.points_mean = np.concatenate([mean, mean * FLIP])
        self.points_basis = np.concatenate([basis, np.tensordot(self.mirror.T, basis, 1) * FLIP], 1)
        self.confidence = self.weights["confidence"].astype(float)

    def __call__(self, crop):
        """crop (120, 120, 3) RGB 0..255 -> parameters (104,) float32, points (268, 2) where the face's points are seen
        in crop pixels, y up, and the errors (268,) to expect of them in pixels."""
        points, errors, told = self.told(crop)
        return told @ self.weights["heads_weight"] + self.weights["heads_bias"], points, errors

    def told(self, crop):
        """The points and errors of a call, and all (2328,) that tells the parameters."""
        seen = self.see(crop.astype(np.float32) / 127.5 - 1)
        told = np.concatenate([seen.feature, seen.points.ravel(), seen.spots, seen.looked])
        return (CROP / 2) * (seen.points + 1), np.exp(seen.log_errors), told

    def several(self, crops):
        """The same of each of some crops, two at a time: NumPy leaves one core idle over a single one."""
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(self, crops))


def view(regress, crop):
    """What the network makes of a crop (120, 120, 3), as evidence for a fit."""
    return evidence(regress, regress(crop))


def evidence(regress, seen):
    """What the network makes of a crop, as evidence for a fit."""
    parameters, points, errors = seen
    identity, expression = np.split(parameters[12:].astype(float), [40])
    start = parameters[:12].astype(float).reshape(3, 4)
    return fit.View(points.astype(float), errors.astype(float), identity, expression, regress.precision, start)


def turned_back(view, quarters):
    """The evidence of a crop that was turned to the left by some quarters of a turn, as of the crop itself."""
    c, s = ((1, 0), (0, -1), (-1, 0), (0, 1))[quarters]  # turns to the right, in a frame with y up
    turn, middle = np.array([[c, -s], [s, c]], float), CROP / 2
    matrix = view.pose.copy()
    matrix[:2, :3] = turn @ view.pose[:2, :3]
    matrix[:2, 3] = middle + turn @ (view.pose[:2, 3] - middle)
    return replace(view, points=middle + (view.points - middle) @ turn.T, pose=matrix)


def view_of_landmarks(regress, landmarks, error):
    """Landmarks (68, 2) in crop pixels, y up, each off by about `error` pixels, as evidence for a fit of the landmarks
    alone: what the reverse module makes of them, and a pose to start from."""
    mean = regress.points_mean[:LANDMARKS]
    start = reverse.start_pose(mean, landmarks)
    identity, expression = reverse.shape_of(regress.weights, reverse.with_depth(landmarks, mean, start), CROP)
    errors = np.full(LANDMARKS, float(error))
    return fit.View(landmarks, errors, identity, expression, regress.reverse_precision, start)


def look(picture, seen):
    """Features (K, C) of a map (H, W, C) at points (K, 2) in -1..1, y up, interpolated linearly; the border goes on."""
    height, width, _ = picture.shape
    x = ((seen[:, 0] + 1) * (width / 2) - 0.5).clip(0, width - 1)
    y = ((1 - seen[:, 1]) * (height / 2) - 0.5).clip(0, height - 1)
    left, top = np.minimum(x.astype(int), width - 2), np.minimum(y.astype(int), height - 2)
    x, y = (x - left)[:, None], (y - top)[:, None]
    cells, at = picture.reshape(height * width, -1).astype(np.float32, copy=False), top * width + left

    def along(at):
        start, end = cells.take(at, 0), cells.take(at + 1, 0)
        end -= start
        end *= x
        start += end
        return start

    upper, lower = along(at), along(at + width)
    lower -= upper
    lower *= y
    upper += lower
    return upper


@lru_cache(maxsize=4)
def load(path=None):
    """The bundled network, read once. Raises assets.AssetError if the file is missing or damaged."""
    path = path or assets.FOLDER / "synergynet.npz"
    weights = assets.load(path, "SynergyNet")
    assets.expect(path, weights, shapes())
    return ImageToParameters(weights)
