"""Pictures of the head model: `python -m training.head_sheet` writes `docs/head_*.png`.

The mean from three sides, its wireframe, the first ten identity components at +-3 sigma and all 52 expressions, drawn
with the workshop's own rasteriser.
"""

import cv2
import numpy as np
from PIL import Image

from synergy_blender.face import head_model
from synergy_blender.face.surface import in_triangles
from training import sources
from training.rasterize import interpolate, rasterize, to_picture, vertex_normals

DOCS = sources.PROJECT / "docs"
COLOURS = {
    "skin": (0.80, 0.66, 0.58),
    "mouth": (0.50, 0.22, 0.22),
    "gums": (0.70, 0.36, 0.36),
    "lips": (0.72, 0.46, 0.43),
    "sclera": (0.92, 0.92, 0.90),
    "iris": (0.30, 0.42, 0.50),
    "pupil": (0.05, 0.05, 0.05),
    "teeth": (0.90, 0.87, 0.78),
    "tongue": (0.72, 0.38, 0.38),
}
LIGHTS = (  # direction towards the light, colour
    ((-0.5, 0.6, 0.8), (0.62, 0.60, 0.57)),
    ((0.9, 0.1, 0.3), (0.22, 0.24, 0.28)),
    ((0.0, -0.7, 0.5), (0.10, 0.09, 0.08)),
)
AMBIENT, BACKGROUND, OVERSAMPLING = 0.16, 0.93, 2
MIDDLE, METRES = np.array([0.0, -0.02, -0.06]), 0.33  # what a view shows


def turned(yaw, pitch=0.0):
    """Rotation of the head: positive yaw turns its left side to the viewer."""
    yaw, pitch = np.radians([-yaw, pitch])
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    return about_x @ about_y


def draw(model, vertices, size=300, yaw=0.0, pitch=0.0, middle=MIDDLE, metres=METRES, wire=False):
    """A shaded view (size, size, 3) uint8 RGB of vertices (V, 3), `metres` wide around `middle`."""
    side = size * OVERSAMPLING
    triangles = in_triangles(model.faces)
    rotation = turned(yaw, pitch)
    points = to_picture(vertices - middle, side / metres, rotation, (side / 2, side / 2))
    index, weights, _ = rasterize(points, triangles, side, side)
    normals = interpolate(vertex_normals(vertices.astype(np.float64), triangles), triangles, index, weights)
    normals = normals @ rotation.T.astype(np.float32)
    normals /= np.linalg.norm(normals, axis=2, keepdims=True).clip(1e-6)
    colours = np.array([COLOURS[name] for name in model.material_names], np.float32)
    albedo = colours[np.tile(model.material, 2)][index]
    light = np.full((*index.shape, 3), AMBIENT, np.float32)
    for direction, colour in LIGHTS:
        direction = np.array(direction, np.float32) / np.linalg.norm(direction)
        light += np.clip(normals @ direction, 0, 1)[..., None] * np.array(colour, np.float32)
    picture = np.where((index >= 0)[..., None], np.clip(albedo * light * 1.5, 0, 1), BACKGROUND)
    if wire:
        # the triangles' diagonals are opposite corner 1 of the first half and corner 2 of the second
        near = weights * _heights(points, triangles)[index]
        near[..., 1] = np.where(index < len(model.faces), np.inf, near[..., 1])
        near[..., 2] = np.where(index >= len(model.faces), np.inf, near[..., 2])
        line = (np.clip(1.5 - near.min(2), 0, 1) * (index >= 0))[..., None]
        picture = picture * (1 - 0.75 * line)
    picture = cv2.resize(picture.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)
    return (255 * picture + 0.5).astype(np.uint8)


def _heights(points, triangles):
    """Heights (T, 3) of triangles over the side opposite each corner, in pixels."""
    a, b, c = (points[triangles[:, k], :2] for k in range(3))
    area = np.abs((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0])
    sides = np.stack([np.linalg.norm(x - y, axis=1) for x, y in ((b, c), (c, a), (a, b))], 1)
    return (area[:, None] / sides.clip(1e-9)).astype(np.float32)


def labelled(picture, text):
    picture = picture.copy()
    cv2.putText(picture, text, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (40, 40, 40), 1, cv2.LINE_AA)
    return picture


def sheet(pictures, columns):
    blank = np.full_like(pictures[0], int(255 * BACKGROUND))
    pictures = pictures + [blank] * (-len(pictures) % columns)
    return np.vstack([np.hstack(pictures[i : i + columns]) for i in range(0, len(pictures), columns)])


def save(name, picture):
    DOCS.mkdir(exist_ok=True)
    path = DOCS / name
    Image.fromarray(picture).quantize(255, dither=Image.Dither.NONE).save(path, optimize=True)
    print(path)


def main():
    model = head_model.load()
    rest = np.zeros(head_model.IDENTITY), np.zeros(head_model.EXPRESSION)
    mean = model.vertices(*rest)
    views = [(0, 0), (40, 0), (90, 0), (180, 0)]
    rows = [draw(model, mean, 480, yaw, pitch) for yaw, pitch in views]
    rows += [draw(model, mean, 480, yaw, pitch, wire=True) for yaw, pitch in views]
    save("head_mean.png", sheet(rows, 4))
    face = {"middle": np.array([0, -0.03, 0.0]), "metres": 0.19}
    rows = []
    for k in range(10):
        for sigma in (-3, 3):
            identity = rest[0].copy()
            identity[k] = sigma
            shape = model.vertices(identity, rest[1])
            rows += [labelled(draw(model, shape, 220), f"{k + 1}: {sigma:+d}"), draw(model, shape, 220, 60)]
    save("head_identity.png", sheet(rows, 8))
    rows = []
    for k, name in enumerate(model.expression_names):
        expression = rest[1].copy()
        expression[k] = 1
        rows.append(labelled(draw(model, model.vertices(rest[0], expression), 220, 15, **face), name))
    save("head_expressions.png", sheet(rows, 9))


if __name__ == "__main__":
    main()
