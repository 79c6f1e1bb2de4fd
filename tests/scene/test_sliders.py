"""The sliders of a built head, and the operators that set many at once."""

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

import synergy_blender  # noqa: E402
from synergy_blender import scene  # noqa: E402
from synergy_blender.face import head_model  # noqa: E402
from synergy_blender.scene import sliders  # noqa: E402

from .test_head_in_blender import SIZE, made_up_face  # noqa: E402


@pytest.fixture()
def heads():
    bpy.ops.wm.read_factory_settings(use_empty=True)
    model = head_model.load()
    face = made_up_face(model)
    picture = np.full((SIZE[1], SIZE[0], 3), 128, np.uint8)
    made = scene.add_heads(model, [face, face], picture, "photo.png")
    synergy_blender.register()
    yield face, made[0][0], made[1][0]
    synergy_blender.unregister()


def values(keys):
    return np.array([key.value for key in keys])


def test_every_slider_is_in_one_group(heads):
    _, head, _ = heads
    grouped = [key.name for group in sliders.EXPRESSION_GROUPS for key in sliders.expression_keys(head, group)]
    assert len(grouped) == len(set(grouped)) == 52
    assert len(sliders.identity_keys(head)) == 40


def test_expressions_go_to_neutral_and_back_to_the_photo(heads):
    face, head, _ = heads
    assert bpy.ops.synergy.expression(to="NEUTRAL") == {"FINISHED"}
    assert not values(sliders.expression_keys(head)).any()
    assert bpy.ops.synergy.expression(to="PHOTO") == {"FINISHED"}
    np.testing.assert_allclose(values(sliders.expression_keys(head)), face.expression, atol=1e-5)


def test_one_group_is_reset_alone(heads):
    _, head, _ = heads
    bpy.ops.synergy.reset_group(group="Mouth")
    assert not values(sliders.expression_keys(head, "Mouth")).any()
    rest = [key for key in sliders.expression_keys(head) if not key.name.startswith("mouth")]
    assert values(rest).any()


def test_identities_are_made_up_copied_and_taken_back(heads):
    face, head, other = heads
    bpy.ops.synergy.identity(to="RANDOM", seed=3)
    first = values(sliders.identity_keys(head))
    bpy.ops.synergy.identity(to="RANDOM", seed=4)
    assert np.abs(first).max() <= 3 and not np.allclose(first, values(sliders.identity_keys(head)))
    bpy.ops.object.select_all(action="DESELECT")
    other.select_set(True)
    bpy.ops.synergy.identity(to="SELECTED")
    np.testing.assert_allclose(values(sliders.identity_keys(head)), face.identity, atol=1e-5)
    bpy.ops.synergy.identity(to="AVERAGE")
    assert not values(sliders.identity_keys(head)).any()
    bpy.ops.synergy.identity(to="PHOTO")
    np.testing.assert_allclose(values(sliders.identity_keys(head)), face.identity, atol=1e-5)


def test_the_right_side_follows_the_left_and_is_set_free(heads):
    _, head, _ = heads
    keys = head.data.shape_keys.key_blocks
    bpy.ops.synergy.mirror()
    keys["mouthSmileLeft"].value = 0.7
    bpy.context.view_layer.update()
    graph = bpy.context.evaluated_depsgraph_get()
    followed = head.evaluated_get(graph).data.shape_keys.key_blocks["mouthSmileRight"].value
    assert followed == pytest.approx(0.7, abs=1e-5)
    assert sliders.is_mirrored(head)
    bpy.ops.synergy.mirror()
    assert not sliders.is_mirrored(head)
    keys["mouthSmileLeft"].value = 0.1
    bpy.context.view_layer.update()
    assert keys["mouthSmileRight"].value == pytest.approx(0.7, abs=1e-5)


def shown(head):
    """The vertices (V, 3) of a head as its sliders shape it."""
    bpy.context.view_layer.update()
    mesh = head.evaluated_get(bpy.context.evaluated_depsgraph_get()).to_mesh()
    places = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", places)
    return places.reshape(-1, 3)


def test_a_frozen_identity_looks_the_same_and_other_sliders_stay_right(heads):
    _, head, _ = heads
    before = shown(head)
    keys = head.data.shape_keys.key_blocks
    assert bpy.ops.synergy.freeze_identity() == {"FINISHED"}
    assert not values(sliders.identity_keys(head)).any()
    np.testing.assert_allclose(shown(head), before, atol=1e-5)
    model = head_model.load()
    keys["jawOpen"].value = 0
    shut = shown(head)
    keys["jawOpen"].value = 1
    k = list(model.expression_names).index("jawOpen")
    np.testing.assert_allclose(
        np.linalg.norm(shown(head) - shut, axis=1), np.linalg.norm(model.expression[k], axis=1), atol=1e-4
    )


def test_the_photo_is_looked_through(heads):
    _, head, other = heads
    bpy.context.scene.render.resolution_x = 5
    bpy.context.view_layer.objects.active = other
    assert bpy.ops.synergy.look_through() == {"FINISHED"}
    assert bpy.context.scene.camera == scene.camera_of(other) != scene.camera_of(head)
    assert bpy.context.scene.render.resolution_x == SIZE[0]
    bpy.data.objects.remove(scene.camera_of(other))
    assert not bpy.ops.synergy.look_through.poll()


def test_without_a_head_the_buttons_say_why(heads):
    bpy.ops.object.empty_add()
    assert not bpy.ops.synergy.expression.poll()
    with pytest.raises(RuntimeError, match="Select a head"):
        bpy.ops.synergy.expression(to="NEUTRAL")


def test_a_head_that_forgot_its_photo_says_so(heads):
    _, head, _ = heads
    head[sliders.REMEMBERED] = "{"
    with pytest.raises(RuntimeError, match="build it again"):
        bpy.ops.synergy.expression(to="PHOTO")
