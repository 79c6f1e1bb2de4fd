"""What people wear or hold before their faces, drawn on rendered crops: glasses, hats and hands.

All are placed in the head's frame (metres) and projected with its pose, so they turn with it; nothing of them is traced
from a photo. The labels stay those of the face behind.
"""

import cv2
import numpy as np

from training.rasterize import to_picture

LENS = 40  # points around a lens


def _blend(picture, mask, colour, share):
    """Cover a picture (H, W, 3) float32 where mask (H, W) 0..255 is set, in place."""
    soft = (cv2.GaussianBlur(mask, (0, 0), 0.7).astype(np.float32) / 255 * share)[..., None]
    picture += soft * (np.asarray(colour, np.float32) - picture)


def glasses(rng, picture, eyes, scale, rotation, centre):
    """Glasses or sunglasses; eyes (2, 3) the eyeballs' centres, subject's left first."""
    apart = np.linalg.norm(eyes[0] - eyes[1])
    middle = eyes.mean(0)
    half = apart * rng.uniform([0.38, 0.26], [0.5, 0.42])  # of a lens
    square = rng.uniform(2.0, 5.0)  # exponent of its outline: an ellipse, or nearly a box
    angle = np.linspace(0, 2 * np.pi, LENS, endpoint=False)
    cosine, sine = np.cos(angle), np.sin(angle)
    radius = (np.abs(cosine) ** square + np.abs(sine) ** square) ** (-1 / square)
    outline = np.column_stack([half[0] * radius * cosine, half[1] * radius * sine, np.zeros(LENS)])
    ahead, drop = rng.uniform(0.020, 0.028), rng.uniform(-0.004, 0.008)
    frame = rng.uniform(0, 90, 3) if rng.random() < 0.75 else rng.uniform(60, 220, 3)
    tinted = rng.random() < 0.3
    tint, share = (rng.uniform(0, 60, 3), rng.uniform(0.6, 0.97)) if tinted else (np.full(3, 235.0), 0.08)
    width = max(1, round(scale * rng.uniform(0.0012, 0.0045)))
    sides = []
    for side in (1, -1):
        lens = outline + middle + [side * apart * rng.uniform(0.5, 0.54), -drop, ahead]
        lens[:, 2] -= 0.12 * np.abs(lens[:, 0] - middle[0])  # frames bend around the face
        sides.append(lens)
    turned = [to_picture(lens, scale, rotation, centre) for lens in sides]
    far_first = np.argsort([lens[:, 2].mean() for lens in turned])
    yaw = np.arctan2(rotation[0, 2], rotation[2, 2])
    for k in far_first:
        if abs(yaw) > 0.9 and k == far_first[0]:
            continue  # hidden behind the nose
        mask = np.zeros(picture.shape[:2], np.uint8)
        points = np.round(turned[k][:, :2]).astype(np.int32)
        cv2.fillPoly(mask, [points], 255)
        _blend(picture, mask, tint, share)
        mask[:] = 0
        cv2.polylines(mask, [points], True, 255, width, cv2.LINE_AA)
        _blend(picture, mask, frame, 0.95)
    lines = [np.array([sides[0][LENS // 2], sides[1][0]])]  # the bridge
    for side, lens in zip((1, -1), sides, strict=True):
        if side * rotation[0, 2] < 0.15:  # arms show on the side that is turned to the viewer
            hinge = lens[0] if side > 0 else lens[LENS // 2]
            lines.append(np.array([hinge, [side * 0.076, middle[1] + 0.004, -0.072]]))
    mask = np.zeros(picture.shape[:2], np.uint8)
    for line in lines:
        points = np.round(to_picture(line, scale, rotation, centre)[:, :2]).astype(np.int32)
        cv2.polylines(mask, [points], False, 255, width, cv2.LINE_AA)
    _blend(picture, mask, frame, 0.95)


def hat(rng, picture, scale, rotation, centre):
    """A cap, a beanie or a fringe: everything above a curve over the forehead."""
    height, reach = rng.uniform(0.035, 0.075), rng.uniform(0.085, 0.1)
    around = np.linspace(-np.pi * 0.62, np.pi * 0.62, 25)
    sag = rng.uniform(-0.02, 0.03)
    brim = np.column_stack([reach * np.sin(around), height + sag * np.cos(around) ** 2, reach * np.cos(around) - 0.06])
    top = np.array([[-0.09, 0.15, -0.06], [-0.04, 0.19, -0.07], [0.04, 0.19, -0.07], [0.09, 0.15, -0.06]])
    points = to_picture(np.concatenate([brim, top]), scale, rotation, centre)[:, :2]
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(mask, [cv2.convexHull(np.round(points).astype(np.int32))], 255)
    below = to_picture(brim, scale, rotation, centre)[:, :2]
    keep = np.zeros_like(mask)
    front = np.concatenate([below, below.mean(0)[None] + 4 * (below.mean(0) - points[-4:].mean(0))[None]])
    cv2.fillPoly(keep, [np.round(front).astype(np.int32)], 255)
    mask[keep > 0] = 0
    colour = rng.uniform(0, 200, 3)
    texture = cv2.resize(rng.normal(0, rng.uniform(4, 25), (24, 24, 1)).astype(np.float32), mask.shape[::-1])
    _blend(picture, mask, colour + texture[..., None], 1.0)


def hand(rng, picture, skin, scale, rotation, centre):
    """A hand before cheek, chin or mouth: a palm and fingers of the skin's colour."""
    at = to_picture(np.array([[rng.uniform(-0.07, 0.07), rng.uniform(-0.14, -0.03), 0.05]]), scale, rotation, centre)
    at = at[0, :2]
    angle = rng.uniform(0, 2 * np.pi)
    along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    mask = np.zeros(picture.shape[:2], np.uint8)
    palm, width = scale * rng.uniform(0.035, 0.045), scale * 0.017
    colour = np.asarray(skin, float) * rng.uniform(0.75, 1.15)
    cv2.ellipse(mask, tuple(map(int, at)), (int(palm), int(palm * 0.85)), np.degrees(angle), 0, 360, 255, -1)
    _blend(picture, mask, colour, 1.0)
    for k in range(4):
        mask[:] = 0
        start = at + across * (k - 1.5) * width + along * palm * 0.6
        end = start + along * palm * rng.uniform(0.9, 1.5)
        cv2.line(mask, tuple(map(int, start)), tuple(map(int, end)), 255, max(1, int(width * 0.95)), cv2.LINE_AA)
        _blend(picture, mask, colour * rng.uniform(0.85, 1.05), 1.0)
