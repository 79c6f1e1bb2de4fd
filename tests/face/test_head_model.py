"""The bundled head: what an artist and the rest of the code may rely on."""

import numpy as np
import pytest

from synergy_blender.face import head_model, network

ARKIT = [
    "eyeBlinkLeft",
    "eyeLookDownLeft",
    "eyeLookInLeft",
    "eyeLookOutLeft",
    "eyeLookUpLeft",
    "eyeSquintLeft",
    "eyeWideLeft",
    "eyeBlinkRight",
    "eyeLookDownRight",
    "eyeLookInRight",
    "eyeLookOutRight",
    "eyeLookUpRight",
    "eyeSquintRight",
    "eyeWideRight",
    "jawForward",
    "jawLeft",
    "jawRight",
    "jawOpen",
    "mouthClose",
    "mouthFunnel",
    "mouthPucker",
    "mouthLeft",
    "mouthRight",
    "mouthSmileLeft",
    "mouthSmileRight",
    "mouthFrownLeft",
    "mouthFrownRight",
    "mouthDimpleLeft",
    "mouthDimpleRight",
    "mouthStretchLeft",
    "mouthStretchRight",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
    "mouthPressLeft",
    "mouthPressRight",
    "mouthLowerDownLeft",
    "mouthLowerDownRight",
    "mouthUpperUpLeft",
    "mouthUpperUpRight",
    "browDownLeft",
    "browDownRight",
    "browInnerUp",
    "browOuterUpLeft",
    "browOuterUpRight",
    "cheekPuff",
    "cheekSquintLeft",
    "cheekSquintRight",
    "noseSneerLeft",
    "noseSneerRight",
    "tongueOut",
]
FLIP = np.array([-1, 1, 1])


@pytest.fixture(scope="module")
def model():
    return head_model.load()


@pytest.fixture(scope="module")
def mirror(model):
    """Row of each vertex's mirror image."""
    order = {tuple(p): i for i, p in enumerate(np.round(model.mean * 1e5).astype(int).tolist())}
    rows = []
    for x, y, z in np.round(model.mean * 1e5).astype(int).tolist():
        near = [order.get((-x + a, y + b, z + c)) for a in (0, -1, 1) for b in (0, -1, 1) for c in (0, -1, 1)]
        rows.append(next((i for i in near if i is not None), -1))
    return np.array(rows)


def test_expressions_are_apples_52(model):
    assert sorted(model.expression_names) == sorted(ARKIT)


def test_names_of_identity_are_few_words_and_unique(model):
    names = [name for name in model.identity_names if name]
    assert len(names) >= 10 and len(set(names)) == len(names)
    assert all(0 < len(name) <= 24 for name in names)


def test_identity_does_what_its_name_says(model):
    landmarks = model.landmarks(model.mean)
    width = {"Wider face": 1, "Narrower face": -1}
    [(i, sign)] = [(i, width[name]) for i, name in enumerate(model.identity_names) if name in width]
    moved = model.landmarks(model.mean + model.identity[i])
    assert sign * ((moved[15] - moved[1])[0] - (landmarks[15] - landmarks[1])[0]) > 0.001


def test_it_is_the_size_of_a_head(model):
    skin = model.mean[model.groups["skin"]]
    width, height, depth = np.ptp(skin, axis=0)
    assert 0.14 < width < 0.20 and 0.24 < height < 0.34 and 0.17 < depth < 0.26
    eyes = [model.mean[model.groups[f"eye_{side}"]].mean(0) for side in ("left", "right")]
    assert 0.055 < np.linalg.norm(eyes[0] - eyes[1]) < 0.07
    assert eyes[0][0] > 0 > eyes[1][0]  # +x is the subject's left


def test_only_the_neck_is_open_and_every_vertex_is_used(model):
    edges = np.concatenate([model.faces[:, [k, (k + 1) % 4]] for k in range(4)])
    _, count = np.unique(np.sort(edges, axis=1), axis=0, return_counts=True)
    assert count.max() == 2
    assert len(np.unique(model.faces)) == len(model.mean)
    # orientation is consistent: no edge is run twice in one direction
    assert len(np.unique(edges, axis=0)) == len(edges)
    pairs, count = np.unique(np.sort(edges, axis=1), axis=0, return_counts=True)
    border = np.unique(pairs[count == 1])
    assert np.ptp(model.mean[border, 1]) < 1e-5 and model.mean[border, 1].max() < -0.15, "the neck ends in a plane"


def test_poles_have_three_or_five_edges(model):
    edges = np.unique(np.sort(np.concatenate([model.faces[:, [k, (k + 1) % 4]] for k in range(4)]), axis=1), axis=0)
    assert set(np.bincount(edges.ravel())) <= {3, 4, 5}


def test_the_mean_is_symmetric(model, mirror):
    assert (mirror >= 0).all()
    np.testing.assert_allclose(model.mean[mirror], model.mean * FLIP, atol=1e-6)


def test_left_and_right_expressions_mirror_each_other(model, mirror):
    names = list(model.expression_names)
    for name in names:
        if name.endswith("Left"):
            left, right = (model.expression[names.index(n)] for n in (name, name[:-4] + "Right"))
            assert np.abs(left[mirror] * FLIP - right).max() < 4e-4, name


def test_landmarks_lie_where_ibug_puts_them(model):
    points = model.landmarks(model.mean)
    assert points.shape == (68, 3)
    assert points[0, 0] < -0.05 and points[16, 0] > 0.05  # the jaw runs from the subject's right to the left
    assert abs(points[8, 0]) < 0.004 and points[8, 1] == pytest.approx(points[:17, 1].min(), abs=0.004)  # chin
    assert points[30, 2] == pytest.approx(points[:, 2].max(), abs=0.004)  # tip of the nose
    assert points[36:42, 0].max() < 0 < points[42:48, 0].min()  # the subject's right eye first
    assert points[17:27, 1].min() > points[36:48, 1].max()  # brows above eyes
    assert points[48, 0] < -0.015 and points[54, 0] > 0.015  # corners of the mouth
    assert points[51, 1] > points[57, 1]  # upper lip above lower
    np.testing.assert_allclose(model.landmark_weights.sum(1), 1, atol=1e-5)


def test_landmarks_lie_and_move_as_the_network_was_taught(model):
    regress = network.load()
    taught, moves = regress.points_mean[:68], regress.points_basis[:, :68]
    assert np.linalg.norm(model.landmarks(model.mean) - taught, axis=1).max() < 0.0007
    ours = np.array([model.landmarks(field) for field in (*model.identity, *model.expression)], float)
    assert np.linalg.norm(ours - moves, axis=2).mean() < 0.0001
    brows = [len(model.identity) + k for k, name in enumerate(model.expression_names) if name.startswith("brow")]
    assert np.linalg.norm(ours[brows] - moves[brows], axis=2).max() < 0.001


def test_expressions_move_what_their_names_say(model):
    names = list(model.expression_names)
    landmarks = {n: model.landmarks(model.mean + model.expression[names.index(n)]) for n in names}
    neutral = model.landmarks(model.mean)
    moved = {n: points - neutral for n, points in landmarks.items()}
    assert moved["jawOpen"][57, 1] < -0.015 and abs(moved["jawOpen"][30]).max() < 0.003
    assert moved["eyeBlinkLeft"][43:45, 1].max() < -0.003 and np.abs(moved["eyeBlinkLeft"][36:42]).max() < 1e-4
    assert moved["mouthSmileLeft"][54, 1] > 0.003 and moved["mouthSmileLeft"][54, 0] > 0
    assert moved["mouthFrownRight"][48, 1] < -0.002
    raised = moved["browInnerUp"] + moved["browOuterUpLeft"] + moved["browOuterUpRight"]
    assert moved["browInnerUp"][[21, 22], 1].min() > 0.006 and moved["browInnerUp"][[17, 26], 1].max() < 1e-3
    assert np.ptp(raised[18:26, 1]) < 0.0015 and raised[18:26, 1].min() > 0.006  # both ends: the brow as a whole
    assert moved["browDownLeft"][22, 1] < -0.005 and moved["browDownLeft"][22, 0] < -0.001
    assert np.abs(raised[36:48]).max() < 0.0015  # lids stay
    parted = neutral + moved["mouthFunnel"]
    assert 0.008 < np.linalg.norm(parted[62] - parted[66]) < 0.014
    assert moved["mouthPucker"][54, 0] < -0.003 < 0.003 < moved["mouthPucker"][48, 0]
    for side, toward in (("Left", 1), ("Right", -1)):
        eye = model.groups[f"eye_{side.lower()}"]
        front = eye[np.argmax(model.mean[eye, 2])]
        assert model.expression[names.index(f"eyeLookUp{side}"), front, 1] > 0.003
        assert model.expression[names.index(f"eyeLookOut{side}"), front, 0] * toward > 0.004
    tongue = model.groups["tongue"]
    assert model.expression[names.index("tongueOut"), tongue, 2].max() > 0.03
    sealed = neutral + moved["jawOpen"] + moved["mouthClose"]
    assert np.linalg.norm(sealed[61:64] - sealed[[67, 66, 65]], axis=1).max() < 0.004
    assert np.linalg.norm((neutral + moved["jawOpen"])[62] - (neutral + moved["jawOpen"])[66]) > 0.02


def test_vertices_are_linear_in_the_parameters(model):
    rng = np.random.default_rng(0)
    identity, expression = rng.normal(size=40), rng.uniform(size=52)
    expected = (
        model.mean
        + np.tensordot(identity, model.identity.astype(float), 1)
        + np.tensordot(expression, model.expression.astype(float), 1)
    )
    np.testing.assert_allclose(model.vertices(identity, expression), expected, atol=1e-6)


def test_uv_covers_every_face_once(model):
    assert model.uv.min() >= 0 and model.uv.max() <= 1
    a, b, c, d = (model.uv[:, k].astype(float) for k in range(4))
    area = (np.cross(b - a, c - a) + np.cross(c - a, d - a)) / 2
    skin = model.material == list(model.material_names).index("skin")
    assert (np.abs(area[skin]) > 1e-9).mean() > 0.999
    assert (area[skin] > 0).mean() > 0.999 or (area[skin] < 0).mean() > 0.999  # nothing folds over


def test_eyeballs_only_move_with_identity(model):
    for side in ("left", "right"):
        shift = model.identity[:, model.groups[f"eye_{side}"]]
        assert np.abs(shift - shift[:, :1]).max() < 2e-5
