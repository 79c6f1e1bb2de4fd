"""What hides a face that is laid flat, drawn for `training.train_cover` to learn where it is.

Hair that hangs over forehead and cheeks: fringes, hair swept across, single locks, curtains at the sides, straight to
curled, of the face's own colour or another, with the shadow it throws; hats and bands; fingers and other things.
Nothing is traced from another photo.
"""

from functools import lru_cache

import cv2
import numpy as np

from synergy_blender.face import cover
from synergy_blender.face.texels import texels_of
from training.beards import HAIR, SHARES, noise
from training.laid_faces import FINER
from training.skin_model import plain_surface

PIXEL = (cover.GRID.down + cover.GRID.right) / 2 / FINER  # metres, about
STYLES = {"fringe": 0.24, "swept": 0.26, "locks": 0.26, "curtains": 0.24}
SPREAD = (0.3, 0.08)  # of the logarithm of hair's brightness and colour
OWN = 0.65  # share of the hair that has the colour of what the face shows above the forehead
CROWN = (0.068, 0.092, 0.06)  # metres up, from and to, and to both sides, where that is
# share of the hair that is what is seen there, drawn down; by how much that is unlike the cheeks at least (log)
DRAWN_DOWN, HAIR_UNLIKE = 0.5, 0.35
TONES, PARTS = 8, 16  # different tones of strands, and straight parts of each
HAIRLINE = (0, 0.03, 0.055, 0.075, 0.09, 0.112), (0.062, 0.06, 0.052, 0.036, 0.02, 0.014)  # metres across and up
DEEP = 0.12, 0.35  # by how much (log) a shadow is darker that is a little, and surely, deep
TINTS = 50, 235  # of 255, of hats and things: what is black about the head is rather hair


@lru_cache(maxsize=1)
def grows():
    """How far (H, W) 0..1 hair grows at a picture's pixels: there it hides nothing."""
    texels = texels_of(1024, plain_surface())
    rows = np.arange(len(texels.at))
    hairy, _ = cover.GRID.laid(rows, texels.hairy[rows, None], texels)
    return cv2.resize(hairy[..., 0].astype(np.float32), None, fx=FINER, fy=FINER, interpolation=cv2.INTER_LINEAR)


def _roots(rng, style):
    """Where locks of hair begin (n, 2), metres across and up, the angle (n,) in which they leave, from downwards to the
    subject's left, and how long they are (n,)."""
    if style == "fringe":
        count = int(rng.integers(15, 60))
        half = rng.uniform(0.03, 0.085)
        across = rng.uniform(-half, half, count) + rng.normal(0, 0.01)
        angle = rng.normal(0, 0.25) + across * rng.normal(0, 6) + rng.normal(0, 0.1, count)
        end = rng.uniform(0.0, 0.045) + rng.normal(0, rng.uniform(0.001, 0.01), count)
    elif style == "swept":
        count = int(rng.integers(10, 50))
        side = rng.choice([-1, 1])
        parting = -side * rng.uniform(-0.01, 0.06)
        across = parting + side * rng.uniform(0, rng.uniform(0.01, 0.08), count)
        angle = side * rng.uniform(0.4, 1.35) + rng.normal(0, 0.12, count)
        end = rng.uniform(-0.01, 0.05) + rng.normal(0, 0.008, count)
    elif style == "locks":
        count = int(rng.integers(1, 7))
        across = rng.uniform(-0.09, 0.09, count)
        angle = rng.normal(0, 0.5, count) - 3 * across
        end = rng.uniform(-0.07, 0.05, count)
    else:
        count = int(rng.integers(4, 30))
        sides = rng.choice([-1, 1], count) if rng.random() < 0.6 else np.full(count, rng.choice([-1, 1]))
        across = sides * (rng.uniform(0.045, 0.1) + rng.normal(0, rng.uniform(0.002, 0.015), count))
        angle = sides * rng.normal(0.05, 0.2) + rng.normal(0, 0.08, count)
        end = rng.uniform(-0.13, -0.01) + rng.normal(0, 0.02, count)
    root = np.interp(np.abs(across), *HAIRLINE) + rng.uniform(0, 0.02, count)
    length = np.maximum(root - end, 0.006) / np.cos(np.clip(np.abs(angle) * 0.6, 0, 1.2))
    return np.stack([across, root], 1), angle, length


def _strands(rng, style):
    """Strands of hair (n, PARTS + 1, 2), metres across and up, of locks that narrow towards their ends."""
    root, angle, length = _roots(rng, style)
    each = int(rng.integers(10, 45))
    wide = np.exp(rng.uniform(np.log(0.0015), np.log(0.009 if style == "locks" else 0.012), len(root)))
    root, angle, length, wide = (np.repeat(v, each, axis=0) for v in (root, angle, length, wide))
    count = len(root)
    beside = np.clip(rng.normal(0, 0.45, count), -1.2, 1.2) * wide
    length = length * np.exp(rng.normal(0, 0.12, count))
    curl, turns = rng.uniform(0, 1) ** 2 * 1.3, rng.uniform(0.4, 2.6)
    phase = np.repeat(rng.uniform(0, 2 * np.pi, count // each), each) + rng.normal(0, 0.2, count)
    falls = rng.uniform(0.2, 0.9)
    loose = rng.uniform(0, 0.15) + 0.3 * curl
    point, lines = root.copy(), []
    for k in range(PARTS + 1):
        share = k / PARTS
        narrow = beside * (1 - rng.uniform(0.5, 0.95) * share**1.5)
        across = np.stack([np.cos(angle), np.sin(angle)], 1)
        lines.append(point + narrow[:, None] * across)
        turn = angle * (1 - falls * share) + curl * np.sin(phase + turns * 2 * np.pi * share)
        step = length[:, None] / PARTS * np.stack([np.sin(turn), -np.cos(turn)], 1)
        point = point + step + rng.normal(0, loose * 0.0015, (count, 2))
    return np.stack(lines, 1)


def _drawn(rng, lines, shape):
    """The tone (H, W), -1 to 1, of strands (n, PARTS + 1, 2) in metres, and how far they cover a picture (H, W)."""
    grid = cover.GRID
    pixels = (lines * [1, -1] + [-grid.left, grid.top]) / [grid.right / FINER, grid.down / FINER]
    pixels = np.round(pixels * 8).astype(np.int32)
    tone, covered = np.zeros(shape, np.float32), np.zeros(shape, np.uint8)
    thick = int(rng.choice([1, 1, 2, 3]))
    group = rng.integers(TONES, size=len(lines))
    for k in range(TONES):
        some = list(pixels[group == k])
        cv2.polylines(tone, some, False, 2 * k / (TONES - 1) - 1, thick, cv2.LINE_8, 3)
        cv2.polylines(covered, some, False, 255, thick, cv2.LINE_AA, 3)
    return tone, covered.astype(np.float32) / 255


def _hair_colour(rng, picture, across, up):
    """A colour (3,) of hair, often that of what a face laid flat shows above the forehead."""
    if rng.random() < OWN:
        low, high, half = CROWN
        crown = picture[(up > low) & (up < high) & (np.abs(across) < half)]
        return np.median(crown, axis=0) * np.exp(rng.normal(0, 0.1))
    return HAIR[rng.choice(len(HAIR), p=SHARES)] * np.exp(rng.normal(0, SPREAD[0]) + rng.normal(0, SPREAD[1], 3))


def _drawn_down(rng, picture, across, up):
    """What a face laid flat shows above the forehead, drawn down over the face (H, W, 3), or None where that is hardly
    hair: it is as bright as the cheeks."""
    low, high, half = CROWN
    crown = picture[(up > low) & (up < high) & (np.abs(across) < half)]
    cheeks = picture[(up < -0.015) & (up > -0.045) & (np.abs(across) < 0.045)]
    tones = (np.log(np.maximum(np.median(one, axis=0), 4)) for one in (crown, cheeks))
    if np.abs(np.subtract(*tones)).max() < HAIR_UNLIKE:
        return None
    low, end = low - rng.uniform(0, 0.01), rng.uniform(-0.04, 0.04)
    from_up = low + (up - end).clip(0) / (low - end) * (high - low)
    rows = (cover.GRID.top - from_up) / cover.GRID.down * FINER
    columns = np.arange(up.shape[1]) + rng.uniform(0, 12) * noise(rng, up.shape, int(rng.integers(4, 20)))
    at = columns.astype(np.float32), rows.astype(np.float32)
    return cv2.remap(picture, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def dyed(rng, picture, across, up):
    """A face laid flat (H, W, 3) float32 whose hair, where it grows, is of another colour: that hides nothing."""
    cheeks = picture[(up < -0.015) & (up > -0.045) & (np.abs(across) < 0.045)]
    off = np.log(np.maximum(picture, 4)) - np.log(np.maximum(np.median(cheeks, axis=0), 4))
    hair = cv2.GaussianBlur((np.abs(off).max(2) > HAIR_UNLIKE).astype(np.float32), (0, 0), 2) * grows()
    dye = rng.normal(0, 0.35) + rng.normal(0, 0.45, 3)
    return (picture * np.exp(hair[..., None] * dye)).clip(0, 255).astype(np.float32)


def _light_on(picture):
    """How bright a picture (H, W, 3) is around every pixel, over its mean (H, W, 1)."""
    small = cv2.resize(picture, None, fx=0.125, fy=0.125, interpolation=cv2.INTER_AREA).mean(2)
    light = cv2.resize(cv2.GaussianBlur(small, (0, 0), 3), picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return (light / max(light.mean(), 1))[..., None]


def _shaded(rng, picture, covered, most):
    """A picture with the shadow on it of what will cover it (H, W), and how far (H, W) 0..1 that is too deep to
    tell skin from it."""
    soft = np.exp(rng.uniform(np.log(1.5), np.log(12)))
    move = np.float32([[1, 0, rng.normal(0, 4)], [0, 1, rng.uniform(0, 9)]])
    dark = rng.uniform(0, most) * cv2.GaussianBlur(cv2.warpAffine(covered, move, covered.shape[::-1]), (0, 0), soft)
    shaded = picture * np.exp(-dark[..., None] * (1 + rng.normal(0, 0.06, 3))).astype(np.float32)
    return shaded, np.clip((dark - DEEP[0]) / (DEEP[1] - DEEP[0]), 0, 1)


def hair(rng, picture, across, up):
    """A face laid flat (H, W, 3) float32 with hair over it, and how far (H, W) 0..1 that covers skin."""
    colour = _hair_colour(rng, picture, across, up)
    style = rng.choice([*STYLES], p=[*STYLES.values()])
    tone, strands = _drawn(rng, _strands(rng, style), up.shape)
    dense = cv2.GaussianBlur(strands, (0, 0), 1.5)
    under = rng.uniform(0, 1) * np.clip(2 * dense - 0.6, 0, 1)
    covered = np.maximum(rng.uniform(0.7, 1) * strands, under)
    picture, deep = _shaded(rng, picture, covered, 0.9)
    log = rng.uniform(0.05, 0.5) * tone * (strands > 0) - rng.uniform(0, 0.6) * (strands == 0)
    log = log + rng.uniform(0, 0.35) * noise(rng, up.shape, int(rng.integers(6, 40)))
    own = _drawn_down(rng, picture, across, up) if rng.random() < DRAWN_DOWN else None
    if own is None:
        lit = np.exp(log)[..., None] * colour * _light_on(picture) ** rng.uniform(0.3, 1.1)
    else:
        lit = np.exp(rng.uniform(0.1, 0.7) * log + rng.normal(0, 0.15))[..., None] * own
    if rng.random() < 0.4:  # soft hair, or out of focus
        soft = rng.uniform(0.6, 2.5)
        covered, lit = cv2.GaussianBlur(covered, (0, 0), soft), cv2.GaussianBlur(lit, (0, 0), soft)
    covered = covered * rng.uniform(0.6, 1)
    drawn = picture + covered[..., None] * (lit.clip(0, 255) - picture)
    hidden = np.maximum(np.maximum(covered, deep), 0.9 * np.clip(2 * dense - 0.6, 0, 1))
    return drawn.astype(np.float32), hidden * (1 - grows())


def _stuff(rng, shape):
    """How bright (H, W), as a logarithm, some cloth or thing is: plain, knitted, striped or blotched."""
    log = rng.uniform(0, 0.25) * noise(rng, shape, int(rng.integers(3, 12)))
    if rng.random() < 0.5:
        y, x = np.mgrid[: shape[0], : shape[1]]
        turn, period = rng.uniform(0, np.pi), np.exp(rng.uniform(np.log(3), np.log(40)))
        log = log + rng.uniform(0.05, 0.5) * np.sin((x * np.cos(turn) + y * np.sin(turn)) * 2 * np.pi / period)
    if rng.random() < 0.4:
        log = log + rng.uniform(0, 0.3) * noise(rng, shape, int(rng.integers(30, 120)))
    return log.astype(np.float32)


def hat(rng, picture, across, up):
    """A face laid flat (H, W, 3) float32 with a hat or a band about it, and how far (H, W) 0..1 that covers it."""
    edge = rng.uniform(0.012, 0.08) + rng.normal(0, 0.12) * across + rng.normal(0, 1.5) * across**2
    edge = edge - rng.uniform(0, 0.02) * np.clip(np.abs(across) / 0.09, 0, 1.2) ** 2
    edge = edge + rng.uniform(0, 0.002) * noise(rng, up.shape, 12)
    soft = np.exp(rng.uniform(np.log(0.0004), np.log(0.002)))
    covered = 1 / (1 + np.exp(-((up - edge) / soft).clip(-30, 30)))
    if rng.random() < 0.3:  # a band
        covered = covered / (1 + np.exp(((up - edge - rng.uniform(0.008, 0.045)) / soft).clip(-30, 30)))
    covered = covered.astype(np.float32)
    picture, deep = _shaded(rng, picture, covered, 1.2)
    if rng.random() < 0.35:  # a brim throws a shadow farther down
        reach = rng.uniform(0.01, 0.06)
        dark = 1 / (1 + np.exp(-((up - edge + reach) / rng.uniform(0.001, 0.012)).clip(-30, 30)))
        picture = picture * np.exp(-rng.uniform(0.2, 1.2) * dark)[..., None]
    colour = rng.uniform(*TINTS) * np.exp(rng.normal(0, rng.choice([0.03, 0.25, 0.5]), 3))
    log = _stuff(rng, up.shape) - rng.uniform(0, 0.5) * np.abs(across) / 0.1
    log = log + rng.normal(0, 0.3) * np.exp(-(((up - edge) / rng.uniform(0.002, 0.01)) ** 2))  # a hem
    lit = np.exp(log)[..., None] * colour * _light_on(picture) ** rng.uniform(0, 0.8)
    drawn = picture + covered[..., None] * (lit.clip(0, 255) - picture)
    return drawn.astype(np.float32), np.maximum(covered, deep)


def thing(rng, picture, across, up):
    """A face laid flat (H, W, 3) float32 with fingers, or another thing, before it, and how far (H, W) 0..1 that covers
    it."""
    shape, skin = up.shape, np.median(picture.reshape(-1, 3)[::97], axis=0)
    covered, log = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    fingers = rng.random() < 0.5
    at = np.array([rng.uniform(0, shape[1]), rng.uniform(0.2, 1) * shape[0]])
    turn = rng.uniform(0, 2 * np.pi)
    for k in range(rng.integers(1, 5) if fingers else 1):
        one = np.zeros(shape, np.uint8)
        thick = int(rng.uniform(0.012, 0.02) / PIXEL)
        if fingers:
            begin = at + k * 1.15 * thick * np.array([-np.sin(turn), np.cos(turn)])
            end = begin + rng.uniform(0.04, 0.1) / PIXEL * np.array([np.cos(turn), np.sin(turn)])
            cv2.line(one, begin.astype(int).tolist(), end.astype(int).tolist(), 255, thick)
        else:
            angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(4, 10)))
            radius = rng.uniform(0.01, 0.04) / PIXEL * rng.uniform(0.6, 1.3, len(angles))
            corners = at + radius[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
            cv2.fillPoly(one, [corners.astype(np.int32)], 255)
        one = cv2.GaussianBlur(one, (0, 0), rng.uniform(0.7, 2.5)).astype(np.float32) / 255
        rounded = cv2.GaussianBlur(one, (0, 0), 0.3 * thick)
        log = np.where(one > covered, rng.uniform(0.3, 1.2) * (rounded - 0.8), log)
        covered = np.maximum(covered, one)
    picture, deep = _shaded(rng, picture, covered, 0.9)
    if fingers:
        colour = skin * np.exp(rng.normal(0, 0.2) + rng.normal(0, 0.05, 3))
    else:
        colour = rng.uniform(*TINTS) * np.exp(rng.normal(0, rng.choice([0.03, 0.4]), 3))
        log = log + _stuff(rng, shape)
    lit = np.exp(log)[..., None] * colour
    drawn = picture + covered[..., None] * (lit.clip(0, 255) - picture)
    return drawn.astype(np.float32), np.maximum(covered, deep)


WORN = (hair,), (hair, hair), (hat,), (hair, hat), (thing,)
OFTEN = 0.5, 0.06, 0.2, 0.12, 0.12


def draw(rng, picture, across, up):
    """A face laid flat (H, W, 3) float32 with one or two things over it, and how far (H, W) 0..1 these cover it."""
    kinds = WORN[rng.choice(len(WORN), p=OFTEN)]
    covered = np.zeros(up.shape, np.float32)
    for one in kinds:
        picture, more = one(rng, picture, across, up)
        covered = np.maximum(covered, more)
    return picture, covered
