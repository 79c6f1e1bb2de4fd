"""SynergyNet's image-to-parameters network in NumPy: MobileNetV2 with spatial pooling and sight of the landmarks."""

from functools import lru_cache

import numpy as np

from . import assets, layers

CROP = 120
# expansion, channels, repeats, stride (Sandler et al., 2018)
BLOCKS = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
STEM, FEATURES, PARAMETERS = 32, 1280, 104
FINE, DEEP = 7, 14  # layers (stem, blocks) up to the features of 1/8 and 1/16 of the crop that sight looks at
LANDMARKS, SIGHT, SEEN = 68, 192, 256


def shapes():
    """Every weight of the network by name, with its shape."""
    table = {"stem_weight": (27, STEM), "stem_bias": (STEM,)}
    inputs = STEM
    for i, (expansion, outputs, _) in enumerate(_blocks()):
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
    table |= {"sight_heat_weight": (SIGHT, LANDMARKS), "sight_heat_bias": (LANDMARKS,)}
    table |= {"from_sight_weight": (2 * LANDMARKS, SEEN), "from_sight_bias": (SEEN,)}
    table |= {"heads_weight": (FEATURES + 2 * LANDMARKS + SEEN, PARAMETERS), "heads_bias": (PARAMETERS,)}
    return table | {"whitening_std": (PARAMETERS,)}  # spread of each parameter in training, to compare errors by


def _blocks():
    for expansion, outputs, repeats, stride in BLOCKS:
        for repeat in range(repeats):
            yield expansion, outputs, stride if repeat == 0 else 1


class ImageToParameters:
    """From a crop to 12 pose, 40 identity and 52 expression numbers (not whitened).

    The pose is a 3x4 matrix, row by row: model metres to crop pixels, x right, y up from the crop's lower edge.
    """

    def __init__(self, weights):
        self.weights = {name: np.ascontiguousarray(value, np.float32) for name, value in weights.items()}

    def __call__(self, crop):
        """crop (120, 120, 3) RGB 0..255 -> parameters (104,) float32."""
        w = self.weights
        x = layers.clip6(layers.full(crop.astype(np.float32) / 127.5 - 1, w["stem_weight"], w["stem_bias"]))
        for i, (expansion, outputs, stride) in enumerate(_blocks()):
            skip, name = x, f"block{i:02d}"
            if expansion > 1:
                x = layers.clip6(layers.pointwise(x, w[f"{name}_expand_weight"], w[f"{name}_expand_bias"]))
            x = layers.depthwise(x, w[f"{name}_depthwise_weight"], w[f"{name}_depthwise_bias"], stride)
            x = layers.pointwise(layers.clip6(x), w[f"{name}_project_weight"], w[f"{name}_project_bias"])
            if stride == 1 and skip.shape[2] == outputs:
                x += skip
            if i + 2 == FINE:
                fine = x
            elif i + 2 == DEEP:
                seen = self.sight(fine, x).ravel()
        x = layers.clip6(layers.pointwise(x, w["last_weight"], w["last_bias"]))
        x *= w["pooling_weight"]
        hidden = np.maximum(seen @ w["from_sight_weight"] + w["from_sight_bias"], 0)
        return np.concatenate([x.mean((0, 1)), seen, hidden]) @ w["heads_weight"] + w["heads_bias"]

    def sight(self, fine, deep):
        """Where fine (15, 15, 32) and deep (8, 8, 96) features show the landmarks: (68, 2) in -1..1, y up."""
        w = self.weights
        deep = layers.pointwise(deep, w["sight_deep_weight"], w["sight_deep_bias"]).repeat(2, 0).repeat(2, 1)
        both = fine @ w["sight_fine_weight"] + deep[: fine.shape[0], : fine.shape[1]]
        x = layers.depthwise(layers.clip6(both), w["sight_around_weight"], w["sight_around_bias"])
        heat = layers.pointwise(layers.clip6(x), w["sight_heat_weight"], w["sight_heat_bias"])
        share = np.exp(heat - heat.max((0, 1)))
        share /= share.sum((0, 1))
        height, width, _ = share.shape
        across, down = (np.arange(n, dtype=np.float32) * (2 / n) + (1 / n - 1) for n in (width, height))
        return np.stack([across @ share.sum(0), -down @ share.sum(1)], 1)


@lru_cache(maxsize=4)
def load(path=None):
    """The bundled network, read once. Raises assets.AssetError if the file is missing or damaged."""
    path = path or assets.FOLDER / "synergynet.npz"
    weights = assets.load(path, "SynergyNet")
    assets.expect(path, weights, shapes())
    return ImageToParameters(weights)
