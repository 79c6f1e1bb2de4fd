"""What is known of skin: how it varies over a face and from face to face, and what the photo says."""

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
LARGEST_OFF = 1.2  # of the logarithm of a colour: what is farther off is not skin
ROUNDS, OUTLIER = 4, 3.0  # of weighing outliers down; unexplained errors from which that begins


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
def _model():
    """The arrays of skin.npz. Raises assets.AssetError."""
    path = assets.FOLDER / "skin.npz"
    data, count = assets.load(path, "skin"), len(head_model.load().mean)
    wanted = {"usual": (count, 3), "variation": (None, count, 3), "unexplained": (), "shared": (), "alike": (count,)}
    assets.expect(path, data, wanted | {"alike_in_detail": (count,)})
    return {name: np.asarray(values, np.float32) for name, values in data.items()}


def usual():
    """How skin usually varies: every vertex's colour over that of the cheeks (V, 3)."""
    return np.clip(_model()["usual"], 0.2, 2.0)


def alike():
    """How far (V,) 0..1 what is particular about a person's skin on one side is found on the other."""
    return _model()["alike"]


def alike_in_detail():
    """The same (V,) for what is finer than the vertices lie."""
    return _model()["alike_in_detail"]


def likely(ratio, share):
    """The likeliest skin of a person (V, 3), over the colour of the cheeks, from that of the vertices that were seen:
    `ratio` (V, 3), and the share (V,) of each that was seen.

    The mean of a Gaussian over log colours, given some of them, with outliers such as moles and glasses weighed down.
    """
    model = _model()
    rows = np.flatnonzero(share > 0.5)
    mean = np.log(usual())
    if not len(rows):
        return usual()
    variation = model["variation"]
    table = variation[:, rows].reshape(len(variation), -1).T
    off = np.clip(np.log(np.maximum(ratio[rows], 0.05)) - mean[rows], -LARGEST_OFF, LARGEST_OFF).ravel()
    weights, found = np.ones(len(off), np.float32), np.zeros(len(variation))
    for _ in range(ROUNDS):
        weighted = table * (weights / model["unexplained"] ** 2 / model["shared"])[:, None]
        found = np.linalg.solve(weighted.T @ table + np.eye(len(variation)), weighted.T @ off)
        weights = 1 / (1 + ((off - table @ found) / (OUTLIER * model["unexplained"])) ** 2)
        weights = weights.astype(np.float32)
    return np.exp(mean + np.tensordot(np.clip(found, -3, 3), variation, 1))


def forget():
    """Forget what was read of skin.npz: the workshop writes it anew."""
    _model.cache_clear()
