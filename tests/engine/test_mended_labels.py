"""Labels of portraits let jaws open mouths, and last layers solved anew learn what holds for other portraits."""

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("cv2")

from synergy_blender.face import head_model
from training import fit_portraits, last_layers
from training.fit_landmarks import LandmarkModel, fit

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
    equally, mended = said(fit(model, target)), said(fit_portraits.with_open_jaws(model, target, INNER_LIPS))
    assert equally["jawOpen"] < 0.2  # all that parts lips, and the pose, shared the gap out among them
    assert 0.5 < mended["jawOpen"] < 0.9 and mended["mouthFunnel"] < 0.2


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
