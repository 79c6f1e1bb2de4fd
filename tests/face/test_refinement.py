"""The closer look: the chart is smooth and exact, and what is seen does not depend on which way a picture is turned."""

from dataclasses import replace

import numpy as np
import pytest
from skimage import data

from synergy_blender.face import chart, crop, network, pose, reconstruct, refinement
from synergy_blender.face.fit import fit

SIDE = 190.0  # of the square about the astronaut's face, pixels
MIDDLE = np.array([225.0, 130.0])


@pytest.fixture(scope="module")
def refine():
    return refinement.load()


@pytest.fixture(scope="module")
def astronaut():
    """The square about the astronaut's face and the Head in it."""
    [face] = reconstruct(data.astronaut())
    ratio = network.CROP / SIDE
    shift = (face.centre - MIDDLE) * [ratio, -ratio] + network.CROP / 2
    head = refinement.Head(face.identity, face.expression, face.scale * ratio, face.rotation, shift)
    return crop.square(data.astronaut(), MIDDLE, SIDE, refinement.PICTURE), head


def test_planes_are_spread_exactly_and_points_met(refine):
    at = refine.weights["chart"].astype(float)
    plane = np.array([3.0, -2.0])
    spread = chart.filled_in(refine.spread @ (at @ plane + 0.5)).ravel()
    np.testing.assert_allclose(spread, chart.cells() @ plane + 0.5, atol=1e-3)
    bumps = np.sin(at[:, 0] / 0.03) * np.cos(at[:, 1] / 0.04)
    found = network.look(chart.filled_in(refine.spread @ bumps[:, None]), chart.on_grid(at))
    inside = (np.abs(chart.on_grid(at)) < 0.98).all(1)
    assert np.abs(found[inside, 0] - bumps[inside]).max() < 0.1


def test_cells_are_seen_squarely_from_ahead_and_not_from_behind():
    ahead = 500 * chart.cells().reshape(chart.CELLS, chart.CELLS, 2)
    np.testing.assert_allclose(chart.facing(ahead, 500), 1, rtol=1e-4)
    np.testing.assert_allclose(chart.facing(ahead * [0.5, 1], 500), 0.5, rtol=1e-4)
    assert (chart.facing(ahead * [-1, 1], 500) < 0).all()
    colours = np.full((chart.CELLS, chart.CELLS, 3), 255.0)
    assert not chart.laid_flat(colours, chart.facing(ahead * [-1, 1], 500))[..., :3].any()


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turned_picture_shows_the_same_face(refine, astronaut, quarters):
    picture, head = astronaut
    points, errors, shape = refine(picture, head)
    c, s = np.cos(quarters * np.pi / 2), np.sin(quarters * np.pi / 2)
    turn, middle = np.array([[c, -s], [s, c]]), network.CROP / 2
    rotation = head.rotation.copy()
    rotation[:2] = turn @ head.rotation[:2]
    turned = replace(head, rotation=rotation, shift=middle + turn @ (head.shift - middle))
    other = refine(np.ascontiguousarray(np.rot90(picture, quarters)), turned)
    np.testing.assert_allclose(other[0], middle + (points - middle) @ turn.T, atol=0.02)
    np.testing.assert_allclose(other[1], errors, rtol=0.01)
    np.testing.assert_allclose(other[2], shape, atol=0.01)


def test_a_mirrored_picture_gives_the_mirrored_evidence(refine, astronaut):
    picture, head = astronaut
    here = refine.refined_both_ways(picture, head)
    there = refine.refined_both_ways(np.ascontiguousarray(picture[:, ::-1]), head.mirrored(refine.mirror))
    back = np.array([network.CROP, 0]) + there.points * [-1, 1]
    np.testing.assert_allclose(np.roll(back, len(back) // 2, 0), here.points, atol=0.05)
    shape = refine.mirror @ np.concatenate([there.identity, there.expression])
    np.testing.assert_allclose(shape, np.concatenate([here.identity, here.expression]), atol=0.05)


def test_a_wrong_pose_is_put_right(refine, astronaut):
    picture, head = astronaut
    rng, before, after = np.random.default_rng(0), [], []
    for _ in range(4):
        rotation = head.rotation @ pose.turn(rng.normal(0, 0.06, 3))
        wrong = replace(head, rotation=rotation, scale=head.scale * 1.03, shift=head.shift + rng.normal(0, 1.5, 2))
        before.append(placed(refine, wrong) - placed(refine, head))
        for refined in (refine.refined, refine.refined_both_ways):
            found = fit(refine.points_mean, refine.points_basis, [refined(picture, wrong)])
            wrong = refinement.Head(
                found.identity, found.expression[0], found.scale[0], found.rotation[0], found.shift[0]
            )
        after.append(placed(refine, wrong) - placed(refine, head))
    before, after = (np.linalg.norm(gap, axis=2).mean() for gap in (before, after))
    assert after < 0.4 * before


def placed(refine, head):
    """The points (K, 2) of a Head in its square."""
    shape = np.concatenate([head.identity, head.expression])
    points = refine.points_mean + np.tensordot(shape, refine.points_basis, 1)
    return head.scale * points @ head.rotation[:2].T + head.shift
