"""Poses under weak perspective, and their angles.

A pose is a 3x4 matrix from model metres to crop pixels, x right, y up: a rotation times one scale, and a shift.
"""

import numpy as np


def decompose(matrix):
    """Scale, rotation (3, 3) and shift (3,) of a regressed pose (3, 4): the nearest proper rotation to its rows."""
    matrix = np.asarray(matrix, float)
    u, s, vt = np.linalg.svd(matrix[:, :3])
    sign = np.array([1, 1, np.sign(np.linalg.det(u @ vt))])
    return float((s * sign).sum() / 3), (u * sign) @ vt, matrix[:, 3]


def angles(rotation):
    """yaw, pitch, roll in degrees of R = Rx(pitch) Ry(yaw) Rz(roll), as 300W-LP and AFLW2000-3D count them."""
    return tuple(float(angle) for angle in angles_of_many(np.asarray(rotation)[None])[0])


def similarity(points, targets, weights=None):
    """Scale, rotation (3, 3) and shift (3,) that best carry points (N, 3) on to targets, all alike or by weights (N,)
    (Umeyama, 1991)."""
    w = np.full(len(points), 1 / len(points)) if weights is None else weights / weights.sum()
    middle, wanted = w @ points, w @ targets
    a, b = points - middle, targets - wanted
    u, s, vt = np.linalg.svd((b * w[:, None]).T @ a)
    sign = np.array([1, 1, np.sign(np.linalg.det(u @ vt))])
    rotation = (u * sign) @ vt
    scale = (s * sign).sum() / (w @ (a**2).sum(1))
    return scale, rotation, wanted - scale * rotation @ middle


def nearest_rotations(matrices):
    """The nearest proper rotations (B, 3, 3) to poses (B, 3, 4), as `decompose` finds one."""
    u, _, vt = np.linalg.svd(np.asarray(matrices, float)[:, :, :3])
    sign = np.ones((len(u), 1, 3))
    sign[:, 0, 2] = np.sign(np.linalg.det(u @ vt))
    return (u * sign) @ vt


def angles_of_many(rotations):
    """`angles` of rotations (B, 3, 3): (B, 3)."""
    yaw = -np.arcsin(np.clip(rotations[:, 0, 2], -1, 1))
    pitch = np.arctan2(rotations[:, 1, 2], rotations[:, 2, 2])
    roll = np.arctan2(rotations[:, 0, 1], rotations[:, 0, 0])
    return np.degrees(np.stack([yaw, pitch, roll], 1))


def matrix(yaw, pitch, roll):
    """The rotation (3, 3) of yaw, pitch, roll in degrees: the inverse of `angles`."""
    a, b, c = np.radians([pitch, yaw, roll])
    rx = np.array([[1, 0, 0], [0, np.cos(a), np.sin(a)], [0, -np.sin(a), np.cos(a)]])
    ry = np.array([[np.cos(b), 0, -np.sin(b)], [0, 1, 0], [np.sin(b), 0, np.cos(b)]])
    rz = np.array([[np.cos(c), np.sin(c), 0], [-np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return rx @ ry @ rz


def turn(vector):
    """The rotation (3, 3) about a vector (3,) by its length in radians (Rodrigues)."""
    angle = np.linalg.norm(vector)
    x, y, z = vector / max(angle, 1e-12)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def to_picture(points, scale, rotation, centre):
    """Model-frame points (N, 3) in picture pixels under weak perspective: x right, y down, z towards the viewer."""
    turned = points @ (scale * rotation.T) * [1, -1, 1]
    turned[:, :2] += centre
    return turned
