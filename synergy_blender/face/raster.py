"""Filling triangles with NumPy: which triangle covers each pixel, and where in it the pixel lies."""

import numpy as np

CANDIDATES = 1_500_000  # pixels looked at together: bounds the memory


def rasterize(points, triangles, width, height, depth=None):
    """Triangle index (H, W) int32, -1 where there is none, and barycentric weights (H, W, 3) float32.

    points (V, 2) in pixels, y down as rows go, pixel (column, row) covering [column, column + 1); triangles (T, 3).
    Where triangles overlap the one with the larger `depth` (V,) wins, or the later one.
    """
    corners = points[triangles].astype(np.float64)
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    whole = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    low = np.clip(np.ceil(corners.min(1) - 0.5), 0, None).astype(np.int64)
    high = np.minimum(np.floor(corners.max(1) - 0.5), [width - 1, height - 1]).astype(np.int64)
    size = np.maximum(high - low + 1, 0)
    rows = np.flatnonzero((size.prod(1) > 0) & (np.abs(whole) > 1e-12))
    index = np.full(height * width, -1, np.int32)
    weights = np.zeros((height * width, 3), np.float32)
    nearest = np.full(height * width, -np.inf) if depth is not None else None
    count = size[rows].prod(1)
    ends = np.cumsum(count)
    start = 0
    while start < len(rows):
        before = ends[start - 1] if start else 0
        stop = max(int(np.searchsorted(ends, before + CANDIDATES)), start + 1)
        chosen, some = rows[start:stop], count[start:stop]
        which = np.repeat(chosen, some)
        number = np.arange(some.sum()) - np.repeat(np.cumsum(some) - some, some)
        columns = size[which, 0]
        x, y = low[which, 0] + number % columns, low[which, 1] + number // columns
        px, py = x + 0.5, y + 0.5
        u = ((b[which, 0] - px) * (c[which, 1] - py) - (b[which, 1] - py) * (c[which, 0] - px)) / whole[which]
        v = ((c[which, 0] - px) * (a[which, 1] - py) - (c[which, 1] - py) * (a[which, 0] - px)) / whole[which]
        inside = (u >= -1e-9) & (v >= -1e-9) & (u + v <= 1 + 1e-9)
        which, at, u, v = which[inside], (y * width + x)[inside], u[inside], v[inside]
        found = np.column_stack([u, v, 1 - u - v])
        if depth is not None:
            here = np.einsum("pc,pc->p", found, depth[triangles[which]])
            order = np.argsort(here, kind="stable")  # of two on one pixel the nearer is written last
            which, at, found, here = which[order], at[order], found[order], here[order]
            nearer = here > nearest[at]
            which, at, found = which[nearer], at[nearer], found[nearer]
            nearest[at] = here[nearer]
        index[at], weights[at] = which, found
        start = stop
    return index.reshape(height, width), weights.reshape(height, width, 3)


def facing(vertices, triangles):
    """Those of triangles (T, 3), anticlockwise seen from outside, whose outside is seen from z = infinity in a picture
    that has vertices (V, 3), y down."""
    a, b, c = (vertices[triangles[:, k], :2] for k in range(3))
    (bx, by), (cx, cy) = (b - a).T, (c - a).T
    return triangles[bx * cy - by * cx < 0]


def vertex_normals(vertices, triangles):
    """Unit normals (V, 3) of vertices (V, 3), weighted by the area of their triangles."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    face = np.cross(b - a, c - a)
    normals = np.zeros(vertices.shape)
    for axis in range(3):
        for k in range(3):
            normals[:, axis] += np.bincount(triangles[:, k], face[:, axis], len(vertices))
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
