"""The template's half cage, written as data: a grid of quads with rings about mouth, nostril, eye and ear.

Columns run from the front midline around to the back, rows from the neck up to a cap on the crown; blocks of cells are
cut out of the grid and filled with concentric rings.
"""

from dataclasses import dataclass, field

import numpy as np

COLUMNS = 38  # from the front midline to the back midline
CAP = (10, 18)  # half width and depth of the crown's grid: twice the first plus the second is COLUMNS
ROWS = 46
# first column, first row, columns, rows, rings
BLOCKS = {
    "mouth": (0, 13, 8, 6, 8),
    "nostril": (1, 20, 3, 3, 2),
    "eye": (4, 30, 9, 6, 7),
    "ear": (19, 25, 5, 9, 8),
}
MOUTH, NOSTRIL, EYE, EAR = BLOCKS.values()
# A band under the chin, over cheek, temple and forehead that parts face from skull: last column, rows, rings
FACE_BAND = (16, 9, 41, 2)
# Rows of the front and the back midline that lie at a known height (metres, or the surface's own curve)
NECK_ROWS, NECK_PLANE, NECK_SLOPE = 5, -0.165, 0.45  # rows added below, height of the end (metres), backwards per down
CHIN_ROW, UNDER_NOSE_ROW, TIP_ROW, EYES_ROW = MOUTH[1], MOUTH[1] + MOUTH[3], NOSTRIL[1] + NOSTRIL[3] + 1, EYE[1] + 3


@dataclass
class Grid:
    """The half cage: `quads` of vertex names, each name a tuple; consistent counter-clockwise from outside."""

    quads: list = field(default_factory=list)
    blocks: dict = field(default_factory=dict)

    def numbered(self):
        names = sorted({name for quad in self.quads for name in quad}, key=str)
        number = {name: i for i, name in enumerate(names)}
        return number, np.array([[number[n] for n in quad] for quad in self.quads])


def block_border(column, row, columns, rows):
    """Cell-block border vertices counter-clockwise from the lower left corner (seen from outside, back to the left)."""
    low = [(column + i, row) for i in range(columns)]
    right = [(column + columns, row + j) for j in range(rows)]
    top = [(column + columns - i, row + rows) for i in range(columns)]
    left = [(column, row + rows - j) for j in range(rows)]
    return low + right + top + left


def cage():
    """The half cage's quads, by vertex names: ("grid", i, j), (block, ring, k), ("cap", i, j)."""
    grid = Grid()

    def name(i, j):
        return ("grid", i, j)

    cut = set()
    for block, (column, row, columns, rows, _) in BLOCKS.items():
        cells = {(column + i, row + j) for i in range(columns) for j in range(rows)}
        assert not cut & cells, f"the {block} block overlaps another"
        cut |= cells
    # the face's cells hang on the band's innermost ring, the others on its outermost, which is the grid's own
    last, low, high, rings = FACE_BAND
    border = [(i, low) for i in range(last)] + [(last, j) for j in range(low, high)]
    border += [(last - i, high) for i in range(last + 1)]
    band = [[name(*b) for b in border]] + [[("band", r, k) for k in range(len(border))] for r in range(1, rings + 1)]
    grid.blocks["band"] = band
    for outer, inner in zip(band, band[1:], strict=False):
        for k in range(len(border) - 1):
            grid.quads.append((outer[k], outer[k + 1], inner[k + 1], inner[k]))
    within = dict(zip(border, band[-1], strict=True))
    for i in range(COLUMNS):
        for j in range(ROWS):
            if (i, j) not in cut:
                corners = [(i + a, j + b) for a, b in ((0, 0), (1, 0), (1, 1), (0, 1))]
                face = i < last and low <= j < high
                grid.quads.append(tuple(within.get(c, name(*c)) if face else name(*c) for c in corners))

    for block, (column, row, columns, rows, rings) in BLOCKS.items():
        border = block_border(column, row, columns, rows)
        closed = block != "mouth"
        if not closed:  # the half mouth's left side is the midline: an open ring from lower to upper lip
            border = border[: columns + rows + columns + 1]
        count = len(border)
        ring_names = [[name(*b) for b in border]]
        for r in range(1, rings + 1):
            ring_names.append([(block, r, k) for k in range(count)])
        for outer, inner in zip(ring_names, ring_names[1:], strict=False):
            for k in range(count if closed else count - 1):
                n = (k + 1) % count
                grid.quads.append((outer[k], outer[n], inner[n], inner[k]))
        grid.blocks[block] = ring_names
        if block in ("ear", "nostril"):
            inner = {b: ring_names[-1][k] for k, b in enumerate(border)}
            for i in range(columns):
                for j in range(rows):
                    corners = [(column + i + a, row + j + b) for a, b in ((0, 0), (1, 0), (1, 1), (0, 1))]
                    grid.quads.append(tuple(inner.get(c, (block, "inside", *c)) for c in corners))

    half, depth = CAP
    edge = {}  # the cap's border is the top row of the grid
    for i in range(COLUMNS + 1):
        if i <= half:
            edge[(i, 0)] = name(i, ROWS)
        elif i <= half + depth:
            edge[(half, i - half)] = name(i, ROWS)
        else:
            edge[(COLUMNS - i, depth)] = name(i, ROWS)
    for i in range(half):
        for j in range(depth):
            corners = [(i + a, j + b) for a, b in ((0, 0), (1, 0), (1, 1), (0, 1))]
            grid.quads.append(tuple(edge.get(c, ("cap", *c)) for c in corners))
    return grid


def boundary_names(grid):
    """The cage's border in the order of SourceHalf.boundary: up the face, over the crown, down, round the neck."""
    rings = grid.blocks["mouth"]
    last = len(rings[0]) - 1
    band = grid.blocks["band"]
    _, low, high, _ = FACE_BAND
    names = [("grid", 0, j) for j in range(low)] + [ring[0] for ring in band]
    names += [("grid", 0, j) for j in range(low + 1, MOUTH[1])] + [ring[0] for ring in rings[:-1]]
    lips = rings[-1]
    upper = [ring[last] for ring in rings[-2::-1]] + [("grid", 0, j) for j in range(UNDER_NOSE_ROW + 1, high)]
    upper += [ring[-1] for ring in band[::-1]] + [("grid", 0, j) for j in range(high + 1, ROWS + 1)]
    crown = [("cap", 0, j) for j in range(1, CAP[1])]
    back = [("grid", COLUMNS, j) for j in range(ROWS, -1, -1)]
    neck = [("grid", i, 0) for i in range(COLUMNS - 1, 0, -1)]
    return names, lips, upper, crown, back, neck
