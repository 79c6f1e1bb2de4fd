"""A head's skin in Blender: its pictures, taken anew after the shape was changed, and from several photos."""

import io

import numpy as np
import pytest
from PIL import Image
from skimage import data

from synergy_blender.png import png

bpy = pytest.importorskip("bpy")

import synergy_blender  # noqa: E402
from synergy_blender import scene  # noqa: E402
from synergy_blender.face import head_model, reconstruct, surface  # noqa: E402
from synergy_blender.scene import sliders  # noqa: E402
from synergy_blender.scene.materials import skin_images  # noqa: E402


@pytest.fixture()
def head(tmp_path):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    synergy_blender.register()
    Image.fromarray(data.astronaut()).save(tmp_path / "photo.png")
    bpy.context.scene.synergy.size = "512"
    bpy.ops.synergy.create_head(filepath=str(tmp_path / "photo.png"), texture=True, size="512")
    yield bpy.context.object
    synergy_blender.unregister()


def uneven(face):
    """How far the person's two sides differ, metres."""
    model = head_model.load()
    shape = model.vertices(face.identity, np.zeros(52))
    return np.abs(shape - shape[surface.bundled().partner] * [-1, 1, 1]).mean()


def pixels(image):
    values = np.empty(image.size[0] * image.size[1] * image.channels, np.float32)
    image.pixels.foreach_get(values)
    return values.reshape(image.size[1], image.size[0], image.channels)[::-1, :, :3]


@pytest.mark.parametrize("shape", [(5, 7), (9, 4, 3)])
def test_a_picture_comes_back_from_its_file(shape):
    picture = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    np.testing.assert_array_equal(np.array(Image.open(io.BytesIO(png(picture)))), picture)


def test_skin_bumps_and_gloss_are_packed_and_wired(head):
    images = {image.name: image for image in skin_images(head)}
    assert set(images) == {"Head skin", "Head bumps", "Head gloss"}
    assert all(image.packed_file is not None and tuple(image.size) == (512, 512) for image in images.values())
    spaces = {name: image.colorspace_settings.name for name, image in images.items()}
    assert spaces == {"Head skin": "sRGB", "Head bumps": "Non-Color", "Head gloss": "Non-Color"}
    shader = next(node for node in head.material_slots[0].material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    assert all(shader.inputs[name].is_linked for name in ("Base Color", "Normal", "Roughness"))
    assert head.material_slots[0].material.node_tree.nodes.active.image == images["Head skin"]  # painted on at once


def test_views_are_the_photo_and_the_head_in_it(head):
    [(picture, vertices)] = scene.views_of(head, head_model.load())
    np.testing.assert_array_equal(picture, data.astronaut())
    [face] = reconstruct(data.astronaut())
    np.testing.assert_allclose(vertices, face.vertices, atol=0.05)
    sliders.freeze_identity(head)  # the person is then in the Basis
    sliders.set_expression(head, np.zeros(52))
    np.testing.assert_allclose(scene.views_of(head, head_model.load())[0][1], face.vertices, atol=0.05)


def test_baked_again_the_skin_follows_the_shape(head):
    before = pixels(skin_images(head)[0]).copy()
    assert bpy.ops.synergy.bake_skin() == {"FINISHED"}
    images = sorted(image.name for image in bpy.data.images if image.name.startswith("Head "))
    assert images == ["Head bumps", "Head gloss", "Head skin"]  # none is left over
    np.testing.assert_allclose(pixels(skin_images(head)[0]), before, atol=1.5 / 255)
    keys = head.data.shape_keys.key_blocks
    points = sliders.places(keys[0])
    for key in keys:
        key.data.foreach_set("co", (sliders.places(key) + np.float32([0, 0, 0.004])).ravel())  # a sculptor's change
    assert np.ptp(points, axis=0).min() > 0.1
    assert bpy.ops.synergy.bake_skin() == {"FINISHED"}
    assert np.abs(pixels(skin_images(head)[0]) - before).mean() > 0.01


def test_a_mesh_that_was_divided_is_refused_in_a_sentence(head):
    head.shape_key_clear()
    head.shape_key_add(name="Basis")
    bpy.context.view_layer.objects.active = head
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="SELECT")
    bpy.ops.mesh.subdivide()
    bpy.ops.object.mode_set(mode="OBJECT")
    with pytest.raises(RuntimeError, match="divided or cut"):
        bpy.ops.synergy.bake_skin()


def test_more_photos_of_the_person_make_one_head(head, tmp_path):
    own = sliders.photo_face(head)
    photo = data.astronaut()[:, ::-1]  # the other side of her face
    Image.fromarray(np.ascontiguousarray(photo)).save(tmp_path / "other.png")
    files = [{"name": "other.png"}]
    assert bpy.ops.synergy.add_photos(directory=str(tmp_path), files=files) == {"FINISHED"}
    assert [image.name for image in scene.photos_of(head)] == ["photo.png", "other.png"]
    now = sliders.photo_face(head)
    alone = uneven(own), uneven(reconstruct(np.ascontiguousarray(photo))[0])
    assert uneven(now) < min(1e-4, np.mean(alone))  # metres: seen from both sides alike, she is the same on both
    views = scene.views_of(head, head_model.load())
    assert len(views) == 2 and np.abs(views[1][1][:, 0].mean() - (512 - views[0][1][:, 0].mean())) < 12
    before = pixels(skin_images(head)[0])
    assert bpy.ops.synergy.bake_skin() == {"FINISHED"}
    np.testing.assert_allclose(pixels(skin_images(head)[0]), before, atol=2 / 255)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "head.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "head.blend"))
    assert len(scene.views_of(bpy.data.objects["Head"], head_model.load())) == 2


def test_a_photo_without_a_face_changes_nothing(head, tmp_path):
    Image.fromarray(np.full((200, 200, 3), 90, np.uint8)).save(tmp_path / "wall.png")
    before = sliders.photo_face(head).identity
    with pytest.raises(RuntimeError, match="no face in picture 2"):
        bpy.ops.synergy.add_photos(filepath=str(tmp_path / "wall.png"))
    np.testing.assert_array_equal(sliders.photo_face(head).identity, before)
    assert len(scene.photos_of(head)) == 1


def test_pictures_of_the_skin_are_kept_beside_the_file(head, tmp_path):
    bpy.context.scene.synergy.keep = "BESIDE"
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "head.blend"))
    assert bpy.ops.synergy.bake_skin() == {"FINISHED"}
    assert sorted(path.name for path in (tmp_path / "head_textures").iterdir()) == [
        "Head bumps.png",
        "Head gloss.png",
        "Head skin.png",
    ]
    assert not any(image.packed_file for image in skin_images(head))
    assert np.array(Image.open(tmp_path / "head_textures" / "Head skin.png")).shape == (512, 512, 3)
