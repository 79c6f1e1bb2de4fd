"""The face laid flat: a chart on which every point of any face, in any pose and with any expression, has one place.

Chart coordinates are metres: across, along the cylinder about the head that passes through the cheeks, to the subject's
left; and up. What lies between known points is interpolated by thin plates (Bookstein, 1989).
"""

import numpy as np

CELLS, CELL = 120, 0.0015  # of the square grid over the chart, and their side in metres
MIDDLE = (0.0, -0.027)  # of the grid
RADIUS = 0.085  # of the cylinder, whose axis lies as far behind the eyes
OPEN = 0.25  # of jawOpen: lips that touch would lie in one place
KNOTS = CELLS // 2 + 1  # a side: corners of every second cell, between which values are interpolated
STIFF = 1e-3  # share of the kernel's size that points may be missed by
SEEN, EDGE = 0.05, 0.2  # how squarely a cell is seen from which it counts, and fully counts


def places(points):
    """Chart coordinates (K, 2) of points of a head (K, 3) in metres."""
    return np.stack([RADIUS * np.arctan2(points[:, 0], points[:, 2] + RADIUS), points[:, 1]], 1)


def radii(points):
    """Distances (K,) of points of a head (K, 3) from the cylinder's axis."""
    return np.hypot(points[:, 0], points[:, 2] + RADIUS)


def cells():
    """Chart coordinates (CELLS^2, 2) of the grid's cells, row by row from the top."""
    return _grid((np.arange(CELLS) - (CELLS - 1) / 2) * CELL)


def _grid(axis):
    across, up = np.meshgrid(axis + MIDDLE[0], MIDDLE[1] - axis)
    return np.stack([across.ravel(), up.ravel()], 1)


def on_grid(at):
    """Chart coordinates (K, 2) as -1..1 over the grid, x right, y up."""
    return (at - MIDDLE) / (CELLS * CELL / 2)


def spread(at):
    """The matrix (KNOTS^2, K) float32 that carries values at chart places (K, 2) smoothly to every knot."""
    at, to = at / RADIUS, _grid((np.arange(KNOTS) - (KNOTS - 1) / 2) * 2 * CELL) / RADIUS
    kernel = _plate(at, at)
    kernel[np.diag_indices(len(at))] += STIFF * np.abs(kernel).mean()
    count = len(at)
    flat = np.column_stack([np.ones(count), at])
    system = np.block([[kernel, flat], [flat.T, np.zeros((3, 3))]])
    known = np.linalg.inv(system)[:, :count]
    return (np.column_stack([_plate(to, at), np.ones(len(to)), to]) @ known).astype(np.float32)


def filled_in(knots):
    """Values (CELLS, CELLS, ...) of cells from those of knots (KNOTS^2, ...): linearly, each from its nearest four."""
    values = knots.reshape(KNOTS, KNOTS, *knots.shape[1:])
    for _ in range(2):  # down, then across
        step = 0.25 * (values[1:] - values[:-1])
        values = np.stack([values[:-1] + step, values[1:] - step], 1).reshape(CELLS, *values.shape[1:]).swapaxes(0, 1)
    return values


def _plate(a, b):
    square = np.square(np.subtract.outer(a[:, 0], b[:, 0]))
    square += np.square(np.subtract.outer(a[:, 1], b[:, 1]))
    np.maximum(square, 1e-12, out=square)
    kernel = np.log(square)
    kernel *= square
    kernel *= 0.5
    return kernel


def facing(at, scale):
    """How squarely cells are seen (CELLS, CELLS) float32: their area over that of a cell seen from ahead, negative from
    behind. at (CELLS, CELLS, 2): where they lie in the picture, y up; `scale` in its pixels per metre."""
    across, down = at[1:-1, 2:] - at[1:-1, :-2], at[2:, 1:-1] - at[:-2, 1:-1]
    area = across[..., 1] * down[..., 0] - across[..., 0] * down[..., 1]
    area = np.pad(area, 1, mode="edge") / 4  # differences are taken over two cells
    return (area / (scale * CELL) ** 2).clip(-0.5, 1.5).astype(np.float32)


def laid_flat(colours, square):
    """What a network looks at (CELLS, CELLS, 4) float32: colours (CELLS, CELLS, 3) 0..255 as -1..1, nothing where cells
    are not seen, and how squarely they are."""
    shown = ((square - SEEN) / (EDGE - SEEN)).clip(0, 1)[..., None]
    return np.concatenate([(colours / 127.5 - 1) * shown, square[..., None]], 2, dtype=np.float32)
