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

from training import sources
from training.expressions import smooth_step

COLUMNS = 34  # from the front midline to the back midline
CAP = (9, 16)  # half width and depth of the crown's grid: twice the first plus the second is COLUMNS
ROWS = 41
# first column, first row, columns, rows, rings
MOUTH = (0, 12, 7, 6, 7)
EYE = (3, 28, 8, 6, 6)
EAR = (17, 22, 5, 10, 9)
# Rows of the front and the back midline that lie at a known height (metres, or the surface's own curve)
EAR_MARGIN = 1.25
NECK_ROWS, NECK_PLANE, NECK_SLOPE = 5, -0.165, 0.45  # rows added below, height of the end (metres), backwards per down
FRONT_ROWS = {12: -0.092, 18: -0.0495, 31: 0.0, 41: 0.08}
BACK_ROWS = {41: 0.055, 31: 0.0, 18: -0.06}
FACE_EDGE, BACK_EDGE = 1.0, 2.2  # relative edge lengths wanted on the face and at the back


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
    for block, (column, row, columns, rows, _) in {"mouth": MOUTH, "eye": EYE, "ear": EAR}.items():
        cells = {(column + i, row + j) for i in range(columns) for j in range(rows)}
        assert not cut & cells, f"the {block} block overlaps another"
        cut |= cells
    for i in range(COLUMNS):
        for j in range(ROWS):
            if (i, j) not in cut:
                grid.quads.append((name(i, j), name(i + 1, j), name(i + 1, j + 1), name(i, j + 1)))

    for block, (column, row, columns, rows, rings) in {"mouth": MOUTH, "eye": EYE, "ear": EAR}.items():
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
        if block == "ear":
            inner = {b: ring_names[-1][k] for k, b in enumerate(border)}
            for i in range(columns):
                for j in range(rows):
                    corners = [(column + i + a, row + j + b) for a, b in ((0, 0), (1, 0), (1, 1), (0, 1))]
                    grid.quads.append(tuple(inner.get(c, ("ear", "inside", *c)) for c in corners))

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
        fan = np.array([[eye[k], eye[(k + 1) % len(eye)], -1] for k in range(len(eye))])
        normal = np.cross(mean[eye[1]] - mean[eye[0]], mean[eye].mean(0) - mean[eye[0]])
        if normal[2] < 0:
            fan = fan[:, [1, 0, 2]]
        self.triangles = np.concatenate([half[:, [0, 1, 2]], half[:, [0, 2, 3]]])
        # the ear's outline from the side, an ellipse a little larger than what stands off the head
        off = (mean[:, 0] > mean[:, 0].max() - 0.011) & (np.abs(mean[:, 1]) < 0.06)
        low, high = mean[off][:, 1:].min(0), mean[off][:, 1:].max(0)
        self.ear_radius = np.linalg.norm((mean[:, 1:] - (low + high) / 2) / ((high - low) / 2 * EAR_MARGIN), axis=1)
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
        from scipy.spatial import cKDTree

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
        rows, columns, weights = _mean_value_weights(points, triangles)
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


def _mean_value_weights(points, triangles):
    rows, columns, weights = [], [], []
    for k in range(3):
        i, j, k2 = (triangles[:, (k + s) % 3] for s in range(3))
        u, v = points[j] - points[i], points[k2] - points[i]
        lu, lv = np.linalg.norm(u, axis=1), np.linalg.norm(v, axis=1)
        cosine = np.clip((u * v).sum(1) / (lu * lv), -1, 1)
        half = np.tan(np.arccos(cosine) / 2)
        rows += [i, i]
        columns += [j, k2]
        weights += [half / lu, half / lv]
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(weights)


def _boundary_names(grid):
    """The cage's border in the order of SourceHalf.boundary: up the face, over the crown, down, round the neck."""
    rings = grid.blocks["mouth"]
    last = len(rings[0]) - 1
    names = [("grid", 0, j) for j in range(MOUTH[1])] + [ring[0] for ring in rings[:-1]]
    lips = rings[-1]
    upper = [ring[last] for ring in rings[-2::-1]] + [("grid", 0, j) for j in range(MOUTH[1] + MOUTH[3] + 1, ROWS + 1)]
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
    under_nose = first_upper + int(np.argmin(np.abs(curve[first_upper:nose, 1] - FRONT_ROWS[18])))
    keys = {start[0]: 0.0, lips[0]: mouth_arc[0], lips[-1]: mouth_arc[-1], lips[len(lips) // 2]: corner}
    keys[("grid", 0, 12)] = height(FRONT_ROWS[12], 5, last_lower)
    keys[("grid", 0, 18)] = arc[under_nose]
    keys[("grid", 0, 31)] = height(FRONT_ROWS[31], nose, top)
    keys[("grid", 0, ROWS)] = height(FRONT_ROWS[41], nose, top)
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


def _pin_ear(grid, half):
    """Chart points of the ear block's border: the ear's outline, met along rays from its middle in the chart."""
    _, _, columns, rows, _ = EAR
    outside = half.used[:-1]
    middle = half.chart[half.number[outside[(half.ear_radius[outside] < 0.5) & (half.mean[outside, 0] > 0.05)]]].mean(0)
    radii = np.geomspace(1e-4, 0.5, 500)
    pins = {}
    contour = []
    offsets = np.array(_border(0, 0, columns, rows), float) - [columns / 2, rows / 2]
    for across, up in offsets / [columns, rows]:
        direction = np.array([-up, across])
        direction /= np.linalg.norm(direction)
        corners, w = half.locate(middle + radii[:, None] * direction)
        along = (half.ear_radius[corners] * w).sum(1)
        contour.append(np.log(radii[np.flatnonzero(along < 1)[-1]]))
    contour = np.array(contour)
    for _ in range(3):
        contour = (np.roll(contour, 1) + contour + np.roll(contour, -1)) / 3
    for name, (across, up), radius in zip(
        grid.blocks["ear"][0], offsets / [columns, rows], np.exp(contour), strict=True
    ):
        direction = np.array([-up, across])
        pins[name] = middle + radius * direction / np.linalg.norm(direction)
    return pins


def wanted_edge(points):
    """Relative edge length wanted at points (P, 3)."""
    return FACE_EDGE + (BACK_EDGE - FACE_EDGE) * smooth_step(-points[:, 2], 0.0, 0.1)


def lay(grid, half, rounds=60):
    """Relax the cage in the chart until its edges are even in 3D; returns names' numbers, quads, corners, weights."""
    number, quads = grid.numbered()
    edges = np.unique(np.sort(np.concatenate([quads[:, [k, (k + 1) % 4]] for k in range(4)]), axis=1), axis=0)
    chart = np.zeros((len(number), 2))
    arcs = _pin_boundary(grid, half)
    pinned = {name: half.boundary_point([arc])[0] for name, arc in arcs.items()}
    pinned |= _pin_eye(grid, half)
    pinned |= _pin_ear(grid, half)
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
        corners, bary = half.locate(chart)
        points = np.einsum("pc,pcd->pd", bary, half.mean[corners])
        length = np.linalg.norm(points[a] - points[b], axis=1) / wanted_edge((points[a] + points[b]) / 2)
        flat = np.linalg.norm(chart[a] - chart[b], axis=1)
        tension = (length / flat) ** 2 * (length / length.mean()) ** 0.7
        tension = np.clip(tension / np.median(tension), 1e-7, 1e7)
        weights = tension if turn == 0 else np.exp(0.5 * np.log(weights) + 0.5 * np.log(tension))
    return number, quads, corners, bary


# Depth behind the lips, opening and narrowing of the rings of the mouth's bag (metres, metres, share of the width)
BAG = [(0.002, 0.0004, 1.0), (0.006, 0.004, 0.98), (0.014, 0.010, 0.92), (0.027, 0.013, 0.8), (0.040, 0.010, 0.55)]
TEETH_BACK = 0.93  # the source's teeth touch the lips
LID_GAP = 0.0004  # metres between the eyeball and the nearest point of the eyelid's edge
LID_DEPTHS = (0.0022, 0.006)  # how far the rings inside the eyelids' edge lie behind it
# Polar angles of the eyeball's rings, in radians from its front, and what lies inside them
PUPIL, IRIS = 0.14, 0.40
BALL_RINGS = (PUPIL, 0.23, 0.32, IRIS, 0.46, 0.62, 0.85, 1.1, 1.4, 1.8, 2.2, 2.6)
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
    for s in range(segments):
        for k in range(4):
            n = (k + 1) % 4
            quads.append([number[s, k], number[s + 1, k], number[s + 1, n], number[s, n]])
    quads = np.array(quads)
    return vertices.reshape(-1, 3), quads if upper else quads[:, ::-1]


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
        self.groups = {"eyelids": [], "mouth_bag": [], "neck": []}

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
        edge = [self.number[name] for name in self.cage.blocks["eye"][-1]]
        previous = edge
        self.groups["eyelids"] += edge
        for depth, share in zip(LID_DEPTHS, (1.0, 0.6), strict=True):
            ring = []
            for k, b in enumerate(edge):
                deeper = self.position[b] - [0, 0, depth] - centre
                length = np.linalg.norm(deeper)
                deeper *= max(1.0, (radius + 0.0004) / length)
                ring.append(self.hang(("lid", depth, k), b, centre + deeper, share))
            self.strip(previous, ring, True)
            self.groups["eyelids"] += ring
            previous = ring

    def grow_mouth(self):
        lips = [self.number[name] for name in self.cage.blocks["mouth"][-1]]
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
        """Which vertices lie on the plane of symmetry, and which of those on the back seam."""
        start, lips, upper, crown, back, _ = _boundary_names(self.cage)
        seam_names = {*crown, *back}
        on_middle = {*start, lips[0], lips[-1], *upper, *seam_names}
        last = len(lips) - 1
        middle, seam = [], []
        for name in self.names:
            back_neck = name[0] == "neck" and name[1] == COLUMNS
            seam.append(name in seam_names or back_neck)
            middle.append(
                name in on_middle
                or back_neck
                or (name[0] == "neck" and name[1] == 0)
                or (name[0] == "bag" and name[2] in (0, last))
                or (name[0] == "wall" and name[1] == 0)
            )
        return np.array(middle), np.array(seam)


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
    middle, seam = half.middle()

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
        if name in ("eyelids", "ears"):
            singular = name[:-1]
            groups[f"{singular}_left"], groups[f"{singular}_right"] = members, twin[members]
        else:
            groups[name] = np.unique(np.concatenate([members, twin[members]]))
    bag = np.zeros(skin_count, bool)
    bag[groups["mouth_bag"]] = True
    material = np.where(bag[quads].all(1), "mouth", "skin").astype("<U8")
    uv = _skin_uv(half, left_quads, twin, seam, np.einsum("pc,pcd->pd", weights, surface["mean"][corners]) + offset)

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
    disk = np.column_stack([unit[:, 0], unit[:, 1]]) / np.maximum(np.hypot(unit[:, 0], unit[:, 1]), 1e-9)[:, None]
    flat = disk * (polar / np.pi)[:, None]

    def island(points, quads, column):
        """UV of a part in one of the small squares along the bottom."""
        box = np.ptp(points, axis=0).max()
        return ((points - points.min(0)) / box * 0.17 + [0.01 + 0.2 * column, 0.01])[quads]

    parts = {"eye_left": (left, quads, materials, island(flat, quads, 0))}
    mirrored = flat * [-1, 1]
    parts["eye_right"] = (left * [-1, 1, 1], quads[:, ::-1], materials, island(mirrored, quads[:, ::-1], 1))
    for column, (name, upper) in enumerate((("teeth_upper", True), ("teeth_lower", False)), 2):
        points, bar = band(upper, mean[surface["part"] == name])
        along = np.repeat(np.linspace(0, 1, len(points) // 4), 4)
        around = np.tile(np.arange(4) / 4 * 0.3, len(points) // 4)
        flat_bar = np.column_stack([along, around])
        parts[name] = (points, bar, np.full(len(bar), "teeth", "<U8"), island(flat_bar, bar, column))
    tongue = mean[surface["part"] == "tongue"]
    low, high = tongue.min(0), tongue.max(0)
    unit, quads, polar = ball((0.3, 0.6, 0.9, 1.25, 1.6, 1.95, 2.3, 2.7), 4)
    points = (low + high) / 2 + unit * (high - low) / 2 * [1, 0.75, 1]
    disk = unit[:, :2] / np.maximum(np.hypot(unit[:, 0], unit[:, 1]), 1e-9)[:, None] * (polar / np.pi)[:, None]
    parts["tongue"] = (points, quads, np.full(len(quads), "tongue", "<U8"), island(disk, quads, 4))
    return parts


def _skin_uv(half, left_quads, twin, seam, points):
    """UV (F, 4, 2) of the skin: one island, cut up the back and over the crown, without overlap (Tutte 1963)."""
    count = len(half.names)
    total = len(points)
    right = twin.copy()
    right[seam] = total + np.flatnonzero(seam)  # the seam's second side
    quads = np.concatenate([left_quads, right[left_quads][:, ::-1]])
    position = np.vstack([points, points[:count]])
    eye = [half.names.index(("lid", LID_DEPTHS[-1], k)) for k in range(2 * (EYE[2] + EYE[3]))]
    fans, centres = [], []
    for side in (eye, [right[i] for i in eye][::-1]):
        centres.append(position[side].mean(0))
        hub = len(position) + len(centres) - 1
        fans += [[side[k], side[(k + 1) % len(side)], hub] for k in range(len(side))]
    position = np.vstack([position, centres])
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]], np.array(fans)])
    used, packed = np.unique(triangles, return_inverse=True)
    number = np.full(len(position), -1)
    number[used] = np.arange(len(used))
    name = {n: i for i, n in enumerate(half.names)}
    low = [name["neck", i, NECK_ROWS] for i in range(COLUMNS + 1)]  # front to back on the left
    up = [name["neck", COLUMNS, r] for r in range(NECK_ROWS - 1, 0, -1)]
    up += [name["grid", COLUMNS, j] for j in range(ROWS + 1)]
    top = [name["cap", 0, j] for j in range(CAP[1] - 1, 0, -1)]
    end = name["grid", 0, ROWS]
    rows, columns, values = _mean_value_weights(position[used], packed.reshape(triangles.shape))
    matrix = coo_matrix((values, (rows, columns)), (len(used),) * 2).tocsr()
    flat = np.zeros((len(used), 2))

    def pin(members, start, stop):
        """Members along a straight border, spread by their length on the head."""
        steps = np.linalg.norm(np.diff(position[members], axis=0), axis=1)
        share = np.concatenate([[0], np.cumsum(steps)]) / steps.sum()
        flat[number[members]] = np.outer(1 - share, start) + np.outer(share, stop)
        return list(members)

    held = pin(low, (0.5, 0.0), (1.0, 0.0)) + pin([right[i] for i in low], (0.5, 0.0), (0.0, 0.0))
    held += pin([low[-1], *up], (1.0, 0.0), (1.0, 1.0)) + pin(
        [right[i] for i in [low[-1], *up]], (0.0, 0.0), (0.0, 1.0)
    )
    held += pin([up[-1], *top, end], (1.0, 1.0), (0.5, 1.0))
    held += pin([right[i] for i in [up[-1], *top]] + [end], (0.0, 1.0), (0.5, 1.0))
    held = np.unique(number[held])
    free = np.setdiff1d(np.arange(len(used)), held)
    degree = np.asarray(matrix.sum(1)).ravel()
    laplacian = coo_matrix((degree, (np.arange(len(used)),) * 2), matrix.shape).tocsr() - matrix
    for d in range(2):
        flat[free, d] = spsolve(laplacian[free][:, free], -laplacian[free][:, held] @ flat[held, d])
    return (flat * [1.0, 0.8] + [0.0, 0.2])[number[quads]]


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
