"""Eyeballs, teeth and tongue: modelled quads with their place in the UV map."""

import numpy as np

from training.expressions import smooth_step

TEETH_BACK = 0.93  # the source's teeth touch the lips
# Polar angles of the eyeball's rings, in radians from its front, and what lies inside them
PUPIL, IRIS = 0.14, 0.40
BALL_RINGS = (PUPIL, 0.23, 0.32, IRIS, 0.46, 0.62, 0.85, 1.1, 1.4, 1.8, 2.2, 2.6)
PART_BOXES = {
    "eye_left": (0.6, 0.08, 0.13, 0.065), "eye_right": (0.27, 0.08, 0.13, 0.065), "tongue": (0.29, 0.01, 0.1, 0.05),
    "teeth_upper": (0.6, 0.045, 0.14, 0.025), "teeth_lower": (0.6, 0.01, 0.14, 0.025),
}  # fmt: skip
CORNEA = 0.0007  # metres the cornea stands off the ball


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


def rigid_parts(surface, centre, radius):
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
    return fit_into(uv.reshape(-1, 2), slice(None), box).reshape(uv.shape)


def fit_into(flat, used, box):
    """Moves a flat map into a box (left, low, width, height) by one scale; used: its vertices."""
    low, high = flat[used].min(0), flat[used].max(0)
    scale = min(box[2:] / (high - low))
    return (flat - (low + high) / 2) * scale + np.array(box[:2]) + np.array(box[2:]) / 2
