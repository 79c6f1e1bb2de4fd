"""What is too fine for the mesh: bumps and gloss of the skin, read from its texture."""

import numpy as np

from .texels import texels_of

REACH = 96  # the texture's width over the half width of what counts as fine
STEEP = 2.2  # how steep a change of the logarithm of brightness by one is, texels at a width of 1,024
LARGEST = 0.25  # of that logarithm: hair is dark, not deep
ROUGH, PORES = 0.52, 0.5  # roughness of plain skin, and how much rougher what is dark and fine is
# where skin is oily, and lips wet: middle and radii on the mean head, metres, and how much smoother
GLOSSY = [
    ((0.0, -0.012, 0.04), (0.016, 0.030, 0.05), 0.14),
    ((0.0, 0.035, 0.02), (0.040, 0.022, 0.05), 0.09),
    ((0.0, -0.066, 0.03), (0.026, 0.011, 0.04), 0.12),
    ((0.0, -0.098, 0.02), (0.020, 0.014, 0.04), 0.06),
]


def relief(texture, surface=None):
    """A normal map (N, N, 3) uint8 in tangent space, green up, and roughness (N, N) uint8 from a skin (N, N, 3) uint8
    as skin_texture gives it for a Surface: darker than around is deeper, as pores and wrinkles are, and rougher."""
    size = len(texture)
    texels = texels_of(size, surface)
    bright = np.log(texture.reshape(-1, 3)[texels.at].astype(np.float32) @ np.full(3, 1 / 3, np.float32) + 8)
    height = np.zeros((size, size), np.float32)
    height.ravel()[texels.at] = np.clip(bright - _around(bright, texels), -LARGEST, LARGEST)
    gain = STEEP * size / 1024
    across, up = np.zeros_like(height), np.zeros_like(height)
    across[:, 1:-1] = (height[:, 2:] - height[:, :-2]) * (-gain / 2)
    up[1:-1] = (height[2:] - height[:-2]) * (gain / 2)  # rows run downwards, v upwards
    across, up = across.ravel()[texels.at], up.ravel()[texels.at]
    length = np.sqrt(across**2 + up**2 + 1)
    normal = np.full((size * size, 3), (128, 128, 255), np.uint8)
    normal[texels.at] = np.column_stack([across / length, up / length, 1 / length]) * 127 + 128.5
    rough = np.full(size * size, round(255 * ROUGH), np.uint8)
    rough[texels.at] = 255 * np.clip(_plain(texels) - PORES * height.ravel()[texels.at], 0.2, 0.9)
    return normal.reshape(size, size, 3), rough.reshape(size, size)


def _plain(texels):
    """Roughness (n,) of skin without pores."""
    rough = np.full(len(texels.at), ROUGH, np.float32)
    for middle, radii, less in GLOSSY:
        off = (texels.places - np.float32(middle)) / np.float32(radii)
        distance = np.einsum("nc,nc->n", off, off)
        rough -= np.float32(less) * np.exp(-0.5 * distance)
    return rough


def _around(values, texels):
    """The mean (n,) of the texels' values over a square about each, as far as that is on the map."""
    size, reach = texels.size, max(1, texels.size // REACH)
    both = np.zeros((2, size, size), np.float32)
    both[0].ravel()[texels.at], both[1].ravel()[texels.at] = values - values.mean(), 1
    for axis in (1, 2):
        padded = np.pad(both, [(reach + 1, reach) if k == axis else (0, 0) for k in range(3)])
        total = padded.cumsum(axis, dtype=np.float64 if size > 2048 else np.float32)
        ahead, behind = (total.take(range(first, first + size), axis) for first in (2 * reach + 1, 0))
        both = ahead - behind
    flat = both.reshape(2, -1)[:, texels.at]
    return (flat[0] / np.maximum(flat[1], 0.5)).astype(np.float32) + values.mean()
