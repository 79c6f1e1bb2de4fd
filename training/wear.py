"""Hats, and hands before faces, drawn on rendered crops (glasses: `training.spectacles`).

All are placed in the head's frame (metres) and projected with its pose, so they turn with it; nothing of them is traced
from a photo. The labels stay those of the face behind.
"""

import cv2
import numpy as np

from training.rasterize import to_picture


def _blend(picture, mask, colour, share):
    """Cover a picture (H, W, 3) float32 where mask (H, W) 0..255 is set, in place."""
    soft = (cv2.GaussianBlur(mask, (0, 0), 0.7).astype(np.float32) / 255 * share)[..., None]
    picture += soft * (np.asarray(colour, np.float32) - picture)


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
