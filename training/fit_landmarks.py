"""Fit the head's parameters to 2D landmarks with a strong prior, many faces at once.

Maximum a posteriori under weak perspective: identity ~ N(0, 1), expression ~ N(0, EXPRESSION_SIGMA^2) within 0..1,
landmark noise LANDMARK_SIGMA metres, made larger because neighbouring points err together.
"""

from dataclasses import dataclass

import numpy as np

from training import sources
from training.embed_landmarks import IBUG_68

LANDMARK_SIGMA = 0.001  # metres, of one point on the face
INDEPENDENT_POINTS = 110  # what MediaPipe's 470 correlated points are worth
EXPRESSION_SIGMA = 0.3
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
    a = np.zeros((count, n_id)) if frozen is None else frozen.copy()
    b = np.zeros((count, n_ex))
    alike = np.broadcast_to(np.asarray(sigmas) ** -2.0, n_ex)
    precision = np.concatenate([np.full(n_id, 1.0 if frozen is None else 1e8), alike])
    precision = prior * precision * LANDMARK_SIGMA**2 * points / min(points, independent_points)
    basis = np.concatenate([model.identity, model.expression])  # (P, K, 3)
    for _ in range(rounds):
        shape = model.points(a, b)
        scale, rotation, shift = fit_poses(shape, target)
        rows = rotation[:, :2]
        seen = np.einsum("bed,pkd->bpke", rows, basis, optimize=True).reshape(count, len(basis), -1)
        wanted = (target - shift[:, None]) / scale[:, None, None] - np.einsum("bed,kd->bke", rows, model.mean)
        wanted = wanted.reshape(count, -1)
        if frozen is not None:
            wanted = wanted - np.einsum("bp,bpm->bm", a, seen[:, :n_id])
            seen[:, :n_id] = 0
        normal = seen @ np.swapaxes(seen, 1, 2)
        right = np.einsum("bpm,bm->bp", seen, wanted)
        held = np.zeros((count, n_id + n_ex), bool)
        bound = np.zeros((count, n_id + n_ex))
        if given is not None:
            held[:, n_id:], bound[:, n_id:] = ~np.isnan(given), np.nan_to_num(given)
        for _ in range(5):  # active set: expressions outside 0..1 are held at their bound and the rest solved again
            system = normal + np.eye(n_id + n_ex) * precision
            rest = right - np.einsum("bpq,bq->bp", normal, bound)
            keep = ~held
            system = system * (keep[:, :, None] & keep[:, None, :]) + np.eye(n_id + n_ex) * held[:, None, :]
            solution = np.where(held, bound, np.linalg.solve(system, (rest * keep)[..., None])[..., 0])
            outside = np.zeros_like(held)
            outside[:, n_id:] = (solution[:, n_id:] < 0) | (solution[:, n_id:] > 1)
            if not outside.any():
                break
            bound = np.where(outside, np.clip(solution, 0, 1), bound)
            held |= outside
        if frozen is None:
            a = solution[:, :n_id]
        b = np.clip(solution[:, n_id:], 0, 1)
    shape = model.points(a, b)
    scale, rotation, shift = fit_poses(shape, target)
    predicted = np.einsum("bkd,bed->bke", shape, rotation[:, :2]) * scale[:, None, None] + shift[:, None]
    return Fit(a, b, scale, rotation, shift * [1, -1], (target - predicted) / scale[:, None, None])


def nme(predicted, truth):
    """Mean distance over points / sqrt(w h) of the truth's box, per face: predicted, truth (B, K, 2)."""
    box = np.ptp(truth, axis=1)
    return np.linalg.norm(predicted - truth, axis=2).mean(1) / np.sqrt(box.prod(1))
