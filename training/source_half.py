"""The left half of the mean surface as a disk, its feature curves, and a flat chart of it (Tutte 1963)."""

import numpy as np
from matplotlib.tri import Triangulation
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import spsolve
from scipy.spatial import cKDTree

from synergy_blender.face.surface import in_triangles
from training.unwrap import mean_value_weights

# where nested edge loops of the source are (metres), how far their middles may be off, their lengths, which are used
NESTS = {
    "nostril": (np.array([0.0102, -0.0413, 0.0328]), 0.006, (0.018, 0.042), (0, 1, 2)),
    "ear": (np.array([0.0735, -0.0120, -0.0735]), 0.008, (0.040, 0.135), (0, 1, 2, 3, 4, 6, 8, 9, 10)),
}


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
        self.triangles = in_triangles(half)
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
