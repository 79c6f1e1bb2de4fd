"""The detector's decoding, and the faces that are found in real pictures."""

import numpy as np
import pytest
from skimage import data

from synergy_blender.face import detector, faces


def raw(*faces):
    """Raw outputs of a 320 x 256 picture in which the middle level sees `faces` (row, column, dx, dy, log side)."""
    maps = [np.full((256 // c, 320 // c, 4), -20.0) for c in detector.LEVELS]
    for row, column, *square in faces:
        maps[1][row, column] = [8.0, *square]
    return maps


def test_decode_places_squares():
    [candidate] = detector.decode(raw((4, 10, 0.5, -0.25, 1.0)))
    assert candidate[1:] == pytest.approx([(10.5 + 0.5) * 16, (4.5 - 0.25) * 16, 4 * 16 * 2])


def test_neighbours_that_see_one_face_become_one():
    maps = raw((4, 10, 0, 0, 0.5), (4, 11, -1, 0, 0.5), (5, 10, 0, -1, 0.55), (12, 3, 0, 0, 0.2))
    found = detector.keep_best(detector.decode(maps))
    assert len(found) == 2
    assert found[0].centre == pytest.approx((168, 72), abs=1) or found[1].centre == pytest.approx((168, 72), abs=1)


def test_finds_the_astronaut_wherever_she_is():
    find = faces.find
    picture = data.astronaut()
    [face] = find(picture)
    assert face.centre == pytest.approx((224, 128), abs=14) and 75 < face.side < 130
    mirrored = find(np.ascontiguousarray(picture[:, ::-1]))
    assert mirrored[0].centre == pytest.approx((512 - 224, 128), abs=14)


def test_finds_the_astronaut_in_a_wide_picture():
    wide = np.full((512, 1500, 3), 128, np.uint8)
    wide[:, 900:1412] = data.astronaut()
    [face] = faces.find(wide)
    assert face.centre == pytest.approx((1124, 128), abs=20)


@pytest.mark.parametrize("name", ["chelsea", "rocket", "brick", "grass", "coffee"])
def test_sees_no_face_where_there_is_none(name):
    picture = getattr(data, name)()
    if picture.ndim == 2:
        picture = picture[..., None].repeat(3, 2)
    assert faces.find(np.ascontiguousarray(picture)) == []


def test_finds_the_profile_of_the_man_behind_the_camera_and_nothing_else():
    [face] = faces.find(data.camera()[..., None].repeat(3, 2))
    assert face.centre == pytest.approx((222, 160), abs=14) and 50 < face.side < 100


def test_blank_and_noise_hold_no_face():
    find = faces.find
    assert find(np.zeros((100, 100, 3), np.uint8)) == []
    assert find(np.random.default_rng(0).integers(0, 255, (240, 320, 3)).astype(np.uint8)) == []


def test_a_second_look_of_the_detector_agrees_about_faces_and_not_about_noise():
    find, picture = detector.load(), data.astronaut()
    [face] = [face for face in find(picture) if face.score > 0.9]
    assert faces.considered(picture, face, find) > 0.9
    noise = np.random.default_rng(0).integers(0, 255, (512, 512, 3)).astype(np.uint8)
    assert faces.considered(noise, face, find) < faces.PROPOSED
    # what is seen about a square is told relative to it
    _, x, y, side = max(find.about(picture, face.centre, face.side), key=lambda row: row[0])
    assert abs(x) < 0.1 and abs(y) < 0.1 and side == pytest.approx(1, abs=0.15)
