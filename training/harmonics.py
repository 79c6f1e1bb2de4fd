"""The light in a photo, as spherical harmonics on the head's normals, and skin without it.

Nine harmonics give what distant light of any kind does to a matt surface (Ramamoorthi & Hanrahan, 2001). Skin that is
sure to be skin is taken to have one colour, so how it varies with the normal tells the light.
"""

import numpy as np

ROUNDS = 6
OUTLIER = 0.2  # of the mean: hair, lips and brows are farther off and count less and less
RIDGE = np.array([0.0, *[0.02] * 3, *[1.0] * 5])  # per sample: even light is likeliest
DARKEST, BRIGHTEST = 0.55, 1.7  # shading that is believed, of the mean
TINT = 1.2  # how far its colour may be off, likewise


def harmonics(normals):
    """The first nine real spherical harmonics (n, 9) of unit normals (n, 3), without their constant factors."""
    x, y, z = normals.T
    ones = np.ones_like(x)
    return np.stack([ones, x, y, z, x * y, x * z, y * z, x * x - y * y, 3 * z * z - 1], 1)


def estimate(colours, normals, weights):
    """The light (9, 3) that shades one skin colour to `colours` (n, 3) on unit `normals` (n, 3), relative to the mean
    colour seen; `weights` (n,) say how sure each sample is to be skin."""
    table = harmonics(normals)
    mean = np.average(colours, axis=0, weights=weights)
    ratio = colours / np.maximum(mean, 1)
    light = np.zeros((9, 3))
    light[0] = 1
    kept = weights / weights.sum()
    for _ in range(ROUNDS):
        off = np.abs(ratio - table @ light).max(1)
        now = kept / (1 + (off / OUTLIER) ** 2)
        now = now / now.sum()
        normal = table.T @ (table * now[:, None]) + np.diag(RIDGE)
        light = np.linalg.solve(normal, table.T @ (ratio * now[:, None]))
    return light / np.average(table @ light, axis=0, weights=kept)


def shading(light, normals):
    """Factors (n, 3) by which a light (9, 3) brightens surfaces of unit `normals` (n, 3), 1 on average over skin."""
    found = harmonics(normals) @ light.astype(normals.dtype)
    grey = (found @ np.full(3, 1 / 3, found.dtype))[:, None]
    tint = np.clip(found / np.maximum(grey, 1e-3), 1 / TINT, TINT)
    return (np.clip(grey, DARKEST, BRIGHTEST) * tint).astype(np.float32)
