"""Fit the head to points seen in crops: maximum a posteriori, one identity for all views of a person.

The network says two things about a crop: parameters, and where it sees points of the face, with the error it expects
of each. Both are evidence. Parameters that explain the points under weak perspective, weighed against the regressed
ones by how wrong those were in training, are better than either (dense landmarks with their own errors: Wood et al.,
ECCV 2022; landmarks correct parameters: SynergyNet, Wu, Xu & Neumann, 3DV 2021).
"""

from dataclasses import dataclass

import numpy as np

from . import pose

IDENTITY, EXPRESSION, POSE = 40, 52, 6  # unknowns: the pose as a turn, the log of the scale and a shift
ROUNDS, HOLD_ROUNDS = 2, 6  # a third step changes no mean error by a thousandth
TOGETHER = 8.0  # as many neighbouring points err together and count as one
OUTLIER = 3.0  # expected errors beyond which a point counts less and less (Cauchy)
IDENTITY_LIMIT = 3.0  # sigma


@dataclass(frozen=True)
class View:
    """What is known of one crop.

    `points` (K, 2) in pixels, y up, `errors` (K,) expected of them in pixels; `identity` (40,) and `expression` (52,)
    expected beforehand, and the `precision` (92, 92) of that; `pose` (3, 4) to start from, model metres to crop pixels.
    """

    points: np.ndarray
    errors: np.ndarray
    identity: np.ndarray
    expression: np.ndarray
    precision: np.ndarray
    pose: np.ndarray


@dataclass(frozen=True)
class Fit:
    """One `identity` (40,) within +-3; per view `expression` (52,) within 0..1, `scale` in pixels per metre, `rotation`
    (3, 3), `shift` (2,) in pixels, y up, and `distance`, the points' mean distance over the errors expected of them."""

    identity: np.ndarray
    expression: list
    scale: list
    rotation: list
    shift: list
    distance: list


class _State:
    """One view while it is being fitted."""

    def __init__(self, view):
        self.view = view
        self.expression = np.clip(view.expression, 0, 1)
        self.scale, self.rotation, shift = pose.decompose(view.pose)
        self.shift = shift[:2]

    def posed(self, mean, basis, identity):
        """The view's points turned and scaled (K, 3), before the shift."""
        seen = len(self.view.points)
        shape = mean[:seen] + np.tensordot(np.concatenate([identity, self.expression]), basis[:, :seen], 1)
        return self.scale * shape @ self.rotation.T

    def equations(self, mean, basis, identity):
        """Normal equations (98, 98) and (98,) of a small change of identity, expression and pose."""
        view = self.view
        x = self.posed(mean, basis, identity)
        left = view.points - self.shift - x[:, :2]
        weights = 1 / (view.errors**2 + (left**2).sum(1) / OUTLIER**2) / TOGETHER
        zero, one = np.zeros(len(x)), np.ones(len(x))
        slope = np.empty((IDENTITY + EXPRESSION + POSE, len(x), 2))
        np.matmul(basis[:, : len(x)], self.scale * self.rotation[:2].T, out=slope[:-POSE])
        turns = [[zero, -x[:, 2]], [x[:, 2], zero], [-x[:, 1], x[:, 0]]]
        slope[-POSE:] = np.array([*turns, [x[:, 0], x[:, 1]], [one, zero], [zero, one]]).transpose(0, 2, 1)
        root = np.sqrt(weights)[:, None]
        slope *= root
        slope = slope.reshape(len(slope), -1)
        normal, right = slope @ slope.T, slope @ (left * root).ravel()
        expected = np.concatenate([view.identity - identity, view.expression - self.expression])
        normal[:-POSE, :-POSE] += view.precision
        right[:-POSE] += view.precision @ expected
        return normal, right

    def change(self, step):
        """Apply a change of expression and pose (58,)."""
        self.expression = np.clip(self.expression + step[:EXPRESSION], 0, 1)
        turn, grow, move = np.split(step[EXPRESSION:], [3, 4])
        self.rotation = pose.turn(turn) @ self.rotation
        self.scale *= float(np.exp(np.clip(grow[0], -0.3, 0.3)))
        self.shift = self.shift + move


def _bounded(normal, right, low, high):
    """The minimum (N,) of a quadratic within bounds: what would leave them is held there and the rest solved again."""
    inverse = np.linalg.inv(normal)  # once: what holding some does to the rest is told by a part of it
    alone = inverse @ right
    step, held = alone, np.zeros(len(right), bool)
    for _ in range(HOLD_ROUNDS):
        outside = ~held & ((step < low) | (step > high))
        if not outside.any():
            break
        held |= outside
        at = np.clip(step[held], low[held], high[held])
        step = alone + inverse[:, held] @ np.linalg.solve(inverse[np.ix_(held, held)], at - alone[held])
    return np.clip(step, low, high)


def fit(mean, basis, views, rounds=ROUNDS, identity=None):
    """Fit one identity and each view's expression and pose to `views` by Gauss-Newton steps.

    mean (N, 3), basis (92, N, 3): the points of the head model in metres; a view may see only the first K of them. A
    given `identity` (40,) stays as it is.
    """
    frozen = identity is not None
    if not frozen:
        identity = np.mean([view.identity for view in views], axis=0)
        identity = np.clip(identity, -IDENTITY_LIMIT, IDENTITY_LIMIT).astype(float)
    states = [_State(view) for view in views]
    size = EXPRESSION + POSE
    total = IDENTITY + size * len(states)
    shared = slice(0, IDENTITY)
    for _ in range(rounds):
        normal, right = np.zeros((total, total)), np.zeros(total)
        low, high = np.full(total, -np.inf), np.full(total, np.inf)
        low[shared], high[shared] = -IDENTITY_LIMIT - identity, IDENTITY_LIMIT - identity
        if frozen:
            low[shared] = high[shared] = 0
        for k, state in enumerate(states):
            own = slice(IDENTITY + size * k, IDENTITY + size * (k + 1))
            part, wanted = state.equations(mean, basis, identity)
            normal[shared, shared] += part[:IDENTITY, :IDENTITY]
            normal[shared, own], normal[own, shared] = part[:IDENTITY, IDENTITY:], part[IDENTITY:, :IDENTITY]
            normal[own, own] = part[IDENTITY:, IDENTITY:]
            right[shared] += wanted[:IDENTITY]
            right[own] = wanted[IDENTITY:]
            faces = slice(own.start, own.start + EXPRESSION)
            low[faces], high[faces] = -state.expression, 1 - state.expression
        step = _bounded(normal, right, low, high)
        identity = identity + step[shared]
        for k, state in enumerate(states):
            state.change(step[IDENTITY + size * k : IDENTITY + size * (k + 1)])
    distances = []
    for state in states:
        left = state.view.points - state.shift - state.posed(mean, basis, identity)[:, :2]
        distances.append(float((np.linalg.norm(left, axis=1) / state.view.errors).mean()))
    return Fit(
        identity,
        [s.expression for s in states],
        [s.scale for s in states],
        [s.rotation for s in states],
        [s.shift for s in states],
        distances,
    )
