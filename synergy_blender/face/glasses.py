"""Where glasses cover the skin about the eyes: lines that run over the bridge of the nose and in rings below the eyes.

What is seen of the head is drawn on a grid over the mean head's face, a millimetre a cell: there glasses lie alike on
all faces, and what is finer than a lens and unlike the skin around it is theirs.
"""

import numpy as np

from .texels import brightness, carry

CELL = 0.001  # metres
TOP, LEFT = 0.05, -0.08  # height, and place beside the middle, of the grid's corner on the mean head, metres
ROWS, COLUMNS = 100, 160  # of the grid
DEEPEST = -0.05  # depth behind the eyes up to which the grid shows the head, metres
FINE, COARSE = 0.8, 5.0  # cells: frames are wider than the first and narrower than the second
BRIDGE = (slice(40, 62), slice(74, 87))  # rows and columns where frames cross the nose
EYE = (50.0, 33.0)  # row of the eyes, and columns from the middle
RAYS, RADII = np.radians(np.arange(200, 341, 5)), np.arange(15, 31)  # below an eye, where a frame's lower half may be
BENT = 0.02  # of the logarithm of brightness, that a step from one radius to the next costs a ring
UNBROKEN = 0.15  # share of the nose's width that a bridge may not cross
CLEAR, RINGS_COUNT = 0.47, 0.5  # of the logarithm of brightness: contrast of glasses, the bridge's and part of a ring's
LINE = 0.2  # of the logarithm of brightness: how far frames are at least from their surroundings
TINTED = 0.7  # how unlike skin lenses are that hide it
WIDER = 1  # cells around what is found that it may cover as well
LENS = (31.0, 36.0)  # half height and width of what glasses may cover about an eye, cells
TEMPLE = (36, 62, 50)  # rows between which their arms lie, and the column beside the middle from which on
BROW = 41  # row above which brows are, dark as well
INNER, OPAQUE = 0.6, 0.6  # share of a lens about its middle, and of that what must be tinted in sunglasses
APERTURE = (9.0, 17.0)  # half height and width of an eye with its lashes, cells


def covered(rows, colours, odd, texels, cheeks):
    """How far glasses cover the head's face (ROWS, COLUMNS) 0..1, or None where there are none, by some `rows` (m,) of
    the texels and the `colours` (m, 3) seen there; `odd` (m,) 0..1 how unlike skin these are, `cheeks` (3,) that of
    skin."""
    place = _cells(texels.places[rows])
    there = np.flatnonzero(place >= 0)
    place, rows = place[there], rows[there]
    usual = brightness(carry(texels.surface.usual * np.asarray(cheeks, np.float32), texels, rows))
    off = np.log(np.maximum(brightness(colours[there]), 4) / np.maximum(usual, 4))
    count = np.bincount(place, minlength=ROWS * COLUMNS)
    known = (count > 0).reshape(ROWS, COLUMNS)
    chart, odd = (
        (np.bincount(place, values, ROWS * COLUMNS) / np.maximum(count, 1)).reshape(ROWS, COLUMNS)
        for values in (off, odd[there])
    )
    lines = np.where(known, _blurred(chart, known, FINE) - _blurred(chart, known, COARSE), 0)
    if _bridge(lines) + RINGS_COUNT * max(_ring(lines, known, side) for side in (-1, 1)) < CLEAR:
        return None
    row, column = np.indices(known.shape)
    beside = np.abs(column - COLUMNS / 2)
    eyes = ((row - EYE[0]) / APERTURE[0]) ** 2 + ((beside - EYE[1]) / APERTURE[1]) ** 2 < 1
    zone = ((row - EYE[0]) / LENS[0]) ** 2 + ((beside - EYE[1]) / LENS[1]) ** 2 < 1
    zone |= (row >= TEMPLE[0]) & (row < TEMPLE[1]) & (beside >= TEMPLE[2])
    zone[BRIDGE] = True
    for side in (column < COLUMNS / 2, column >= COLUMNS / 2):  # behind dark lenses there are no eyes to be seen
        lens = ((row - EYE[0]) / LENS[0]) ** 2 + ((beside - EYE[1]) / LENS[1]) ** 2 < INNER**2
        lens &= side & (row >= BROW) & known & ~eyes
        if lens.any() and (odd[lens] > TINTED).mean() > OPAQUE:
            eyes &= ~side
    zone &= ~eyes & known
    theirs = (row >= BROW) & ((np.abs(lines) > LINE) | (odd > TINTED))
    wide = np.pad(theirs & zone, WIDER)
    wide = np.max([wide[i : i + ROWS] for i in range(2 * WIDER + 1)], axis=0)
    wide = np.max([wide[:, j : j + COLUMNS] for j in range(2 * WIDER + 1)], axis=0)
    return (wide & ~eyes).astype(np.float32)


def uncovered(rows, texels, mask, mirrored=False):
    """How far some `rows` (m,) of the texels are not under the glasses that a mask (ROWS, COLUMNS) shows; `mirrored`
    where they are taken from the other side."""
    place = _cells(texels.places[rows])
    flat = (mask[:, ::-1] if mirrored else mask).ravel()
    return np.where(place >= 0, 1 - flat[np.maximum(place, 0)], 1).astype(np.float32)


def _cells(places):
    """The flat cell (m,) of places on the mean head (m, 3), -1 beside the grid."""
    row = np.floor((TOP - places[:, 1]) / CELL).astype(int)
    column = np.floor((places[:, 0] - LEFT) / CELL).astype(int)
    inside = (row >= 0) & (row < ROWS) & (column >= 0) & (column < COLUMNS) & (places[:, 2] > DEEPEST)
    return np.where(inside, row * COLUMNS + column, -1)


def _blurred(chart, known, sigma):
    """Gaussian means of what is known of a chart."""
    down, across = (np.exp(-0.5 * (np.subtract.outer(*[np.arange(n)] * 2) / sigma) ** 2) for n in chart.shape)
    return (down @ (chart * known) @ across) / np.maximum(down @ known @ across, 1e-6)


def _bridge(lines):
    """The contrast of the clearest line that runs over the nose, bright or dark."""
    dark, bright = np.quantile(lines[BRIDGE], (1 - UNBROKEN, UNBROKEN), axis=1)
    return max(-dark.min(), bright.max())


def _ring(lines, known, side):
    """The mean contrast of the clearest ring below the eye on one side, 0 where too little of it is seen: the best
    path from ray to ray (dynamic programming)."""
    column = np.round(COLUMNS / 2 + side * EYE[1] + np.cos(RAYS)[:, None] * RADII).astype(int)
    row = np.round(EYE[0] - np.sin(RAYS)[:, None] * RADII).astype(int)
    if known[row, column].mean() < 0.6:
        return 0.0
    found, best = lines[row, column], 0.0
    for contrast in (found, -found):  # bright frames, dark ones
        total = contrast[0]
        for ray in contrast[1:]:
            beside = np.maximum(np.append(total[1:], -np.inf), np.append(-np.inf, total[:-1]))
            total = ray + np.maximum(total, beside - BENT)
        best = max(best, total.max() / len(RAYS))
    return best
