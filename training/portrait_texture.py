"""A portrait as the texture of the head, to be shown again under other parameters (after Zhu et al., CVPR 2016).

Every triangle of the fitted head remembers where it lies in the photo, or where its mirror image does if that is
seen better; what no side shows (the inside of the mouth, hidden eyeballs) has plain colours. A sheet behind the face
carries hair, shoulders and background, and turns with the head.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial import cKDTree

from synergy_blender.face import pose
from training.expressions import NAMES
from training.rasterize import interpolate, interpolate_corners, rasterize, to_picture, vertex_normals
from training.register import Offsets, noise

# Of a lid that closes, which an open eye's picture hardly shows: its skin is taken from above its edge, farther the
# farther it moves (share of the way), and the lower lid's from below (metres, up to so many from where they meet);
# below such a height lie the lashes, so dark, so narrow
LID_UP, LOWER_DOWN, MEET = 0.35, 0.002, 0.004
LASHES_BELOW, LASHES_DARK, LASHES_NARROW = -0.003, 0.6, 8
FOLDS = 0.5  # how much brighter or darker than skin, as a logarithm, what folds may be: hair does not
SHEET_DEPTH = -0.05  # metres behind the eyes: the plane of ears and hair
SHEET_CELLS = 28
LARGEST_PHOTO = 420  # pixels along the longer side


@dataclass(frozen=True)
class Portrait:
    """`photo` RGB uint8; `corners` (T, 3, 2) photo coordinates of each head triangle; `plain` (T,) not in the photo;
    `sheet` (S, 3) model-frame vertices with `sheet_triangles` and `sheet_coordinates` (S, 2); fitted parameters."""

    photo: np.ndarray
    corners: np.ndarray
    plain: np.ndarray
    skin: np.ndarray
    sheet: np.ndarray
    sheet_triangles: np.ndarray
    sheet_coordinates: np.ndarray
    identity: np.ndarray
    expression: np.ndarray
    rotation: np.ndarray
    up: np.ndarray  # (2,) photo pixels per metre upwards on the head


@dataclass(frozen=True)
class Head:
    """The source surface as the dataset builder needs it."""

    mean: np.ndarray
    identity: np.ndarray
    expression: np.ndarray
    triangles: np.ndarray
    part: np.ndarray
    mirror: np.ndarray
    mirror_triangle: np.ndarray  # the triangle with mirrored corners, in an order that matches, or -1
    mirror_order: np.ndarray  # (T, 3)
    inside: np.ndarray  # (N,) skin that no view of the neutral head shows: mouth bag, sockets, nostrils
    blinks: tuple  # rows of eyeBlinkLeft and eyeBlinkRight in the expression
    lifts: np.ndarray  # (2, N) metres above its place that skin of the lids is taken from when these eyes are closed
    lashes: np.ndarray  # (2, N) 1 at the edges of these lids
    lids: np.ndarray  # triangles of that skin

    @classmethod
    def load(cls, path):
        data = np.load(path)
        triangles, mirror = data["triangles"], data["mirror"]
        order = np.argsort(triangles, axis=1)
        key = {tuple(row): i for i, row in enumerate(np.sort(triangles, axis=1))}
        mirrored = mirror[triangles]
        other = np.array([key.get(tuple(row), -1) for row in np.sort(mirrored, axis=1)])
        # corner k of a triangle is corner mirror_order[k] of its mirror image
        ranks = np.argsort(np.argsort(mirrored, axis=1), axis=1)
        corner = np.take_along_axis(order[other], ranks, axis=1)
        blinks = tuple(NAMES.index(name) for name in ("eyeBlinkLeft", "eyeBlinkRight"))
        skin, blink = data["part"] == "skin", data["expression"][list(blinks)]
        falls = np.maximum(-blink[..., 1], 0) * skin
        lashes = (falls > falls.max() / 6) & (data["mean"][:, 1] - falls < LASHES_BELOW)
        meet = [
            cKDTree((data["mean"] + moved)[edge]).query(data["mean"])[0]
            for moved, edge in zip(blink, lashes, strict=True)
        ]
        lower = np.maximum(1 - np.array(meet) / MEET, 0) * (skin & (falls < falls.max() / 10))
        lifts = LID_UP * falls - LOWER_DOWN * lower
        return cls(
            data["mean"],
            data["identity"],
            data["expression"],
            triangles,
            data["part"],
            mirror,
            other,
            corner,
            _inner_skin(data["part"], data["mean"].astype(float), triangles),
            blinks,
            lifts.astype(np.float32),
            lashes.astype(np.float32),
            np.flatnonzero(lifts.any(0)[triangles].any(1)),
        )

    def shape(self, identity, expression):
        return (
            self.mean
            + np.tensordot(identity.astype(np.float32), self.identity, 1)
            + np.tensordot(expression.astype(np.float32), self.expression, 1)
        )


def _inner_skin(part, vertices, triangles):
    """Skin vertices (N,) about the mouth, nose and eyes that show in none of many views of the head."""
    seen = np.zeros(len(vertices), bool)
    for yaw in range(-100, 101, 25):
        for pitch in (-30, 0, 30):
            points = to_picture(vertices, 2400.0, pose.matrix(yaw, pitch, 0), (400, 330))
            index, _, _ = rasterize(points, triangles, 800, 800)
            seen[triangles[np.unique(index[index >= 0])]] = True
    about = (np.abs(vertices[:, 0]) < 0.05) & (vertices[:, 1] < 0.02) & (vertices[:, 2] > -0.06)
    return (part == "skin") & about & ~seen


def plain_colours(head, vertices, skin, iris):
    """Colours (N, 3) 0..255 of what the photo does not show."""
    colour = np.tile(np.asarray(skin, np.float32), (len(vertices), 1))
    colour[head.inside] = (58, 22, 20)
    for eye in ("eye_left", "eye_right"):
        ball = head.part == eye
        offset = head.mean[ball] - head.mean[ball].mean(0)
        forward = offset[:, 2] / np.linalg.norm(offset, axis=1)
        colour[ball] = np.where((forward > 0.86)[:, None], iris, (205, 198, 192))
    colour[np.isin(head.part, ["teeth_upper", "teeth_lower"])] = (205, 196, 176)
    colour[head.part == "tongue"] = (140, 66, 64)
    return colour


def shrunk(photo):
    """A photo no larger than it is looked at, and by what it was made smaller."""
    shrink = min(1.0, LARGEST_PHOTO / max(photo.shape[:2]))
    if shrink < 1:
        photo = cv2.resize(photo, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    return photo, shrink


def build(head, photo, identity, expression, scale, rotation, centre, marks):
    """A Portrait from a photo and the parameters fitted to it (picture frame of that photo).

    `marks`, (triangles (K,), weights (K, 3), offsets (K, 2) in metres, y up): points of the head and how far from them
    the photo shows them; its picture is laid on the head accordingly.
    """
    photo, shrink = shrunk(photo)
    scale, centre = scale * shrink, centre * shrink
    height, width = photo.shape[:2]
    vertices = head.shape(identity, expression)
    points = to_picture(vertices, scale, rotation, centre)
    index, _, depth = rasterize(points, head.triangles, height, width)

    normals = vertex_normals(vertices, head.triangles) @ rotation.T
    facing = normals[:, 2]
    column, row = np.clip(points[:, :2].astype(int), 0, [width - 1, height - 1]).T
    inside = (points[:, 0] > 0) & (points[:, 1] > 0) & (points[:, 0] < width) & (points[:, 1] < height)
    seen = inside & (facing > 0.1) & (points[:, 2] > depth[row, column] - 0.006 * scale)
    quality = np.where(seen, facing, 0)[head.triangles].min(1)
    corners = points[head.triangles][..., :2]
    other = head.mirror_triangle
    better = (other >= 0) & (quality[other] > np.maximum(1.6 * quality, 0.0)) & (quality < 0.12)
    mirrored = np.take_along_axis(corners[other], head.mirror_order[..., None].repeat(2, 2), axis=1)
    quality_now = np.where(better, quality[other], quality)
    corners = np.where(better[:, None, None], mirrored, corners)
    skin_triangle = (head.part == "skin")[head.triangles].all(1)
    # skin that no side shows keeps its stretched place in the photo, unless it is the inside of the mouth
    plain = (quality_now <= 0) & (~skin_triangle | head.inside[head.triangles].any(1))

    front = skin_triangle & (quality > 0.5)
    samples = points[head.triangles[front]].mean(1)[:, :2].astype(int)
    skin = np.median(photo[samples[:, 1].clip(0, height - 1), samples[:, 0].clip(0, width - 1)], axis=0)

    grid = np.stack(np.meshgrid(*(np.linspace(0, s, SHEET_CELLS + 1) for s in (width, height))), -1).reshape(-1, 2)
    camera = np.column_stack([(grid - centre) * [1, -1] / scale, np.full(len(grid), SHEET_DEPTH)])
    number = np.arange((SHEET_CELLS + 1) ** 2).reshape(SHEET_CELLS + 1, -1)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, 1:], number[1:, :-1]
    sheet_triangles = np.concatenate([np.stack(t, -1).reshape(-1, 3) for t in ((a, b, c), (a, c, d))])
    triangle, weights, offset = marks
    at, ahead = (
        np.einsum("kc,kcd->kd", weights, field[head.triangles[triangle]]) for field in (points[:, :2], normals)
    )
    moved = Offsets(at, offset * [scale, -scale], noise(ahead), scale, (width, height))
    corners, coordinates = corners + moved(corners), grid + moved(grid)
    covered = cv2.erode((index >= 0).astype(np.uint8), np.ones((5, 5)))
    at = np.clip(grid.astype(int), 0, [width - 1, height - 1])
    hidden = covered[at[:, 1], at[:, 0]] > 0
    sheet_triangles = sheet_triangles[~hidden[sheet_triangles].all(1)]
    return Portrait(
        photo,
        corners.astype(np.float32),
        plain,
        skin.astype(np.float32),
        (camera @ rotation).astype(np.float32),
        sheet_triangles,
        coordinates.astype(np.float32),
        identity,
        expression,
        rotation,
        (scale * rotation[:2, 1] * [1, -1]).astype(np.float32),
    )


def render(
    head, portrait, identity, expression, scale, rotation, centre, backdrop, shade, iris=(60, 42, 30), wrinkles=None
):
    """The portrait under new parameters, as float32 RGB (H, W, 3) over `backdrop`, and the mask of the head.

    `shade(normals)` (H, W, 3) -> (H, W, 3) relights the head's pixels; `wrinkles` are folds of the skin that the new
    expression throws.
    """
    height, width = backdrop.shape[:2]
    vertices = head.shape(identity, expression)
    every = np.concatenate([vertices, portrait.sheet])
    points = to_picture(every, scale, rotation, centre)
    triangles = np.concatenate([head.triangles, portrait.sheet_triangles + len(vertices)])
    index, weights, _ = rasterize(points, triangles, height, width)
    shut = np.maximum(expression[list(head.blinks)] - portrait.expression[list(head.blinks)], 0).astype(np.float32)
    corners = np.concatenate([portrait.corners, portrait.sheet_coordinates[portrait.sheet_triangles]])
    if shut.any():
        corners[head.lids] += (shut @ head.lifts)[head.triangles[head.lids]][..., None] * portrait.up
    where = interpolate_corners(corners, index, weights) - 0.5
    picture = cv2.remap(
        portrait.photo, where[..., 0], where[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    ).astype(np.float32)
    is_head = (index >= 0) & (index < len(head.triangles))
    plain = is_head & np.append(portrait.plain, np.zeros(len(portrait.sheet_triangles), bool))[np.maximum(index, 0)]
    if plain.any():
        colours = plain_colours(head, vertices, portrait.skin, iris)
        brightness = portrait.skin.mean() / 150
        corner_colours = colours[head.triangles[index[plain]]]
        picture[plain] = np.einsum("pk,pkc->pc", weights[plain], corner_colours) * np.clip(brightness, 0.4, 1.2)
    picture = np.where((index >= 0)[..., None], picture, backdrop)
    on_head = np.where(is_head, index, -1)
    if shut.any():
        lashes = interpolate((shut @ head.lashes)[:, None], head.triangles, on_head, weights)
        picture = picture * (1 - LASHES_DARK * lashes**LASHES_NARROW)
    normals = vertex_normals(vertices, head.triangles) @ rotation.T.astype(np.float32)
    light = shade(interpolate(normals, head.triangles, on_head, weights))
    more = np.maximum(expression - portrait.expression, 0)
    if wrinkles and wrinkles.thrown_by(more):
        skin = np.exp(-((np.log((picture.mean(2) + 1) / (portrait.skin.mean() + 1)) / FOLDS) ** 2))
        folds = wrinkles.light(interpolate(head.mean, head.triangles, on_head, weights), more)
        light = light * (1 + skin * (folds - 1))[..., None]
    return np.where(is_head[..., None], picture * light, picture), is_head
