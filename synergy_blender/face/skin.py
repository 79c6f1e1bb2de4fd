"""What is known of skin: how it usually varies over a face, and what the photo says."""

from functools import lru_cache

import numpy as np

from . import assets, head_model

# Model-frame boxes (metres) of skin that hair, brows, lips and shadows seldom reach: cheeks, nose, forehead.
PATCHES = [
    ((0.020, -0.048, 0.0), (0.045, -0.022, 0.05)),
    ((-0.045, -0.048, 0.0), (-0.020, -0.022, 0.05)),
    ((-0.008, -0.035, 0.02), (0.008, -0.005, 0.06)),
    ((-0.025, 0.028, 0.0), (0.025, 0.05, 0.05)),
]


def mean_colour(image, face, model):
    """The face's median skin colour, sRGB 0..1 (3,), from the patches that look towards the viewer.

    image (H, W, 3) uint8, face a Reconstruction on it, model its HeadModel.
    """
    skin = np.zeros(len(model.mean), bool)
    skin[model.groups["skin"]] = True
    inside = np.zeros_like(skin)
    for low, high in PATCHES:
        inside |= ((model.mean > low) & (model.mean < high)).all(1)
    points = face.vertices
    quads = points[model.quads]
    normal = np.cross(quads[:, 2] - quads[:, 0], quads[:, 3] - quads[:, 1])
    # y runs down, so a face towards the viewer has its normal's z negative
    facing = np.zeros(len(points))
    np.maximum.at(facing, model.quads, (-normal[:, 2] / np.linalg.norm(normal, axis=1).clip(1e-12))[:, None])
    height, width = image.shape[:2]
    column, row = np.floor(points[:, :2]).astype(int).T
    seen = skin & inside & (facing > 0.4) & (column >= 0) & (row >= 0) & (column < width) & (row < height)
    if not seen.any():
        return np.array([0.62, 0.46, 0.38])
    return np.median(image[row[seen], column[seen]], axis=0) / 255


@lru_cache(maxsize=1)
def usual():
    """How skin usually varies: every vertex's colour over that of the cheeks (V, 3). Raises assets.AssetError."""
    path = assets.FOLDER / "skin.npz"
    data = assets.load(path, "skin")
    assets.expect(path, data, {"usual": (len(head_model.load().mean), 3)})
    return np.clip(data["usual"], 0.2, 2.0)
