"""Glasses of every kind drawn on portraits and crops, for `training.train_glasses` to learn where they are and for
SynergyNet to see past them.

Rims whole, half or none, thick and thin, of metal, horn or clear plastic; lenses clear, tinted, dark or mirrored; the
shadows they throw, and what lenses do to the skin behind. Marks of other kinds are to be told from them. All is placed
in the head's frame (metres) and turns with it; nothing of it is traced from a photo.
"""

import cv2
import numpy as np

from training.rasterize import to_picture

AROUND = 60  # points around a lens
FINER = 2  # times, that masks are drawn larger
FAR_SIDE_HIDDEN = 0.8  # radians of yaw beyond which the nose hides the lens that is turned away
PLAIN = 8.0  # of 255, added before logarithms are taken: differences in the dark are not seen


def draw(rng, picture, eyes, scale, rotation, centre):
    """A picture (H, W, 3) float32 with glasses on the face in it, and how surely (H, W) 0..1 each pixel is changed by
    them; `eyes` (2, 3) the eyeballs' centres, the subject's left first."""
    apart, middle = np.linalg.norm(eyes[0] - eyes[1]), eyes.mean(0)
    sides = _lenses(rng, apart, middle)
    turned = [to_picture(lens, scale, rotation, centre)[:, :2] for lens in sides]
    hidden = _hidden(rotation)
    masks = [_filled(picture.shape, lens) * (k != hidden) for k, lens in enumerate(turned)]
    if rng.random() < 0.6:
        picture = _refracted(picture, masks, turned, rng.uniform(0.93, 1.03))
    inside = np.maximum(*masks)
    light = max(0.15, float(np.median(picture[inside > 0.5])) / 150) if inside.any() else 1.0
    haze = (rng.uniform(0, 0.06) * inside)[..., None]
    picture = picture + haze * (light * rng.uniform(150, 255, 3).astype(np.float32) - picture)
    thick = np.exp(rng.uniform(np.log(0.0005), np.log(0.0045), 2))  # of the upper and the lower half of a rim
    kind = rng.choice(["whole", "alike", "half", "none"], p=[0.2, 0.5, 0.15, 0.15])
    if kind == "alike":
        thick[1] = thick[0] * rng.uniform(0.7, 1)
    frame = _frame(rng, picture.shape, sides, middle, thick, kind, scale, rotation, centre)
    colour, share = _lens(rng, masks, light)
    drawn = _shaded(rng, picture, np.maximum(frame, 0.7 * share), scale)
    drawn = drawn + share[..., None] * (colour - drawn)
    opaque = rng.uniform(0.2, 0.6) if kind != "none" and rng.random() < 0.12 else rng.uniform(0.85, 1)
    drawn = drawn + (opaque * frame)[..., None] * (_painted(rng, frame, light) - drawn)
    drawn = drawn.clip(0, 255).astype(np.float32)
    off = np.abs(np.log(drawn + PLAIN) - np.log(picture + PLAIN)).max(2)
    return drawn, np.clip((off - 0.07) / 0.1, 0, 1)


def mark(rng, picture, scale):
    """A picture (H, W, 3) float32 with what is no glasses on it: patches of paint, light or shadow, strands of hair."""
    height, width = picture.shape[:2]
    for _ in range(rng.integers(1, 4)):
        start = rng.uniform(0, [width, height])
        if rng.random() < 0.5:
            size = scale * rng.uniform(0.003, 0.02)
            corners = rng.normal(start, size, (rng.integers(4, 9), 2))
            mask = _filled((height, width), cv2.convexHull(corners.astype(np.float32))[:, 0])
            soft = np.exp(rng.uniform(np.log(0.5), np.log(0.5 * size)))
        else:
            turns = rng.normal(rng.uniform(0, 2 * np.pi), 0.05) + np.cumsum(rng.normal(0, rng.uniform(0.02, 0.3), 30))
            steps = scale * rng.uniform(0.001, 0.003) * np.stack([np.cos(turns), np.sin(turns)], 1)
            thick = scale * rng.uniform(0.0004, 0.002)
            mask = _lined((height, width), [(start + np.cumsum(steps, axis=0), thick, False)])
            soft = rng.uniform(0.3, 1)
        mask = cv2.GaussianBlur(mask, (0, 0), soft)[..., None] * rng.uniform(0.4, 1)
        if rng.random() < 0.5:
            picture = picture * np.exp(mask * (rng.normal(0, 0.5) + rng.normal(0, 0.3, 3))).astype(np.float32)
        else:
            picture = picture + mask * (rng.uniform(0, 255, 3).astype(np.float32) - picture)
    return picture.clip(0, 255).astype(np.float32)


def _lenses(rng, apart, middle):
    """Outlines (AROUND, 3) of both lenses, the subject's left first, counterclockwise from its outer end on."""
    half = apart * rng.uniform([0.36, 0.2], [0.5, 0.42])
    square = rng.uniform(2.0, 5.0)  # exponent of the outline: an ellipse, or nearly a box
    angle = np.linspace(0, 2 * np.pi, AROUND, endpoint=False)
    cosine, sine = np.cos(angle), np.sin(angle)
    radius = (np.abs(cosine) ** square + np.abs(sine) ** square) ** (-1 / square)
    across, up = half[0] * radius * cosine, half[1] * radius * sine
    up *= np.where(up < 0, rng.uniform(0.9, 1.35), 1)  # some hang lower
    across = across + rng.uniform(-0.12, 0.2) * up
    drop = rng.uniform(-0.004, 0.009) + (rng.uniform(0, 0.012) if rng.random() < 0.15 else 0)
    ahead, bend, tilt = rng.uniform(0.017, 0.028), rng.uniform(0.05, 0.2), rng.uniform(0, 0.25)
    spread = apart * rng.uniform(0.5, 0.56)
    lenses = []
    for side in (1, -1):
        lens = np.column_stack([middle[0] + side * (spread + across), middle[1] - drop + up, tilt * up])
        lens[:, 2] += middle[2] + ahead - bend * np.abs(lens[:, 0] - middle[0])
        lenses.append(lens)
    return lenses


def _hidden(rotation):
    """Which lens, 0 the subject's left, is behind the nose, if any."""
    if abs(np.arctan2(rotation[0, 2], rotation[2, 2])) <= FAR_SIDE_HIDDEN:
        return None
    return int(rotation[0, 2] < 0)


def _filled(shape, points):
    """How far (H, W) 0..1 the polygon of points (n, 2) covers each pixel."""
    large = np.zeros((shape[0] * FINER, shape[1] * FINER), np.uint8)
    cv2.fillPoly(large, [np.round(points * FINER).astype(np.int32)], 255)
    return _reduced(large)


def _lined(shape, lines):
    """How far (H, W) 0..1 lines, (points (n, 2), width in pixels, whether closed) each, cover each pixel."""
    large = np.zeros((shape[0] * FINER, shape[1] * FINER), np.uint8)
    for points, width, closed in lines:
        points, width = np.round(points * FINER).astype(np.int32), max(1, round(width * FINER))
        cv2.polylines(large, [points], closed, 255, width, cv2.LINE_AA)
    return _reduced(large)


def _reduced(large):
    """A mask of 0..255 as one of 0..1, `FINER` times smaller."""
    height, width = large.shape
    small = cv2.resize(large, (width // FINER, height // FINER), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) / 255


def _refracted(picture, masks, lenses, ratio):
    """A picture as it is seen through lenses: smaller or larger about the middle of each."""
    row, column = np.indices(picture.shape[:2], np.float32)
    for mask, lens in zip(masks, lenses, strict=True):
        x, y = lens.mean(0)
        inside = mask > 0.5
        column[inside] = x + (column[inside] - x) / ratio
        row[inside] = y + (row[inside] - y) / ratio
    return cv2.remap(picture, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _frame(rng, shape, sides, middle, thick, kind, scale, rotation, centre):
    """How far (H, W) 0..1 rims, bridge and arms cover each pixel."""
    lines = []

    def line(points, width, closed=False):
        lines.append((to_picture(points, scale, rotation, centre)[:, :2], width * scale, closed))

    quarter, hidden = AROUND // 4, _hidden(rotation)
    for k, lens in enumerate(sides):
        if k == hidden:
            continue
        if kind in ("whole", "alike"):
            line(lens, thick[1], True)
        if kind != "none":
            line(lens[: 2 * quarter + 1], thick[0])
        elif rng.random() < 0.7:
            line(lens, 0.0004, True)
    inner = rng.integers(quarter + 4, 2 * quarter + 2)
    ends, bow = [lens[inner] for lens in sides], rng.uniform(-0.001, 0.006)
    arch = np.linspace(0, 1, 9)[:, None]
    bridge = ends[0] * (1 - arch) + ends[1] * arch
    bridge[:, 1] += bow * 4 * (arch * (1 - arch))[:, 0]
    strong = max(thick[0], 0.001) if kind != "none" else rng.uniform(0.0007, 0.002)
    line(bridge, strong * rng.uniform(0.8, 1.3))
    if rng.random() < 0.15:  # a second bar above
        line(bridge + [0, rng.uniform(0.006, 0.011), 0], strong * 0.8)
    if strong < 0.002 and rng.random() < 0.6:  # pads on the nose
        for side in (1, -1):
            top = middle + [side * 0.011, -0.006, 0.017]
            line(np.array([top, top + [side * 0.003, -0.011, -0.002]]), rng.uniform(0.0015, 0.003))
    hinge = rng.integers(1, quarter - 2)
    arm = strong * rng.uniform(0.7, 2.0)
    for side, lens in zip((1, -1), sides, strict=True):
        if side * rotation[0, 2] < 0.15:  # arms show on the side that is turned to the viewer
            ear = [middle[0] + side * rng.uniform(0.068, 0.078), middle[1] + rng.uniform(0, 0.012), -0.072]
            out = lens[hinge] + [side * 0.004, 0, -0.004]
            line(np.array([lens[hinge], out, ear]), arm)
    return _lined(shape, lines)


def _lens(rng, masks, light):
    """Colour (H, W, 3) of what is seen on the lenses, and how far (H, W) it covers what is behind."""
    inside = np.maximum(*masks)
    shape, height = inside.shape, np.arange(len(inside), dtype=np.float32)[:, None]
    kind = rng.choice(["clear", "glare", "tinted", "dark"], p=[0.56, 0.19, 0.1, 0.15])
    colour, share = np.zeros((*shape, 3), np.float32), np.zeros(shape, np.float32)
    if kind in ("tinted", "dark"):
        colour[:] = light * rng.uniform(0, 90 if kind == "tinted" else 50, 3)
        low, high = (0.25, 0.75) if kind == "tinted" else (0.75, 1.0)
        rows = np.flatnonzero(inside.max(1) > 0.5)
        first, last = (rows[0], rows[-1] + 1) if len(rows) else (0, 1)
        at = np.clip((height - first) / max(last - first, 1), 0, 1)
        ends = rng.uniform(low, high, 2)
        share += ends[0] + (ends[1] - ends[0]) * at
    if kind == "glare" or (kind == "dark" and rng.random() < 0.6):  # windows, screens and the sky
        for mask in masks:
            rows, columns = np.nonzero(mask > 0.5)
            if not len(rows):
                continue
            for _ in range(rng.integers(1, 4)):
                k = rng.integers(len(rows))
                size = np.sqrt(len(rows)) * rng.uniform(0.1, 0.8)
                corners = rng.normal([columns[k], rows[k]], size / 2, (4, 2))
                patch = _filled(shape, cv2.convexHull(corners.astype(np.float32))[:, 0])
                patch = cv2.GaussianBlur(patch, (0, 0), rng.uniform(0.3, 4)) * mask * rng.uniform(0.2, 0.9)
                bright = (light * rng.uniform(120, 330, 3)).clip(0, 255)
                colour += patch[..., None] * (bright - colour)
                share = share + patch * (1 - share)
    return colour, share * inside


def _shaded(rng, picture, thrown, scale):
    """A picture in which glasses throw a shadow as far as they cover (H, W) 0..1."""
    if rng.random() < 0.35:
        return picture
    move = np.float32([[1, 0, scale * rng.normal(0, 0.005)], [0, 1, scale * rng.uniform(0.001, 0.014)]])
    shadow = cv2.warpAffine(thrown, move, thrown.shape[::-1])
    shadow = cv2.GaussianBlur(shadow, (0, 0), np.exp(rng.uniform(np.log(0.7), np.log(7))))
    return picture * (1 - shadow[..., None] * rng.uniform(0.1, 0.65) * rng.uniform(0.85, 1, 3).astype(np.float32))


def _painted(rng, frame, light):
    """The colour (H, W, 3) of a frame that covers (H, W) 0..1: dark, of any colour, or of metal, with light on it."""
    kind = rng.choice(["dark", "any", "metal", "horn"], p=[0.5, 0.2, 0.2, 0.1])
    if kind == "dark":
        base = rng.uniform(0, 60) + rng.uniform(-8, 20, 3)
    elif kind == "any":
        base = rng.uniform(10, 230, 3)
    elif kind == "metal":
        base = rng.uniform(70, 200) * np.array([1, rng.uniform(0.8, 1), rng.uniform(0.5, 1)])
    else:
        base = np.array([120, 70, 35]) * rng.uniform(0.5, 1.4)
    colour = np.ones((*frame.shape, 1), np.float32) * np.asarray(base, np.float32)
    noise = rng.normal(0, 1, (24, 24)).astype(np.float32)
    mottle = rng.uniform(0.2, 0.5) if kind == "horn" else rng.uniform(0, 0.12)
    colour *= np.exp(mottle * cv2.resize(noise, frame.shape[::-1], interpolation=cv2.INTER_CUBIC))[..., None]
    round_ = cv2.GaussianBlur(frame, (0, 0), rng.uniform(0.7, 2))
    down, across = np.gradient(round_)
    slope = down * rng.uniform(0, 1) + across * rng.uniform(-0.7, 0.7)
    gloss = rng.uniform(60, 500) if kind == "metal" else rng.uniform(0, 200)
    spots = cv2.resize(rng.uniform(0, 1, (10, 10)).astype(np.float32), frame.shape[::-1]) ** 3
    colour += (gloss * slope)[..., None] + (rng.uniform(0, 220) * (kind == "metal") * spots)[..., None]
    return light * colour.clip(0, 255)
