"""Lay the half cage on the half surface: relaxed in the flat chart, then settled on the surface itself."""

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import spsolve
from scipy.spatial import cKDTree

from training.cage import BLOCKS, CHIN_ROW, COLUMNS, EYE, EYES_ROW, ROWS, TIP_ROW, UNDER_NOSE_ROW, boundary_names
from training.expressions import smooth_step
from training.source_half import NESTS

CHIN, UNDER_NOSE, FOREHEAD = -0.092, -0.0495, 0.08  # heights, as is 0 of the eyes
BACK_ROWS = {ROWS: 0.055, EYES_ROW: 0.0, UNDER_NOSE_ROW: -0.06}
FACE_EDGE, BACK_EDGE = 1.0, 2.2  # relative edge lengths wanted on the face and at the back
# the two directions in which nests of loops are seen from outside: right and up
SEEN = {"nostril": ((1, 0, 0), (0, 0, 1)), "ear": ((0, 0, -1), (0, 1, 0))}
SETTLE_ROUNDS, STIFFNESS = 250, 1.5
# edges become this much shorter at a feature's outline, growing to full length at so many metres
FINER = {"eye": (0.35, 0.016), "mouth": (0.4, 0.02), "nostril": (0.45, 0.02)}


def _pin_boundary(grid, half):
    """Arc length of every border vertex: known heights are met, the rest is spread by the wanted edge length."""
    start, lips, upper, crown, back, neck = boundary_names(grid)
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
