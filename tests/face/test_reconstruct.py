"""Reconstruction of a real photograph: consistent, in the promised frames, and plain about what it refuses."""

import numpy as np
import pytest
from skimage import data

from synergy_blender.face import (
    detector,
    head_model,
    look,
    network,
    parameters_from_landmarks,
    pose,
    reconstruct,
    reconstruct_person,
)
from synergy_blender.face.pose import to_picture

# The astronaut's 68 landmarks: MediaPipe's, by the usual index map, measured once in the workshop.
ASTRONAUT = np.array(
    [
        [180.8, 92.5],
        [179.4, 110.0],
        [179.3, 118.9],
        [181.6, 139.4],
        [184.9, 148.3],
        [189.1, 155.3],
        [199.9, 167.3],
        [212.2, 175.7],
        [221.3, 177.4],
        [230.4, 176.9],
        [243.8, 170.0],
        [255.9, 159.4],
        [260.8, 152.9],
        [265.1, 144.4],
        [269.5, 124.4],
        [270.2, 115.5],
        [270.1, 97.8],
        [185.4, 88.7],
        [192.4, 88.1],
        [198.8, 86.9],
        [206.8, 87.9],
        [215.9, 89.8],
        [235.8, 91.5],
        [245.1, 90.8],
        [253.0, 90.7],
        [259.0, 92.6],
        [265.6, 93.4],
        [224.9, 100.5],
        [224.4, 110.4],
        [223.9, 119.9],
        [223.6, 125.8],
        [213.1, 128.5],
        [217.2, 131.2],
        [223.4, 132.4],
        [230.0, 131.9],
        [234.4, 129.7],
        [195.2, 100.9],
        [199.4, 98.1],
        [206.3, 98.1],
        [213.3, 103.7],
        [206.8, 104.3],
        [200.1, 103.8],
        [237.0, 104.9],
        [244.7, 100.0],
        [251.9, 100.6],
        [255.8, 104.3],
        [250.0, 106.6],
        [243.3, 106.2],
        [201.8, 139.2],
        [211.2, 139.1],
        [217.1, 139.2],
        [223.6, 140.5],
        [230.2, 139.7],
        [236.1, 140.0],
        [245.0, 141.0],
        [234.7, 152.2],
        [229.2, 154.2],
        [222.7, 154.6],
        [216.2, 153.5],
        [210.8, 151.1],
        [203.3, 139.9],
        [217.6, 142.4],
        [223.5, 143.2],
        [229.4, 142.9],
        [243.4, 141.5],
        [228.6, 149.7],
        [223.0, 150.1],
        [217.3, 149.3],
    ],
    float,
)


@pytest.fixture(scope="module")
def face():
    [face] = reconstruct(data.astronaut())
    return face


def nme(found, truth):
    return np.linalg.norm(found[:, :2] - truth, axis=1).mean() / np.sqrt(np.ptp(truth, axis=0).prod())


def test_landmarks_of_a_real_face(face):
    assert nme(face.landmarks, ASTRONAUT) < 0.06


def test_fields(face):
    model = head_model.load()
    assert face.parameters.shape == (104,)
    assert face.identity.shape == (40,) and np.abs(face.identity).max() <= 3
    assert face.expression.shape == (52,) and face.expression.min() >= 0 and face.expression.max() <= 1
    assert face.vertices.shape == (len(model.mean), 3) and face.landmarks.shape == (68, 3)
    assert 0.5 < face.confidence <= 1
    assert abs(face.yaw) < 25 and abs(face.pitch) < 25 and abs(face.roll) < 20
    x0, y0, x1, y1 = face.box
    assert x0 < 224 < x1 and y0 < 128 < y1


def test_fields_agree_with_each_other(face):
    model = head_model.load()
    shape = model.vertices(face.identity, face.expression)
    np.testing.assert_allclose(to_picture(shape, face.scale, face.rotation, face.centre), face.vertices, atol=1e-3)
    np.testing.assert_allclose(model.landmarks(face.vertices), face.landmarks, atol=1e-3)
    np.testing.assert_allclose(pose.matrix(face.yaw, face.pitch, face.roll), face.rotation, atol=1e-6)
    nose, ears = face.landmarks[30], face.landmarks[[0, 16]].mean(0)
    assert nose[2] > ears[2]  # z towards the viewer


def test_a_mirrored_photo_gives_the_mirrored_pose(face):
    [mirrored] = reconstruct(np.ascontiguousarray(data.astronaut()[:, ::-1]))
    assert mirrored.yaw == pytest.approx(-face.yaw, abs=8)
    assert mirrored.roll == pytest.approx(-face.roll, abs=6)
    assert mirrored.pitch == pytest.approx(face.pitch, abs=8)


def test_the_face_follows_the_picture(face):
    wide = np.full((700, 800, 3), 90, np.uint8)
    wide[100:612, 200:712] = data.astronaut()
    [moved] = reconstruct(wide)
    assert np.abs(moved.landmarks[:, :2] - face.landmarks[:, :2] - [200, 100]).mean() < 3


@pytest.mark.parametrize(("gain", "haze"), [(0.08, 0), (0.15, 0), (0.2, 100), (0.15, 210)])
def test_a_dark_or_hazy_photo_is_read_as_well(face, gain, haze):
    [faint] = reconstruct((gain * data.astronaut() + haze).astype(np.uint8))
    assert nme(faint.landmarks, face.landmarks[:, :2]) < 0.03
    assert faint.confidence > 0.9


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_photo_may_lie_on_its_side_or_stand_on_its_head(face, quarters):
    [turned] = reconstruct(np.ascontiguousarray(np.rot90(data.astronaut(), quarters)))
    x, y = turned.landmarks[:, :2].T
    for _ in range(quarters):  # a quarter of a turn to the right of a square picture
        x, y = 512 - y, x
    assert nme(np.stack([x, y], 1), face.landmarks[:, :2]) < 0.03
    assert np.cos(np.radians(turned.roll - face.roll + 90 * quarters)) > 0.98
    assert turned.confidence > 0.9 * face.confidence


def test_two_people_come_largest_first(face):
    picture = data.astronaut()
    both = np.zeros((512, 900, 3), np.uint8)
    both[:, :512] = picture
    both[:256, 600:856] = picture[::2, ::2]
    faces = reconstruct(both)
    assert len(faces) == 2
    assert faces[0].landmarks[30, 0] < 400 < 600 < faces[1].landmarks[30, 0]


def test_a_closer_look_that_is_hopeless_is_not_taken_both_ways():
    seen = detector.load()(data.astronaut())[0]
    whole, enough, hopeless = (look.closer(data.astronaut(), seen, network.load(), e) for e in (np.inf, 3.0, 0.1))
    np.testing.assert_array_equal(whole.view.points, enough.view.points)
    assert 2 * len(hopeless.view.points) == len(whole.view.points)


def test_boxes_are_obeyed(face):
    x0, y0, x1, y1 = face.box
    [found] = reconstruct(data.astronaut(), boxes=[(x0 - 5, y0 - 8, x1 + 9, y1 + 4)])
    assert nme(found.landmarks, face.landmarks[:, :2]) < 0.04
    assert found.confidence > 0.3
    [elsewhere] = reconstruct(data.astronaut(), boxes=[(300, 380, 420, 500)])
    assert elsewhere.confidence < found.confidence


def test_what_is_not_a_picture_is_refused_in_a_sentence():
    for wrong in (
        np.zeros((10, 10), np.uint8),
        np.zeros((10, 10, 4), np.uint8),
        np.zeros((10, 10, 3)),
        np.zeros((0, 5, 3), np.uint8),
    ):
        with pytest.raises(ValueError, match="RGB, uint8"):
            reconstruct(wrong)
    with pytest.raises(ValueError, match="outside the picture"):
        reconstruct(data.astronaut(), boxes=[(-5, 0, 50, 50)])
    with pytest.raises(ValueError, match="X0 < X1"):
        reconstruct(data.astronaut(), boxes=[(50, 0, 5, 50)])


def test_a_picture_without_a_face_gives_an_empty_list():
    assert reconstruct(np.full((200, 300, 3), 200, np.uint8)) == []


def test_a_person_has_one_identity_in_all_pictures(face):
    photo = data.astronaut()
    mirrored, small = np.ascontiguousarray(photo[:, ::-1]), np.ascontiguousarray(photo[::2, ::2])
    found = reconstruct_person([photo, mirrored, small])
    assert len(found) == 3
    for one in found[1:]:
        np.testing.assert_array_equal(one.identity, found[0].identity)
    assert nme(found[0].landmarks, face.landmarks[:, :2]) < 0.03
    assert found[1].yaw == pytest.approx(-found[0].yaw, abs=8)
    assert nme(found[2].landmarks, found[0].landmarks[:, :2] / 2) < 0.04
    [alone] = reconstruct_person([photo])
    np.testing.assert_allclose(alone.vertices, face.vertices)


def test_a_person_without_a_face_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        reconstruct_person([])
    with pytest.raises(ValueError, match="no face in picture 2"):
        reconstruct_person([data.astronaut(), np.full((200, 300, 3), 200, np.uint8)])


def test_landmarks_give_the_face_back(face):
    again = parameters_from_landmarks(face.landmarks[:, :2])
    assert nme(again.landmarks, face.landmarks[:, :2]) < 0.01
    assert again.yaw == pytest.approx(face.yaw, abs=4) and again.pitch == pytest.approx(face.pitch, abs=6)
    kept = parameters_from_landmarks(face.landmarks[:, :2], identity=face.identity)
    np.testing.assert_array_equal(kept.identity, face.identity)


def test_a_dragged_landmark_takes_the_face_along(face):
    dragged = face.landmarks[:, :2].copy()
    dragged[48:] += [0, 6]  # the mouth lower
    found = parameters_from_landmarks(dragged)
    assert nme(found.landmarks, dragged) < 0.6 * nme(face.landmarks, dragged)


def test_what_are_not_landmarks_is_refused():
    with pytest.raises(ValueError, match="68 pairs"):
        parameters_from_landmarks(np.zeros((5, 2)))
    with pytest.raises(ValueError, match="one line"):
        parameters_from_landmarks(np.column_stack([np.arange(68.0), np.zeros(68)]))
