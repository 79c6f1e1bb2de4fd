"""Beards of every kind drawn on faces laid flat, for `training.train_beard` to learn where they are.

Full, boxed, about the chin, on the lip or as stubble; of dark, brown, red, fair and grey hair, lit as the skin is; and
what is to be told from them, shadows above all. Nothing of it is traced from a photo.
"""

import cv2
import numpy as np

from synergy_blender.face import beard
from training.laid_faces import FINER

KINDS = {"full": 0.35, "boxed": 0.15, "chin": 0.2, "lip": 0.1, "curtain": 0.05, "stubble": 0.15}
# of hair: dark, brown, red, fair, grey and white: colours sRGB, how often, and the spread of their logarithms
HAIR = np.array([[28, 24, 22], [75, 52, 38], [120, 68, 38], [150, 115, 75], [140, 138, 135], [215, 212, 206]])
SHARES, SPREAD = (0.34, 0.18, 0.08, 0.1, 0.13, 0.17), (0.3, 0.07)
TONES, PARTS = 8, 4  # different tones of strands, and straight parts of each
PIXEL = (beard.GRID.down + beard.GRID.right) / 2 / FINER  # metres, about
# where the cheeks' edge of a beard runs: across and up, metres
EDGE = ((0, 0.02, 0.032, 0.05, 0.075, 0.1, 0.115), (-0.083, -0.08, -0.062, -0.056, -0.044, -0.016, 0.015))
LIP = ((0, 0.006, 0.018, 0.03, 0.036), (-0.0495, -0.0485, -0.051, -0.06, -0.072))  # a moustache's upper edge
MOUTH = 0.0265, 0.0095, -0.0665  # half its width, half its height, and where it is
CHIN = 0.026, 0.036  # half the width of a beard about the chin, metres, at least and at most


def noise(rng, shape, cells):
    """Smooth noise (H, W) of deviation 1, so many cells along the longer side."""
    small = rng.normal(0, 1, (max(2, cells * shape[0] // shape[1]), cells)).astype(np.float32)
    return cv2.resize(small, shape[::-1], interpolation=cv2.INTER_CUBIC)


def _grows(rng, kind, across, up):
    """How thickly (H, W) 0..1 a beard of a kind grows at places of a face, metres."""
    ragged = 0.0015 * noise(rng, up.shape, 40) + 0.002 * noise(rng, up.shape, 12)
    soft = np.exp(rng.uniform(np.log(0.0006), np.log(0.004)))
    across, up = across + rng.normal(0, 0.0015), (up + rng.normal(0, 0.002)) * np.exp(rng.normal(0, 0.03))
    side = np.abs(across)

    def inside(distance):
        return 1 / (1 + np.exp(-((distance + ragged) / soft).clip(-30, 30)))

    lower = -0.119 + rng.uniform(-0.02, 0.012)
    edge = np.interp(side, *EDGE).astype(np.float32) + rng.normal(0, 0.004)
    if kind == "boxed":
        edge = edge - rng.uniform(0.004, 0.014)
    below = inside(np.minimum(edge - up, up - lower))
    if kind in ("chin", "lip"):
        below = below * inside(rng.uniform(*CHIN) - side)
    if kind in ("full", "boxed", "stubble") and rng.random() < 0.4:  # without sideburns
        below = below * inside(rng.uniform(-0.06, -0.02) - up)
    half, high, middle = MOUTH
    lips = 1 / (1 + np.exp(-(((side / half) ** 2 + ((up - middle) / high) ** 2 - 1) / 0.2).clip(-30, 30)))
    patch = 0.0
    if kind != "lip" and rng.random() < 0.7:
        patch = inside(np.minimum(rng.uniform(0.003, 0.01) - side, -0.076 - up)) * (up > -0.09)
    lip = 0.0
    if kind == "lip" or (kind != "curtain" and rng.random() < 0.85):
        top = np.interp(side, *LIP).astype(np.float32)
        lip = inside(np.minimum(np.minimum(top - up, up + 0.075), rng.uniform(0.022, 0.036) - side))
        if rng.random() < 0.25:  # a gap below the nose
            lip = lip * inside(side - rng.uniform(0.001, 0.005))
    found = np.maximum(np.maximum(lip, patch), below if kind != "lip" else 0)
    thin = np.clip(1 + rng.uniform(0, 0.5) * noise(rng, up.shape, 10), 0, 1)
    return (found * lips * thin).astype(np.float32)


def _strands(rng, grows, across, long, curled):
    """Strands where a beard grows (H, W): the tone of each (H, W), -1 to 1, and how far they cover it (H, W)."""
    height = len(grows)
    wanted = rng.uniform(0.02, 0.08)
    row, column = np.nonzero(rng.random(grows.shape) < wanted * grows**1.5)
    start = np.stack([column, row], 1).astype(np.float32)
    side = across[row, column]
    on_lip = np.exp(-(((row - 0.41 * height) / (0.05 * height)) ** 2))
    lean = 1.1 * np.sign(side) * on_lip * (np.abs(side) > 0.002) + rng.normal(0, 3) * side
    turn = lean + rng.normal(0, 0.25 + 0.6 * curled, len(row))
    length = long / PIXEL * np.exp(rng.normal(0, 0.3, len(row))) / PARTS
    lines = [start]
    for _ in range(PARTS):
        step = length[:, None] * np.stack([np.sin(turn), np.cos(turn)], 1)
        lines.append(lines[-1] + step)
        turn = turn + rng.normal(0, 0.1 + 1.2 * curled, len(row))
    lines = np.round(np.stack(lines, 1) * 8).astype(np.int32)
    tone, cover = np.zeros(grows.shape, np.float32), np.zeros(grows.shape, np.uint8)
    thick = int(rng.choice([1, 1, 2]))
    group = rng.integers(TONES, size=len(lines))
    for k in range(TONES):
        some = list(lines[group == k])
        cv2.polylines(tone, some, False, 2 * k / (TONES - 1) - 1, thick, shift=3)
        cv2.polylines(cover, some, False, 255, thick, cv2.LINE_AA, shift=3)
    return tone, cover.astype(np.float32) / 255


def draw(rng, picture, across, up):
    """A face laid flat (H, W, 3) float32 with a beard on it, and how far (H, W) 0..1 that covers it."""
    kind = rng.choice([*KINDS], p=[*KINDS.values()])
    grows = _grows(rng, kind, across, up)
    small = cv2.resize(picture, None, fx=0.125, fy=0.125, interpolation=cv2.INTER_AREA).mean(2)
    light = cv2.resize(cv2.GaussianBlur(small, (0, 0), 1.5), up.shape[::-1], interpolation=cv2.INTER_LINEAR) / 150
    base = HAIR[rng.choice(len(HAIR), p=SHARES)] * np.exp(rng.normal(0, SPREAD[0]) + rng.normal(0, SPREAD[1], 3))
    if kind == "stubble":
        long, opaque, under = rng.uniform(0.0006, 0.0025), rng.uniform(0.3, 0.8), rng.uniform(0.12, 0.5)
    else:
        long = np.exp(rng.uniform(np.log(0.003), np.log(0.016)))
        opaque, under = rng.uniform(0.7, 1), 1 - 0.6 * rng.uniform(0, 1) ** 1.5
    curled = rng.uniform(0, 1) ** 1.5
    tone, strands = _strands(rng, grows, across, long, curled)
    cover = np.maximum(under * grows, opaque * strands)
    locks = rng.uniform(0, 0.4) * noise(rng, up.shape, int(rng.integers(20, 60)))
    log = rng.uniform(0.1, 0.55) * tone * (strands > 0) + locks - rng.uniform(0, 0.5) * (strands == 0)
    colour = np.exp(log)[..., None] * base.astype(np.float32) * light[..., None] ** np.float32(rng.uniform(0.6, 1.1))
    drawn = picture + cover[..., None] * (colour.clip(0, 255) - picture)
    return drawn.clip(0, 255).astype(np.float32), cv2.GaussianBlur(cover, (0, 0), 2)


def shadow(rng, picture, across, up):
    """A face laid flat (H, W, 3) float32 with shadows on it: of light from one side, below the jaw, of anything."""
    dark = np.zeros(up.shape, np.float32)
    for _ in range(rng.integers(1, 3)):
        kind = rng.random()
        if kind < 0.4:  # from one side on
            distance = rng.choice([-1, 1]) * across - rng.uniform(-0.02, 0.09) + rng.uniform(-0.6, 0.6) * up
        elif kind < 0.7:  # below the jaw
            distance = np.interp(np.abs(across), (0, 0.03, 0.09), (-0.105, -0.1, -0.07)) - up + rng.normal(0, 0.01)
        else:
            distance = 0.015 * noise(rng, up.shape, int(rng.integers(4, 14))) - rng.uniform(0, 0.012)
        distance = distance + 0.002 * noise(rng, up.shape, 16)
        soft = np.exp(rng.uniform(np.log(0.0008), np.log(0.02)))
        dark = np.maximum(dark, rng.uniform(0.1, 1.4) / (1 + np.exp(-(distance / soft).clip(-30, 30))))
    tint = rng.normal(0, 0.08, 3) * rng.uniform(0, 1)
    return (picture * np.exp(-dark[..., None] * (1 + tint))).astype(np.float32)
