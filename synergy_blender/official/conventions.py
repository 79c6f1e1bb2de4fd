"""Where the authors' model comes to lie in a crop and in the picture, and how its turn is told: as they do, or right.

`parity` repeats the authors' numbers. `corrected` places points where the picture shows them: the morphable model's
pixels count from 1, crops are cut along whole pixels, and yaw is read off the nearest rotation's right element.
"""

from math import asin, atan2, cos, degrees

import numpy as np

from ..face import pose
from .network import CROP

# by convention, what is added to x, and to y once that runs down
CONVENTIONS = {"corrected": (-0.5, CROP + 0.5), "parity": (0.0, CROP + 1.0)}
DOWN = np.array([1.0, -1.0, 1.0])


def in_crop(points, matrix, convention):
    """Model points (n, 3) in the crop (n, 3) under a pose (3, 4): x right, y down, in pixels."""
    return (points @ matrix[:, :3].T + matrix[:, 3]) * DOWN + [*CONVENTIONS[convention], 0]


def in_picture(points, region):
    """Points (n, 3) of a crop in the picture that a region (x0, y0, x1, y1) of was cut from."""
    scale = np.array([region[2] - region[0], region[3] - region[1]]) / CROP
    return points * [*scale, scale.mean()] + [*region[:2], 0]


def angles(matrices, convention="corrected"):
    """Yaw, pitch and roll in degrees (B, 3) of poses (B, 3, 4)."""
    if convention == "corrected":
        return pose.angles_of_many(pose.nearest_rotations(matrices))
    return np.array([_angles_of_authors(matrix) for matrix in np.asarray(matrices, float)]).reshape(-1, 3)


def _angles_of_authors(matrix):
    first, second = (row[:3] / np.linalg.norm(row[:3]) for row in matrix[:2])
    third = np.cross(first, second)
    if abs(third[0]) == 1:
        turned = atan2(first[1], first[2]) if third[0] == -1 else atan2(-first[1], -first[2])
        return tuple(map(degrees, (-third[0] * np.pi / 2, turned, 0.0)))
    yaw = asin(third[0])
    rest = atan2(second[2] / cos(yaw), third[2] / cos(yaw)), atan2(first[1] / cos(yaw), first[0] / cos(yaw))
    return tuple(map(degrees, (yaw, *rest)))
