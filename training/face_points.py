"""Points of the face: those that lay it flat, the 68 landmarks and others spread over what a camera sees, and which of
the network's points a camera can see."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from synergy_blender.face import chart
from synergy_blender.face.network import LANDMARKS
from synergy_blender.face.refinement import SPREADING
from training import sources
from training.expressions import NAMES
from training.fit_landmarks import LandmarkModel
from training.portrait_texture import Head

REGION = 0.1  # share of a vertex in the face from which it can be chosen
DEEP, ABOUT = 0.004, 0.005  # metres below the outermost skin within a reach: lids' and lips' inner sides
SAME = 0.0005  # metres by which a head that is built anew may differ
FEATURES, FINER = 0.012, 1.8  # metres about brows, eyes, nose and lips where points lie closer together


@dataclass(frozen=True)
class FacePoints:
    """`mean` (320, 3) metres, `basis` (92, 320, 3) of identity and expression, `chart` (320, 2)."""

    mean: np.ndarray
    basis: np.ndarray
    chart: np.ndarray


def outer_points(shipped):
    """Rows of the shipped network's points that a camera can see: not those inside mouth and nose."""
    head, surface = Head.load(sources.WORK / "head_surface.npz"), np.load(sources.WORK / "head_surface.npz")
    near = cKDTree(surface["mean"]).query(shipped["points_mean"])[1]
    chosen = ~head.inside[near]
    chosen[:LANDMARKS] = True
    return np.flatnonzero(chosen)


def basis_of(mean):
    """How the head's shape moves points (92, K, 3) that lie at `mean` (K, 3): the 68 landmarks, then vertices."""
    surface, marks = np.load(sources.WORK / "head_surface.npz"), LandmarkModel.load().ibug()
    apart, rows = cKDTree(surface["mean"]).query(mean[LANDMARKS:])
    assert apart.max() < SAME, f"a point lies {apart.max():.4f} m beside the head"
    moves = ((marks.identity, marks.expression), (surface["identity"][:, rows], surface["expression"][:, rows]))
    landmarks, vertices = (np.concatenate(pair) for pair in moves)
    return np.concatenate([landmarks, vertices], axis=1).astype(np.float32)


def face_points():
    """The FacePoints of the workshop's head: farthest-point sampling on the chart after the landmarks."""
    path = sources.WORK / "head_surface.npz"
    head, surface, marks = Head.load(path), np.load(path), LandmarkModel.load().ibug()
    opened = NAMES.index("jawOpen")
    rows = np.flatnonzero((surface["region"] > REGION) & ~head.inside & (head.part == "skin"))
    reference = surface["mean"][rows] + chart.OPEN * surface["expression"][opened][rows]
    at, radius = chart.places(reference.astype(float)), chart.radii(reference)
    near = cKDTree(at).query_ball_point(at, ABOUT)
    outermost = np.array([np.sort(radius[k])[-2:].mean() for k in near])
    kept = outermost - radius < DEEP
    rows, at = rows[kept], at[kept]
    first = chart.places(marks.mean + chart.OPEN * marks.expression[opened])
    weight = np.where(cKDTree(first[17:]).query(at)[0] < FEATURES, FINER, 1.0)  # all but the jaw's line
    distance = cKDTree(first).query(at)[0] * weight
    chosen = []
    for _ in range(SPREADING - LANDMARKS):
        chosen.append(int(np.argmax(distance)))
        distance = np.minimum(distance, np.linalg.norm(at - at[chosen[-1]], axis=1) * weight)
    mean = np.concatenate([marks.mean, surface["mean"][rows[chosen]]]).astype(np.float32)
    return FacePoints(mean, basis_of(mean), np.concatenate([first, at[chosen]]).astype(np.float32))
