"""Skin under light of every kind: heads, what every direction's light reaches of them, and lights drawn at random.

A head's vertices are lit by light from DIRECTIONS of the sphere at once: lamps, hard or soft, before, beside and behind
the head, and what is around; with the shadows that the head throws on itself, those of things before a lamp, and shine
(Blinn, 1977). Light is linear; colours are sRGB, taken as a power of GAMMA.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from synergy_blender.face import head_model, pose, raster
from synergy_blender.face.seen import FACING
from synergy_blender.face.skin import ramp
from synergy_blender.face.surface import bundled
from training.rasterize import rasterize

DIRECTIONS, HEADS = 500, 24
PIXELS, TOLERANCE = 220, 0.003  # of the depth pictures, and metres behind what is nearest that are lit still
GAMMA = 2.2


def sphere():
    """Unit directions (DIRECTIONS, 3), evenly apart (Fibonacci's lattice)."""
    k = np.arange(DIRECTIONS) + 0.5
    z, angle = 1 - 2 * k / DIRECTIONS, np.pi * (1 + 5**0.5) * k
    r = np.sqrt(1 - z * z)
    return np.stack([r * np.cos(angle), r * np.sin(angle), z], 1)


def looking_along(direction):
    """A rotation (3, 3) that turns `direction` (3,) towards z."""
    aside = np.cross([0, 1, 0] if abs(direction[1]) < 0.9 else [1, 0, 0], direction)
    aside /= np.linalg.norm(aside)
    return np.stack([aside, np.cross(direction, aside), direction])


def reached(vertices, triangles, normals):
    """How far (DIRECTIONS, V) 0..1 light from every direction reaches the vertices (V, 3) at all."""
    found = np.zeros((DIRECTIONS, len(vertices)), np.float32)
    middle = vertices.mean(0)
    scale = PIXELS / (2.1 * np.linalg.norm(vertices - middle, axis=1).max())
    for k, direction in enumerate(sphere()):
        points = (vertices - middle) @ looking_along(direction).T
        points[:, :2] = points[:, :2] * scale + PIXELS / 2
        _, _, depth = rasterize(points, triangles, PIXELS, PIXELS)
        padded = np.pad(depth, 1, mode="edge")
        least = np.min([padded[i : i + PIXELS, j : j + PIXELS] for i in range(3) for j in range(3)], axis=0)
        column, row = points[:, :2].astype(int).T
        near = np.stack([depth[row, column], least[row, column]]) - points[:, 2]
        found[k] = (near < TOLERANCE).mean(0) * (normals @ direction > 0)
    return found


class Heads:
    """HEADS random heads: `normals` (HEADS, V, 3), `shown` (HEADS, DIRECTIONS, V) what each direction's light reaches,
    and `lit` likewise how much of it falls there."""

    def __init__(self, rng, count=HEADS):
        model, triangles = head_model.load(), bundled().triangles
        self.mean_normals = raster.vertex_normals(model.mean.astype(float), triangles).astype(np.float32)
        self.places, self.directions = model.mean, sphere().astype(np.float32)
        self.normals, self.shown, self.lit = [], [], []
        for _ in range(count):
            identity = 0.8 * rng.normal(size=model.identity.shape[0])
            expression = rng.uniform(0, 1, model.expression.shape[0]) * (rng.random(model.expression.shape[0]) < 0.06)
            vertices = model.vertices(identity, expression).astype(float)
            self.normals.append(raster.vertex_normals(vertices, triangles).astype(np.float32))
            shown = reached(vertices, triangles, self.normals[-1])
            self.shown.append(shown.astype(np.float16))
            self.lit.append(shown * (self.directions @ self.normals[-1].T).clip(0))


def turn(rng):
    """A random rotation (3, 3) of a head before a camera: mostly ahead, some to the profile."""
    yaw = rng.normal(0, 12) if rng.random() < 0.4 else rng.uniform(-85, 85)
    pitch, roll = rng.normal(0, 9), rng.normal(0, 7)
    return pose.matrix(0, 0, -roll) @ pose.matrix(-yaw, -pitch, 0)


def colour(rng):
    """A light's colour (3,), 1 in the mean: mostly somewhere between warm and cold, rarely any."""
    log = rng.normal(0, 0.3) * np.array([1, 0, -1]) + rng.normal(0, 0.05, 3)
    if rng.random() < 0.18:
        log = rng.normal(0, 0.5, 3)
    found = np.exp(log)
    return found / found.mean()


def lights(rng, directions):
    """Light (DIRECTIONS, 3) from around, from directions as the camera has them; and lamps: the row of each's middle,
    what share (DIRECTIONS,) of it comes from everywhere, and its strength (3,)."""
    around = np.ones((DIRECTIONS, 3)) * colour(rng)
    for _ in range(rng.integers(0, 4)):  # sky, walls, ground
        axis = rng.normal(size=3)
        axis /= np.linalg.norm(axis)
        around += rng.exponential(1.5) * colour(rng) * np.exp(rng.uniform(1, 4) * (directions @ axis - 1))[:, None]
    around /= around.mean()
    around, lamps = rng.uniform(0.1, 1) ** 2 * around * 4 / DIRECTIONS, []
    for _ in range(rng.choice(4, p=[0.12, 0.45, 0.28, 0.15])):
        aim = rng.normal([0, 0.45, 0.5], [1, 0.6, 0.8])
        cosines = directions @ (aim / np.linalg.norm(aim))
        strength = np.exp(rng.uniform(np.log(0.15), np.log(2.5))) * colour(rng)
        if rng.random() < 0.45:
            share = (np.arange(DIRECTIONS) == cosines.argmax()).astype(float)
        else:
            share = np.exp(np.exp(rng.uniform(1, 4.5)) * (cosines - 1))
            share *= share > 0.02
        share /= share.sum()
        lamps.append((int(cosines.argmax()), share, strength))
    return around, lamps


def blobs(rng, places, sharp):
    """A random smooth field (V,) 0..1 over places (V, 3), metres: spots of some size with edges as `sharp`."""
    size = np.exp(rng.uniform(np.log(0.012), np.log(0.06)))
    waves = rng.normal(0, 1 / size, (6, 3)).astype(np.float32)
    field = np.cos(places @ waves.T + rng.uniform(0, 2 * np.pi, 6).astype(np.float32)).mean(1)
    off = np.float32(2.5 * sharp) * (field - np.float32(rng.uniform(-0.25, 0.35)))
    return 1 / (1 + np.exp(-off.clip(-30, 30)))


@dataclass(frozen=True)
class Lit:
    """A head under some light before a camera: the `light` and the `shine` (V, 3) of its vertices, their `normals`
    (V, 3) towards the camera, and `fitted`, as a fit that errs a little has them, and how far each is seen (V,)."""

    light: np.ndarray
    shine: np.ndarray
    normals: np.ndarray
    fitted: np.ndarray
    seen: np.ndarray


def light_up(rng, heads):
    """One of the heads, Lit at random."""
    k = rng.integers(len(heads.normals))
    rotation = turn(rng)
    towards = heads.directions @ rotation.T.astype(np.float32)
    normals = heads.normals[k] @ rotation.T.astype(np.float32)
    whole, lamps = lights(rng, towards)
    shown, cosine = heads.shown[k], heads.lit[k]
    veil = np.ones(len(normals), np.float32)
    if rng.random() < 0.4:  # leaves, a hat's brim, a window's frame
        veil = blobs(rng, heads.places, np.exp(rng.uniform(0.5, 3.5)))
    light = np.zeros((len(normals), 3), np.float32)
    shine = np.zeros_like(light)
    gloss, narrow = rng.exponential(0.6), np.exp(rng.uniform(np.log(5), np.log(60)))
    oily = 0.5 + blobs(rng, heads.places, 2.0)
    for number, (at, share, strength) in enumerate(lamps):
        rows, strength = np.flatnonzero(share), strength.astype(np.float32)
        through = veil if number == 0 else 1
        light += (share[rows].astype(np.float32) @ cosine[rows] * through)[:, None] * strength
        half = towards[at] + [0, 0, 1]
        half /= np.linalg.norm(half)
        glint = (normals @ half.astype(np.float32)).clip(0) ** np.float32(narrow)
        fresnel = 0.04 + 0.96 * (1 - max(0.0, half[2])) ** 5
        much = np.float32(gloss * fresnel * (narrow + 8) / 60)
        shine += (glint * shown[at] * through * oily * much)[:, None] * strength
    light += (whole.T.astype(np.float32) @ cosine).T
    view = int(towards[:, 2].argmax())
    off, _ = cv2.Rodrigues(rng.normal(0, 0.03, 3))
    fitted = (0.75 * heads.normals[k] + 0.25 * heads.mean_normals) @ (rotation @ off).T
    fitted /= np.maximum(np.linalg.norm(fitted, axis=1, keepdims=True), 1e-6)
    seen = ramp(normals[:, 2], *FACING) * (shown[view] > 0.4)
    return Lit(light, shine, normals, fitted.astype(np.float32), seen)


def photograph(rng, head, skin, places):
    """Colours (V, 3) 0..255 that a photo shows of `skin` (V, 3), 0..255, on a Lit head whose mean's vertices are at
    `places` (V, 3), and how far each vertex is to be believed (V,)."""
    grey = head.light.mean(1)
    face = head.seen * (np.abs(places[:, 0]) < 0.06) * (places[:, 2] > -0.03)
    order = np.argsort(grey)
    cumulative = np.cumsum(face[order])
    level = grey[order[np.searchsorted(cumulative, rng.uniform(0.4, 0.95) * cumulative[-1])]]
    exposure = np.exp(rng.normal(0.0, 0.25)) / max(level, 0.02)
    linear = np.float32(exposure) * ((skin / 255) ** np.float32(GAMMA) * head.light + head.shine)
    value = 2 * np.maximum(linear, 0) ** np.float32(1 / GAMMA)
    contrast = np.exp(rng.normal(0.05, 0.15) + rng.normal(0, 0.04, 3)).astype(np.float32)
    value = (0.5 * value**contrast).clip(0, 1)
    if rng.random() < 0.6:  # shadows that are toned
        lift = (rng.exponential(0.05) * rng.uniform(0, 1, 3)).astype(np.float32)
        value = lift + (1 - lift) * value
    value = 255 * value + np.float32(rng.uniform(0, 5)) * rng.standard_normal(value.shape, np.float32)
    if rng.random() < 0.35:  # what is behind the head
        rim = ramp(head.normals[:, 2], 0.55, 0.2) * blobs(rng, places, 4.0)
        value += rim[:, None] * (rng.uniform(0, 255, 3) - value)
    seen = head.seen
    if rng.random() < 0.4:  # glasses, hair, hands
        seen = seen * (blobs(rng, places, 8.0) < rng.uniform(0.5, 1.0))
    return value.clip(4, 255).astype(np.float32), seen.astype(np.float32)
