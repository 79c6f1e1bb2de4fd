"""Skin without the light of a photo: what a small network expects of it, from what the photo shows.

The head is laid round a cylinder, cell by cell: colours, how far they are to be believed, and how the skin is turned,
beside their mirror image. From that a U-Net (Ronneberger et al., 2015) says what colour the skin has everywhere, also
where nothing is seen. Colours are logarithms of sRGB 0..255: what light does to skin is then added to it.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from . import assets, chart, layers, raster
from .skin import ramp
from .texels import carried

SIZE = 128  # cells a side
ACROSS, MIDDLE, UP = 0.165, -0.005, 0.12  # metres: half the width along the cylinder, middle height, half the height
NARROWS = 0.06  # metres across within which cells are about as narrow as in the middle
WIDTHS, FINE = (24, 40, 64, 96), 12  # features at a half, quarter, ... of the cells' number, and at the whole
INPUTS = 19  # log colours, trust and normals of the cells and their mirror image, and five usual values
FAR = -3.0, 2.0  # of log colours from their level: what is darker or brighter is not told apart
# how far skin's colour may be from its middle (log), and how much of what is more is taken away
TINT, LESS_TINT = 0.15, 0.9
# cells each way with whose mean a cell's brightness is compared; how much more (log) skin may have; what is taken away
NEAR, GLARE, LESS_GLARE = 9, 0.05, 0.95
# cells each way with whose mean skin beside the face is compared; how much darker (log) than the face it may be, and
# how far from its colour; how much of what is more is taken away; metres from the middle from which on that is; how
# much darker, above such a height, are locks of hair, where hair is so dark
AROUND, SHADE, STAIN, LESS_SHADE, BESIDE = 3, 0.1, 0.06, 0.95, (0.018, 0.036)
LOCKS, LOCKS_FROM, DARK_HAIR = (0.45, 0.75), (0.0, 0.015), (0.4, 0.7)
# how much (log) that is made brighter at most, and from where on what is darker is doubted, and not to be used
MOST_SHADE, TOO_DARK = 0.3, (0.15, 0.4)
# how far red stands over green and green over blue in cheeks (log): more of both the warmer, more of the first and less
# of the other the less green; how much of what is beyond is light's, and how much is taken out at most
WARM, MAGENTA, LESS_CAST, MOST_CAST = (0.15, 0.5), (0.02, 0.2), 0.9, 0.3
CHEEKS = (0.034, -0.03, 0.01), 0.016  # places of their middles, metres, and a radius
GREY = 0.015, 0.03  # how much both vary over the face of a grey photo, and of one that is not
REACH, EVEN = 2, 0.004  # cells each way, and variance of their log colours, from which light's edges are told
REACHES, ENOUGH_AROUND = (4, 10, 24), 0.15  # cells each way that tell a beard's light, where such a share is seen
EDGE = 0.3, 0.6  # slopes of the change over what is seen that are no edge of light, and surely one
AXES = np.array([[1, 1], [1, -1]]) / np.sqrt(2)  # from red over green and green over blue to how warm and magenta
LIPS = (0.0, -0.066, 0.035), (0.028, 0.014, 0.035)  # middle and radii on the mean head, metres
WRAPS = 0.1  # metres across from which a triangle goes round the back of the head


@dataclass(frozen=True)
class Laid:
    """The cells of the cylinder that a surface covers: their places `at` (n,) in the flat picture, the `corners` (n, 3)
    of what is outermost there with `weights` (n, 3), and for every vertex the four `cells` (V, 4) about it with their
    `shares` (V, 4)."""

    at: np.ndarray
    corners: np.ndarray
    weights: np.ndarray
    cells: np.ndarray
    shares: np.ndarray

    def lay(self, values):
        """Values (V, k) of vertices as a picture (SIZE, SIZE, k), zero where there is no surface."""
        flat = np.zeros((SIZE * SIZE, values.shape[1]), np.float32)
        flat[self.at] = carried(values, self.corners, self.weights)
        return flat.reshape(SIZE, SIZE, -1)

    def take(self, picture):
        """Values (V, k) of the vertices from a picture (SIZE, SIZE, k)."""
        return np.einsum("vkc,vk->vc", picture.reshape(SIZE * SIZE, -1)[self.cells], self.shares)


@lru_cache(maxsize=2)
def laid(surface):
    """The Laid of a Surface, found once."""
    across, up = chart.places(surface.mean.astype(float)).T
    across_cells = np.arcsinh(across / NARROWS) / np.arcsinh(ACROSS / NARROWS)
    points = (np.stack([across_cells, (MIDDLE - up) / UP], 1) + 1) / 2 * SIZE
    triangles = surface.triangles[surface.skin]
    triangles = triangles[np.ptp(across[triangles], axis=1) < WRAPS]
    index, weights = raster.rasterize(points, triangles, SIZE, SIZE, chart.radii(surface.mean))
    at = np.flatnonzero(index.ravel() >= 0)
    corners = triangles[index.ravel()[at]]
    inner = (points - 0.5).clip(0, SIZE - 1.001)
    left, top = inner.astype(int).T
    x, y = (inner - np.stack([left, top], 1)).T
    cells = top * SIZE + left
    return Laid(
        at,
        corners,
        weights.reshape(-1, 3)[at],
        np.stack([cells, cells + 1, cells + SIZE, cells + SIZE + 1], 1),
        np.stack([(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y], 1).astype(np.float32),
    )


@lru_cache(maxsize=2)
def _usual(surface):
    """What is known of every cell before anything is seen (SIZE, SIZE, 5): usual log colours, hair, and that there is
    skin."""
    known = np.column_stack([np.log(surface.usual), surface.hairy, np.ones(len(surface.mean))])
    return laid(surface).lay(known.astype(np.float32))


def inputs_of(log, trust, normal, surface):
    """The network's inputs (SIZE, SIZE, INPUTS) of log colours (V, 3) of the vertices, their trust (V,) and normals
    (V, 3) towards the viewer; the log colours (SIZE, SIZE, 3) over their level, 0 where they are not seen; the weights
    (SIZE, SIZE, 1) by which they make the level: what is skin, and lit well, counts most; and the level (3,)."""
    at = laid(surface).lay(
        np.column_stack([log * trust[:, None], normal * trust[:, None], np.exp(log) * trust[:, None], trust])
    )
    known, share = _usual(surface), at[..., 9:]
    log, normal = at[..., :3] / np.maximum(share, 1e-6), at[..., 3:6]
    weights = at[..., 6:9].mean(2, keepdims=True) * (1 - known[..., 3:4])
    level = mean_of(log, weights)
    log = (log - level).clip(*FAR) * share
    own = np.concatenate([log, share, normal], 2)
    return np.concatenate([own, own[:, ::-1], known], 2), log, weights, level


def mean_of(values, weights):
    """The mean (k,) of the cells' values (SIZE, SIZE, k) by weights (SIZE, SIZE, 1)."""
    return (values * weights).sum((0, 1)) / max(weights.sum(), 1e-6)


def unlike_skin(log, level, weights, share, surface):
    """What light leaves on skin, and no skin has, (SIZE, SIZE, 3) of the cells' log colours, which are `log` over a
    `level` (3,), their mean by `weights` (SIZE, SIZE, 1), and seen by a `share` (SIZE, SIZE, 1); and how far 0..1 the
    cells are too dark for that (SIZE, SIZE, 1)."""
    odd = _odd(log, level, share, surface)
    shade, dark = _shade(log - odd, level, weights, share, surface)
    return odd + shade, dark


def _odd(log, level, share, surface):
    """What no skin has (SIZE, SIZE, 3) of the cells' log colours, seen by a share (SIZE, SIZE, 1), where they are `log`
    over a `level` (3,) that is skin's: colour far from that and from grey, as of beards, and brightness, but of grey,
    far over that around; not on lips, which may be painted, nor in hair."""
    skin = 1 - _painted(surface)
    light, tint, greyness = _apart(log - _usual(surface)[..., :3], level, TINT)
    shown = (share > 0.5) * skin
    glare = light - _mean_around(light, shown, NEAR) - GLARE
    return skin * (LESS_TINT * tint + LESS_GLARE * (1 - greyness) * np.maximum(glare, 0))


def _shade(log, level, weights, share, surface):
    """What is darker or of another colour than the face has it (SIZE, SIZE, 3), of cells beside the face as `_odd` has
    them, and how far 0..1 they are too dark to tell skin from (SIZE, SIZE, 1): hair that hangs there throws shadows,
    and light ends there. Not what is grey, as beards are, nor locks."""
    off = log - _usual(surface)[..., :3]
    off = off - mean_of(off, weights * (share > 0.5))
    hair = off.mean(2)[(share[..., 0] > 0.5) & (_usual(surface)[..., 3] > 0.8)]
    dark_hair = ramp(-np.median(hair), *DARK_HAIR) if len(hair) else 1.0
    around = _mean_around(off, (share > 0.5) * (1 - _painted(surface)), AROUND)
    light, stain, greyness = _apart(around, level, STAIN)
    beside, above = _beside(surface)
    much = LESS_SHADE * beside * (1 - dark_hair * above * ramp(-light, *LOCKS))
    shade = (1 - greyness) * np.minimum(light + SHADE, 0)
    return much * (stain + np.maximum(shade, -MOST_SHADE)), much * ramp(-shade, *TOO_DARK)


def _apart(off, level, free):
    """How much brighter (SIZE, SIZE, 1) cells are than skin of a `level` (3,), by what their log colours are off that
    (SIZE, SIZE, 3); how far their colour is from the line between it and grey (SIZE, SIZE, 3), beyond what is `free`;
    and how grey they are (SIZE, SIZE, 1), 0..1."""
    light = off.mean(2, keepdims=True)
    colour = off - light
    grey = level.mean() - level
    greyness = np.clip(colour @ grey / max(grey @ grey, 1e-6), 0, 1)[..., None]
    colour -= greyness * grey
    far = np.linalg.norm(colour, axis=2, keepdims=True)
    return light, colour * np.maximum(far - free, 0) / np.maximum(far, free), greyness


@lru_cache(maxsize=2)
def _beside(surface):
    """How far every cell (SIZE, SIZE, 1) lies beside the face, where no hair grows, and how far so high that hair may
    hang there."""
    x, y, _ = surface.mean.T
    beside = ramp(np.abs(x), *BESIDE) * (1 - surface.hairy)
    both = laid(surface).lay(np.stack([beside, ramp(y, *LOCKS_FROM)], 1).astype(np.float32))
    return both[..., :1], both[..., 1:]


def _coloured(seen, share):
    """How far 0..1 a photo is not grey that shows these log colours (SIZE, SIZE, 3) by a share (SIZE, SIZE, 1)."""
    shown = share[..., 0] > 0.5
    return ramp(np.diff(seen[shown] / share[shown]).std(0).mean(), *GREY) if shown.any() else 0.0


def _cast(log, share, surface):
    """The colour of light (3,), as a logarithm, that is left in the log colours of all cells (SIZE, SIZE, 3), seen by a
    share (SIZE, SIZE, 1): as far as no one's cheeks have it."""
    cheeks = _cheeks(surface) & (share[..., 0] > 0.5)
    if not cheeks.any():
        return np.zeros(3, np.float32)
    place = AXES @ -np.diff(np.median(log[cheeks], axis=0))
    off = LESS_CAST * (place - np.clip(place, *np.transpose([WARM, MAGENTA])))
    red, blue = np.clip(off, -MOST_CAST, MOST_CAST) @ AXES
    return np.array([2 * red + blue, blue - red, -red - 2 * blue], np.float32) / 3


@lru_cache(maxsize=2)
def _cheeks(surface):
    """The cells (SIZE, SIZE) of the cheeks."""
    x, y, z = surface.mean.T
    away = np.linalg.norm(np.stack([np.abs(x), y, z], 1) - CHEEKS[0], axis=1)
    return laid(surface).lay((away < CHEEKS[1])[:, None].astype(np.float32))[..., 0] > 0.5


@lru_cache(maxsize=2)
def _painted(surface):
    """How far every cell's skin may have any colour (SIZE, SIZE, 1): lips and hair."""
    return laid(surface).lay(np.maximum(lips(surface), surface.hairy)[:, None].astype(np.float32))


def lips(surface):
    """How far (V,) 0..1 each vertex is of the lips, or close by."""
    return np.exp(-(np.square((surface.mean - LIPS[0]) / LIPS[1]).sum(1) ** 2))


def shapes():
    """Every weight of the network by name, with its shape."""
    return layers.unet_shapes(INPUTS, WIDTHS, FINE, 3)


@lru_cache(maxsize=1)
def load():
    """The arrays of albedo.npz. Raises assets.AssetError."""
    return assets.weights("albedo", shapes())


def changed(inputs):
    """What is to be added to the seen log colours of every cell (SIZE, SIZE, 3), by the network."""
    return layers.unet(inputs, load(), len(WIDTHS))


def _edges(change, seen, share):
    """By how much the change (SIZE, SIZE, 1) falls where the seen log colours (SIZE, SIZE, 1) rise about every cell:
    the slope, -1 to 0, of a line through those near by (the guided filter of He, Sun & Tang, 2013), where it is steep:
    there light ends sharply. `share` (SIZE, SIZE, 1) is how far each is seen."""
    sure = (share > 0.5).astype(np.float32)
    seen = seen / np.maximum(share, 0.5)
    means = _mean_around(np.concatenate([change, seen, change * seen, seen * seen], 2), sure, REACH)
    change, seen, product, square = (means[..., k : k + 1] for k in range(4))
    slope = np.clip((product - change * seen) / (np.maximum(square - seen * seen, 0) + EVEN), -1, 0)
    return slope * ramp(-slope, *EDGE)


def _mean_around(values, weights, reach):
    """Means (SIZE, SIZE, k) of values by weights (SIZE, SIZE, 1) over the cells so far to every side."""
    sums = _around(np.concatenate([weights, weights * values], 2), reach)
    return sums[..., 1:] / np.maximum(sums[..., :1], 1e-6)


def _around(values, reach):
    """Sums (SIZE, SIZE, k) of values over the cells so far to every side."""
    for axis in (0, 1):
        total = np.cumsum(np.pad(values, [(reach + 1, reach) if k == axis else (0, 0) for k in range(3)]), axis, float)
        total = total.swapaxes(0, axis)
        values = (total[2 * reach + 1 :] - total[:SIZE]).swapaxes(0, axis).astype(np.float32)
    return values


def of_seen(log, trust, normal, surface, beard=None):
    """Skin without the light, by log colours (V, 3) that a photo shows of the vertices, how far they are to be believed
    (V,) 0..1, their normals (V, 3) towards the viewer, and how far a beard, if any, covers them (V,) 0..1, which is lit
    as the skin about it is: the log colours (V, 3) of all of it, as bright in the mean as what is lit well; what that
    adds to the seen ones (V, 3); how that changes (V,) -1..0, where light has an edge, with how much brighter than a
    vertex what is near it is; and how far 0..1 they are too dark to tell skin from (V,)."""
    bare = trust if beard is None else trust * (1 - beard)
    inputs, seen, weights, level = inputs_of(log, bare, normal, surface)
    share, at = inputs[..., 3:4], laid(surface)
    whole = seen + changed(inputs)
    whole -= mean_of(whole - seen, weights)
    unlike, dark = unlike_skin(whole, level, weights, share, surface)
    whole -= unlike
    cast, coloured = _cast(whole + level, share, surface), _coloured(seen, share)
    change = whole - cast - seen
    even = change.mean(2, keepdims=True)
    change = even + coloured * (change - even)  # grey photos stay grey
    whole = seen + change
    edges = _edges(change.mean(2, keepdims=True), seen.mean(2, keepdims=True), share)
    edges *= 1 - _usual(surface)[..., 3:4]
    found = at.take(np.concatenate([change * share, edges * share, dark * share, share], 2))
    found = found[:, :5] / np.maximum(found[:, 5:], 1e-6)
    skin = at.take(whole) + level
    if beard is not None:
        # of colour only the light's is taken out of it, what is taken out about it may be the skin's own
        around = at.take(_from_around(even, share)) - coloured * cast
        found += beard[:, None] * (np.pad(around, ((0, 0), (0, 2))) - found)
        skin += beard[:, None] * (log + around - skin)
    return skin, found[:, :3], found[:, 3], found[:, 4]


def _from_around(values, share):
    """Values of the cells (SIZE, SIZE, k), seen by a share (SIZE, SIZE, 1), as they are about every cell, from farther
    where nothing is seen."""
    found = mean_of(values, share)
    for reach in REACHES[::-1]:
        weight = _around(share, reach) / (2 * reach + 1) ** 2
        found = found + np.minimum(weight / ENOUGH_AROUND, 1) * (_mean_around(values, share, reach) - found)
    return found.astype(np.float32)
