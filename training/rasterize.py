"""A small z-buffer rasteriser for the workshop's pictures (Numba, CPU).

Picture frame: x right, y down, z towards the viewer; pixel (column, row) covers [column, column + 1).
"""

import numpy as np
from numba import njit


@njit(cache=True, fastmath=True)
def rasterize(points, triangles, height, width):
    """Nearest triangle and barycentric weights per pixel.

    points (N, 3) in the picture frame, triangles (T, 3). Returns `index` (H, W) int32 (-1 where empty),
    `weights` (H, W, 3) float32 and `depth` (H, W) float32 (-1e30 where empty).
    """
    index = np.full((height, width), -1, np.int32)
    weights = np.zeros((height, width, 3), np.float32)
    depth = np.full((height, width), -1e30, np.float32)
    for t in range(len(triangles)):
        a, b, c = triangles[t]
        xa, ya, za = points[a, 0], points[a, 1], points[a, 2]
        xb, yb, zb = points[b, 0], points[b, 1], points[b, 2]
        xc, yc, zc = points[c, 0], points[c, 1], points[c, 2]
        area = (xb - xa) * (yc - ya) - (xc - xa) * (yb - ya)
        if abs(area) < 1e-12:
            continue
        x0, x1 = max(0, int(np.floor(min(xa, xb, xc)))), min(width - 1, int(np.ceil(max(xa, xb, xc))))
        y0, y1 = max(0, int(np.floor(min(ya, yb, yc)))), min(height - 1, int(np.ceil(max(ya, yb, yc))))
        for row in range(y0, y1 + 1):
            py = row + 0.5
            for column in range(x0, x1 + 1):
                px = column + 0.5
                u = ((xb - px) * (yc - py) - (xc - px) * (yb - py)) / area
                v = ((xc - px) * (ya - py) - (xa - px) * (yc - py)) / area
                w = 1 - u - v
                if u < 0 or v < 0 or w < 0:
                    continue
                z = u * za + v * zb + w * zc
                if z > depth[row, column]:
                    depth[row, column] = z
                    index[row, column] = t
                    weights[row, column, 0] = u
                    weights[row, column, 1] = v
                    weights[row, column, 2] = w
    return index, weights, depth


@njit(cache=True, fastmath=True)
def interpolate_corners(values, index, weights):
    """Per-corner `values` (T, 3, C) at every covered pixel: (H, W, C) float32, zero where empty."""
    height, width = index.shape
    channels = values.shape[2]
    out = np.zeros((height, width, channels), np.float32)
    for row in range(height):
        for column in range(width):
            t = index[row, column]
            if t >= 0:
                for c in range(channels):
                    out[row, column, c] = (
                        weights[row, column, 0] * values[t, 0, c]
                        + weights[row, column, 1] * values[t, 1, c]
                        + weights[row, column, 2] * values[t, 2, c]
                    )
    return out


def interpolate(values, triangles, index, weights):
    """Per-vertex `values` (N, C) at every covered pixel: (H, W, C), zero where empty."""
    return interpolate_corners(np.ascontiguousarray(values[triangles], np.float32), index, weights)


@njit(cache=True, fastmath=True)
def vertex_normals(vertices, triangles):
    """Unit normals (N, 3), area-weighted."""
    normals = np.zeros_like(vertices)
    for t in range(len(triangles)):
        a, b, c = triangles[t]
        ux, uy, uz = vertices[b] - vertices[a]
        vx, vy, vz = vertices[c] - vertices[a]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for k in (a, b, c):
            normals[k, 0] += nx
            normals[k, 1] += ny
            normals[k, 2] += nz
    for i in range(len(normals)):
        size = np.sqrt((normals[i] ** 2).sum())
        if size > 0:
            normals[i] /= size
    return normals


def to_picture(vertices, scale, rotation, centre):
    """Weak perspective: model vertices (N, 3) to the picture frame, `centre` (x, y) in pixels of the origin."""
    turned = vertices @ rotation.T * scale
    return np.stack([centre[0] + turned[:, 0], centre[1] - turned[:, 1], turned[:, 2]], axis=1)
