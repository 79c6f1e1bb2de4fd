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
    corners = points[model.faces]
    normal = np.cross(corners[:, 2] - corners[:, 0], corners[:, -1] - corners[:, 1])
    # y runs down, so a face towards the viewer has its normal's z negative
    facing = np.zeros(len(points))
    np.maximum.at(facing, model.faces, (-normal[:, 2] / np.linalg.norm(normal, axis=1).clip(1e-12))[:, None])
    height, width = image.shape[:2]
    column, row = np.floor(points[:, :2]).astype(int).T
    seen = skin & inside & (facing > 0.4) & (column >= 0) & (row >= 0) & (column < width) & (row < height)
    if not seen.any():
        return np.array([0.62, 0.46, 0.38])
    return np.median(image[row[seen], column[seen]], axis=0) / 255


LIT = 0.3  # linear luminance of light skin in good light
WHITES = (0.3, 1.0)  # how bright eyes and teeth beside skin are, over that beside such skin, least and most


def whites(skin_colour):
    """How bright, linearly, the white of eyes and teeth beside skin of an sRGB colour 0..1 (3,) looks, over how bright
    it is beside light skin: in a dark photo they are dark, too. In photos it grows about as the root of the skin's."""
    luminance = np.asarray(skin_colour, float) ** 2.2 @ [0.2126, 0.7152, 0.0722]
    return float(np.clip(np.sqrt(luminance / LIT), *WHITES))


# where hair begins on the mean head: heights (metres) over depths, from the nape over the ear to the forehead
HAIRLINE = (
    [-0.18, -0.13, -0.097, -0.09, -0.06, -0.048, -0.03, 0.02],
    [-0.07, -0.062, -0.03, 0.02, 0.02, 0.01, 0.045, 0.064],
)
HAIRLINE_WIDTH = 0.014  # metres over which hair passes into skin


@lru_cache(maxsize=1)
def hairy():
    """How far (V,) 0..1 each vertex of the head is one that hair grows on."""
    model = head_model.load()
    _, y, z = model.mean.T
    grows = ramp(y - np.interp(z, *HAIRLINE), -HAIRLINE_WIDTH / 2, HAIRLINE_WIDTH / 2)
    grows[np.concatenate([model.groups["ear_left"], model.groups["ear_right"]])] = 0
    return grows


def ramp(values, start, end):
    """0 up to `start`, 1 from `end` on, and a smooth step between them."""
    t = np.clip((values - start) / (end - start), 0, 1)
    return t * t * (3 - 2 * t)


@lru_cache(maxsize=1)
def _model():
    """The arrays of skin.npz. Raises assets.AssetError."""
    path = assets.FOLDER / "skin.npz"
    data, count = assets.load(path, "skin"), len(head_model.load().mean)
    assets.expect(path, data, {"usual": (count, 3), "alike_in_detail": (count,)})
    return {name: np.asarray(values, np.float32) for name, values in data.items()}


def usual():
    """How skin usually varies: every vertex's colour over that of the cheeks (V, 3)."""
    return np.clip(_model()["usual"], 0.2, 2.0)


def alike_in_detail():
    """How far (V,) 0..1 what is finer than the vertices lie on one side of a face is found on the other."""
    return _model()["alike_in_detail"]
