"""Labels of portraits let jaws open mouths, and last layers solved anew learn what holds for other portraits."""

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("cv2")

from synergy_blender.face import head_model
from synergy_blender.face.pose import angles_of_many, matrix
from training import fit_portraits, last_layers
from training.fit_landmarks import Fit, LandmarkModel, fit, nme
from training.fit_portraits import JAW

INNER_LIPS = 62, 66  # of the 68 landmarks


@pytest.fixture(scope="module")
def model():
    head = head_model.load()
    moves = (
        np.array([head.landmarks(one.astype(float)) for one in field]) for field in (head.identity, head.expression)
    )
    return LandmarkModel(head.landmarks(head.mean.astype(float)), *moves)


def landmarks(model, **units):
    """A face from the front, 500 pixels to 0.25 m, y down."""
    expression = np.zeros((1, 52))
    for name, value in units.items():
        expression[0, head_model.load().expression_names.index(name)] = value
    return 2000 * model.points(np.zeros((1, 40)), expression)[..., :2] * [1, -1] + 250


def said(fits):
    return dict(zip(head_model.load().expression_names, fits.expression[0], strict=True))


def test_a_jaw_opens_a_mouth(model):
    target = landmarks(model, jawOpen=0.8)
    for fits in (fit(model, target), fit_portraits.with_open_jaws(model, target, INNER_LIPS)):
        found = said(fits)
        assert 0.7 < found["jawOpen"] < 0.9 and found["mouthFunnel"] < 0.1
        assert angles_of_many(fits.rotation) == pytest.approx(0, abs=1.0)


def test_pose_and_shape_are_found_together(model):
    """In turns they creep: a mouth that a jaw opens was read as shut, and the head as nodding."""
    rng, count = np.random.default_rng(5), 6
    true = Fit(
        rng.normal(0, 1, (count, 40)),
        np.zeros((count, 52)),
        rng.uniform(900, 3000, count),
        np.array([matrix(*angles) for angles in rng.uniform(-30, 30, (count, 3))]),
        rng.uniform(100, 900, (count, 2)),
        None,
    )
    true.expression[:, JAW] = rng.uniform(0.3, 0.9, count)
    target = true.picture(model.points(true.identity, true.expression))[..., :2]
    found, longer = (fit(model, target, rounds=rounds, prior=1e-4) for rounds in (8, 30))
    np.testing.assert_allclose(found.expression, longer.expression, atol=1e-2)
    again = found.picture(model.points(found.identity, found.expression))[..., :2]
    assert nme(again, target).max() < 1e-3
    turned = np.swapaxes(found.rotation, 1, 2) @ true.rotation
    assert np.degrees(np.arccos((np.trace(turned, axis1=1, axis2=2) - 1) / 2)).max() < 3


def test_a_smile_bares_shut_teeth(model):
    smile = {f"{name}{side}": 0.8 for name in ("mouthSmile", "mouthUpperUp") for side in ("Left", "Right")}
    assert said(fit_portraits.with_open_jaws(model, landmarks(model, **smile), INNER_LIPS))["jawOpen"] < 0.1


def test_last_layers_learn_what_holds_for_both_halves():
    rng = np.random.default_rng(0)
    true, errors = rng.normal(size=12), [rng.normal(size=12) for _ in range(2)]
    equations = last_layers.Equations(12, 92)
    for half, own in enumerate(errors):
        rows = rng.normal(3, 1, (4000, 12))
        left = np.zeros((4000, 92))
        left[:, 40] = rows @ true + 0.7
        left[:, 41] = rows @ own  # what one half tells is wrong about the other
        equations.take(rows, left + rng.normal(0, 0.1, left.shape), half)
    change = equations.change()
    np.testing.assert_allclose(change[:-1, 40], true, atol=0.1)
    assert np.abs(change[:-1, 41]).max() < 0.6 * np.abs(np.mean(errors, 0)).max()
    assert np.abs(change[:-1, 42]).max() < 0.01
