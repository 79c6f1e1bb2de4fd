"""Our template: the quads of the head, designed as a grid with rings and laid on the mean surface.

The left half is written as data: columns run from the front midline around to the back, rows from the neck up to a
cap on the crown; blocks of cells are cut out around mouth, eye and ear and filled with concentric rings. It is laid on
the surface through a flat chart of it (Tutte 1963, so nothing folds), relaxed there until edges are even in 3D, and
mirrored. Eyeballs, the thickness of lids and the bag of the mouth are modelled. Every vertex remembers the source
triangle and weights it lies on: that is all that ties the mesh to the statistics.

    python -m training.template        writes work/template.npz
"""

from dataclasses import dataclass, field

import numpy as np
from matplotlib.tri import Triangulation
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import spsolve
from scipy.spatial import cKDTree

from training import sources
from training.expressions import smooth_step
from training.unwrap import ARAP_ROUNDS, as_rigid_as_possible, mean_value_weights, signed_area, tutte, untangled

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
# Rows of the front and the back midline that lie at a known height (metres, or the surface's own curve)
NECK_ROWS, NECK_PLANE, NECK_SLOPE = 5, -0.165, 0.45  # rows added below, height of the end (metres), backwards per down
CHIN_ROW, UNDER_NOSE_ROW, TIP_ROW, EYES_ROW = MOUTH[1], MOUTH[1] + MOUTH[3], NOSTRIL[1] + NOSTRIL[3] + 1, EYE[1] + 3
CHIN, UNDER_NOSE, FOREHEAD = -0.092, -0.0495, 0.08  # heights, as is 0 of the eyes
BACK_ROWS = {ROWS: 0.055, EYES_ROW: 0.0, UNDER_NOSE_ROW: -0.06}
FACE_EDGE, BACK_EDGE = 1.0, 2.2  # relative edge lengths wanted on the face and at the back
# where nested edge loops of the source are (metres), how far their middles may be off, their lengths, which are used
NESTS = {
    "nostril": (np.array([0.0102, -0.0413, 0.0328]), 0.006, (0.018, 0.042), (0, 1, 2)),
    "ear": (np.array([0.0735, -0.0120, -0.0735]), 0.008, (0.040, 0.135), (0, 1, 2, 3, 4, 6, 8, 9, 10)),
}
# the two directions in which their outlines are seen from outside: right and up
SEEN = {"nostril": ((1, 0, 0), (0, 0, 1)), "ear": ((0, 0, -1), (0, 1, 0))}
# edges become this much shorter at a feature's outline, growing to full length at so many metres
SETTLE_ROUNDS, STIFFNESS = 250, 1.5
FINER = {"eye": (0.35, 0.016), "mouth": (0.4, 0.02), "nostril": (0.45, 0.02)}


@dataclass
class Grid:
    """The half cage: `quads` of vertex names, each name a tuple; consistent counter-clockwise from outside."""

    quads: list = field(default_factory=list)
    blocks: dict = field(default_factory=dict)

    def numbered(self):
        names = sorted({name for quad in self.quads for name in quad}, key=str)
        number = {name: i for i, name in enumerate(names)}
        return number, np.array([[number[n] for n in quad] for quad in self.quads])


def _border(column, row, columns, rows):
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
    for i in range(COLUMNS):
        for j in range(ROWS):
            if (i, j) not in cut:
                grid.quads.append((name(i, j), name(i + 1, j), name(i + 1, j + 1), name(i, j + 1)))

    for block, (column, row, columns, rows, rings) in BLOCKS.items():
        border = _border(column, row, columns, rows)
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


class SourceHalf:
    """The outer left half of the mean surface as a disk: its triangles, boundary curves and flat chart."""

    def __init__(self, surface):
        mean = surface["mean"].astype(float)
        quads = surface["quads"][(surface["part"] == "skin")[surface["quads"]].all(1)]
        self.vertices, self.mean = mean, mean
        self._edges(quads)
        middle = np.abs(mean[:, 0]) < 1e-4
        upper = [i for i in np.flatnonzero(middle) if i in self.neighbours]
        mouth = self._loop_through(self._mouth_start(upper))
        eye = self._eye_loop(surface)
        # what can be reached from the crown without crossing the loops is the outside
        keep = self._outside(quads, mouth, eye, self._neck_loop(upper))
        half = quads[keep]
        half = half[(mean[half][..., 0] > -1e-4).all(1)]
        self.eye = eye
        self.nests = {block: self._nested_loops(block) for block in NESTS}
        fan = np.array([[eye[k], eye[(k + 1) % len(eye)], -1] for k in range(len(eye))])
        normal = np.cross(mean[eye[1]] - mean[eye[0]], mean[eye].mean(0) - mean[eye[0]])
        if normal[2] < 0:
            fan = fan[:, [1, 0, 2]]
        self.triangles = np.concatenate([half[:, [0, 1, 2]], half[:, [0, 2, 3]]])
        self._embed(fan, mouth)

    def _edges(self, quads):
        self.neighbours, self.edge_faces = {}, {}
        for f, quad in enumerate(quads):
            for a, b in zip(quad, np.roll(quad, -1), strict=True):
                self.neighbours.setdefault(a, set()).add(b)
                self.neighbours.setdefault(b, set()).add(a)
                self.edge_faces.setdefault((min(a, b), max(a, b)), set()).add(f)

    def _walk(self, a, b, limit=120):
        """The edge loop that starts a -> b and goes straight through vertices of valence 4, or None."""
        loop = [a, b]
        while len(loop) < limit:
            u, v = loop[-2:]
            beside = self.edge_faces[min(u, v), max(u, v)]
            ahead = [w for w in self.neighbours[v] if w != u and not beside & self.edge_faces[min(v, w), max(v, w)]]
            if len(self.neighbours[v]) != 4 or len(ahead) != 1:
                return None
            if ahead[0] == a:
                return np.array(loop)
            loop.append(ahead[0])
        return None

    def _loop_through(self, start):
        loops = [loop for b in self.neighbours[start] if (loop := self._walk(start, b)) is not None]
        return min(loops, key=lambda loop: np.abs(np.diff(self.mean[loop], axis=0)).sum())

    def _mouth_start(self, candidates):
        """The lowest point of the upper lip that still faces out: where the lips meet on the midline."""
        mean = self.mean
        lips = [i for i in candidates if -0.08 < mean[i, 1] < -0.05 and mean[i, 2] > 0.027]
        best = None
        for i in lips:
            for b in self.neighbours[i]:
                loop = self._walk(i, b)
                if loop is None or mean[loop, 0].max() < 0.01:
                    continue
                gap = np.ptp(mean[[k for k in loop if abs(mean[k, 0]) < 1e-4], 1])
                if best is None or gap < best[0]:
                    best = (gap, i)
        return best[1]

    def _eye_loop(self, surface):
        """The eyelids' front edge: the tightest closed loop around the eyeball that still lies before it."""
        mean = self.mean
        ball = surface["part"] == "eye_left"
        centre = mean[ball].mean(0)
        radius = np.linalg.norm(mean[ball] - centre, axis=1).mean()
        distance = np.linalg.norm(mean - centre, axis=1)
        best = None
        for i in np.flatnonzero((surface["part"] == "skin") & (distance < 1.25 * radius) & (mean[:, 2] > 0.4 * radius)):
            for b in self.neighbours.get(i, ()):
                loop = self._walk(i, b, 60)
                if loop is None or len(loop) > 40 or np.linalg.norm(mean[loop].mean(0)[:2] - centre[:2]) > 0.006:
                    continue
                size = np.ptp(mean[loop][:, 1])
                before = np.linalg.norm(mean[loop] - centre, axis=1).mean() > 1.01 * radius
                if before and (best is None or size < best[0]):
                    best = (size, loop)
        return best[1]

    def _nested_loops(self, block):
        """Edge loops of the source about a feature of the left half, from its outline inwards: one for the block's
        border and each of its rings."""
        place, reach, (shortest, longest), chosen = NESTS[block]
        mean, found = self.mean, {}
        for i in np.flatnonzero((np.linalg.norm(mean - place, axis=1) < 2.5 * reach) & (mean[:, 0] > 1e-4)):
            for b in self.neighbours.get(i, ()):
                loop = self._walk(i, b, 60)
                if loop is not None and np.linalg.norm(mean[loop].mean(0) - place) < reach:
                    length = np.linalg.norm(mean[loop] - np.roll(mean[loop], 1, 0), axis=1).sum()
                    if shortest < length < longest:
                        found[frozenset(loop.tolist())] = loop
        # a loop's neighbours are its nest's next and previous: walk inwards from the one with the most outward vertices
        loops = list(found.values())
        touch = [
            [bool(set(b.tolist()) & {n for v in a for n in self.neighbours[v]}) and a is not b for b in loops]
            for a in loops
        ]
        ends = [k for k, row in enumerate(touch) if sum(row) == 1]
        at = max(ends, key=lambda k: np.ptp(mean[loops[k]], axis=0).sum())
        order = [at]
        while following := [k for k, near in enumerate(touch[order[-1]]) if near and k not in order]:
            order.append(following[0])
        assert len(order) > max(chosen), f"the loops of the {block} were not found"
        return [loops[order[k]] for k in chosen]

    def _neck_loop(self, candidates):
        """The lowest edge loop that runs around the neck."""
        mean = self.mean
        front = sorted((i for i in candidates if mean[i, 1] < -0.11 and mean[i, 2] > -0.08), key=lambda i: mean[i, 1])
        for i in front:
            for b in self.neighbours[i]:
                loop = self._walk(i, b)
                if loop is not None and np.ptp(mean[loop][:, 2]) > 0.06:
                    return loop
        raise AssertionError("no loop runs around the neck")

    def _outside(self, quads, *loops):
        barrier = set()
        for loop in loops:
            for side in (loop, self._mirrored(loop)):
                barrier |= {tuple(sorted((a, b))) for a, b in zip(side, np.roll(side, -1), strict=True)}
        start = int(np.argmax(self.mean[quads].mean(1)[:, 1]))
        keep = np.zeros(len(quads), bool)
        keep[start], stack = True, [start]
        while stack:
            quad = quads[stack.pop()]
            for a, b in zip(quad, np.roll(quad, -1), strict=True):
                edge = (min(a, b), max(a, b))
                if edge in barrier:
                    continue
                for f in self.edge_faces[edge]:
                    if not keep[f]:
                        keep[f] = True
                        stack.append(f)
        return keep

    def _mirrored(self, loop):
        return cKDTree(self.mean).query(self.mean[loop] * [-1, 1, 1])[1]

    def _embed(self, fan, mouth):
        """Tutte's embedding of the half into the unit disk, mean-value weights (Floater 2003)."""
        edges = {}
        for t in self.triangles:
            for a, b in ((t[0], t[1]), (t[1], t[2]), (t[2], t[0])):
                edges[a, b] = edges.get((a, b), 0) + 1
        following = {a: b for (a, b) in edges if (b, a) not in edges}
        eye = set(self.eye.tolist())
        start = min((v for v in following if v not in eye), key=lambda v: (self.mean[v, 1], -self.mean[v, 2]))
        boundary = [start]
        while (after := following[boundary[-1]]) != start:
            boundary.append(after)
            assert len(boundary) < 2000, "the half's boundary does not close"
        boundary = np.array(boundary)
        # begin at the front of the neck's loop, run up the face
        middle = np.abs(self.mean[boundary, 0]) < 1e-4
        front = middle & (self.mean[boundary, 2] > self.mean[boundary, 2].min() + 0.05)
        first = boundary[front][np.argmin(self.mean[boundary[front], 1])]
        k = int(np.flatnonzero(boundary == first)[0])
        boundary = np.roll(boundary, -k)
        if self.mean[boundary[1], 1] < self.mean[boundary[0], 1] or abs(self.mean[boundary[1], 0]) > 1e-4:
            boundary = np.roll(boundary[::-1], 1)
        self.boundary = boundary
        length = np.linalg.norm(np.diff(self.mean[boundary], axis=0, append=self.mean[boundary[:1]]), axis=1)
        self.arc = np.concatenate([[0], np.cumsum(length)])
        angle = -2 * np.pi * self.arc[:-1] / self.arc[-1]
        circle = np.column_stack([np.cos(angle), np.sin(angle)])

        used = np.unique(self.triangles)
        extra = len(self.mean)  # a vertex in the middle of the eye closes the hole
        closed = np.concatenate([self.triangles, np.where(fan < 0, extra, fan)])
        positions = np.vstack([self.mean, self.mean[self.eye].mean(0)])
        used = np.append(used, extra)
        number = np.full(extra + 1, -1)
        number[used] = np.arange(len(used))
        triangles = number[closed]
        points = positions[used]
        rows, columns, weights = mean_value_weights(points, triangles)
        n = len(used)
        matrix = coo_matrix((weights, (rows, columns)), (n, n)).tocsr()
        degree = np.asarray(matrix.sum(1)).ravel()
        pinned = number[boundary]
        free = np.setdiff1d(np.arange(n), pinned)
        chart = np.zeros((n, 2))
        chart[pinned] = circle
        laplacian = coo_matrix((degree, (np.arange(n), np.arange(n))), (n, n)).tocsr() - matrix
        for axis in range(2):
            chart[free, axis] = spsolve(laplacian[free][:, free], -laplacian[free][:, pinned] @ chart[pinned, axis])
        self.used, self.number, self.chart = used, number, chart
        self.chart_triangles = triangles
        ordered = chart[triangles]
        area = np.cross(ordered[:, 1] - ordered[:, 0], ordered[:, 2] - ordered[:, 0])
        self.orientation = np.sign(np.median(area))
        print(f"chart: {n} vertices, {np.sum(area * self.orientation <= 0)} folded triangles")
        finder_triangles = triangles if self.orientation > 0 else triangles[:, ::-1]
        self.finder = Triangulation(chart[:, 0], chart[:, 1], finder_triangles).get_trifinder()
        self.mouth = [v for v in boundary if v in set(mouth.tolist())]
        self.eye_chart = chart[number[self.eye]]

    def boundary_point(self, arc):
        """Chart point of the boundary at arc length `arc` (metres from the neck's front)."""
        arc = np.asarray(arc)
        closed = np.vstack([self.chart[self.number[self.boundary]], self.chart[self.number[self.boundary[:1]]]])
        return np.column_stack([np.interp(arc, self.arc, closed[:, k]) for k in range(2)]) * (1 - 1e-7)

    def locate(self, chart_points):
        """Source corners (P, 3) and weights (P, 3) under chart points (P, 2)."""
        index = self.finder(*chart_points.T)
        shrink = 1.0
        while (index < 0).any() and shrink > 0.99:
            shrink -= 1e-4
            outside = index < 0
            index[outside] = self.finder(*(chart_points[outside] * shrink).T)
        assert (index >= 0).all(), "a template vertex fell off the chart"
        corners = self.chart_triangles[index] if self.orientation > 0 else self.chart_triangles[index][:, ::-1]
        a, b, c = (self.chart[corners[:, k]] for k in range(3))
        whole = np.cross(b - a, c - a)
        u = np.cross(b - chart_points, c - chart_points) / whole
        v = np.cross(c - chart_points, a - chart_points) / whole
        weights = np.clip(np.column_stack([u, v, 1 - u - v]), 0, 1)
        corners = self.used[corners]
        hole = corners == len(self.mean)  # the eyelid's edge may fall a hair inside the eye's hole
        weights[hole] = 1e-12
        corners[hole] = self.eye[0]
        return corners, weights / weights.sum(1, keepdims=True)


def _boundary_names(grid):
    """The cage's border in the order of SourceHalf.boundary: up the face, over the crown, down, round the neck."""
    rings = grid.blocks["mouth"]
    last = len(rings[0]) - 1
    names = [("grid", 0, j) for j in range(MOUTH[1])] + [ring[0] for ring in rings[:-1]]
    lips = rings[-1]
    upper = [ring[last] for ring in rings[-2::-1]] + [("grid", 0, j) for j in range(UNDER_NOSE_ROW + 1, ROWS + 1)]
    crown = [("cap", 0, j) for j in range(1, CAP[1])]
    back = [("grid", COLUMNS, j) for j in range(ROWS, -1, -1)]
    neck = [("grid", i, 0) for i in range(COLUMNS - 1, 0, -1)]
    return names, lips, upper, crown, back, neck


def _pin_boundary(grid, half):
    """Arc length of every border vertex: known heights are met, the rest is spread by the wanted edge length."""
    start, lips, upper, crown, back, neck = _boundary_names(grid)
    curve = half.mean[half.boundary]
    arc = half.arc[:-1]
    middle = np.abs(curve[:, 0]) < 1e-4
    top = int(np.argmax(np.where(middle, curve[:, 1], -1)))
    mouth_rows = np.array([int(np.flatnonzero(half.boundary == v)[0]) for v in half.mouth])
    mouth_arc = np.sort(arc[mouth_rows])
    corner = arc[mouth_rows[np.argmax(half.mean[half.mouth, 0])]]
    nose = int(np.argmax(np.where(middle, curve[:, 2], -1)))

    def height(y, low, high):
        """The arc length between border rows low and high at which the midline reaches height y."""
        rows = np.arange(low, high + 1)
        order = np.argsort(curve[rows, 1])
        return np.interp(y, curve[rows, 1][order], arc[rows][order])

    first_upper = int(np.flatnonzero(arc == mouth_arc[-1])[0])
    last_lower = int(np.flatnonzero(arc == mouth_arc[0])[0])
    neck_back = int(np.flatnonzero(middle)[-1])
    under_nose = first_upper + int(np.argmin(np.abs(curve[first_upper:nose, 1] - UNDER_NOSE)))
    keys = {start[0]: 0.0, lips[0]: mouth_arc[0], lips[-1]: mouth_arc[-1], lips[len(lips) // 2]: corner}
    keys[("grid", 0, CHIN_ROW)] = height(CHIN, 5, last_lower)
    keys[("grid", 0, UNDER_NOSE_ROW)] = arc[under_nose]
    keys[("grid", 0, TIP_ROW)] = arc[nose]
    keys[("grid", 0, EYES_ROW)] = height(0.0, nose, top)
    keys[("grid", 0, ROWS)] = height(FOREHEAD, nose, top)
    for row, y in BACK_ROWS.items():
        keys[("grid", COLUMNS, row)] = height(y, top, neck_back)
    keys[("grid", COLUMNS, 0)] = arc[neck_back]
    names = start + lips + upper + crown + back + neck
    known = [k for k, name in enumerate(names) if name in keys] + [len(names)]
    values = [keys[names[k]] for k in known[:-1]] + [half.arc[-1]]
    assert (np.diff(values) > 0).all(), "the midline's known points are out of order"
    return dict(zip(names, np.interp(np.arange(len(names)), known, values), strict=True))


def _pin_loop(points, count, first, second):
    """`count` points spread along a closed curve (K, 2 or 3 columns used for length), `first` and `second` at indices.

    points: dict with `chart` (K, 2) and `space` (K, 3); first, second: ((index, curve row), (index, curve row)).
    """
    chart, space = points["chart"], points["space"]
    (index_a, row_a), (index_b, row_b) = first, second
    out = np.empty((count, 2))
    for start, stop, row, to in ((index_a, index_b, row_a, row_b), (index_b, index_a + count, row_b, row_a)):
        rows = np.arange(row, (to if to > row else to + len(chart)) + 1) % len(chart)
        length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(space[rows], axis=0), axis=1))])
        wanted = np.linspace(0, length[-1], stop - start + 1)
        for k, at in enumerate(wanted[:-1]):
            out[(start + k) % count] = [np.interp(at, length, chart[rows][:, d]) for d in range(2)]
    return out


def _pin_eye(grid, half):
    """Chart points of the eyelid edge: inner and outer canthus at the middles of the block's sides."""
    _, _, columns, rows, _ = EYE
    space, chart = half.mean[half.eye], half.eye_chart
    area = np.sum(space[:, 0] * np.roll(space[:, 1], -1) - np.roll(space[:, 0], -1) * space[:, 1])
    if area < 0:  # the border runs counter-clockwise as seen from the front
        space, chart = space[::-1], chart[::-1]
    outer, inner = int(np.argmax(space[:, 0])), int(np.argmin(space[:, 0]))
    index_outer, index_inner = columns + rows // 2, 2 * columns + rows + rows // 2
    loop = {"chart": chart, "space": space}
    pins = _pin_loop(loop, 2 * (columns + rows), (index_outer, outer), (index_inner, inner))
    return dict(zip(grid.blocks["eye"][-1], pins, strict=True))


def _pin_nest(grid, half, block):
    """Chart points of a block's border and rings, each on its loop of the source: the block's lower left corner at
    the loop's, the upper right one at its opposite."""
    _, _, columns, rows, _ = BLOCKS[block]
    pins = {}
    for ring, loop in zip(grid.blocks[block], half.nests[block], strict=True):
        seen = half.mean[loop] @ np.array(SEEN[block], float).T
        seen = (seen - (seen.min(0) + seen.max(0)) / 2) / np.ptp(seen, axis=0)
        if np.sum(seen[:, 0] * np.roll(seen[:, 1], -1) - np.roll(seen[:, 0], -1) * seen[:, 1]) < 0:
            loop, seen = loop[::-1], seen[::-1]
        curve = {"chart": half.chart[half.number[loop]], "space": half.mean[loop]}
        corners = (0, int(np.argmin(seen.sum(1)))), (columns + rows, int(np.argmax(seen.sum(1))))
        pins |= dict(zip(ring, _pin_loop(curve, 2 * (columns + rows), *corners), strict=True))
    return pins


class WantedEdge:
    """Relative edge length wanted at points (P, 3): short about eyes, mouth and nostrils, long at the back."""

    def __init__(self, half):
        outlines = {"eye": half.eye, "mouth": half.mouth, "nostril": half.nests["nostril"][0]}
        self.features = [(cKDTree(half.mean[rows]), *FINER[name]) for name, rows in outlines.items()]

    def __call__(self, points):
        wanted = FACE_EDGE + (BACK_EDGE - FACE_EDGE) * smooth_step(-points[:, 2], 0.0, 0.1)
        for tree, finest, reach in self.features:
            near = tree.query(points)[0]
            wanted = np.minimum(wanted, finest + (1 - finest) * near / reach + np.maximum(near - reach, 0) * 1e3)
        return wanted


def closest_of(points, triangles):
    """Barycentric weights (P, K, 3) of the places on triangles (P, K, 3, 3) closest to points (P, 3), and distances."""
    a, b, c = (triangles[:, :, k] for k in range(3))
    p = points[:, None]

    def dot(u, v):
        return (u * v).sum(-1)

    ab, ac, ap = b - a, c - a, p - a
    d00, d01, d11, d20, d21 = dot(ab, ab), dot(ab, ac), dot(ac, ac), dot(ap, ab), dot(ap, ac)
    whole = np.maximum(d00 * d11 - d01**2, 1e-30)
    v, w = (d11 * d20 - d01 * d21) / whole, (d00 * d21 - d01 * d20) / whole
    inside = np.stack([1 - v - w, v, w], -1)
    options = [np.where((inside >= 0).all(-1, keepdims=True), inside, np.nan)]
    for i, j in ((0, 1), (1, 2), (2, 0)):
        start, along = triangles[:, :, i], triangles[:, :, j] - triangles[:, :, i]
        share = np.clip(dot(p - start, along) / np.maximum(dot(along, along), 1e-30), 0, 1)
        edge = np.zeros_like(inside)
        edge[..., i], edge[..., j] = 1 - share, share
        options.append(edge)
    options = np.stack(options, 2)
    places = np.einsum("pkoc,pkcd->pkod", options, triangles)
    distance = np.nan_to_num(np.linalg.norm(p[:, :, None] - places, axis=-1), nan=np.inf)
    best = distance.argmin(2)[..., None]
    weights = np.take_along_axis(options, best[..., None], 2)[:, :, 0]
    return weights, np.take_along_axis(distance, best, 2)[..., 0]


def settle(half, wanted, quads, corners, weights, held, middle, rounds=SETTLE_ROUNDS):
    """Relax places on the surface itself, as springs that want edges of `wanted` length, walking from triangle to
    neighbouring triangle, so that nothing jumps from lip to lip; `held` stay, `middle` stay on the plane x = 0."""
    touching = {}
    for t, triangle in enumerate(half.triangles):
        for v in triangle:
            touching.setdefault(v, []).append(t)
    beside = [sorted({n for v in triangle for n in touching[v]}) for triangle in half.triangles]
    width = max(map(len, beside))
    beside = np.array([row + [row[0]] * (width - len(row)) for row in beside])
    number = {tuple(sorted(triangle)): t for t, triangle in enumerate(half.triangles.tolist())}
    here = np.array([number.get(tuple(sorted(c)), -1) for c in corners.tolist()])
    for lost in np.flatnonzero(here < 0):  # beside the eye's hole
        here[lost] = touching[corners[lost][np.argmax(weights[lost])]][0]
    surface = half.mean[half.triangles]
    points = np.einsum("pc,pcd->pd", weights, half.mean[corners])
    free = np.setdiff1d(np.arange(len(points)), held)
    a, b = np.unique(np.sort(np.concatenate([quads[:, [k, (k + 1) % 4]] for k in range(4)]), axis=1), axis=0).T
    corners, weights, tension = corners.copy(), weights.copy(), np.zeros(len(a))
    for _ in range(rounds):
        length, ideal = np.linalg.norm(points[a] - points[b], axis=1), wanted((points[a] + points[b]) / 2)
        # long edges learn to pull more than in proportion: springs alone would slide off whatever stands out
        excess = np.log(np.maximum(length / ideal / np.median(length / ideal), 1e-3))
        tension += 0.1 * (np.clip(STIFFNESS * excess, -2, 2) - tension)
        pull = np.exp(tension) / ideal
        matrix = coo_matrix((np.r_[pull, pull], (np.r_[a, b], np.r_[b, a])), (len(points),) * 2).tocsr()
        target = (matrix @ points) / np.asarray(matrix.sum(1))
        target = points[free] + 0.4 * (target[free] - points[free])
        target[middle[free], 0] = 0
        near = beside[here[free]]
        bary, distance = closest_of(target, surface[near])
        best = distance.argmin(1)
        rows = np.arange(len(free))
        here[free], weights[free] = near[rows, best], bary[rows, best]
        corners[free] = half.triangles[here[free]]
        points[free] = np.einsum("pc,pcd->pd", weights[free], half.mean[corners[free]])
    return corners, weights


def lay(grid, half, rounds=60):
    """Relax the cage in the chart until its edges are even in 3D, then on the surface; returns names' numbers, quads,
    corners, weights."""
    wanted_edge = WantedEdge(half)
    number, quads = grid.numbered()
    edges = np.unique(np.sort(np.concatenate([quads[:, [k, (k + 1) % 4]] for k in range(4)]), axis=1), axis=0)
    chart = np.zeros((len(number), 2))
    arcs = _pin_boundary(grid, half)
    pinned = {name: half.boundary_point([arc])[0] for name, arc in arcs.items()}
    pinned |= _pin_eye(grid, half)
    for block in NESTS:
        pinned |= _pin_nest(grid, half, block)
    held = np.array([number[name] for name in pinned])
    chart[held] = np.array(list(pinned.values()))
    free = np.setdiff1d(np.arange(len(number)), held)
    weights = np.ones(len(edges))
    a, b = edges.T
    for turn in range(rounds):
        matrix = coo_matrix((np.r_[weights, weights], (np.r_[a, b], np.r_[b, a])), (len(chart),) * 2).tocsr()
        degree = np.asarray(matrix.sum(1)).ravel()
        laplacian = coo_matrix((degree, (np.arange(len(chart)),) * 2), matrix.shape).tocsr() - matrix
        target = np.column_stack(
            [spsolve(laplacian[free][:, free], -laplacian[free][:, held] @ chart[held, d]) for d in range(2)]
        )
        chart[free] = target if turn == 0 else chart[free] + 0.6 * (target - chart[free])
        # straight from the block's border to the lids' edge: a relaxed ring could slip across the eye
        rings = np.array([[number[name] for name in ring] for ring in grid.blocks["eye"]])
        share = np.linspace(0, 1, len(rings))[:, None, None]
        chart[rings] = (1 - share) * chart[rings[0]] + share * chart[rings[-1]]
        corners, bary = half.locate(chart)
        points = np.einsum("pc,pcd->pd", bary, half.mean[corners])
        length = np.linalg.norm(points[a] - points[b], axis=1) / wanted_edge((points[a] + points[b]) / 2)
        flat = np.linalg.norm(chart[a] - chart[b], axis=1)
        tension = (length / flat) ** 2 * (length / length.mean()) ** 0.7
        tension = np.clip(tension / np.median(tension), 1e-7, 1e7)
        weights = tension if turn == 0 else np.exp(0.5 * np.log(weights) + 0.5 * np.log(tension))
    border = {number[name] for name in arcs}
    lips = {number[name] for name in grid.blocks["mouth"][-1]}
    neck = {number["grid", i, 0] for i in range(COLUMNS + 1)}
    middle = np.isin(np.arange(len(number)), list(border - neck - lips))
    held = np.setdiff1d(held, np.flatnonzero(middle))
    corners, bary = settle(half, wanted_edge, quads, corners, bary, held, middle)
    return number, quads, corners, bary


# Depth behind the lips, opening and narrowing of the rings of the mouth's bag (metres, metres, share of the width)
BAG = [(0.002, 0.0004, 1.0), (0.006, 0.004, 0.98), (0.014, 0.010, 0.92), (0.027, 0.013, 0.8), (0.040, 0.010, 0.55)]
TEETH_BACK = 0.93  # the source's teeth touch the lips
LID_GAP = 0.0004  # metres between the eyeball and the nearest point of the eyelid's edge
LID_RINGS, LIP_RINGS = 4, 4  # rings from the edge outwards that are named eyelid and lip
LID_FULL_OPENING = 0.006  # metres between the lids from which they have their full thickness
LID_DEPTHS = (0.0022, 0.006)  # how far the rings inside the eyelids' edge lie behind it
# Rings of the eye socket: polar angle from the front, and how evenly their vertices are spread
SOCKET, SOCKET_GAP = ((1.15, 0.3), (1.5, 0.7), (1.95, 1.0), (2.35, 1.0)), 0.0008
# Polar angles of the eyeball's rings, in radians from its front, and what lies inside them
PUPIL, IRIS = 0.14, 0.40
BALL_RINGS = (PUPIL, 0.23, 0.32, IRIS, 0.46, 0.62, 0.85, 1.1, 1.4, 1.8, 2.2, 2.6)
# UV: how much larger the face is than the back of the head; where it ends (depth) and below the chin (height), metres
FACE_SCALE, FACE_DEPTHS, FACE_HEIGHTS = 1.94, (-0.085, -0.05), (-0.15, -0.11)
MOUTH_OPEN, EYE_OPEN = 0.008, 0.006  # metres that lips and lids are further apart in UV
# boxes (left, low, width, height) of the islands; ears and sockets are mirrored to the other side
MAIN_BOX, EAR_BOX, SOCKET_BOX, BAG_BOX = (
    (0.005, 0.2, 0.99, 0.795), (0.88, 0.01, 0.115, 0.17), (0.77, 0.01, 0.1, 0.17), (0.44, 0.01, 0.12, 0.12),
)  # fmt: skip
PART_BOXES = {
    "eye_left": (0.6, 0.08, 0.13, 0.065), "eye_right": (0.27, 0.08, 0.13, 0.065), "tongue": (0.29, 0.01, 0.1, 0.05),
    "teeth_upper": (0.6, 0.045, 0.14, 0.025), "teeth_lower": (0.6, 0.01, 0.14, 0.025),
}  # fmt: skip
CORNEA = 0.0007  # metres the cornea stands off the ball


@dataclass
class Template:
    """Vertices as places on the source surface.

    `corners` (V, 3) source vertices, `weights` (V, 3), `offset` (V, 3) metres from there on the mean head,
    `follow` (V,) share of the expressions' displacement taken, `part` (V,) names ("skin", or a rigid source part, whose
    displacement is extrapolated as an affine field), `quads` (F, 4), `group` name -> vertices, `material` (F,) name,
    `uv` (F, 4, 2).
    """

    corners: np.ndarray
    weights: np.ndarray
    offset: np.ndarray
    follow: np.ndarray
    part: np.ndarray
    quads: np.ndarray
    material: np.ndarray
    group: dict
    uv: np.ndarray


def _disk(n):
    """A square grid on the unit disk: points ((n + 1)^2, 2), quads (n^2, 4), its border counter-clockwise (4 n,)."""
    axis = np.linspace(-1, 1, n + 1)
    x, y = np.meshgrid(axis, axis)
    square = np.column_stack([x.ravel(), y.ravel()])
    size = np.abs(square).max(1)
    radius = np.linalg.norm(square, axis=1)
    disk = square * np.where(radius > 0, size / np.maximum(radius, 1e-12), 0)[:, None]
    number = np.arange((n + 1) ** 2).reshape(n + 1, n + 1)
    quads = np.stack([number[:-1, :-1], number[:-1, 1:], number[1:, 1:], number[1:, :-1]], -1).reshape(-1, 4)
    border = np.concatenate([number[0, :-1], number[:-1, -1], number[-1, :0:-1], number[:0:-1, 0]])
    return disk, quads, border


def ball(rings, n=6):
    """A sphere of quads around +z: unit points, quads, and the polar angle of each point."""
    disk, cap, border = _disk(n)
    count = len(border)
    angle = np.arctan2(disk[border, 1], disk[border, 0])
    polar = [np.linalg.norm(disk, axis=1) * rings[0]]
    azimuth = [np.arctan2(disk[:, 1], disk[:, 0])]
    quads = [cap]
    previous, total = border, len(disk)
    for ring in rings[1:]:
        here = total + np.arange(count)
        polar.append(np.full(count, ring))
        azimuth.append(angle)
        quads.append(np.stack([previous, here, np.roll(here, -1), np.roll(previous, -1)], -1))
        previous, total = here, total + count
    inside = np.setdiff1d(np.arange(len(disk)), border)
    number = np.empty(len(disk), int)
    number[border], number[inside] = previous, total + np.arange(len(inside))
    polar.append(np.pi - (np.pi - rings[-1]) * np.linalg.norm(disk[inside], axis=1))
    azimuth.append(np.arctan2(disk[inside, 1], disk[inside, 0]))
    quads.append(number[cap][:, ::-1])
    polar, azimuth = np.concatenate(polar), np.concatenate(azimuth)
    points = np.column_stack([np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)])
    return points, np.concatenate(quads), polar


def band(upper, points):
    """A row of teeth: a curved bar of quads that fits the box of source `points`; `upper` teeth taper downwards."""
    low, high = points.min(0), points.max(0)
    segments = 24
    theta = np.linspace(-1.35, 1.35, segments + 1)
    width, depth = (high[0] - low[0]) / 2 * 0.86, (high[2] - low[2]) * TEETH_BACK
    out = np.column_stack([np.sin(theta), np.cos(theta)])
    thickness = 0.005
    outer = np.column_stack([width * out[:, 0], low[2] + depth * out[:, 1]])
    inner = np.column_stack([(width - thickness) * out[:, 0], low[2] + (depth - thickness) * out[:, 1]])
    edge, root = (low[1], high[1]) if upper else (high[1], low[1])
    profile = [(outer, edge), (outer, root), (inner, root), (inner, edge)]
    vertices = np.stack([np.column_stack([p[:, 0], np.full(len(p), y), p[:, 1]]) for p, y in profile], 1)
    number = np.arange(4 * (segments + 1)).reshape(-1, 4)
    quads = [number[0], number[-1][::-1]]
    square = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], float)
    uv = [square + [-1.5, 1.5], square + [segments + 0.5, 1.5]]
    for s in range(segments):
        for k in range(4):
            n = (k + 1) % 4
            quads.append([number[s, k], number[s + 1, k], number[s + 1, n], number[s, n]])
            uv.append(square + [s, k])
    quads, uv = np.array(quads), np.array(uv)
    return vertices.reshape(-1, 3), quads if upper else quads[:, ::-1], uv if upper else (uv * [1, -1])[:, ::-1]


class _Half:
    """The left half of the skin while it grows: places on the surface, and vertices that hang from them."""

    def __init__(self, surface):
        self.source = SourceHalf(surface)
        self.cage = cage()
        self.number, quads, corners, weights = lay(self.cage, self.source)
        self.names = [None] * len(self.number)
        for name, i in self.number.items():
            self.names[i] = name
        places = np.einsum("pc,pcd->pd", weights, self.source.mean[corners])
        self.position, self.anchor = list(places), list(range(len(places)))
        self.corners, self.weights = list(corners), list(weights)
        self.follow = [1.0] * len(places)
        self.quads = [list(q) for q in quads]
        self.groups = {"eyelids": [], "sockets": [], "lips": [], "mouth_bag": [], "neck": []}

    def hang(self, name, base, position, share):
        """A vertex at `position` that moves with the surface under `base`, `share` of it for expressions."""
        self.names.append(name)
        self.position.append(position)
        self.anchor.append(self.anchor[base])
        self.corners.append(self.corners[base])
        self.weights.append(self.weights[base])
        self.follow.append(share)
        return len(self.names) - 1

    def strip(self, outer, inner, closed):
        for k in range(len(outer) if closed else len(outer) - 1):
            n = (k + 1) % len(outer)
            self.quads.append([outer[k], outer[n], inner[n], inner[k]])

    def grow_neck(self):
        base_row = [self.number["grid", i, 0] for i in range(COLUMNS + 1)]
        previous = base_row
        for r in range(1, NECK_ROWS + 1):
            row = []
            for i, b in enumerate(base_row):
                drop = (self.position[b][1] - NECK_PLANE) * r / NECK_ROWS
                lower = self.position[b] - [0, drop, NECK_SLOPE * drop]
                row.append(self.hang(("neck", i, r), b, lower, 1 - r / NECK_ROWS))
            self.strip(row, previous, False)
            self.groups["neck"] += row
            previous = row

    def grow_lids(self, centre, radius):
        """The thickness of the lids, and behind them a socket that closes around the back of the eyeball."""
        edge = [self.number[name] for name in self.cage.blocks["eye"][-1]]
        previous = edge
        # thinner towards the corners, where upper and lower lid would cut into one another
        _, _, columns, rows, _ = EYE
        opposite = (2 * (2 * columns + rows + rows // 2) - np.arange(len(edge))) % len(edge)
        places = np.array([self.position[i] for i in edge])
        thick = np.clip(0.2 + np.linalg.norm(places - places[opposite], axis=1) / LID_FULL_OPENING, 0, 1)
        self.groups["eyelids"] += [self.number[name] for ring in self.cage.blocks["eye"][-LID_RINGS:] for name in ring]
        for depth, share in zip(LID_DEPTHS, (1.0, 0.6), strict=True):
            ring = []
            for k, b in enumerate(edge):
                deeper = self.position[b] - [0, 0, depth * thick[k]] - centre
                length = np.linalg.norm(deeper)
                deeper *= max(1.0, (radius + 0.0004) / length)
                ring.append(self.hang(("lid", depth, k), b, centre + deeper, share))
            self.strip(previous, ring, True)
            self.groups["eyelids"] += ring
            previous = ring
        around = np.array([self.position[i] for i in previous]) - centre
        azimuth = np.unwrap(np.arctan2(around[:, 1], around[:, 0]))
        even = azimuth[0] + (azimuth[-1] - azimuth[0]) * np.arange(len(edge)) / (len(edge) - 1)
        for r, (polar, share) in enumerate(SOCKET):
            turn = (1 - share) * azimuth + share * even
            places = np.column_stack([np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn)])
            ring = []
            for k, b in enumerate(edge):
                place = centre + (radius + SOCKET_GAP) * np.array([*places[k], np.cos(polar)])
                ring.append(self.hang(("socket", r, k), b, place, 0.0))
            self.strip(previous, ring, True)
            self.groups["sockets"] += ring
            previous = ring
        wall = {b: previous[k] for k, b in enumerate(_border(0, 0, columns, rows))}
        inside = [(i, j) for i in range(1, columns) for j in range(1, rows)]
        for i, j in inside:
            below, above = self.position[wall[i, 0]], self.position[wall[i, rows]]
            place = below + (above - below) * j / rows - centre
            place = centre + (radius + SOCKET_GAP) * place / np.linalg.norm(place)
            wall[i, j] = self.hang(("socket", "back", i, j), edge[0], place, 0.0)
            self.groups["sockets"].append(wall[i, j])
        for i in range(columns):
            for j in range(rows):
                self.quads.append([wall[i, j], wall[i + 1, j], wall[i + 1, j + 1], wall[i, j + 1]])

    def grow_mouth(self):
        lips = [self.number[name] for name in self.cage.blocks["mouth"][-1]]
        self.groups["lips"] += [self.number[name] for ring in self.cage.blocks["mouth"][-LIP_RINGS:] for name in ring]
        for lower, upper in zip(lips[: len(lips) // 2], lips[: len(lips) // 2 : -1], strict=True):
            meeting = (self.position[lower] + self.position[upper]) / 2  # the source's lips stand a little apart
            for lip in (lower, upper):
                self.position[lip] = self.position[lip] + 0.95 * (meeting - self.position[lip])
        middle = (self.position[lips[0]] + self.position[lips[-1]]) / 2
        previous = lips
        for r, (depth, opening, narrow) in enumerate(BAG):
            ring = []
            for k, b in enumerate(lips):
                lip = self.position[b]
                rise = -np.cos(np.pi * k / (len(lips) - 1)) * opening
                inner = np.array([lip[0] * narrow, middle[1] + (lip[1] - middle[1]) * narrow + rise, lip[2] - depth])
                ring.append(self.hang(("bag", r, k), b, inner, 1 - 0.1 * r))
            self.strip(previous, ring, False)
            self.groups["mouth_bag"] += ring
            previous = ring
        _, _, columns, rows, _ = MOUTH
        wall = {b: previous[k] for k, b in enumerate(_border(0, 0, columns, rows)[: len(previous)])}
        for i in range(columns):
            low, high = wall[i, 0], wall[i, rows]
            for j in range(1, rows):
                share = j / rows
                at = (1 - share) * self.position[low] + share * self.position[high]
                wall[i, j] = self.hang(("wall", i, j), low if share < 0.5 else high, at, 0.5)
                self.groups["mouth_bag"].append(wall[i, j])
        for i in range(columns):
            for j in range(rows):
                self.quads.append([wall[i, j], wall[i + 1, j], wall[i + 1, j + 1], wall[i, j + 1]])

    def middle(self):
        """Which vertices lie on the plane of symmetry (V,)."""
        start, lips, upper, crown, back, _ = _boundary_names(self.cage)
        on_middle = {*start, lips[0], lips[-1], *upper, *crown, *back}
        last = len(lips) - 1
        return np.array(
            [
                name in on_middle
                or (name[0] == "neck" and name[1] in (0, COLUMNS))
                or (name[0] == "bag" and name[2] in (0, last))
                or (name[0] == "wall" and name[1] == 0)
                for name in self.names
            ]
        )


def eyeball(surface, source):
    """Centre (3,) and radius of the left eyeball: behind the eyelid's edge everywhere."""
    mean = surface["mean"].astype(float)
    centre = mean[surface["part"] == "eye_left"].mean(0)
    radius = np.linalg.norm(mean[source.eye] - centre, axis=1).min() - LID_GAP
    return centre, radius


def build(surface):
    """The Template on a surface (arrays of `work/head_surface.npz`)."""
    half = _Half(surface)
    centre, radius = eyeball(surface, half.source)
    half.grow_neck()
    half.grow_lids(centre, radius)
    half.grow_mouth()
    ear = [half.number[n] for ring in half.cage.blocks["ear"][1:] for n in ring]
    half.groups["ears"] = ear + [i for n, i in half.number.items() if n[:2] == ("ear", "inside")]
    nostril = [half.number[n] for ring in half.cage.blocks["nostril"] for n in ring]
    half.groups["nostrils"] = nostril + [i for n, i in half.number.items() if n[:2] == ("nostril", "inside")]
    middle = half.middle()

    position = np.array(half.position)
    position[middle, 0] = 0
    corners, weights = np.array(half.corners), np.array(half.weights)
    offset = position - np.einsum("pc,pcd->pd", weights, half.source.mean[corners])
    count = len(position)
    twin = np.full(count, -1)  # number of the mirrored vertex
    twin[middle] = np.flatnonzero(middle)
    twin[~middle] = count + np.arange((~middle).sum())
    left_quads = np.array(half.quads)
    quads = np.concatenate([left_quads, twin[left_quads][:, ::-1]])
    flip = np.array([-1.0, 1, 1])
    corners = np.concatenate([corners, surface["mirror"][corners[~middle]]])
    weights = np.concatenate([weights, weights[~middle]])
    offset = np.concatenate([offset, offset[~middle] * flip])
    follow = np.array(half.follow)
    follow = np.concatenate([follow, follow[~middle]])
    skin_count = len(corners)
    groups = {"skin": np.arange(skin_count)}
    for name, members in half.groups.items():
        members = np.array(members)
        if name in ("eyelids", "sockets", "ears", "nostrils"):
            singular = name[:-1]
            groups[f"{singular}_left"], groups[f"{singular}_right"] = members, twin[members]
        else:
            groups[name] = np.unique(np.concatenate([members, twin[members]]))
    bag = np.zeros(skin_count, bool)
    bag[groups["mouth_bag"]] = True
    material = np.where(bag[quads].all(1), "mouth", "skin").astype("<U8")
    uv = _skin_uv(half, left_quads, position)

    template = [corners, weights, offset, follow, np.full(skin_count, "skin", "<U12"), quads, material, uv]
    for part, (points, part_quads, names, part_uv) in _rigid_parts(surface, centre, radius).items():
        first = len(template[0])
        anchor = np.flatnonzero(surface["part"] == part)[0]
        places = [
            np.full((len(points), 3), anchor),
            np.tile([1.0, 0, 0], (len(points), 1)),
            points - surface["mean"][anchor],
            np.ones(len(points)),
            np.full(len(points), part, "<U12"),
            part_quads + first,
            names,
            part_uv,
        ]
        template = [np.concatenate([a, b]) for a, b in zip(template, places, strict=True)]
        groups[part] = first + np.arange(len(points))
    corners, weights, offset, follow, part, quads, material, uv = template
    return Template(corners, weights, offset, follow, part, quads, material, groups, uv)


def _rigid_parts(surface, centre, radius):
    """Eyeballs, teeth and tongue: name -> (points, quads, material per quad, uv (F, 4, 2))."""
    mean = surface["mean"].astype(float)
    unit, quads, polar = ball(BALL_RINGS)
    bulge = 1 + CORNEA / radius * (1 - smooth_step(polar, 0.2, 0.55))
    inner = polar[quads].mean(1)
    materials = np.select([inner < PUPIL, inner < IRIS], ["pupil", "iris"], "sclera").astype("<U8")
    left = centre + unit * (radius * bulge)[:, None]
    disks = _two_disks(unit, quads, polar)
    mirrored = (disks * [-1, 1])[:, ::-1]
    parts = {
        "eye_left": (left, quads, materials, _boxed(disks, PART_BOXES["eye_left"])),
        "eye_right": (left * [-1, 1, 1], quads[:, ::-1], materials, _boxed(mirrored, PART_BOXES["eye_right"])),
    }
    for name, upper in (("teeth_upper", True), ("teeth_lower", False)):
        points, bar, flat = band(upper, mean[surface["part"] == name])
        parts[name] = (points, bar, np.full(len(bar), "teeth", "<U8"), _boxed(flat, PART_BOXES[name]))
    tongue = mean[surface["part"] == "tongue"]
    low, high = tongue.min(0), tongue.max(0)
    unit, quads, polar = ball((0.3, 0.6, 0.9, 1.25, 1.6, 1.95, 2.3, 2.7), 4)
    points = (low + high) / 2 + unit * (high - low) / 2 * [1, 0.75, 1]
    flat = _boxed(_two_disks(unit, quads, polar), PART_BOXES["tongue"])
    parts["tongue"] = (points, quads, np.full(len(quads), "tongue", "<U8"), flat)
    return parts


def _two_disks(unit, quads, polar):
    """UV (F, 4, 2) of a ball's quads: its front half as a disk, its back half as another to the right."""
    direction = unit[:, :2] / np.maximum(np.hypot(unit[:, 0], unit[:, 1]), 1e-9)[:, None]
    front = (polar[quads].mean(1) < np.pi / 2)[:, None, None]
    behind = direction * (np.pi - polar)[:, None] * [-1, 1] + [3.6, 0]
    return np.where(front, (direction * polar[:, None])[quads], behind[quads])


def _boxed(uv, box):
    """UV (F, 4, 2) moved into a box (left, low, width, height) by one scale."""
    return _fit(uv.reshape(-1, 2), slice(None), box).reshape(uv.shape)


def _island(points, quads, boundary, scale, straight=0, membrane=(), rounds=ARAP_ROUNDS):
    """A flat map (N, 2) of the vertices in `quads` (zeros elsewhere): `boundary` goes around it, its first `straight`
    vertices lie on u = 0 at first, those in the middle of the head for good; `scale` (N,) is the size wanted at each
    vertex; `membrane` is a list of (triangle, its corners in space) that keep a slit open."""
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    used, packed = np.unique(triangles, return_inverse=True)
    packed = packed.reshape(triangles.shape)
    number = np.full(len(points), -1)
    number[used] = np.arange(len(used))
    places = points[used]
    # holes are closed by a vertex in their middle, for the first map only
    edges = {(t[k], t[(k + 1) % 3]) for t in packed.tolist() for k in range(3)}
    following = {b: a for a, b in edges if (b, a) not in edges}
    around = number[boundary]
    fans, hubs = [], []
    open_edges = set(following) - set(around.tolist())
    while open_edges:
        loop = [open_edges.pop()]
        while (after := following[loop[-1]]) != loop[0]:
            loop.append(after)
            open_edges.discard(after)
        hub = len(used) + len(hubs)
        hubs.append(places[loop].mean(0))
        fans += [[loop[k], loop[(k + 1) % len(loop)], hub] for k in range(len(loop))]
    length = np.linalg.norm(places[around] - places[np.roll(around, -1)], axis=1)
    arc = np.concatenate([[0], np.cumsum(length)[:-1]])
    border = np.empty((len(around), 2))
    if straight:
        top = arc[straight - 1]
        border[:straight] = np.column_stack([np.zeros(straight), -1 + 2 * arc[:straight] / top])
        angle = np.pi / 2 - np.pi * (arc[straight:] - top) / (length.sum() - top)
    else:
        angle = -2 * np.pi * arc / length.sum()
    border[straight:] = np.column_stack([np.cos(angle), np.sin(angle)])
    whole = np.vstack([places, *([hubs] if hubs else [])])
    flat = tutte(whole, np.concatenate([packed, np.array(fans, int).reshape(-1, 3)]), around, border)[: len(used)]
    a, b, c = (places[packed[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2
    flat *= np.sqrt(area / np.abs(signed_area(flat, packed)).sum())
    size = scale[used][packed].mean(1)
    on_axis = around[:straight][np.abs(places[around[:straight], 0]) < 1e-6]
    films = number[np.array([triangle for triangle, _ in membrane], int).reshape(-1, 3)]
    shapes = np.concatenate([places[packed], np.array([shape for _, shape in membrane]).reshape(-1, 3, 3)])
    size = np.append(size, scale[used][films].mean(1))
    flat = as_rigid_as_possible(shapes, np.concatenate([packed, films]), flat, size, on_axis, rounds)
    if signed_area(flat, packed).sum() < 0:
        flat[:, 1] *= -1
    both = number[np.concatenate([quads[:, corners] for corners in ((0, 1, 2), (0, 2, 3), (0, 1, 3), (1, 2, 3))])]
    flat = untangled(flat, both, on_axis)  # whichever way a quad is halved
    print(f"island of {len(quads)} quads: {(signed_area(flat, packed) <= 0).sum()} triangles turned over")
    out = np.zeros((len(points), 2))
    out[used] = flat
    return out


def _fit(flat, used, box):
    """Moves a flat map into a box (left, low, width, height) by one scale; used: its vertices."""
    low, high = flat[used].min(0), flat[used].max(0)
    scale = min(box[2:] / (high - low))
    return (flat - (low + high) / 2) * scale + np.array(box[:2]) + np.array(box[2:]) / 2


def _film(position, low, up, across, opening):
    """Triangles between the lower and the upper edge of a slit, with the shapes they had if it were an ellipse of
    height `opening`: the flat map is to keep it open. `across`: 0 in the slit's middle, +-1 in its corners."""
    away = np.sqrt(np.maximum(1 - np.square(across), 0))[:, None] * [0, opening / 2, 0]
    lower, upper = position[low] - away, position[up] + away
    film = []
    for k in range(len(low) - 1):
        corners = [(low[k], lower[k]), (low[k + 1], lower[k + 1]), (up[k + 1], upper[k + 1]), (up[k], upper[k])]
        for triangle in (corners[:3], [corners[0], *corners[2:]]):
            if len({i for i, _ in triangle}) == 3:
                film.append(([i for i, _ in triangle], [p for _, p in triangle]))
    return film


def _skin_uv(half, left_quads, position):
    """UV (F, 4, 2) of the left and then the right half of the skin, every island as rigid as possible.

    Seams: up the back and over the crown, around the ears' base, inside the lips and inside the lids' edge.
    """
    names = half.names
    number = {name: i for i, name in enumerate(names)}
    ear_ring = {i for ring in half.cage.blocks["ear"] for i in (number[n] for n in ring)}
    ear = {i for i, n in enumerate(names) if n[:2] == ("ear", "inside")} | ear_ring
    inner = {kind: {i for i, n in enumerate(names) if n[0] in kind} for kind in (("bag", "wall"), ("lid", "socket"))}
    bag, socket = inner.values()
    kind = np.array(
        [
            "bag" if bag & {*q} else "socket" if socket & {*q} else "ear" if {*q} <= ear else "face"
            for q in left_quads.tolist()
        ]
    )
    start, lips, upper, crown, back, _ = _boundary_names(half.cage)
    front = [("neck", 0, r) for r in range(NECK_ROWS, 0, -1)] + start + lips + upper
    rest = crown + back + [("neck", COLUMNS, r) for r in range(1, NECK_ROWS + 1)]
    rest += [("neck", i, NECK_ROWS) for i in range(COLUMNS - 1, 0, -1)]
    boundary = np.array([number[n] for n in front + rest])
    uv = np.zeros((len(left_quads), 4, 2))

    def place(name, flat, box):
        chosen = kind == name
        uv[chosen] = _fit(flat, np.unique(left_quads[chosen]), box)[left_quads[chosen]]

    quads = {name: left_quads[kind == name] for name in ("face", "ear", "bag", "socket")}
    before = smooth_step(position[:, 2], *FACE_DEPTHS) * smooth_step(position[:, 1], *FACE_HEIGHTS)
    scale = 1 + (FACE_SCALE - 1) * before
    lip = [number[n] for n in lips]
    half_way = len(lip) // 2 + 1
    film = _film(position, lip[:half_way], lip[: -half_way - 1 : -1], np.linspace(0, 1, half_way), MOUTH_OPEN)
    _, _, columns, rows, _ = EYE
    lid = np.roll([number[n] for n in half.cage.blocks["eye"][-1]], -(2 * columns + rows + rows // 2))
    half_way = len(lid) // 2 + 1
    film += _film(position, lid[:half_way], np.roll(lid, -1)[::-1][:half_way], np.linspace(-1, 1, half_way), EYE_OPEN)
    flat = _island(position, quads["face"], boundary, scale, len(front), film)
    used = np.unique(quads["face"])
    box = MAIN_BOX
    size = min(box[2] / 2 / flat[used, 0].max(), box[3] / np.ptp(flat[used, 1]))
    flat = flat * size + [0.5, box[1] + box[3] / 2 - size * (flat[used, 1].min() + flat[used, 1].max()) / 2]
    uv[kind == "face"] = flat[quads["face"]]
    even = np.ones(len(position))
    ring = np.array([number[n] for n in half.cage.blocks["ear"][0]])
    place("ear", _island(position, quads["ear"], ring, even), EAR_BOX)
    ring = np.array([number[n] for n in half.cage.blocks["eye"][-1]])
    place("socket", _island(position, quads["socket"], ring, even), SOCKET_BOX)
    count = len(lips)
    axis = [lips[-1]] + [("bag", r, count - 1) for r in range(len(BAG))]
    axis += [("wall", 0, j) for j in range(MOUTH[3] - 1, 0, -1)] + [("bag", r, 0) for r in range(len(BAG) - 1, -1, -1)]
    ring = np.array([number[n] for n in [*axis, *lips[:-1]]])
    flat = _island(position, quads["bag"], ring, even, len(axis) + 1, rounds=0)
    used = np.unique(quads["bag"])
    left, low, width, height = BAG_BOX
    size = min(width / 2 / flat[used, 0].max(), height / np.ptp(flat[used, 1]))
    flat = (flat - [0, flat[used, 1].min()]) * size + [left + width / 2, low]
    uv[kind == "bag"] = flat[quads["bag"]]
    # the right half mirrors the left; what is not symmetric about the middle of the map has a place of its own
    other = uv[:, ::-1].copy()
    middle = np.where(kind == "bag", left + width / 2, 0.5)[:, None]
    other[..., 0] = 2 * middle - other[..., 0]
    return np.concatenate([uv, other])


def main():
    surface = dict(np.load(sources.WORK / "head_surface.npz"))
    template = build(surface)
    data = {name: getattr(template, name) for name in template.__dataclass_fields__ if name != "group"}
    data |= {f"group_{name}": members for name, members in template.group.items()}
    np.savez(sources.WORK / "template.npz", **data)
    valence = np.bincount(
        np.unique(
            np.sort(np.concatenate([template.quads[:, [k, (k + 1) % 4]] for k in range(4)]), axis=1), axis=0
        ).ravel()
    )
    print(
        f"{len(template.corners)} vertices, {len(template.quads)} quads; vertices by valence: "
        f"{dict(enumerate(np.bincount(valence)))}"
    )


if __name__ == "__main__":
    main()
