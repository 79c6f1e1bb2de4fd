"""The authors' morphable model as a head for the scene, and as a surface to texture."""

from functools import lru_cache

import numpy as np

from ..face import head_model
from ..face.head_model import HeadModel
from ..face.pose import similarity
from ..face.surface import Surface, bundled
from .model import METRE
from .weights import EXPRESSION, IDENTITY, LANDMARKS

LIMITS = (-3.0, 3.0)  # of whitened parameters
SLAB = 0.004  # metres of height within which nearest points are sought
NEARER_EARS = 0.04  # metres behind the eyes where the axis of the map runs


@lru_cache(maxsize=2)
def head_of(model):
    """The HeadModel of an OfficialModel: metres, its origin between the eyes, sliders in whitened units."""
    return HeadModel(
        mean=((model.centre - model.origin) / METRE).astype(np.float32),
        identity=(model.basis[:IDENTITY] / METRE).astype(np.float32),
        expression=(model.basis[IDENTITY:] / METRE).astype(np.float32),
        identity_names=("",) * IDENTITY,
        expression_names=tuple(f"Expression {k + 1:02d}" for k in range(EXPRESSION)),
        faces=_outward(model.centre, model.triangles),
        uv=_map(model),
        material=np.zeros(len(model.triangles), np.int32),
        material_names=("skin",),
        groups={"skin": np.arange(len(model.mean))},
        landmark_vertices=np.repeat(model.keypoints[:, None], 3, 1),
        landmark_weights=np.tile(np.float32([1, 0, 0]), (LANDMARKS, 1)),
        expression_limits=LIMITS,
        name=model.name,
    )


@lru_cache(maxsize=2)
def surface_of(model):
    """The Surface of an OfficialModel: of skin it knows what the bundled head knows of the nearest skin."""
    head, ours, own = head_of(model), head_model.load(), bundled()
    scale, rotation, shift = similarity(head.mean[model.keypoints], ours.landmarks(ours.mean))
    place = scale * head.mean @ rotation.T + shift
    skin = np.unique(own.triangles[own.skin])
    near = skin[nearest(place, ours.mean[skin])]
    # a triangle behind the head, where the map ends on one side and begins on the other, has no place on it
    shown = ((head.uv >= 0) & (head.uv <= 1)).all((1, 2)) & (np.ptp(head.uv[..., 0], axis=1) < 0.5)
    return Surface(
        mean=place.astype(np.float32),
        faces=head.faces,
        skin=np.flatnonzero(shown),
        uv=head.uv[shown],
        partner=nearest(place * [-1, 1, 1], place),
        usual=own.usual[near],
        alike_in_detail=own.alike_in_detail[near],
        hairy=own.hairy[near],
    )


def nearest(points, among):
    """For every point (n, 3), metres, the row of the nearest of others (m, 3), as far as one is about as high."""
    order = np.argsort(among[:, 1])
    heights = among[order, 1]
    found = order[np.searchsorted(heights, points[:, 1]).clip(0, len(order) - 1)]
    by_height = np.argsort(points[:, 1])
    for low in np.arange(points[:, 1].min(), points[:, 1].max() + SLAB, SLAB):
        first, last = np.searchsorted(points[by_height, 1], [low, low + SLAB])
        start, end = np.searchsorted(heights, [low - SLAB, low + 2 * SLAB])
        if first == last or start == end:
            continue
        rows, others = by_height[first:last], order[start:end]
        a, b = points[rows].astype(np.float32), among[others].astype(np.float32)
        distance = (b**2).sum(1) - 2 * a @ b.T
        found[rows] = others[distance.argmin(1)]
    return found


def _outward(mean, triangles):
    """The triangles (T, 3), each turned so that most look away from the head's middle."""
    corners = mean[triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    outward = np.einsum("tc,tc->t", normals, corners.mean(1) - mean.mean(0)).sum() >= 0
    return triangles if outward else np.ascontiguousarray(triangles[:, ::-1])


def _map(model):
    """Texture coordinates (T, 3, 2) of the corners: the authors', or angle and height about an upright axis."""
    triangles = _outward(model.centre, model.triangles)
    if model.uv is not None and model.uv.min() >= 0 and model.uv.max() <= 1:
        return model.uv[triangles].astype(np.float32)
    x, y, z = ((model.centre - model.origin) / METRE).T
    turn = np.arctan2(x, z + NEARER_EARS) / (2 * np.pi)
    span = np.array([2 * np.abs(turn).max(), np.ptp(y)])
    uv = np.stack([turn / span[0] + 0.5, (y - y.min()) / span[1]], 1)
    return (0.98 * uv + 0.01)[triangles].astype(np.float32)
