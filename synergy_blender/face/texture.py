"""The photo's skin on the head: what the photo shows is taken from it, what it hides is filled in.

Seen skin is projected into the UV map, weighed by how squarely it faces the camera and, outside of the face's middle
and the scalp, by whether it has the colour of this person's skin: clothes and background are left out. What is unseen
on one side takes the mirror side's place where that is seen, its colours matched; the rest is filled along the surface
from what is around, across the seams of the map, and gets the seen skin's grain so that it does not look painted.
"""

from dataclasses import dataclass

import numpy as np

from . import crop, head_model, light, raster, skin
from .texels import carry, gather, mirrored, model_triangles, spread, texels_of

SMALLEST, LARGEST = 256, 8192  # pixels
DEPTH_SIDE = 640  # pixels of the depth map about the head
HIDDEN = 0.006  # metres behind the nearest surface from which skin counts as hidden
FACING = (0.12, 0.5)  # cosines to the viewer from which skin is believed a little, and wholly
MIRRORED = 0.8  # trust in the mirror side
DELIT = {"albedo": 1.0, "half": 0.5, "photo": 0.0}  # how much of the photo's light is taken out, by name
TYPICAL = np.array([180.0, 140.0, 120.0])  # skin where none is seen
TONE_SPREAD = np.array([0.014, 0.010, 0.22])  # of a person's skin, at least: shares of red and green, log brightness
SCALP = (0.015, 0.05)  # heights on the mean head from which hair may be seen, metres
NECK = (-0.112, -0.1)  # heights on the mean head below which the neck is not taken from the photo, metres
BACKDROP_SAMPLES, SKIN_SAMPLES = 6000, 30_000
UNEVEN = 14  # of 255: how much a backdrop may vary to be told from the head by its colour
DOUBTFUL = 0.3  # trust below which a texel is not used at all
FACE_WIDTH, LIGHT_SAMPLES = 0.065, 20_000  # metres from the middle, and texels, that the light is estimated from
SURE = 0.995  # trust above which the mirror side is not asked
COARSE = 512  # pixels of the map on which trust is softened
GRAIN_SIDE = 512  # texels of the window in which the skin's grain is measured
GRAIN = 0.8  # of the seen skin's grain that filled skin gets


def skin_texture(image, face, size=1024, delit=1.0):
    """The skin (size, size, 3) uint8 sRGB of a Reconstruction `face` from its photo `image` (H, W, 3) uint8.

    `delit` 1 takes the photo's light out of it, 0 leaves the skin as photographed, 0.5 is half way.
    Rows run from the top of the UV map, v = 1, downwards. Raises ValueError for a size that is not 256 to 8192.
    """
    if not SMALLEST <= size <= LARGEST:
        raise ValueError(f"A texture must be {SMALLEST} to {LARGEST} pixels wide, not {size}.")
    texels, usual = texels_of(size), skin.usual()
    colour, share, mean = seen_skin(image, face, texels, delit)
    known, seen = gather(colour, share, texels)
    around = carry(usual * spread(known / usual, seen > 0.5, mean), texels)
    return _complete(colour, share, around, texels)


def seen_skin(image, face, texels, delit):
    """Colours (n, 3) of the texels that the photo shows on this side or the other, how far each is to be trusted (n,)
    0..1, and the colour of the cheeks (3,)."""
    model = head_model.load()
    vertices = np.asarray(face.vertices, float)
    picture, vertices = _about(image, vertices, face, texels.size)
    normals = raster.vertex_normals(vertices * [1, -1, 1], model_triangles())
    there = np.column_stack([vertices, normals])
    nearest = _depth(vertices, picture.shape)
    tolerance = HIDDEN * _pixels_per_metre(model, vertices)
    before = _before_backdrop(picture, vertices)
    every = np.arange(len(texels.at))
    here = _project(picture, there, nearest, tolerance, texels, every)
    like_skin, mean = _skin_of(here, texels)
    trust = _soften(here, here.trust * like_skin(here) * before(here, texels), texels)
    other = np.flatnonzero(trust < SURE)
    there_mirrored = _project(picture, there[mirrored()], nearest, tolerance, texels, other)
    trust_mirrored = _soften(
        there_mirrored, there_mirrored.trust * like_skin(there_mirrored) * before(there_mirrored, texels), texels
    )
    x, y, _ = texels.places[here.rows].T
    sure = np.flatnonzero((trust[here.rows] > 0.5) & (np.abs(x) < FACE_WIDTH) & (y < SCALP[0]))
    if delit and len(sure) > 500:
        some = sure[:: max(1, len(sure) // LIGHT_SAMPLES)]
        rows = here.rows[some]
        usual = carry(skin.usual(), texels, rows)
        found = light.estimate(here.colour[some] / usual, here.normal[some].astype(float), trust[rows])
        for side in (here, there_mirrored):
            side.colour[:] /= light.shading(found, side.normal) ** np.float32(delit)
        _, mean = _skin_of(here, texels)
    seen, flipped = np.zeros((2, len(every), 3), np.float32)
    seen[here.rows], flipped[there_mirrored.rows] = here.colour, there_mirrored.colour
    both = (trust > 0.5) & (trust_mirrored > 0.5)
    if both.sum() > 500:  # lit from one side: colours of the mirror side are brought near, not copied
        flipped *= np.clip(seen[both].mean(0) / np.maximum(flipped[both].mean(0), 1), 0.6, 1.6)
    part = MIRRORED * trust_mirrored * (1 - trust)
    share = trust + part
    seen *= trust[:, None]
    seen += flipped * part[:, None]
    return seen / np.maximum(share, 1e-6)[:, None], share, mean


@dataclass(frozen=True)
class _Seen:
    """What a picture shows of some texels: their `rows` (m,), `colour` (m, 3) float32, `trust` (m,) 0..1, `normal`
    (m, 3) and `point` (m, 2) in the picture."""

    rows: np.ndarray
    colour: np.ndarray
    trust: np.ndarray
    normal: np.ndarray
    point: np.ndarray


def _skin_of(seen, texels):
    """A function from what is Seen to how far each texel may be skin where there should be skin (m,), and the skin's
    mean colour (3,)."""
    x, y, z = texels.places[seen.rows].T
    sure = (np.abs(x) < 0.042) & (y > -0.05) & (y < -0.015) & (z > -0.01) & (seen.trust > 0.8)  # cheeks and nose
    if sure.sum() < 200:
        return lambda seen: np.ones(len(seen.rows), np.float32), TYPICAL
    colours = seen.colour[np.flatnonzero(sure)[:: max(1, sure.sum() // SKIN_SAMPLES)]]
    mean = np.median(colours, axis=0)
    tones = _tones(colours)
    middle_tone = np.median(tones, axis=0)
    spread_of_tones = np.maximum(1.48 * np.median(np.abs(tones - middle_tone), axis=0), TONE_SPREAD)
    middle_tone, spread_of_tones = middle_tone.astype(np.float32), spread_of_tones.astype(np.float32)

    def like_skin(seen):
        x, y, z = texels.places[seen.rows].T
        scalp = np.clip((y - SCALP[0]) / (SCALP[1] - SCALP[0]), 0, 1)
        middle = np.clip((0.06 - np.abs(x)) / 0.015, 0, 1) * (y > -0.1) * (z > -0.03)
        free = np.maximum(scalp, middle)
        head = np.clip((y - NECK[0]) / (NECK[1] - NECK[0]), 0, 1)  # below, clothes are seen more often than skin
        distance = (((_tones(seen.colour) - middle_tone) / spread_of_tones) ** 2).sum(1)
        like = np.exp(-0.25 * np.maximum(distance - 6, 0))
        return (head * (free + (1 - free) * like)).astype(np.float32)

    return like_skin, mean


def _before_backdrop(picture, vertices):
    """A function from what is Seen of the texels to 0 where the colour is that of an even backdrop, which may grow
    darker towards one side, and 1 elsewhere (m,); the face's middle is always 1."""
    height, width = picture.shape[:2]
    index, _ = raster.rasterize(vertices[:, :2], model_triangles(), width, height)
    rows, columns = np.flatnonzero((index >= 0).any(1)), np.flatnonzero((index >= 0).any(0))
    beside = (index < 0) & (np.arange(height) < rows[0] + 0.5 * np.ptp(rows))[:, None] if len(columns) else index < -1
    row, column = np.nonzero(beside)
    if len(row) < 200:
        return lambda seen, texels: np.ones(len(seen.rows), np.float32)
    chosen = slice(None, None, max(1, len(row) // BACKDROP_SAMPLES))
    points = np.stack([column[chosen], row[chosen]], 1) + 0.5
    samples = picture[row[chosen], column[chosen]]

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
        return lambda seen, texels: np.ones(len(seen.rows), np.float32)

    def before(seen, texels):
        x, y, z = texels.places[seen.rows].T
        middle = (np.abs(x) < 0.05) & (y < 0.03) & (y > -0.11) & (z > -0.04)
        off = np.abs(seen.colour - bent(seen.point) @ sheet).max(1)
        return np.where(middle, 1, np.clip((off - 2 * uneven - 8) / 12, 0, 1)).astype(np.float32)

    return before


def _soften(seen, trust, texels):
    """Trust (n,) of all texels that ends a little before doubtful ones and falls to them gently."""
    size = texels.size
    pooled = max(1, size // COARSE) if size % COARSE == 0 else 1
    side = size // pooled
    flat = np.zeros(size * size, np.float32)
    flat[texels.at[seen.rows]] = np.where(trust < DOUBTFUL, 0, trust)
    whole = flat.reshape(size, size)
    around = whole[::pooled, ::pooled].copy()
    for k in range(1, pooled * pooled):
        np.minimum(around, whole[k // pooled :: pooled, k % pooled :: pooled], out=around)
    reach = max(1, side // 340)
    for combine in (np.minimum, np.add):
        for axis in (0, 1):
            padded = np.pad(around, [(reach, reach) if k == axis else (0, 0) for k in (0, 1)], mode="edge")
            taps = [padded[k : k + side] if axis == 0 else padded[:, k : k + side] for k in range(2 * reach + 1)]
            around = taps[0].copy()
            for tap in taps[1:]:
                combine(around, tap, out=around)
        if combine is np.add:
            around /= (2 * reach + 1) ** 2
    at = texels.at[seen.rows]
    soft = np.zeros(len(texels.at), np.float32)
    soft[seen.rows] = np.minimum(around[at // size // pooled, at % size // pooled], flat[at])
    return soft


def _tones(colours):
    """Shares of red and green and the log of the brightness (n, 3) of colours (n, 3): shading moves the last alone."""
    total = colours.sum(1) + 6
    return np.column_stack([colours[:, 0] / total, colours[:, 1] / total, np.log(total)])


def _about(image, vertices, face, size):
    """The photo around the head at about the texture's resolution, float32, and the vertices in it."""
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
    return np.asarray(part, np.float32), moved


def _pixels_per_metre(model, vertices):
    return np.linalg.norm(np.ptp(vertices, axis=0)) / np.linalg.norm(np.ptp(model.mean, axis=0))


def _depth(vertices, shape):
    """A function from picture points (n, 2) to the depth of the nearest surface there."""
    shrink = min(1.0, DEPTH_SIDE / max(shape[:2]))
    height, width = (max(2, round(n * shrink)) for n in shape[:2])
    triangles = model_triangles()
    index, weights = raster.rasterize(vertices[:, :2] * shrink, triangles, width, height, vertices[:, 2])
    depth = np.einsum("hwc,hwc->hw", weights, vertices[:, 2][triangles[index]])
    depth[index < 0] = -np.inf
    # the least of a pixel and its neighbours: an edge's blur hides nothing that is seen
    padded = np.pad(depth, 1, constant_values=np.inf)
    least = np.min([padded[i : i + height, j : j + width] for i in range(3) for j in range(3)], axis=0)

    def nearest(points):
        x, y = (points * shrink).astype(int).clip(0, [width - 1, height - 1]).T
        return least[y, x]

    return nearest


def _project(picture, there, nearest, tolerance, texels, rows):
    """What the picture shows of some `rows` of the texels; `there` (V, 6): the vertices and their normals in it."""
    ahead = carry(there[:, 5:], texels, rows)[:, 0]
    rows = rows[ahead > 0.8 * FACING[0]]  # a mean of unit normals is shorter than one, not much
    found = carry(there, texels, rows)
    height, width = picture.shape[:2]
    x, y, z = found[:, :3].T
    shown = (x > 1) & (y > 1) & (x < width - 1) & (y < height - 1)
    shown &= z > nearest(found[:, :2]) - tolerance
    rows, found = rows[shown], found[shown]
    normal = found[:, 3:] / np.maximum(np.linalg.norm(found[:, 3:], axis=1, keepdims=True), 1e-6)
    t = np.clip((normal[:, 2] - FACING[0]) / (FACING[1] - FACING[0]), 0, 1)
    return _Seen(rows, _sample(picture, found[:, :2]), t * t * (3 - 2 * t), normal, found[:, :2])


def _sample(picture, points):
    """Bilinear colours (n, 3) float32 at picture points (n, 2)."""
    height, width = picture.shape[:2]
    x, y = (points - 0.5).T
    x, y = x.clip(0, width - 1.001), y.clip(0, height - 1.001)
    left, top = x.astype(int), y.astype(int)
    x, y = (x - left)[:, None].astype(np.float32), (y - top)[:, None].astype(np.float32)
    upper = picture[top, left] * (1 - x) + picture[top, left + 1] * x
    return upper * (1 - y) + (picture[top + 1, left] * (1 - x) + picture[top + 1, left + 1] * x) * y


def _complete(colour, share, around, texels):
    """The whole picture (size, size, 3) uint8 from texels' colours, trust, and colours from around them."""
    size = texels.size
    filled = around + share[:, None] * (colour - around)
    grain = _grain(colour, share, texels)
    if grain:
        noise = np.random.default_rng(0).standard_normal(len(share), np.float32) * np.float32(grain)
        filled += (noise * (1 - share))[:, None]
    known = np.zeros((size * size, 4), np.float32)
    known[texels.at, :3], known[texels.at, 3] = filled, 1
    # beyond the islands, for filters that look there, a map of half the size will do
    whole = known.reshape(size, size, 4)
    if size % 2:
        whole = _push_pull(whole)
    else:
        half = whole[::2, ::2] + whole[1::2, ::2] + whole[::2, 1::2] + whole[1::2, 1::2]
        half /= np.maximum(half[..., 3:], 1)
        gaps = np.flatnonzero(known[:, 3] == 0)
        known[gaps, :3] = _push_pull(half)[gaps // size // 2, gaps % size // 2]
        whole = whole[..., :3]
    return np.clip(whole + 0.5, 0, 255).astype(np.uint8)


def _grain(colour, share, texels):
    """The spread of the noise, 0..255, that filled skin gets: as that of the skin seen about the face's middle."""
    size = texels.size
    row, column = np.divmod(texels.at, size)
    sure = share > 0.9
    if sure.sum() < 1000:
        return 0.0
    top, left = (int(np.median(place[sure])) - GRAIN_SIDE // 2 for place in (row, column))
    window = sure & (row >= top) & (row < top + GRAIN_SIDE) & (column >= left) & (column < left + GRAIN_SIDE)
    known = np.zeros((GRAIN_SIDE, GRAIN_SIDE, 4), np.float32)
    known[row[window] - top, column[window] - left] = np.column_stack([colour[window], np.ones(window.sum())])
    nine = sum(np.roll(known, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1))
    inner = nine[..., 3] == 9
    off = np.abs(np.clip(known - nine / 9, -12, 12))[..., :3].mean(2)[inner]
    return float(np.median(off)) * GRAIN if inner.any() else 0.0


def _push_pull(known):
    """Colours (N, N, 3) everywhere from colours times trust and trust (N, N, 4), by way of ever coarser means (Gortler
    et al., 1996)."""
    levels = [known]
    while levels[-1].shape[0] > 2 and levels[-1].shape[0] % 2 == 0:
        fine = levels[-1]
        coarse = fine[::2, ::2] + fine[1::2, ::2] + fine[::2, 1::2] + fine[1::2, 1::2]
        levels.append(coarse / np.maximum(coarse[..., 3:], 1))  # trust saturates at 1
    total = levels[-1].sum((0, 1))
    colours = np.broadcast_to(total[:3] / max(total[3], 1e-6), (*levels[-1].shape[:2], 3))
    for level in reversed(levels):
        if level.shape[0] != colours.shape[0]:
            colours = _double(colours)
        colours = level[..., :3] + (1 - level[..., 3:]) * colours
    return colours


def _double(picture):
    """Twice as large (2 H, 2 W, C), interpolated linearly."""
    for axis in (0, 1):
        before = np.concatenate([picture.take([0], axis), picture.take(range(picture.shape[axis] - 1), axis)], axis)
        after = np.concatenate([picture.take(range(1, picture.shape[axis]), axis), picture.take([-1], axis)], axis)
        pair = np.stack([0.25 * before + 0.75 * picture, 0.75 * picture + 0.25 * after], axis + 1)
        picture = pair.reshape(*(2 * n if k == axis else n for k, n in enumerate(picture.shape)))
    return picture
