"""Flat charts of surfaces: Tutte's embedding never folds, as-rigid-as-possible maps stretch little."""

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import splu, spsolve

ARAP_ROUNDS, UNTANGLE_ROUNDS = 150, 300
SMALLEST_COTANGENT = 0.02  # obtuse triangles would push


def mean_value_weights(points, triangles):
    """Rows, columns and weights of Floater's mean-value coordinates (2003) of every vertex about its neighbours."""
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


def tutte(points, triangles, held, places):
    """Flat places (N, 2) of a disk (N, 3): `held` vertices at `places`, the others at means of their neighbours."""
    rows, columns, weights = mean_value_weights(points, triangles)
    matrix = coo_matrix((weights, (rows, columns)), (len(points),) * 2).tocsr()
    degree = np.asarray(matrix.sum(1)).ravel()
    laplacian = coo_matrix((degree, (np.arange(len(points)),) * 2), matrix.shape).tocsr() - matrix
    free = np.setdiff1d(np.arange(len(points)), held)
    flat = np.zeros((len(points), 2))
    flat[held] = places
    for axis in range(2):
        flat[free, axis] = spsolve(laplacian[free][:, free], -laplacian[free][:, held] @ flat[held, axis])
    return flat


def as_rigid_as_possible(shapes, triangles, flat, scale, on_axis=(), rounds=ARAP_ROUNDS):
    """Flat places (N, 2) in which triangles keep the shape they have in space (Liu et al., 2008), from a first map.

    `shapes` (T, 3, 3) are the corners of every triangle in space, `scale` (T,) multiplies the size that it wants;
    vertices `on_axis` stay on u = 0.
    """
    a, b, c = shapes.transpose(1, 0, 2)
    along = (b - a) / np.linalg.norm(b - a, axis=1, keepdims=True)
    normal = np.cross(b - a, c - a)
    up = np.cross(normal / np.linalg.norm(normal, axis=1, keepdims=True), along)
    local = np.zeros((len(triangles), 3, 2))
    for k, corner in enumerate((a, b, c)):
        local[:, k] = np.stack([((corner - a) * along).sum(1), ((corner - a) * up).sum(1)], 1)
    local *= scale[:, None, None]
    edge = np.stack([local[:, (k + 2) % 3] - local[:, (k + 1) % 3] for k in range(3)], 1)  # opposite corner k
    cotangent = np.stack(
        [
            -(edge[:, (k + 1) % 3] * edge[:, (k + 2) % 3]).sum(1)
            / np.abs(
                edge[:, (k + 1) % 3, 0] * edge[:, (k + 2) % 3, 1] - edge[:, (k + 1) % 3, 1] * edge[:, (k + 2) % 3, 0]
            ).clip(1e-16)
            for k in range(3)
        ],
        1,
    ).clip(SMALLEST_COTANGENT, 20)
    i, j = triangles[:, [1, 2, 0]], triangles[:, [2, 0, 1]]
    count = len(flat)
    weights = coo_matrix(
        (np.r_[cotangent.ravel(), cotangent.ravel()], (np.r_[i.ravel(), j.ravel()], np.r_[j.ravel(), i.ravel()])),
        (count, count),
    ).tocsr()
    laplacian = (
        coo_matrix((np.asarray(weights.sum(1)).ravel(), (np.arange(count),) * 2), weights.shape) - weights
    ).tocsc()
    anchors = [np.asarray(on_axis, int), np.array([on_axis[0] if len(on_axis) else 0])]
    if not len(on_axis):
        anchors[0] = np.array([0])
    free = [np.setdiff1d(np.arange(count), held) for held in anchors]
    solve = [splu(laplacian[rows][:, rows]) for rows in free]
    flat = flat.copy()
    flat[anchors[0], 0] -= flat[anchors[0], 0]
    for _ in range(rounds):
        now = np.stack([flat[j[:, k]] - flat[i[:, k]] for k in range(3)], 1)
        moment = np.einsum("tk,tkd,tke->tde", cotangent, now, edge)
        # the nearest rotation of a 2x2 matrix
        x, y = moment[:, 0, 0] + moment[:, 1, 1], moment[:, 1, 0] - moment[:, 0, 1]
        size = np.hypot(x, y).clip(1e-20)
        cosine, sine = x / size, y / size
        turn = np.stack([np.stack([cosine, -sine], -1), np.stack([sine, cosine], -1)], 1)
        wanted = cotangent[..., None] * np.einsum("tde,tke->tkd", turn, edge)
        right = np.zeros((count, 2))
        for k in range(3):
            np.add.at(right, j[:, k], wanted[:, k])
            np.add.at(right, i[:, k], -wanted[:, k])
        for d in range(2):
            held, rows = anchors[d], free[d]
            flat[rows, d] = solve[d].solve(right[rows, d] - laplacian[rows][:, held] @ flat[held, d])
    return flat


def untangled(flat, triangles, held=(), rounds=UNTANGLE_ROUNDS):
    """A flat map (N, 2) whose triangles that are turned over are smoothed out; vertices on `held` keep their place."""
    flat = flat.copy()
    sides = np.concatenate([triangles[:, [k, (k + 1) % 3]] for k in range(3)])
    matrix = coo_matrix(
        (np.ones(2 * len(sides)), (sides.ravel("F"), sides[:, ::-1].ravel("F"))), (len(flat),) * 2
    ).tocsr()
    matrix.data[:] = 1
    degree = np.asarray(matrix.sum(1))
    for _ in range(rounds):
        turned = signed_area(flat, triangles) <= 0
        if not turned.any():
            break
        rows = np.unique(triangles[turned])
        rows = np.setdiff1d(np.unique(triangles[np.isin(triangles, rows).any(1)]), held)
        flat[rows] = (matrix[rows] @ flat) / degree[rows]
    return flat


def signed_area(flat, triangles):
    """Areas (T,) of a flat map's triangles, negative where they are turned over."""
    a, b, c = (flat[triangles[:, k]] for k in range(3))
    return ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2
