"""The skin of the head from photos of a person: what they show is taken from them, what they hide is synthesised.

What is unseen is skin as it usually is, changed as the mirror side's is from that, and by how the two sides differ
where both are seen: along the surface, across the seams of the map, so that it joins the seen skin without a seam.
Filled skin gets the mirror side's detail, as far as the two sides of faces are alike in it, and the grain of the seen.
"""

from dataclasses import replace

import numpy as np

from . import light
from .seen import BEARD, SCALP, beards, cheeks_of, doubted, look, telling
from .texels import brightness, carry, gather, in_blocks, spread, texels_of

SMALLEST, LARGEST = 256, 8192  # pixels
DELIT = {"albedo": 1.0, "half": 0.5, "photo": 0.0}  # how much of the photo's light is taken out, by name
FACE_WIDTH, LIGHT_SAMPLES = 0.065, 20_000  # metres from the middle, and texels, that the light is estimated from
SQUARELY = 6  # power of trust and of facing by which photos are weighed against each other: the best one wins softly
EQUAL = (0.6, 1.6)  # by how much a photo's colours are brought near to another's, at most
HAIR_ENOUGH, HAIR_SHARE = 8, 0.1  # vertices under hair, and the share seen of each, that tell its colour
HAIR_UNLIKE = 0.3  # of the logarithm of brightness
HAIR_GRAIN = 0.12  # of its brightness
TINTED = 50.0  # of 255: what is darker shows less and less of its light's colour
HIGHLIGHT = 1.3, 0.35  # skin this much brighter than usual is a highlight, and how much of that stays in albedo
RIM, RIM_SOFT = (0.044, -0.08, -0.02), 0.012  # metres from the middle, height, depth, beyond which it is a rim; a ramp
RIM_GROWS = 3  # rings of vertices beside it
RIM_LIT = 0.15, 0.4  # logarithms of brightness over usual skin from which a rim is doubted, and not used
# Of skin whose light was taken out: how much it may still differ (log) from usual skin, by how much it is made more
# even at most, and how far its colour is; how much darker than it (log) a shadow hides it a little, and wholly.
EVEN, MOST_EVEN, COLOURED, SHADOW = 0.22, 0.6, 0.4, (0.5, 1.0)
EVEN_FROM = 300  # vertices whose skin is seen
# how far skin's colour may be from its middle (log), and how much of what is more is taken away: coloured lamps make it
TINT, LESS_TINT = 0.18, 0.9
LIPS = (0.0, -0.066, 0.035), (0.028, 0.014, 0.035)  # middle and radii on the mean head, metres: these may be painted
FRINGE = (0.02, 0.055)  # heights on the mean head between which less and less of that is done, metres: hair hangs there
GRAIN_SIDE = 512  # texels of the window in which the skin's grain is measured
GRAIN = 0.5  # of the seen skin's grain that filled skin gets


def skin_texture(views, size=1024, delit=1.0, surface=None):
    """The skin (size, size, 3) uint8 sRGB of one person; rows run from the top of the UV map, v = 1, downwards.

    `views`: for every photo the image (H, W, 3) uint8 and the head's vertices (V, 3) in its pixels, as a Reconstruction
    on it has them. `delit` 1 takes the photos' light out of the skin, 0 leaves it as photographed, 0.5 is half way.
    `surface` the Surface of another head than the bundled one.
    Raises ValueError without a photo or for a size that is not 256 to 8192.
    """
    if not SMALLEST <= size <= LARGEST:
        raise ValueError(f"A texture must be {SMALLEST} to {LARGEST} pixels wide, not {size}.")
    if not len(views):
        raise ValueError("A texture needs a photo: give at least one.")
    texels = texels_of(size, surface)
    looks = [unlit(*look(image, vertices, texels), texels, delit) for image, vertices in views]
    return _picture(*synthesise(looks, texels), texels)


def synthesise(looks, texels):
    """Colours (n, 3) of all texels, how far each was seen (n,) 0..1, and how far it has fine detail (n,), its own or
    its partner's on the other side, from what photos show: for every one the two Seen and the cheeks of `seen.look`."""
    here, there = ([look[side] for look in looks] for side in (0, 1))
    best = int(np.argmax([seen.trust.sum() for seen in here]))
    colour, trust = _blend(here, best, texels)
    flipped, trust_flipped = _blend(there, best, texels)
    cheeks = looks[best][2]
    known, share = gather(colour, trust, texels)
    low, share_low = gather(flipped, trust_flipped, texels)
    shown = share > 0.5
    surface = texels.surface
    usual = _usual(known, share, cheeks, surface)
    off = np.where(shown[:, None], np.log(np.maximum(known, 1)) - usual, 0)  # what is particular about this person
    partner = surface.partner
    both_ways = np.where(shown[partner, None], off[partner], off)
    both_ways = spread(both_ways, shown | shown[partner], surface)
    off = both_ways + spread(off - both_ways, shown, surface)
    plain, low = np.exp(usual + off), np.where((share_low > 0)[:, None], low, 0)

    def part(some):
        rows = np.arange(some.start, some.stop)
        around = carry(plain, texels, rows)
        other = np.flatnonzero((trust_flipped[some] > 0) & (trust[some] < 1))
        rows = rows[other]
        fine = np.clip(flipped[rows] - carry(low, texels, rows), -40, 40)
        around[other] += (trust_flipped[rows] * carry(surface.alike_in_detail[:, None], texels, rows)[:, 0])[
            :, None
        ] * fine
        return around + trust[some, None] * (colour[some] - around)

    return in_blocks(part, len(trust)), trust, np.maximum(trust, trust_flipped)


def _usual(known, share, cheeks, surface):
    """The log colours (V, 3) of a head with such cheeks (3,), and with hair as that whose colours are `known` (V, 3),
    where the `share` (V,) of them that was seen is not nothing."""
    usual, hairy = np.log(cheeks * surface.usual), surface.hairy
    seen = np.log(np.maximum(known[(share > HAIR_SHARE) & (hairy > 0.8)], 4))
    if len(seen) < HAIR_ENOUGH:
        return usual
    brighter = (seen - np.log(cheeks)).mean(1)
    # high foreheads are not hair, nor is what is seen behind it: hair is darker than skin, or brighter, not both
    unlike = max(brighter < -HAIR_UNLIKE, brighter > HAIR_UNLIKE, key=np.sum)
    colour = np.median(seen[unlike] if unlike.mean() > 0.2 else seen, axis=0)
    return usual + hairy[:, None] * (colour - usual)


def unlit(here, there, cheeks, texels, delit):
    """The same with the photo's light taken out of the colours by `delit`."""
    x, y, _ = texels.places[here.rows].T
    sure = np.flatnonzero((here.trust > 0.5) & (np.abs(x) < FACE_WIDTH) & (y < SCALP[0]))
    if not delit or len(sure) < 500:
        return here, there, cheeks
    some = sure[:: max(1, len(sure) // LIGHT_SAMPLES)]
    usual = carry(texels.surface.usual, texels, here.rows[some])
    found = light.estimate(here.colour[some] / usual, here.normal[some].astype(float), here.trust[some])

    def lit(side, even=None):
        def part(some):
            colour = side.colour[some]
            shading = light.shading(found, side.normal[some]) ** np.float32(delit)
            bright = brightness(colour)
            dark = np.flatnonzero(bright < TINTED)
            grey = shading[dark].mean(1, keepdims=True)
            shading[dark] = grey + bright[dark, None] / np.float32(TINTED) * (shading[dark] - grey)
            if even is None:
                return colour / shading, side.trust[some]
            change = carry(even, texels, side.rows[some])
            return colour / shading * change[:, :3], side.trust[some] * change[:, 3]

        colour, trust = in_blocks(part, len(side.rows))
        return replace(side, colour=colour, trust=trust)

    even = _evening(lit(telling(here, texels)), texels, delit)
    here, there = lit(here, even), lit(there, even[texels.surface.partner])
    few = telling(here, texels)
    skin, cheeks = cheeks_of(few, texels)
    beard = beards(few, skin, texels)
    here, there = (_doubting_rims(side, beard(side), cheeks, texels, delit) for side in (here, there))
    return _without_highlights(here, cheeks, texels, delit), _without_highlights(there, cheeks, texels, delit), cheeks


def _evening(seen, texels, delit):
    """By what a photo's colours and trust are to be multiplied at each vertex (V, 4), after its light was taken out:
    hard light leaves more than harmonics can tell, and skin varies little, so that what is smoothly brighter or darker
    than usual skin, where no hair or beard is, is made more even; what is in deep shadow is not believed."""
    surface = texels.surface
    skin, cheeks = cheeks_of(seen, texels)
    known, share = _at_vertices(np.column_stack([seen.colour, beards(seen, skin, texels)(seen)]), seen, texels)
    known, beard = known[:, :3], known[:, 3]
    sure = (share > 0.3) & (surface.hairy < 0.3) & (beard < 0.3)
    if sure.sum() < EVEN_FROM:
        return np.ones((len(known), 4), np.float32)
    off, table = np.log(np.maximum(known[sure], 3) / (cheeks * surface.usual[sure])), surface.blobs[sure]
    weights = np.ones(len(off))
    for _ in range(3):  # brows, lips and spots count less and less
        weighted = table * weights[:, None]
        level = np.linalg.solve(weighted.T @ table + 0.3 * np.eye(table.shape[1]), weighted.T @ off)
        weights = 1 / (1 + (np.abs(off - table @ level).max(1) / 0.3) ** 2)
    middle = np.average(table @ level, axis=0, weights=weights)
    smooth = surface.blobs @ level - middle
    uneven = np.average(np.square(smooth[sure]).mean(1), weights=weights)
    brighter = smooth.mean(1, keepdims=True)
    change = (brighter + COLOURED * (smooth - brighter)).clip(-MOST_EVEN, MOST_EVEN) * uneven / (uneven + EVEN**2)
    change += _tint(off - change[sure], sure, weights, surface)
    dark = np.clip((-SHADOW[0] - brighter) / (SHADOW[1] - SHADOW[0]), 0, 1)
    fringe = np.clip((surface.mean[:, 1] - FRINGE[0]) / (FRINGE[1] - FRINGE[0]), 0, 1)
    bare = delit * (1 - np.max([surface.hairy, fringe, beard], axis=0))[:, None]
    return np.column_stack([np.exp(-bare * change), 1 - bare * dark]).astype(np.float32)


def _tint(off, sure, weights, surface):
    """The colour that no skin has (V, 3) where skin is `sure` (V,), by how far that is `off` (N, 3) from usual skin,
    logarithms both, and its `weights` (N,) in the mean; none on lips, which may be painted."""
    off = off - off.mean(1, keepdims=True)
    tint = np.zeros((len(sure), 3))
    tint[sure] = off - np.average(off, axis=0, weights=weights)
    far = np.linalg.norm(tint, axis=1)
    lips = np.exp(-(np.square((surface.mean - LIPS[0]) / LIPS[1]).sum(1) ** 2))
    tint *= ((1 - lips) * LESS_TINT * np.maximum(far - TINT, 0) / np.maximum(far, TINT))[:, None]
    near, number = surface.neighbours
    return np.append(tint, np.zeros((1, 3)), axis=0)[near].sum(1) / number[:, None]


def _at_vertices(values, seen, texels):
    """`gather` of values (m, k) of the texels Seen."""
    count = len(texels.at)
    whole, trust = np.zeros((count, values.shape[1]), np.float32), np.zeros(count, np.float32)
    whole[seen.rows], trust[seen.rows] = values, seen.trust
    return gather(whole, trust, texels)


def _doubting_rims(seen, beard, cheeks, texels, delit):
    """The same with less trust in what is lit quite unlike usual skin at ears, jaw and neck, where no hair or `beard`
    (m,) is, and in what is beside that: such light is the room's, and would be spread over all that is hidden there."""
    surface = texels.surface
    known, share = _at_vertices(np.column_stack([brightness(seen.colour), beard]), seen, texels)
    off = np.log(np.maximum(known[:, 0], 4) / (cheeks * surface.usual).mean(1))
    doubt = np.clip((off - RIM_LIT[0]) / (RIM_LIT[1] - RIM_LIT[0]), 0, 1) * (share > 0) * (1 - known[:, 1])
    x, y, z = surface.mean.T
    outside = np.max([np.abs(x) - RIM[0], np.minimum(RIM[1] - y, -z), RIM[2] - z], axis=0)  # the chin's front is none
    aside = np.clip(outside / RIM_SOFT, 0, 1) * (1 - surface.hairy)
    near, _ = surface.neighbours
    for _ in range(RIM_GROWS):
        doubt = np.maximum(doubt, np.append(doubt * aside, 0)[near].max(1))
    left = carry((1 - delit * doubt * aside)[:, None], texels, seen.rows)[:, 0]
    return doubted(seen, seen.trust * left, texels)


def _without_highlights(seen, cheeks, texels, delit):
    """The same with what shines, where no hair or beard is, brought nearer to the usual skin."""
    knee, left = HIGHLIGHT
    bright = brightness(seen.colour) / carry((cheeks * texels.surface.usual).mean(1)[:, None], texels, seen.rows)[:, 0]
    rows = np.flatnonzero(bright > knee)
    _, y, z = texels.places[seen.rows[rows]].T
    bare = 1 - carry(texels.surface.hairy[:, None], texels, seen.rows[rows])[:, 0]
    bare *= ~((y < BEARD[0]) & (z > BEARD[1]))
    less = ((knee + left * (bright[rows] - knee)) / bright[rows]) ** (delit * bare)
    colour = seen.colour.copy()
    colour[rows] *= less[:, None]
    return replace(seen, colour=colour)


def _blend(seen, best, texels):
    """Colours (n, 3) and trust (n,) of all texels from what several photos show, with the colours of the best."""
    count = len(texels.at)
    colour, trust = np.zeros((count, 3), np.float32), np.zeros(count, np.float32)
    if len(seen) == 1:
        colour[seen[0].rows], trust[seen[0].rows] = seen[0].colour, seen[0].trust
        return colour, trust
    weight, first = np.zeros(count, np.float32), np.full((count, 3), np.nan, np.float32)
    first[seen[best].rows] = np.where((seen[best].trust > 0.5)[:, None], seen[best].colour, np.nan)
    for one in seen:
        common = (one.trust > 0.5) & ~np.isnan(first[one.rows, 0])
        gain = np.ones(3)
        if common.sum() > 500:
            ratio = first[one.rows[common]].mean(0) / np.maximum(one.colour[common].mean(0), 1)
            gain = np.clip(ratio, *EQUAL)
        here = ((one.trust * np.clip(one.normal[:, 2], 0, 1)) ** SQUARELY).astype(np.float32)
        colour[one.rows] += here[:, None] * one.colour * gain
        weight[one.rows] += here
        trust[one.rows] = np.maximum(trust[one.rows], one.trust)
    return colour / np.maximum(weight, 1e-12)[:, None], trust


def _picture(colour, trust, detailed, texels):
    """The whole picture (size, size, 3) uint8 from texels' colours, seen or filled; those without detail get grain."""
    size = texels.size
    grain = _grain(colour, trust, texels)
    if grain:
        rows = np.flatnonzero(detailed < 1)
        noise = np.random.default_rng(0).standard_normal(len(rows), np.float32)
        strong = HAIR_GRAIN * carry(texels.surface.hairy[:, None], texels, rows)[:, 0] * brightness(colour[rows])
        colour[rows] += (noise * (grain + strong) * (1 - detailed[rows]))[:, None]
    picture, there = np.zeros((size * size, 3), np.uint8), np.zeros(size * size, bool)
    picture[texels.at] = in_blocks(lambda some: np.clip(colour[some] + 0.5, 0, 255).astype(np.uint8), len(colour))
    there[texels.at] = True
    # beyond the islands, for filters that look there, a map of half the size will do
    whole, known = picture.reshape(size, size, 3), there.reshape(size, size)
    half = np.zeros((-(-size // 2), -(-size // 2), 4), np.float32)
    for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
        one = known[i::2, j::2]
        half[: one.shape[0], : one.shape[1], :3] += whole[i::2, j::2]
        half[: one.shape[0], : one.shape[1], 3] += one
    half[..., :3] /= np.maximum(half[..., 3:], 1)
    half[..., 3] = half[..., 3] > 0
    around = np.clip(_push_pull(half) + 0.5, 0, 255).astype(np.uint8)
    around = around.repeat(2, axis=0).repeat(2, axis=1)[:size, :size]
    np.copyto(whole, around, where=~known[..., None])
    return whole


def _grain(colour, trust, texels):
    """The spread of the noise, 0..255, that filled skin gets: as that of the skin seen about the face's middle."""
    size = texels.size
    sure = np.flatnonzero(trust > 0.9)
    if len(sure) < 1000:
        return 0.0
    row, column = np.divmod(texels.at[sure], size)
    top, left = (int(np.median(place)) - GRAIN_SIDE // 2 for place in (row, column))
    window = (row >= top) & (row < top + GRAIN_SIDE) & (column >= left) & (column < left + GRAIN_SIDE)
    known = np.zeros((GRAIN_SIDE, GRAIN_SIDE, 4), np.float32)
    known[row[window] - top, column[window] - left, :3] = colour[sure[window]]
    known[row[window] - top, column[window] - left, 3] = 1
    three = known[:-2] + known[1:-1] + known[2:]
    nine = three[:, :-2] + three[:, 1:-1] + three[:, 2:]
    inner = nine[..., 3] == 9
    off = brightness(np.abs(np.clip(known[1:-1, 1:-1, :3][inner] - nine[inner, :3] / 9, -12, 12)))
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
        rows = picture.swapaxes(0, axis)
        twice = np.empty((2 * len(rows), *rows.shape[1:]), np.float32)
        most, quarter = np.float32(0.75) * rows, np.float32(0.25) * rows
        twice[2::2], twice[1:-1:2] = most[1:] + quarter[:-1], most[:-1] + quarter[1:]
        twice[0], twice[-1] = rows[0], rows[-1]
        picture = twice.swapaxes(0, axis)
    return picture
