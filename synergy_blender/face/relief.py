"""What is too fine for the mesh: bumps and gloss of the skin, read from its texture."""

from functools import lru_cache

import numpy as np

from .texels import in_blocks, texels_of

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
    across, up, height = across.ravel(), up.ravel(), height.ravel()
    plain = _plain(size, surface)

    def part(some):
        at = texels.at[some]
        slope = np.empty((len(at), 3), np.float32)
        slope[:, 0], slope[:, 1], slope[:, 2] = across[at], up[at], 1
        slope *= 127 / np.sqrt(np.einsum("nc,nc->n", slope, slope))[:, None]
        slope += 128.5
        return slope.astype(np.uint8), (255 * np.clip(plain[some] - PORES * height[at], 0.2, 0.9)).astype(np.uint8)

    normal = np.full((size * size, 3), (128, 128, 255), np.uint8)
    rough = np.full(size * size, round(255 * ROUGH), np.uint8)
    normal[texels.at], rough[texels.at] = in_blocks(part, len(texels.at))
    return normal.reshape(size, size, 3), rough.reshape(size, size)


@lru_cache(maxsize=2)
def _plain(size, surface):
    """Roughness (n,) of the texels of skin without pores."""
    texels = texels_of(size, surface)
    rough = np.full(len(texels.at), ROUGH, np.float32)
    for middle, radii, less in GLOSSY:
        off = (texels.places - np.float32(middle)) / np.float32(radii)
        distance = np.einsum("nc,nc->n", off, off)
        rough -= np.float32(less) * np.exp(-0.5 * distance)
    return rough


def _around(values, texels):
    """The mean (n,) of the texels' values over a square about each, as far as that is on the map."""
    mean = values.mean()
    return _sum_around(values - mean, texels) / _number_around(texels.size, texels.surface) + mean


@lru_cache(maxsize=2)
def _number_around(size, surface):
    """How many texels (n,) lie in the square about each."""
    texels = texels_of(size, surface)
    return np.maximum(_sum_around(np.ones(len(texels.at), np.float32), texels), 0.5)


def _sum_around(values, texels):
    """The sum (n,) of the texels' values over a square about each."""
    size, reach = texels.size, max(1, texels.size // REACH)
    kind = np.float64 if size > 2048 else np.float32
    total = np.zeros((size, size), np.float32)
    total.ravel()[texels.at] = values
    for axis in (0, 1):
        sums = np.zeros([n + 2 * reach + 1 if k == axis else n for k, n in enumerate(total.shape)], kind)
        ahead = sums.swapaxes(0, axis)
        inner = ahead[reach + 1 : reach + 1 + size]
        np.cumsum(total.swapaxes(0, axis), 0, out=inner)
        ahead[reach + 1 + size :] = inner[-1]
        total = (ahead[2 * reach + 1 :] - ahead[:size]).swapaxes(0, axis).astype(np.float32, copy=False)
    return total.ravel()[texels.at]
