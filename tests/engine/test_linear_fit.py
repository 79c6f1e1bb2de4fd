"""The fit that a loss looks through against the fit that the add-on runs."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from synergy_blender.face import network, pose  # noqa: E402
from synergy_blender.face.fit import View, fit  # noqa: E402
from training import linear_fit  # noqa: E402

SPLIT = 40  # numbers of identity


@pytest.fixture(scope="module")
def seen():
    """A true head, and what is seen of it a little wrong: points, shape and precision."""
    rng, regress = np.random.default_rng(3), network.load()
    count = network.POINTS
    mean, basis = regress.points_mean[:count], regress.points_basis[:, :count]
    shape = np.concatenate([rng.normal(0, 0.5, SPLIT), rng.uniform(0.3, 0.7, network.SHAPE - SPLIT)])
    scale, rotation, shift = 480.0, pose.turn(np.array([0.1, 0.4, -0.05])), np.array([61.0, 58.0])
    points = scale * (mean + np.tensordot(shape, basis, 1)) @ rotation[:2].T + shift
    offsets = rng.normal(0, 0.02, points.shape) + [0.05, -0.03]
    log_errors, wrong = rng.uniform(-0.5, 0.5, count), rng.normal(0, 0.005, network.SHAPE)
    truth = shape, scale, rotation, shift
    return mean, basis, truth, points, offsets, log_errors, wrong, regress.precision


def left_wrong(mean, basis, truth, offsets, log_errors, wrong, precision):
    shape, scale, rotation, _ = truth
    one = {
        name: torch.as_tensor(np.asarray(value, np.float32))[None]
        for name, value in (("shape", shape), ("scale", scale), ("rotation", rotation))
    }
    points = (torch.as_tensor(a.astype(np.float32)) for a in (mean, basis))
    slope = linear_fit.slopes(*points, one["shape"], one["scale"], one["rotation"])
    rows = (torch.as_tensor(a.astype(np.float32))[None] for a in (offsets, log_errors, wrong))
    return slope, linear_fit.left_wrong(slope, *rows, torch.as_tensor(precision))[0].numpy()


def test_it_leaves_wrong_what_the_fit_leaves_wrong(seen):
    mean, basis, truth, points, offsets, log_errors, wrong, precision = seen
    _, found = left_wrong(mean, basis, truth, offsets, log_errors, wrong, precision)
    shape, scale, rotation, shift = truth
    start = np.column_stack([scale * rotation, [*shift, 0]])
    off = shape + wrong
    view = View(points + offsets, np.exp(log_errors), off[:SPLIT], off[SPLIT:], precision, start)
    one = fit(mean, basis, [view])
    expected = np.concatenate([one.identity, one.expression[0]]) - shape
    np.testing.assert_allclose(found[: network.SHAPE], expected, atol=0.02 * np.abs(expected).max())
    np.testing.assert_allclose(pose.turn(found[-6:-3].astype(float)) @ rotation, one.rotation[0], atol=2e-5)
    np.testing.assert_allclose(scale * np.exp(found[-3]), one.scale[0], rtol=1e-4)
    np.testing.assert_allclose(shift + found[-2:], one.shift[0], atol=2e-3)


def test_points_move_as_their_slopes_say(seen):
    mean, basis, truth, points, offsets, log_errors, wrong, precision = seen
    slope, _ = left_wrong(mean, basis, truth, offsets, log_errors, wrong, precision)
    shape, scale, rotation, shift = truth
    step = np.random.default_rng(4).normal(0, 1e-3, network.SHAPE + 6)
    moved = mean + np.tensordot(shape + step[:-6], basis, 1)
    moved = scale * np.exp(step[-3]) * moved @ (pose.turn(step[-6:-3]) @ rotation)[:2].T + shift + step[-2:]
    np.testing.assert_allclose(np.tensordot(step, slope[0].numpy(), 1), moved - points, atol=2e-3)
