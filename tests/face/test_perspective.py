"""Known answers of the perspective pose."""

import numpy as np
import pytest

from synergy_blender.face import head_model, pose
from synergy_blender.face.perspective import focal_pixels, perspective_pose

SIZE = np.array([1200, 900])


@pytest.mark.parametrize("millimetres", [24, 50, 135])
@pytest.mark.parametrize("place", [(0.0, 0.0), (0.18, -0.1)])
def test_a_head_before_a_lens_is_found_where_it_is(millimetres, place):
    model = head_model.load()
    points = model.landmarks(model.mean)
    focal, middle = focal_pixels(millimetres, SIZE), SIZE / 2
    rotation, shift = pose.matrix(20, -8, 5), np.array([*place, -1.1])
    placed = points @ rotation.T + shift
    pixels = middle + focal * placed[:, :2] / -placed[:, 2:] * [1, -1]
    scale = focal / 1.0
    centre = middle + focal * shift[:2] / 1.1 * [1, -1]
    found, at = perspective_pose(points, pixels, (scale, pose.matrix(26, -2, 1), centre), focal, middle)
    np.testing.assert_allclose(found, rotation, atol=1e-5)
    np.testing.assert_allclose(at, shift, atol=1e-5)


def test_a_long_lens_sees_as_weak_perspective_does():
    model = head_model.load()
    points = model.landmarks(model.mean)
    rotation, scale, middle = pose.matrix(-30, 10, 4), 2000.0, SIZE / 2
    pixels = points @ (scale * rotation[:2].T) * [1, -1] + middle
    found, at = perspective_pose(points, pixels, (scale, rotation, middle), focal_pixels(2000, SIZE), middle)
    np.testing.assert_allclose(found, rotation, atol=0.01)
    assert at[2] == pytest.approx(-focal_pixels(2000, SIZE) / scale, rel=0.01)
