"""Landmarks as handles: they lie on the photo's landmarks, and the head follows where they are dragged."""

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

import synergy_blender  # noqa: E402
from synergy_blender import scene  # noqa: E402
from synergy_blender.face import head_model, reconstruct  # noqa: E402
from synergy_blender.scene.handles import landmarks_in_photo  # noqa: E402


@pytest.fixture(params=[True, False], ids=["posed", "upright"])
def built(request):
    from skimage import data

    bpy.ops.wm.read_factory_settings(use_empty=True)
    picture = data.astronaut()
    [face] = reconstruct(picture)
    model = head_model.load()
    [(head, camera)] = scene.add_heads(model, [face], picture, "photo.png", posed=request.param)
    head.location = (0.3, 0.1, 0.2)
    camera.location = np.array(camera.location) + [0.3, 0.1, 0.2]
    bpy.context.view_layer.update()
    synergy_blender.register()
    yield model, face, head, camera
    synergy_blender.unregister()


def test_handles_lie_on_the_landmarks(built):
    model, face, head, _ = built
    np.testing.assert_allclose(landmarks_in_photo(head, model), face.landmarks[:, :2], atol=0.05)
    assert bpy.ops.synergy.refine() == {"FINISHED"}
    handles = head[scene.HANDLES].objects
    assert len(handles) == 68
    bpy.context.view_layer.objects.active = head
    assert bpy.ops.synergy.refine() == {"FINISHED"}
    assert scene.HANDLES not in head and not [o for o in bpy.data.objects if o.type == "EMPTY"]


def test_the_head_follows_a_dragged_mouth(built):
    model, face, head, camera = built
    handles = scene.show_handles(head, model)
    bpy.context.view_layer.update()
    metres = 6 * camera.data.ortho_scale / 512  # six pixels
    wanted = face.landmarks[:, :2].copy()
    wanted[48:, 1] += 6
    for handle in handles[48:]:
        handle.location[1] -= metres
    bpy.context.view_layer.update()  # the handler follows here
    bpy.context.view_layer.update()
    found = landmarks_in_photo(head, model)
    before = np.linalg.norm(face.landmarks[:, :2] - wanted, axis=1).mean()
    assert np.linalg.norm(found - wanted, axis=1).mean() < 0.6 * before
    at = [handle.matrix_world.translation for handle in handles]
    seen = np.array([camera.matrix_world.inverted() @ place for place in at])[:, :2]
    pixels = seen * [1, -1] * 512 / camera.data.ortho_scale + 256
    np.testing.assert_allclose(pixels, wanted, atol=0.1)  # the handles stay where they were dragged to
    assert np.allclose(head.location, (0.3, 0.1, 0.2), atol=1e-6)


def test_without_a_camera_it_says_what_to_do(built):
    _, _, _, camera = built
    bpy.data.objects.remove(camera)
    with pytest.raises(RuntimeError, match="build the head again"):
        bpy.ops.synergy.refine()
