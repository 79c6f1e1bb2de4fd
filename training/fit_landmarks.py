"""Fit the head's parameters to 2D landmarks with a strong prior, many faces at once.

Maximum a posteriori under weak perspective: identity ~ N(0, 1), expression ~ N(0, EXPRESSION_SIGMA^2) within 0..1,
landmark noise LANDMARK_SIGMA metres, made larger because neighbouring points err together.
"""

from dataclasses import dataclass

import numpy as np

from synergy_blender.face import pose
from training import sources
from training.embed_landmarks import IBUG_68

LANDMARK_SIGMA = 0.001  # metres, of one point on the face
INDEPENDENT_POINTS = 110  # what MediaPipe's 470 correlated points are worth
EXPRESSION_SIGMA = 0.3
POSE = ("turn x", "turn y", "turn z", "growth", "shift x", "shift y")
LOOSE = 1e-2  # precision of a step of the pose, per radian or metre: enough to keep the systems regular
IRIS = np.array([468, 473])  # MediaPipe's iris centres: right, left


@dataclass(frozen=True)
class LandmarkModel:
    """Landmarks as linear functions: `mean` (K, 3), `identity` (40, K, 3), `expression` (52, K, 3), metres."""

    mean: np.ndarray
    identity: np.ndarray
    expression: np.ndarray

    @classmethod
    def load(cls, path=None):
        surface = np.load(path or sources.WORK / "head_surface.npz")
        embedding = np.load(sources.WORK / "head_landmarks.npz")
        corners = surface["triangles"][embedding["triangle"]]
        weights = embedding["weights"].astype(float)

        def on(field):
            return np.einsum("kc,...kcd->...kd", weights, field[..., corners, :].astype(float))

        return cls(on(surface["mean"]), on(surface["identity"]), on(surface["expression"]))

    def ibug(self):
        return LandmarkModel(self.mean[IBUG_68], self.identity[:, IBUG_68], self.expression[:, IBUG_68])

    def points(self, identity, expression):
        """Model-frame landmarks (B, K, 3) of identities (B, 40) and expressions (B, 52)."""
        return self.mean + np.tensordot(identity, self.identity, 1) + np.tensordot(expression, self.expression, 1)


@dataclass(frozen=True)
class Fit:
    """Parameters of B faces; `rotation` (B, 3, 3), `scale` (B,), `centre` (B, 2) in picture pixels."""

    identity: np.ndarray
    expression: np.ndarray
    scale: np.ndarray
    rotation: np.ndarray
    centre: np.ndarray
    residual: np.ndarray  # (B, K, 2) metres in the picture plane, y up

    def picture(self, points):
        """Model-frame points (B, K, 3) in the picture frame."""
        turned = np.einsum("bkd,bed->bke", points, self.rotation) * self.scale[:, None, None]
        turned[..., :2] *= [1, -1]
        turned[..., :2] += self.centre[:, None]
        return turned


def mediapipe_points(landmarks):
    """The 470 fitted points (B, 470, 2) out of MediaPipe's (B, 478, 3)."""
    return np.concatenate([landmarks[:, :468, :2], landmarks[:, IRIS, :2]], axis=1).astype(float)


def fit_poses(points, target):
    """Weak perspective of B faces at once: points (B, K, 3), target (B, K, 2) with y up."""
    mean_p, mean_t = points.mean(1), target.mean(1)
    a, b = points - mean_p[:, None], target - mean_t[:, None]
    affine = np.swapaxes(np.linalg.solve(np.swapaxes(a, 1, 2) @ a, np.swapaxes(a, 1, 2) @ b), 1, 2)
    u, s, vt = np.linalg.svd(affine, full_matrices=False)
    rows = u @ vt
    scale = s.mean(1)
    rotation = np.concatenate([rows, np.cross(rows[:, 0], rows[:, 1])[:, None]], axis=1)
    shift = mean_t - scale[:, None] * np.einsum("bed,bd->be", rows, mean_p)
    return scale, rotation, shift


def fit(
    model,
    target,
    rounds=8,
    identity=None,
    prior=1.0,
    chunk=48,
    independent_points=INDEPENDENT_POINTS,
    sigmas=EXPRESSION_SIGMA,
    expression=None,
):
    """Fit B faces to landmarks `target` (B, K, 2) in picture pixels; a given `identity` (B, 40) stays as it is, and so
    do those of a given `expression` (B, 52) that are not NaN. Expressions are within `sigmas`, one for all or (52,), of
    none."""
    parts = [
        _fit_chunk(
            model,
            target[i : i + chunk] * [1.0, -1.0],
            rounds,
            None if identity is None else identity[i : i + chunk],
            prior,
            independent_points,
            sigmas,
            None if expression is None else expression[i : i + chunk],
        )
        for i in range(0, len(target), chunk)
    ]
    return Fit(*(np.concatenate([getattr(p, name) for p in parts]) for name in Fit.__dataclass_fields__))


def _fit_chunk(model, target, rounds, frozen, prior, independent_points, sigmas, given):
    count, points = target.shape[:2]
    n_id, n_ex = len(model.identity), len(model.expression)
    shapes, size = n_id + n_ex, n_id + n_ex + len(POSE)
    a = np.zeros((count, n_id)) if frozen is None else frozen.copy()
    b = np.zeros((count, n_ex))
    alike = np.broadcast_to(np.asarray(sigmas) ** -2.0, n_ex)
    precision = np.concatenate([np.ones(n_id), alike, np.full(len(POSE), LOOSE)])
    precision = prior * precision * LANDMARK_SIGMA**2 * points / min(points, independent_points)
    basis = np.concatenate([model.identity, model.expression])  # (P, K, 3)
    held, bound = np.zeros((count, size), bool), np.zeros((count, size))
    if frozen is not None:
        held[:, :n_id], bound[:, :n_id] = True, a
    if given is not None:
        held[:, n_id:shapes], bound[:, n_id:shapes] = ~np.isnan(given), np.nan_to_num(given)
    scale, rotation, shift = fit_poses(model.points(a, b), target)
    for _ in range(rounds):
        rows = rotation[:, :2]
        turned = np.einsum("bkd,bed->bke", model.points(a, b), rotation)
        x, y, z = np.moveaxis(turned, 2, 0)
        # how points move with shape, then with pose: turns about the picture's axes, growth, shifts; metres
        slope = np.empty((count, size, points, 2))
        slope[:, :shapes] = np.einsum("bed,pkd->bpke", rows, basis, optimize=True)
        moves = np.zeros((len(POSE), 2, count, points))
        moves[0, 1], moves[1, 0], moves[2, 0], moves[2, 1] = -z, z, -y, x
        moves[3] = x, y
        moves[4, 0], moves[5, 1] = 1, 1
        slope[:, shapes:] = moves.transpose(2, 0, 3, 1)
        slope = slope.reshape(count, size, -1)
        wanted = (target - shift[:, None]) / scale[:, None, None] - np.einsum("bed,kd->bke", rows, model.mean)
        normal = slope @ np.swapaxes(slope, 1, 2)
        right = np.einsum("bpm,bm->bp", slope, wanted.reshape(count, -1))
        fixed, value = held.copy(), bound.copy()
        for _ in range(5):  # active set: expressions outside 0..1 are held at their bound and the rest solved again
            rest = right - np.einsum("bpq,bq->bp", normal, value)
            keep = ~fixed
            system = (normal + np.eye(size) * precision) * (keep[:, :, None] & keep[:, None, :])
            system += np.eye(size) * fixed[:, None, :]
            solution = np.where(fixed, value, np.linalg.solve(system, (rest * keep)[..., None])[..., 0])
            outside = np.zeros_like(fixed)
            outside[:, n_id:shapes] = (solution[:, n_id:shapes] < 0) | (solution[:, n_id:shapes] > 1)
            if not outside.any():
                break
            value = np.where(outside, np.clip(solution, 0, 1), value)
            fixed |= outside
        a, b = solution[:, :n_id], np.clip(solution[:, n_id:shapes], 0, 1)
        turn, growth, step = np.split(solution[:, shapes:], [3, 4], axis=1)
        shift = shift + scale[:, None] * step
        rotation = np.array([pose.turn(axis) for axis in turn]) @ rotation
        scale = scale * np.exp(growth[:, 0])
    predicted = np.einsum("bkd,bed->bke", model.points(a, b), rotation[:, :2]) * scale[:, None, None] + shift[:, None]
    return Fit(a, b, scale, rotation, shift * [1, -1], (target - predicted) / scale[:, None, None])


def nme(predicted, truth):
    """Mean distance over points / sqrt(w h) of the truth's box, per face: predicted, truth (B, K, 2)."""
    box = np.ptp(truth, axis=1)
    return np.linalg.norm(predicted - truth, axis=2).mean(1) / np.sqrt(box.prod(1))
