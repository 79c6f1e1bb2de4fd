"""The pose under a perspective lens of a head whose pose under weak perspective is known."""

import numpy as np

from . import pose

ROUNDS = 12
FILM = 36.0  # millimetres: what focal lengths are given for
NEAREST = 0.2  # metres from the camera to the head's origin


def focal_pixels(millimetres, size):
    """Focal length in pixels of a picture of `size` (width, height) from that on 35 mm film, along the longer side."""
    return millimetres / FILM * max(size)


def perspective_pose(points, pixels, start, focal, middle):
    """Rotation (3, 3) and translation (3,) in metres that carry points (N, 3) in front of a camera which sees them at
    pixels (N, 2), y down, by Gauss-Newton steps on the distances in the picture.

    The camera looks along -z, x right, y up; `focal` in pixels, `middle` (2,) the picture's middle. `start` is a scale
    in pixels per metre, a rotation (3, 3) and a centre (2,) under weak perspective. The head's distance follows from
    its size: at the same size, a shorter lens stands nearer.
    """
    scale, rotation, centre = start
    aside = (np.asarray(centre) - middle) * [1, -1] / scale
    depth = max(focal / scale, NEAREST)
    ray = np.array([*aside, -depth])
    # seen along the ray to its middle, not along the camera's axis, the head is turned by the angle between them
    rotation = _between(np.array([0.0, 0, -1]), ray / np.linalg.norm(ray)) @ rotation
    shift = ray
    wanted = (np.asarray(pixels) - middle) * [1, -1]
    for _ in range(ROUNDS):
        turned = points @ rotation.T
        x, y, z = (turned + shift).T
        z = np.minimum(z, -0.5 * NEAREST)
        left = wanted - focal * np.stack([x, y], 1) / -z[:, None]
        slope = np.zeros((len(points), 2, 3))  # of the pixels by the place in front of the camera
        slope[:, 0, 0] = slope[:, 1, 1] = focal / -z
        slope[:, 0, 2], slope[:, 1, 2] = focal * x / z**2, focal * y / z**2
        spin = np.zeros((len(points), 3, 3))  # of the place by a small turn
        spin[:, 0, 1], spin[:, 0, 2] = turned[:, 2], -turned[:, 1]
        spin[:, 1, 0], spin[:, 1, 2] = -turned[:, 2], turned[:, 0]
        spin[:, 2, 0], spin[:, 2, 1] = turned[:, 1], -turned[:, 0]
        whole = np.concatenate([slope @ spin, slope], 2).reshape(-1, 6)
        step = np.linalg.lstsq(whole, left.ravel(), rcond=None)[0]
        rotation = pose.turn(step[:3]) @ rotation
        shift = shift + step[3:]
        shift[2] = min(shift[2], -NEAREST)
    return rotation, shift


def _between(a, b):
    """The shortest rotation (3, 3) from one unit vector to another."""
    axis, cosine = np.cross(a, b), float(a @ b)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + cross + cross @ cross / (1 + cosine)
