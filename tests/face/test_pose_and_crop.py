"""Angles, poses and resampling: known answers and round trips."""

import numpy as np
import pytest

from synergy_blender.face import crop, pose
from synergy_blender.face.pose import to_picture


@pytest.mark.parametrize("angles", [(0, 0, 0), (35, -12, 8), (-88, 20, -40), (60, 0, 170), (-15, -45, 90)])
def test_angles_round_trip(angles):
    assert pose.angles(pose.matrix(*angles)) == pytest.approx(angles, abs=1e-6)


def test_angle_convention_of_300w_lp():
    # R = Rx Ry Rz with these signs: yaw alone puts -sin(yaw) into the first row's last column
    rotation = pose.matrix(30, 0, 0)
    assert rotation[0, 2] == pytest.approx(-0.5)
    assert (rotation @ [0, 0, 1])[0] < 0  # positive yaw turns the face to the picture's left
    assert (pose.matrix(0, 20, 0) @ [0, 0, 1])[1] > 0  # positive pitch looks up


def test_decompose_finds_scale_rotation_and_shift():
    rotation = pose.matrix(25, -10, 5)
    exact = np.column_stack([480 * rotation, [60, 55, 3]])
    scale, found, shift = pose.decompose(exact)
    assert scale == pytest.approx(480)
    np.testing.assert_allclose(found, rotation, atol=1e-12)
    np.testing.assert_allclose(shift, [60, 55, 3])
    rng = np.random.default_rng(0)
    _, found, _ = pose.decompose(exact + rng.normal(0, 10, (3, 4)))
    np.testing.assert_allclose(found @ found.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(found) > 0
    assert pose.decompose(exact * [[1], [1], [-1]])[1] == pytest.approx(pose.decompose(exact * [[1], [1], [-1]])[1])


def test_to_picture_turns_y_down():
    points = to_picture(np.array([[0.1, 0.2, 0.3]]), 100, np.eye(3), np.array([50, 60]))
    np.testing.assert_allclose(points, [[60, 40, 30]])


def test_resample_copies_pixels_at_their_own_size():
    picture = np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(np.uint8)
    np.testing.assert_allclose(crop.resample(picture, 4, 3, 10, 8, 10, 8), picture[3:11, 4:14], atol=1e-3)


def test_resample_keeps_a_constant_and_repeats_the_edge():
    picture = np.full((40, 50, 3), 77, np.uint8)
    np.testing.assert_allclose(crop.square(picture, (0, 0), 300, 120), 77, atol=1e-2)


@pytest.mark.parametrize("factor", [1.7, 4, 9.3])
def test_resample_averages_when_it_shrinks(factor):
    height, width = 400, 600
    ramp = np.linspace(0, 255, width)[None, :, None].repeat(height, 0).repeat(3, 2)
    noise = np.random.default_rng(0).normal(0, 40, ramp.shape)
    picture = np.clip(ramp * 0.5 + 60 + noise, 0, 255).astype(np.uint8)
    rows, columns = int(height / factor), int(width / factor)
    small = crop.resample(picture, 0, 0, width, height, columns, rows)
    want = np.linspace(60, 187, columns)
    inner = slice(3, -3)
    assert np.abs(small.mean((0, 2)) - want)[inner].max() < 3  # in place: no shift of the ramp
    assert small[:, columns // 2].std() < 40 / factor * 1.3  # and no aliasing of the noise


def test_square_maps_crop_pixels_to_picture_pixels():
    picture = np.zeros((200, 200, 3), np.uint8)
    picture[95:105, 125:135] = 255
    cut = crop.square(picture, (120, 90), 60, 120)[..., 0]
    row, column = np.argwhere(cut > 128).mean(0) + 0.5
    assert (column / 2 + 90, row / 2 + 60) == pytest.approx((130, 100), abs=0.1)


def test_a_turn_is_about_its_vector_by_its_length():
    np.testing.assert_allclose(pose.turn(np.array([0, np.radians(30), 0])), pose.matrix(-30, 0, 0), atol=1e-12)
    np.testing.assert_allclose(pose.turn(np.zeros(3)), np.eye(3))
