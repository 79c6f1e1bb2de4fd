"""The skin of the head from photos of a person: what they show is taken from them, what they hide is synthesised.

What is unseen is skin as it usually is, changed as the mirror side's is from that, and by how the two sides differ
where both are seen: along the surface, across the seams of the map, so that it joins the seen skin without a seam.
Filled skin gets the mirror side's detail, as far as the two sides of faces are alike in it, and the grain of the seen;
filled hair gets strands.
"""

from dataclasses import replace

import numpy as np

from . import albedo, brows, grain, raster
from .seen import Look, cheeks_of, doubted, look, telling
from .skin import ramp
from .strands import strands
from .texels import brightness, carry, gather, in_blocks, spread, texels_of

SMALLEST, LARGEST = 256, 8192  # pixels
DELIT = {"albedo": 1.0, "half": 0.5, "photo": 0.0}  # how much of the photo's light is taken out, by name
SQUARELY = 6  # power of trust and of facing by which photos are weighed against each other: the best one wins softly
EQUAL = (0.6, 1.6)  # by how much a photo's colours are brought near to another's, at most
HAIR_ENOUGH, HAIR_SHARE = 8, 0.1  # vertices under hair, and the share seen of each, that tell its colour
# how unlike skin hair is at least, in the logarithm of brightness or three times that of colour; the share of it that
# is darker than what its colour is taken from, and the share of that: the middle of dark hair, and more, with medians
# of such brightness over the skin's, of fair hair, which lies in its own shadow; below which share of hair it may be
# what lies behind
HAIR_UNLIKE, COLOUR_TELLS, HAIR_LIT, BAND, FAIR, BEHIND = 0.3, 3.0, (0.5, 0.65), 0.3, (-1.3, -0.8), 0.6
STRAND = 0.14  # spread of the logarithm of strands' brightness
BALD = 0.1, 0.3  # lengths of the difference of hair's log colour to skin's, of none and of surely hair
WISPS = 1.0  # how much of the hair's colour those have at the hairline that are a spread brighter
SEEN_ENOUGH, DARKEST = 100, 4  # vertices whose skin is seen, to tell light from; of 255, that logarithms are taken of
RIM, RIM_SOFT = (0.044, -0.08, -0.02), 0.012  # metres from the middle, height, depth, beyond which it is a rim; a ramp
RIM_LIT = 0.12, 0.35  # shares by which a rim is brighter or darker than expected, to be doubted, and not to be used
OUTLINE = 0.35, 0.6  # cosines to the viewer of what lies at the face's outline, where what is behind it may shine in
MUCH = 0.9, 1.5  # logarithms by which light changed skin so much that it is doubted, and not used
GRAIN = 0.8  # of the cheek's fine detail that filled skin gets


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
    looks = [unlit(look(image, vertices, texels), vertices, texels, delit) for image, vertices in views]
    colour, _ = synthesise(looks, texels)
    return _picture(colour, texels)


def synthesise(looks, texels):
    """Colours (n, 3) of all texels and how far each was seen (n,) 0..1, from what photos show: for every one the two
    Seen and the cheeks of `seen.look`."""
    here, there = ([look[side] for look in looks] for side in (0, 1))
    best = int(np.argmax([seen.trust.sum() for seen in here]))
    colour, trust = _blend(here, best, texels)
    flipped, trust_flipped = _blend(there, best, texels)
    cheeks = looks[best][2]
    known, share = gather(colour, trust, texels)
    low, share_low = gather(flipped, trust_flipped, texels)
    shown = share > 0.5
    surface = texels.surface
    usual, hair = _usual(known, share, cheeks, surface)
    off = np.where(shown[:, None], np.log(np.maximum(known, 1)) - usual, 0)  # what is particular about this person
    partner = surface.partner
    both_ways = np.where(shown[partner, None], off[partner], off)
    both_ways = spread(both_ways, shown | shown[partner], surface)
    off = both_ways + spread(off - both_ways, shown, surface)
    unseen = 1 - np.maximum(share, share[partner])  # brows there are drawn, not shaded
    dark = (brows.USUAL + brows.darker(hair)) * unseen
    usual = usual - (dark * brows.shade(surface))[:, None]
    plain, low = np.exp(usual + off), np.where((share_low > 0)[:, None], low, 0)
    detail = grain.of_cheek(colour, trust, lambda rows: carry(plain, texels, rows), texels)
    if detail is not None:
        detail = grain.spread_out(detail, texels.size)

    def part(some):
        rows = np.arange(some.start, some.stop)
        around = carry(plain, texels, rows)
        detailed = np.maximum(trust[some], trust_flipped[some])
        if hair is not None:
            around *= _growing(hair, rows, detailed, texels)
        brows.draw(around, dark, rows, detailed, texels)
        if detail is not None:
            _grain_on(around, detail, rows, detailed, texels)
        other = np.flatnonzero((trust_flipped[some] > 0) & (trust[some] < 1))
        rows = rows[other]
        fine = np.clip(flipped[rows] - carry(low, texels, rows), -40, 40)
        around[other] += (trust_flipped[rows] * carry(surface.alike_in_detail[:, None], texels, rows)[:, 0])[
            :, None
        ] * fine
        return around + trust[some, None] * (colour[some] - around)

    return in_blocks(part, len(trust)), trust


def _usual(known, share, cheeks, surface):
    """The log colours (V, 3) of a head with such cheeks (3,), and with hair as that whose colours are `known` (V, 3),
    where the `share` (V,) of them that was seen is not nothing; and by how much hair differs (3,), or None."""
    usual, hairy, skin = np.log(cheeks * surface.usual), surface.hairy, np.log(cheeks)
    seen = np.log(np.maximum(known[(share > HAIR_SHARE) & (hairy > 0.8)], 4))
    shade = brows.shade(surface)
    of_brows = np.log(np.maximum(known[(share > 0.5) & (shade > 0.5)], 4))
    if len(seen) >= HAIR_ENOUGH:
        colour = _of_hair(seen, skin)
    elif len(of_brows) >= HAIR_ENOUGH:  # under a hat, or beyond the photo
        off = np.median(of_brows, axis=0) - skin
        colour = skin + off + (1 / brows.OF_HAIR - 1) * off.mean()
    else:
        return usual, None
    hair = colour - skin
    usual += shade[:, None] * brows.darker(hair)
    return usual + hairy[:, None] * (colour - usual), hair


def _of_hair(seen, skin):
    """The log colour (3,) of hair by those seen where it grows (n, 3), beside `skin` of a log colour (3,)."""
    off = seen - skin
    brighter = off.mean(1)
    # high foreheads are not hair, nor is what is seen behind it: hair is mostly darker than skin, or brighter
    behind, most = sorted([brighter < -HAIR_UNLIKE, brighter > HAIR_UNLIKE], key=np.sum)
    behind = behind & (behind.sum() < BEHIND * most.sum())
    unlike = np.hypot(brighter, COLOUR_TELLS * np.linalg.norm(off - brighter[:, None], axis=1) / np.sqrt(3))
    hair = (unlike > HAIR_UNLIKE) & ~behind
    if hair.mean() <= 0.2:
        return np.median(seen, axis=0)
    middle = HAIR_LIT[0] + np.ptp(HAIR_LIT) * ramp(np.median(brighter[hair]), *FAIR)
    low, high = np.quantile(brighter[hair], [middle - BAND / 2, middle + BAND / 2])
    return np.median(seen[hair & (brighter >= low) & (brighter <= high)], axis=0)


def _growing(hair, rows, detailed, texels):
    """Factors (m, 3) that make strands of even hair, as far as some `rows` of the texels are not `detailed` (m,), and
    an uneven hairline; `hair` (3,) is by how much its log colour differs from the skin's."""
    factor = np.ones((len(rows), 3), np.float32)
    grows = texels.hairy[rows]
    some = np.flatnonzero((grows > 0) & (detailed < 1))
    grows, free = grows[some], 1 - detailed[some]
    strand = strands(texels.places[rows[some]])
    farther = np.clip(WISPS * grows * strand, 0, 1 - grows)
    much = STRAND * ramp(np.linalg.norm(hair), *BALD)
    log = much * (grows * strand)[:, None] + farther[:, None] * np.float32(hair)
    factor[some] = np.exp(free[:, None] * log)
    return factor


def _grain_on(skin, detail, rows, detailed, texels):
    """Gives `skin` (m, 3) on some `rows` of the texels the cheek's `detail`, spread out, in place, as far as they are
    not `detailed` (m,) and no hair grows there."""
    bare = (1 - detailed) * (1 - texels.hairy[rows])
    some = np.flatnonzero(bare > 0)
    skin[some] *= np.exp(GRAIN * bare[some] * grain.at_texels(detail, rows[some], texels))[:, None]


def unlit(shown, vertices, texels, delit):
    """The Look of a photo with the head's `vertices` (V, 3) in it, its light taken out of the colours by `delit`."""
    if not delit:
        return shown
    here, there, _, grown = shown
    surface = texels.surface
    known, share = gather(*_blend([telling(here, texels)], 0, texels), texels)
    if ((share > 0.5) & (surface.hairy < 0.5)).sum() < SEEN_ENOUGH:
        return shown
    normals = raster.vertex_normals(np.asarray(vertices, float) * [1, -1, 1], surface.triangles).astype(np.float32)
    known = np.log(np.maximum(known, DARKEST))
    skin, change, edges, dark = albedo.of_seen(known, share, normals, surface, grown)
    change *= delit
    trusted = 1 - delit * np.maximum(ramp(np.abs(change.mean(1)), *MUCH), dark)
    expected, bright = brightness(np.exp(skin)), np.log(brightness(np.exp(known)))
    table = np.column_stack([np.exp(change), trusted, expected, delit * _rim(surface), delit * edges, bright])

    def lit(side, table):
        def part(some):
            factor, colour = carry(table, texels, side.rows[some]), side.colour[some]
            brighter = np.log(np.maximum(brightness(colour), DARKEST)) - factor[:, 7]
            edge = np.exp(factor[:, 6] * np.clip(brighter, -1, 1))
            colour, trust = colour * factor[:, :3] * edge[:, None], side.trust[some] * factor[:, 3]
            # what is still lit otherwise beside the face is the room's, and would be spread over all that is hidden
            unlike = brightness(colour) / factor[:, 4] - 1
            outline = delit * (1 - ramp(side.normal[some, 2], *OUTLINE))
            unlike = np.maximum(factor[:, 5] * ramp(np.abs(unlike), *RIM_LIT), outline * ramp(unlike, *RIM_LIT))
            return colour, trust * (1 - unlike)

        colour, trust = in_blocks(part, len(side.rows))
        return doubted(replace(side, colour=colour), trust, texels)

    here, there = lit(here, table), lit(there, table[surface.partner])
    _, cheeks = cheeks_of(telling(here, texels), texels)
    return Look(here, there, cheeks, grown)


def _rim(surface):
    """How far (V,) 0..1 each vertex lies beside the face, at ears, jaw and neck, where no hair grows."""
    x, y, z = surface.mean.T
    outside = np.max([np.abs(x) - RIM[0], np.minimum(RIM[1] - y, -z), RIM[2] - z], axis=0)  # the chin's front is none
    return np.clip(outside / RIM_SOFT, 0, 1) * (1 - surface.hairy)


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


def _picture(colour, texels):
    """The whole picture (size, size, 3) uint8 from texels' colours."""
    size = texels.size
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
