"""What a photo shows of the head's texels, and how far that is to be believed to be skin."""

from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from . import beard, cover, crop, glasses, raster
from .skin import ramp
from .texels import brightness, carry, in_blocks

DEPTH_SIDE = 512  # pixels of the depth map about the head
HIDDEN = 0.006  # metres behind the nearest surface from which skin counts as hidden
FACING = (0.12, 0.5)  # cosines to the viewer from which skin is believed a little, and wholly
TYPICAL = np.array([180.0, 140.0, 120.0])  # skin where none is seen
TONE_SPREAD = np.array([0.014, 0.010, 0.22])  # of a person's skin, at least: shares of red and green, log brightness
SCALP = (0.015, 0.05)  # heights on the mean head from which hair may be seen, metres
NECK = (-0.112, -0.1)  # heights on the mean head below which the neck is not taken from the photo, metres
BACKDROP_SAMPLES, SKIN_SAMPLES, CELL_SAMPLES = 6000, 30_000, 300_000
INSIDE = (0.35, 0.55)  # cosines to the viewer of what is a little, and well inside of a head's outline
BINS, HAIR_ROUNDS, LIKE_HAIR = 20, 6, (0.35, 0.55)  # of a histogram of colours; shares of hair among what has a colour
BEYOND = 0.4  # of the head's width, how far beside and above it the backdrop's colours are looked at
OFTENER = 3.0  # than what is behind it hair is seen there, beforehand
UNEVEN = 14  # of 255: how much a backdrop may vary to be told from the head by its colour
DOUBTFUL = 0.3  # trust below which a texel is not used at all
SURE = 0.995  # trust above which the mirror side is not asked
COARSE = 512  # pixels of the map on which trust is softened
NEAR, FARTHER = 0.002, 0.008  # of the map, how far trust ends before what is doubtful: mostly, and beside the face
BESIDE, BELOW_TOP = (0.036, 0.05), (0.045, 0.06)  # metres from the middle where that is, and heights above which not


@dataclass(frozen=True)
class Seen:
    """What a picture shows of some texels: their `rows` (m,), `colour` (m, 3) float32, `trust` (m,) 0..1 that it is
    skin, `normal` (m, 3) towards the viewer and `point` (m, 2) in the picture."""

    rows: np.ndarray
    colour: np.ndarray
    trust: np.ndarray
    normal: np.ndarray
    point: np.ndarray


class Look(NamedTuple):
    """What a photo shows of the texels, `here`, and of their mirror side for those that are not seen well, `there`; the
    colour of the `cheeks` (3,), and how far a `beard` covers the vertices (V,) 0..1, or None where there is none."""

    here: Seen
    there: Seen
    cheeks: np.ndarray
    beard: np.ndarray | None


def look(image, vertices, texels):
    """The Look of a photo `image` (H, W, 3) uint8 with the head's `vertices` (V, 3) in it."""
    view = View(image, vertices, texels)
    here = view.project(texels, np.arange(len(texels.at)))
    some = slice(None, None, max(1, len(here.rows) // CELL_SAMPLES))
    worn, hidden = (one.covered(here.rows[some], here.colour[some], texels) for one in (glasses, cover))
    grown = beard.grown(here.rows[some], here.colour[some], texels)

    def bearded(seen, mirrored):
        if grown is None:
            return np.float32(0)
        return carry((grown[texels.surface.partner] if mirrored else grown)[:, None], texels, seen.rows)[:, 0]

    def bare(seen, mirrored=False):
        trust = seen.trust
        if worn is not None:
            trust = trust * glasses.GRID.uncovered(seen.rows, texels, worn, mirrored)
        if hidden is not None:
            free = cover.GRID.uncovered(seen.rows, texels, hidden, mirrored)
            trust = trust * np.maximum(free, bearded(seen, mirrored))
        return replace(seen, trust=trust)

    here = bare(here)
    before = _before_backdrop(view, here, texels)
    skin, cheeks = cheeks_of(telling(here, texels), texels)

    def believed(seen, mirrored=False):
        like = np.maximum(_like_skin(seen, skin, texels), bearded(seen, mirrored))
        y = texels.places[seen.rows, 1]
        like *= np.clip((y - NECK[0]) / (NECK[1] - NECK[0]), 0, 1)  # below, clothes are seen more often than skin
        return doubted(seen, seen.trust * like * before(seen, texels), texels)

    here = believed(here)
    trust = np.zeros(len(texels.at), np.float32)
    trust[here.rows] = here.trust
    there = view.project(texels, np.flatnonzero(trust < SURE), mirror=True)
    return Look(here, believed(bare(there, mirrored=True), mirrored=True), cheeks, grown)


class View:
    """A photo's part about a head at about the resolution of a texture `size` wide, with the head in it: `picture`
    (h, w, 3) float32, which begins at the photo's pixel `corner` (2,), `vertices` (V, 3) and their normals, the depth
    of what is nearest, where the head is: `covered` (h', w'), perhaps coarser, and colours `beyond` it (n, 3)."""

    def __init__(self, image, vertices, texels):
        self.surface = texels.surface
        self.picture, self.vertices, self.corner = _about(image, np.asarray(vertices, float), texels.size)
        self.beyond = _beyond(image, np.asarray(vertices)[:, :2])
        normals = raster.vertex_normals(self.vertices * [1, -1, 1], self.surface.triangles)
        self._there = np.column_stack([self.vertices, normals])
        self._nearest, self.covered = _depth(self.vertices, self.surface.triangles, self.picture.shape)
        self._tolerance = HIDDEN * _span(self.vertices) / _span(self.surface.mean)

    def project(self, texels, rows, mirror=False):
        """What is Seen of some `rows` of the texels, or of their partners on the other side of the head."""
        there = self._there[self.surface.partner] if mirror else self._there
        height, width = self.picture.shape[:2]

        def part(some):
            here = rows[some]
            ahead = carry(there[:, 5:], texels, here)[:, 0]
            here = here[ahead > 0.8 * FACING[0]]  # a mean of unit normals is shorter than one, not much
            found = carry(there, texels, here)
            x, y, z = found[:, :3].T
            shown = (x > 1) & (y > 1) & (x < width - 1) & (y < height - 1)
            shown &= z > self._nearest(found[:, :2]) - self._tolerance
            here, found = here[shown], found[shown]
            point, normal = found[:, :2], found[:, 3:]
            normal = normal / np.maximum(np.sqrt(np.einsum("nc,nc->n", normal, normal))[:, None], 1e-6)
            return here, _sample(self.picture, point), ramp(normal[:, 2], *FACING), normal, point

        return Seen(*in_blocks(part, len(rows)))


def telling(seen, texels):
    """As much of what is Seen as tells tones, and the vertices' colours."""
    tells = np.zeros(len(texels.at), bool)
    tells[texels.telling] = True
    some = np.flatnonzero(tells[seen.rows])
    return Seen(*(getattr(seen, field.name)[some] for field in fields(Seen)))


def doubted(seen, trust, texels):
    """The same with another trust (m,), softened towards what is not believed."""
    return replace(seen, trust=_soften(seen.rows, trust, texels))


def cheeks_of(seen, texels):
    """The tone of the cheeks, its middle and spread (3,) each, or None where they are hidden, and their colour (3,)."""
    x, y, z = texels.places[seen.rows].T
    sure = (np.abs(x) < 0.042) & (y > -0.05) & (y < -0.015) & (z > -0.01) & (seen.trust > 0.8)  # cheeks and nose
    if sure.sum() < 200:
        return None, TYPICAL
    colours = seen.colour[np.flatnonzero(sure)[:: max(1, sure.sum() // SKIN_SAMPLES)]]
    return _middle(colours), np.maximum(np.median(colours, axis=0), 1)  # logarithms are taken of it


def _like_skin(seen, skin, texels):
    """How far each texel Seen may be of a tone of `skin` where there should be skin (m,)."""
    if skin is None:
        return np.ones(len(seen.rows), np.float32)

    def part(some):
        x, y, z = texels.places[seen.rows[some]].T
        scalp = np.clip((y - SCALP[0]) / (SCALP[1] - SCALP[0]), 0, 1)
        middle = np.clip((0.06 - np.abs(x)) / 0.015, 0, 1) * (y > -0.1) * (z > -0.03)
        free = np.maximum(scalp, middle)
        like = _alike(_unlike(seen.colour[some], *skin))
        return (free + (1 - free) * like).astype(np.float32)

    return in_blocks(part, len(seen.rows))


def _middle(colours):
    """The middle tone of colours (n, 3), and its spread, float32 (3,) each."""
    tones = _tones(colours)
    middle = np.median(tones, axis=0)
    spread = np.maximum(1.48 * np.median(np.abs(tones - middle), axis=0), TONE_SPREAD)
    return middle.astype(np.float32), spread.astype(np.float32)


def _unlike(colours, middle, spread):
    """How many spreads, squared (n,), the tones of colours (n, 3) are from a middle one."""
    off = (_tones(colours) - middle) / spread
    return np.einsum("nc,nc->n", off, off)


def _alike(unlike):
    """How far (n,) 0..1 what is that unlike may still be the same."""
    return np.exp(-0.25 * np.maximum(unlike - 6, 0))


def _before_backdrop(view, seen, texels):
    """A function from what is Seen of the texels to 0 where the colour is that of an even backdrop, which may grow
    darker towards one side, and 1 elsewhere (m,); the face's middle is always 1. Before any other backdrop hair at the
    head's outline is 0: it may be what lies beside it. So is, before any, what has the backdrop's colours rather than
    those of the hair that is `seen`: few skulls are as high as the fitted head's, which photos tell nothing of."""
    picture, covered = view.picture, view.covered
    height, width = picture.shape[:2]
    rows = np.flatnonzero(covered.any(1))
    half = rows[0] + 0.5 * np.ptp(rows) if len(rows) else 0
    row, column = np.nonzero(~covered & (np.arange(len(covered)) < half)[:, None])
    if len(row) < 200:
        return _inside
    chosen = slice(None, None, max(1, len(row) // BACKDROP_SAMPLES))
    points = (np.stack([column[chosen], row[chosen]], 1) + 0.5) * [width / covered.shape[1], height / covered.shape[0]]
    samples = picture[points[:, 1].astype(int), points[:, 0].astype(int)]
    like_hair = _hair_before(view.beyond if len(view.beyond) > 200 else samples, seen, texels)

    def bent(points):
        x, y = (points / [width, height] - 0.5).T
        return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], 1)

    table, weights = bent(points), np.ones(len(points))
    for _ in range(8):  # hair and shoulders beside the head count less and less
        weighted = table * weights[:, None]
        sheet = np.linalg.solve(weighted.T @ table + 1e-3 * np.eye(6), weighted.T @ samples)
        off = np.abs(samples - table @ sheet).max(1)
        weights = 1 / (1 + (off / UNEVEN) ** 2)
    uneven = np.median(off)
    if uneven > UNEVEN:
        return lambda seen, texels: _inside(seen, texels) * like_hair(seen, texels)

    def before(seen, texels):
        def part(some):
            x, y, z = texels.places[seen.rows[some]].T
            middle = (np.abs(x) < 0.05) & (y < 0.03) & (y > -0.11) & (z > -0.04)
            # hair that hangs beside the head looks like its backdrop: no such is seen well inside its outline
            hair = (y > SCALP[0]) * ramp(seen.normal[some, 2], *INSIDE)
            off = np.abs(seen.colour[some] - bent(seen.point[some]) @ sheet).max(1)
            different = np.clip((off - 2 * uneven - 8) / 12, 0, 1)
            return np.where(middle, 1, np.maximum(hair, different)).astype(np.float32)

        return in_blocks(part, len(seen.rows)) * like_hair(seen, texels)

    return before


def _hair_before(backdrop, seen, texels):
    """A function from what is Seen of the texels to 0 where hair grows but the colour is one of the `backdrop` (n, 3)
    rather than of hair or skin, 1 elsewhere (m,)."""
    grows = texels.hairy[seen.rows]
    grown = np.flatnonzero((grows > 0.8) & (seen.normal[:, 2] > INSIDE[1]) & (seen.trust > DOUBTFUL))
    if len(grown) < 200:
        return _anything
    bare = np.flatnonzero((grows < 0.2) & (seen.trust > 0.8))
    some, bare = (rows[:: max(1, len(rows) // SKIN_SAMPLES)] for rows in (grown, bare))
    bins = _bins(seen.colour[some])
    behind, skin = _shares(_bins(backdrop)), _shares(_bins(seen.colour[bare]))
    counts = np.ones(len(bins), np.float32)
    for _ in range(HAIR_ROUNDS):  # what is not hair counts less and less
        hair = OFTENER * _shares(bins, counts)
        counts = (hair / (hair + behind + skin + 1e-9))[bins]
    like_hair = ramp((hair + skin) / (hair + behind + skin + 1e-9), *LIKE_HAIR)

    def like(seen, texels):
        def part(some):
            grows = texels.hairy[seen.rows[some]]
            there = np.flatnonzero(grows)
            like = np.ones_like(grows)
            like[there] -= grows[there] * (1 - like_hair[_bins(seen.colour[some][there])])
            return like

        return in_blocks(part, len(seen.rows))

    return like


def _anything(seen, texels):
    return np.float32(1)


def _bins(colours):
    """Which bin of a histogram of BINS ** 3 each of colours (n, 3) falls into (n,)."""
    at = (colours * np.float32(BINS / 256)).astype(np.int32).clip(0, BINS - 1)
    return (at[:, 0] * BINS + at[:, 1]) * BINS + at[:, 2]


def _shares(bins, counts=None):
    """The share (BINS ** 3,) of bins (n,) near every one, each of which counts as much."""
    whole = np.bincount(bins, counts, BINS**3).reshape((BINS,) * 3)
    for axis in range(3):
        padded = np.pad(whole, [(2, 2) if k == axis else (0, 0) for k in range(3)])
        taps = [padded.take(range(k, k + BINS), axis) for k in range(5)]
        whole = taps[0] + taps[4] + 4 * (taps[1] + taps[3]) + 6 * taps[2]
    return (whole / max(whole.sum(), 1e-9)).astype(np.float32).ravel()


def _inside(seen, texels):
    """How far each texel Seen is well inside the head's outline, or not of hair, whose own outline is another (m,)."""

    def part(some):
        grows = texels.hairy[seen.rows[some]]
        return 1 - grows * (1 - ramp(seen.normal[some, 2], *INSIDE))

    return in_blocks(part, len(seen.rows))


def _soften(rows, trust, texels):
    """Trust (m,) of some texels that ends a little before doubtful ones and falls to them gently, beside the face from
    farther: what hangs there throws shadows."""
    size = texels.size
    at = texels.at[rows]
    flat = np.zeros(size * size, np.float32)
    flat[at] = np.where(trust < DOUBTFUL, 0, trust)
    around = _least(flat.reshape(size, size))
    side = len(around)
    aside = np.maximum(around, _in_the_middle(texels))
    narrow = _softened(around, max(1, round(side * NEAR)))
    around = np.minimum(narrow, _softened(aside, max(1, round(side * FARTHER))))
    ratio = size // side
    return np.minimum(around[at // size // ratio, at % size // ratio], flat[at])


@lru_cache(maxsize=2)
def _in_the_middle(texels):
    """Where on the map, as coarse as trust is softened on, there is the middle of the face, or no skin: 1, else 0."""
    x, y, _ = texels.places.T
    flat = np.ones(texels.size**2, np.float32)
    flat[texels.at] = 1 - ramp(np.abs(x), *BESIDE) * (1 - ramp(y, *BELOW_TOP))
    return _least(flat.reshape(texels.size, texels.size))


def _least(whole):
    """The least values of a map (N, N) at COARSE pixels a side, or as it is where that does not divide N."""
    size = len(whole)
    pooled = max(1, size // COARSE) if size % COARSE == 0 else 1
    least = whole[::pooled, ::pooled].copy()
    for k in range(1, pooled * pooled):
        np.minimum(least, whole[k // pooled :: pooled, k % pooled :: pooled], out=least)
    return least


def _softened(trust, reach):
    """The least (N, N) of trust so many pixels around every one, and the mean of that as far."""
    side = len(trust)
    for combine in (np.minimum, np.add):
        for axis in (0, 1):
            padded = np.pad(trust, [(reach, reach) if k == axis else (0, 0) for k in (0, 1)], mode="edge")
            taps = [padded[k : k + side] if axis == 0 else padded[:, k : k + side] for k in range(2 * reach + 1)]
            trust = taps[0].copy()
            for tap in taps[1:]:
                combine(trust, tap, out=trust)
        if combine is np.add:
            trust /= (2 * reach + 1) ** 2
    return trust


def _tones(colours):
    """Shares of red and green and the log of the brightness (n, 3) of colours (n, 3): shading moves the last alone."""
    total = 3 * brightness(colours) + 6
    return np.column_stack([colours[:, 0] / total, colours[:, 1] / total, np.log(total)])


def _about(image, vertices, size):
    """The photo around the head at about the texture's resolution, float32, the vertices in it, and the pixel (2,) of
    the photo where it begins."""
    low = np.floor(np.maximum(vertices[:, :2].min(0) - 4, 0)).astype(int)
    high = np.ceil(np.minimum(vertices[:, :2].max(0) + 4, image.shape[1::-1])).astype(int)
    high = np.maximum(high, low + 2)
    wide, tall = high - low
    shrink = min(1.0, size / max(wide, tall))
    part = image[low[1] : high[1], low[0] : high[0]]
    columns, rows = max(2, round(wide * shrink)), max(2, round(tall * shrink))
    if shrink < 1:
        part = crop.resample(part, 0, 0, wide, tall, columns, rows)
    moved = vertices.copy()
    moved[:, :2] = (vertices[:, :2] - low) * [columns / wide, rows / tall]
    moved[:, 2] *= columns / wide
    return np.asarray(part, np.float32), moved, low


def _beyond(image, points):
    """Colours (n, 3) of a photo beside and above a head at `points` (V, 2), down to its middle."""
    low, high = points.min(0), points.max(0)
    far = BEYOND * (high[0] - low[0])
    limits = image.shape[1::-1]
    (left, top), (right, bottom) = (
        np.clip(corner, 0, limits).astype(int) for corner in (low - far, [high[0] + far, (low[1] + high[1]) / 2])
    )
    step = max(1, int(np.sqrt((right - left) * (bottom - top) / BACKDROP_SAMPLES)))
    y, x = np.mgrid[top:bottom:step, left:right:step]
    outside = (x < low[0]) | (x > high[0]) | (y < low[1])
    return image[y[outside], x[outside]]


def _span(vertices):
    return np.linalg.norm(np.ptp(vertices, axis=0))


def _depth(vertices, triangles, shape):
    """A function from picture points (n, 2) to the depth of the nearest surface there, and the pixels (h, w) of a
    smaller picture where there is one."""
    shrink = min(1.0, DEPTH_SIDE / max(shape[:2]))
    height, width = (max(2, round(n * shrink)) for n in shape[:2])
    triangles = raster.facing(vertices, triangles)  # what is nearest faces the camera
    index, weights = raster.rasterize(vertices[:, :2] * shrink, triangles, width, height, vertices[:, 2])
    depth = np.einsum("hwc,hwc->hw", weights, vertices[:, 2][triangles[index]])
    depth[index < 0] = -np.inf
    # the least of a pixel and its neighbours: an edge's blur hides nothing that is seen
    padded = np.pad(depth, 1, constant_values=np.inf)
    least = np.min([padded[i : i + height, j : j + width] for i in range(3) for j in range(3)], axis=0)

    def nearest(points):
        x, y = (points * shrink).astype(int).clip(0, [width - 1, height - 1]).T
        return least[y, x]

    return nearest, index >= 0


def _sample(picture, points):
    """Bilinear colours (n, 3) float32 at picture points (n, 2)."""
    height, width = picture.shape[:2]
    x, y = (points - 0.5).T
    x, y = x.clip(0, width - 1.001), y.clip(0, height - 1.001)
    left, top = x.astype(int), y.astype(int)
    x, y = (x - left)[:, None].astype(np.float32), (y - top)[:, None].astype(np.float32)
    upper = picture[top, left] * (1 - x) + picture[top, left + 1] * x
    return upper * (1 - y) + (picture[top + 1, left] * (1 - x) + picture[top + 1, left + 1] * x) * y
