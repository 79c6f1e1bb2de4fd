"""Eyeballs, teeth and tongue: modelled quads with their place in the UV map."""

import numpy as np

from training.expressions import smooth_step

TEETH_FORWARD = {True: 0.0024, False: 0.0022}  # metres before the source's, whose lips are 3 mm nearer; upper and lower
# Polar angles of the eyeball's rings, in radians from its front, and what lies inside them
PUPIL, IRIS = 0.14, 0.40
BALL_RINGS = (PUPIL, 0.23, 0.32, IRIS, 0.46, 0.62, 0.85, 1.1, 1.4, 1.8, 2.2, 2.6)
PART_BOXES = {
    "eye_left": (0.581, 0.0765, 0.123, 0.088), "eye_right": (0.296, 0.0765, 0.123, 0.088),
    "tongue": (0.29, 0.01, 0.1, 0.05),
    "teeth_upper": (0.6, 0.045, 0.14, 0.025), "teeth_lower": (0.6, 0.01, 0.14, 0.025),
}  # fmt: skip
IRIS_WIDE, BALL_BACK = 0.62, 0.3  # of an eyeball's front as a disk: its iris, and the size of its back's disk
TONGUE_UP = 0.003  # metres above the source's, which is thicker
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


# Widths of the teeth from the front to the back, mm (Wheeler), and quads across each
TEETH = {True: (8.5, 6.5, 7.5, 7.0, 7.0, 10.0, 10.0), False: (5.3, 5.9, 6.8, 7.0, 7.0, 11.0, 10.5)}
ACROSS = 4
CROWN, GAP, PAPILLA, NOTCH = 0.52, 0.0009, 0.0016, 0.0006  # share of the height; metres: between teeth, of gum, of edge
# Around a row from the gum's outer root over the edge to its inner root: height (0 root, 1 edge), metres outwards
PROFILE = (
    ("gums", 0.0, -0.0015), ("gums", 0.3, 0.0), ("gums", 1 - CROWN - 0.04, -0.0002), ("teeth", 1 - CROWN, -0.0009),
    ("teeth", 0.72, -0.0004), ("teeth", 0.95, -0.0012), ("teeth", 1.0, -0.0018), ("teeth", 0.98, -0.0034),
    ("teeth", 0.7, -0.0055), ("gums", 1 - CROWN, -0.0075), ("gums", 0.25, -0.0085), ("gums", 0.0, -0.0085),
)  # fmt: skip
UPPER_DOWN, LOWER_DOWN = 0.0035, 0.0045  # metres below the source's: smiles show the upper teeth
FULL_ARCH, SQUARE = 1.35, 2.4  # of the superellipse they stand on: radians to the last tooth, exponent


def teeth(upper, points):
    """A row of teeth in its gum that fits the box of `points`: vertices, quads, materials, flat map (F, 4, 2)."""
    low, high = points.min(0), points.max(0)
    width, depth = (high[0] - low[0]) / 2 * 0.86, high[2] - low[2] + TEETH_FORWARD[upper]
    # places along the arch by arc length: every tooth takes its share, and starts and ends with a gap
    fine = np.linspace(0, FULL_ARCH, 400)
    x, z = width * np.sin(fine) ** (2 / SQUARE), depth * np.cos(fine) ** (2 / SQUARE)
    arc = np.concatenate([[0], np.cumsum(np.hypot(np.diff(x), np.diff(z)))])
    ends = np.concatenate([[0], np.cumsum(TEETH[upper])]) / sum(TEETH[upper]) * arc[-1]
    across = (1 - np.cos(np.pi * np.linspace(0, 1, ACROSS + 1))) / 2  # closer together towards the gaps
    half = np.unique(np.concatenate([a + (b - a) * across for a, b in zip(ends, ends[1:], strict=False)]).round(9))
    between = np.isclose(half[:, None], ends).any(1)
    half, between = np.concatenate([-half[:0:-1], half]), np.concatenate([between[:0:-1], between])
    line = np.column_stack([np.sign(half) * np.interp(np.abs(half), arc, x), np.interp(np.abs(half), arc, z)])
    out = np.sign(line) * np.abs(line / [width, depth]) ** (SQUARE - 1) / [width, depth]
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    line += [0, low[2]]
    root, edge = (high[1], low[1] - UPPER_DOWN) if upper else (low[1], high[1] - LOWER_DOWN)
    down = np.sign(edge - root)
    vertices = []
    for k, (material, height, outwards) in enumerate(PROFILE):
        crown = material == "teeth"
        outer = k < len(PROFILE) / 2 + 1
        gap = np.where(between, GAP if crown else GAP / 3, 0) * (1 if outer else -1)
        y = root + (edge - root) * height
        y = y + down * np.where(between, (-NOTCH if height > 0.9 else PAPILLA * (0.3 < height < 0.6)), 0)
        flat = line + out * (outwards - gap)[:, None]
        vertices.append(np.column_stack([flat[:, 0], y + np.zeros(len(flat)), flat[:, 1]]))
    count, rings = len(line), len(PROFILE)
    number = np.arange(count * rings).reshape(count, rings)
    quads, materials, uv = [], [], []
    square = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], float)
    for s in range(count - 1):
        for k in range(rings):
            n = (k + 1) % rings
            quads.append([number[s, k], number[s + 1, k], number[s + 1, n], number[s, n]])
            both = PROFILE[k][0], PROFILE[n][0]
            materials.append("gums" if "gums" in both else "teeth")
            uv.append(square * [1, 1] + [s, k])
    for side, across in ((number[0], 1), (number[-1], -1)):  # the ends: a strip of quads from outside to inside
        for k in range(rings // 2 - 1):
            quads.append([side[k], side[k + 1], side[rings - 2 - k], side[rings - 1 - k]][::across])
            materials.append("gums" if k < 2 else "teeth")
            uv.append((square * [across, 1] + [-1.5 if across > 0 else count + 1.5, k])[::across])
    vertices, quads, uv = np.stack(vertices, 1).reshape(-1, 3), np.array(quads), np.array(uv)
    if upper:  # the lower row's profile runs the other way round
        quads, uv = quads[:, ::-1], (uv * [1, -1])[:, ::-1]
    return vertices, quads, np.array(materials, "<U8"), uv


def tongue_form(unit):
    """A sphere's points (N, 3) as a tongue in the box -1..1: flat, broad up to a blunt tip, with a furrow on top."""
    x, y, z = unit.T
    blunt = (np.abs(x) ** 2.6 + np.abs(z) ** 2.6) / np.maximum(x**2 + z**2, 1e-9)  # a superellipse from above
    grow = np.where(x**2 + z**2 > 0, np.maximum(blunt, 1e-9) ** (-1 / 2.6) * (x**2 + z**2) ** (1 / 2.6 - 0.5), 1)
    round_ = np.hypot(x, z)[:, None]
    flat = np.column_stack([x, z]) * np.clip(grow, 0.8, 1.25)[:, None] * np.where(round_ > 0, 1, 0)
    furrow = 0.16 * np.exp(-((x / 0.16) ** 2)) * smooth_step(y, 0.0, 0.6) * smooth_step(z, -0.5, 0.4)
    return np.column_stack([0.9 * flat[:, 0], 0.5 * y * (1 - 0.25 * smooth_step(z, 0.2, 1)) - furrow, flat[:, 1]])


def rigid_parts(surface, centre, radius):
    """Eyeballs, teeth and tongue: name -> (points, quads, material per quad, uv (F, 4, 2))."""
    mean = surface["mean"].astype(float)
    unit, quads, polar = ball(BALL_RINGS)
    bulge = 1 + CORNEA / radius * (1 - smooth_step(polar, 0.2, 0.55))
    inner = polar[quads].mean(1)
    materials = np.select([inner < PUPIL, inner < IRIS], ["pupil", "iris"], "sclera").astype("<U8")
    left = centre + unit * (radius * bulge)[:, None]
    wide = np.interp(polar, [0, IRIS, np.pi / 2], [0, IRIS_WIDE, 1])  # most of the map is for what is looked at
    disks = _two_disks(unit, quads, polar, wide, BALL_BACK)
    mirrored = (disks * [-1, 1])[:, ::-1]
    parts = {
        "eye_left": (left, quads, materials, _boxed(disks, PART_BOXES["eye_left"])),
        "eye_right": (left * [-1, 1, 1], quads[:, ::-1], materials, _boxed(mirrored, PART_BOXES["eye_right"])),
    }
    for name, upper in (("teeth_upper", True), ("teeth_lower", False)):
        points, row, names, flat = teeth(upper, mean[surface["part"] == name])
        parts[name] = (points, row, names, _boxed(flat, PART_BOXES[name]))
    tongue = mean[surface["part"] == "tongue"]
    low, high = tongue.min(0), tongue.max(0)
    unit, quads, polar = ball((0.3, 0.6, 0.9, 1.25, 1.6, 1.95, 2.3, 2.7), 4)
    points = (low + high) / 2 + tongue_form(unit) * (high - low) / 2 + [0, TONGUE_UP, 0]
    flat = _boxed(_two_disks(unit, quads, polar, polar / (np.pi / 2), 1.0), PART_BOXES["tongue"])
    parts["tongue"] = (points, quads, np.full(len(quads), "tongue", "<U8"), flat)
    return parts


def _two_disks(unit, quads, polar, wide, back):
    """UV (F, 4, 2) of a ball's quads: its front half as a disk on which points lie at `wide` (N,) of its radius, its
    back half as another of radius `back` to the right."""
    direction = unit[:, :2] / np.maximum(np.hypot(unit[:, 0], unit[:, 1]), 1e-9)[:, None]
    front = (polar[quads].mean(1) < np.pi / 2)[:, None, None]
    behind = direction * (back * (np.pi - polar) / (np.pi / 2))[:, None] * [-1, 1] + [1.15 + back * 1.15, 0]
    return np.where(front, (direction * wide[:, None])[quads], behind[quads])


def _boxed(uv, box):
    """UV (F, 4, 2) moved into a box (left, low, width, height) by one scale."""
    return fit_into(uv.reshape(-1, 2), slice(None), box).reshape(uv.shape)


def fit_into(flat, used, box):
    """Moves a flat map into a box (left, low, width, height) by one scale; used: its vertices."""
    low, high = flat[used].min(0), flat[used].max(0)
    scale = min(box[2:] / (high - low))
    return (flat - (low + high) / 2) * scale + np.array(box[:2]) + np.array(box[2:]) / 2
