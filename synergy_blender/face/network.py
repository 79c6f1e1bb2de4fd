"""SynergyNet's image-to-parameters network (MobileNetV2) in NumPy."""

from functools import lru_cache

import numpy as np

from . import assets, layers

CROP = 120
# expansion, channels, repeats, stride (Sandler et al., 2018)
BLOCKS = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
STEM, FEATURES, PARAMETERS = 32, 1280, 104


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
    table |= {"last_weight": (inputs, FEATURES), "last_bias": (FEATURES,)}
    table |= {"heads_weight": (FEATURES, PARAMETERS), "heads_bias": (PARAMETERS,)}
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
        x = layers.clip6(layers.pointwise(x, w["last_weight"], w["last_bias"]))
        return x.mean((0, 1)) @ w["heads_weight"] + w["heads_bias"]


@lru_cache(maxsize=4)
def load(path=None):
    """The bundled network, read once. Raises assets.AssetError if the file is missing or damaged."""
    path = path or assets.FOLDER / "synergynet.npz"
    weights = assets.load(path, "SynergyNet")
    assets.expect(path, weights, shapes())
    return ImageToParameters(weights)
