"""Fitting the head to points: known answers, and what several views of one person add."""

import numpy as np
import pytest

from synergy_blender.face import network, pose
from synergy_blender.face.fit import View, fit


@pytest.fixture(scope="module")
def net():
    return network.load()


def seen(net, rng, identity, error, yaw=None, known=1.0):
    """A View of a head of known shape, its points off by `error` pixels, with nothing known beforehand."""
    expression = np.where(rng.random(52) < 0.1, rng.uniform(0, 0.8, 52), 0.0)
    rotation = pose.matrix(rng.uniform(-40, 40) if yaw is None else yaw, rng.uniform(-15, 15), rng.uniform(-20, 20))
    scale, shift = rng.uniform(450, 600), rng.uniform(50, 70, 2)
    shape = net.points_mean + np.tensordot(np.concatenate([identity, expression]), net.points_basis, 1)
    points = scale * shape @ rotation[:2].T + shift
    start = np.column_stack([scale * 1.1 * rotation @ pose.matrix(6, -5, 4), [*shift + 3, 0]])
    precision = known * np.diag(np.concatenate([np.ones(40), np.full(52, 16.0)]))
    points = points + rng.normal(0, error, points.shape)
    errors = np.full(len(points), max(error, 0.3))
    view = View(points, errors, np.zeros(40), np.zeros(52), precision, start)
    return view, rotation


def surface_error(net, found, true):
    """Mean distance of the points between two identities, metres."""
    return np.linalg.norm(np.tensordot(found - true, net.points_basis[:40], 1), axis=1).mean()


def test_exact_points_give_pose_and_shape_back(net):
    rng = np.random.default_rng(0)
    for _ in range(5):
        identity = rng.normal(0, 0.8, 40)
        view, rotation = seen(net, rng, identity, 0.0, known=0.01)
        found = fit(net.points_mean, net.points_basis, [view], rounds=12)
        placed = (
            found.scale[0]
            * (
                net.points_mean
                + np.tensordot(np.concatenate([found.identity, found.expression[0]]), net.points_basis, 1)
            )
            @ found.rotation[0][:2].T
            + found.shift[0]
        )
        assert np.linalg.norm(placed - view.points, axis=1).mean() < 0.25
        assert np.degrees(np.arccos(np.clip((np.trace(found.rotation[0].T @ rotation) - 1) / 2, -1, 1))) < 1.0
        assert surface_error(net, found.identity, identity) < 0.3 * surface_error(net, 0 * identity, identity)
        assert found.expression[0].min() >= 0 and found.expression[0].max() <= 1


def test_several_views_tell_more_of_a_person_than_one(net):
    rng = np.random.default_rng(1)
    alone, together = [], []
    for _ in range(6):
        identity = rng.normal(0, 0.8, 40)
        views = [seen(net, rng, identity, 1.5, yaw)[0] for yaw in (-45, 0, 45)]
        joint = fit(net.points_mean, net.points_basis, views)
        assert len(joint.expression) == len(joint.rotation) == 3
        together.append(surface_error(net, joint.identity, identity))
        alone += [
            surface_error(net, fit(net.points_mean, net.points_basis, [view]).identity, identity) for view in views
        ]
    assert np.mean(together) < 0.92 * np.mean(alone)


def test_a_frozen_identity_stays(net):
    rng = np.random.default_rng(2)
    identity = rng.normal(0, 0.8, 40)
    view = seen(net, rng, identity, 0.5)[0]
    found = fit(net.points_mean, net.points_basis, [view], identity=identity)
    np.testing.assert_array_equal(found.identity, identity)


def test_a_stray_point_is_hardly_believed(net):
    rng = np.random.default_rng(3)
    view = seen(net, rng, rng.normal(0, 0.8, 40), 0.5)[0]
    whole = fit(net.points_mean, net.points_basis, [view])
    view.points[40] += 60
    strayed = fit(net.points_mean, net.points_basis, [view])
    assert surface_error(net, strayed.identity, whole.identity) < 0.0005
