"""What the panel does between a photo and a head: faces found, picked and drawn by hand, lens, asset, old files."""

import json
import sys

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from PIL import Image  # noqa: E402
from skimage import data  # noqa: E402

from synergy_blender import engine, scene  # noqa: E402
from synergy_blender.face import head_model  # noqa: E402
from synergy_blender.scene import sliders  # noqa: E402
from synergy_blender.scene.handles import landmarks_in_photo  # noqa: E402
from synergy_blender.ui import box, chosen, preferences  # noqa: E402


def settings():
    return bpy.context.scene.synergy


def image_of(picture, name="photo"):
    return scene.image_of(np.ascontiguousarray(picture), name)


def two_faces():
    picture = data.astronaut()
    return np.concatenate([picture[:300, 60:400], picture[:300, 60:400][:, ::-1]], 1)


def test_a_chosen_photo_is_searched_and_each_face_can_be_picked(registered):
    bpy.context.scene.synergy_photo = image_of(two_faces())
    assert len(settings().faces) == 2 and bpy.context.scene.synergy_pick == chosen.ALL and settings().trouble == ""
    left = min(range(2), key=lambda i: settings().faces[i].box[0])
    bpy.context.scene.synergy_pick = str(left)
    assert bpy.ops.synergy.create_head(texture=False) == {"FINISHED"}
    [head] = [thing for thing in bpy.data.objects if sliders.is_head(thing)]
    assert landmarks_in_photo(head, head_model.load())[:, 0].mean() < 340
    bpy.context.scene.synergy_pick = chosen.ALL
    assert bpy.ops.synergy.create_head(texture=False) == {"FINISHED"}
    assert len([thing for thing in bpy.data.objects if sliders.is_head(thing)]) == 3
    assert len(bpy.data.images) == 1  # all of them share the photo


def test_an_image_dropped_into_the_scene_becomes_the_photo(registered):
    empty = bpy.data.objects.new("dropped", None)
    empty.empty_display_type, empty.data = "IMAGE", image_of(data.astronaut())
    bpy.context.scene.collection.objects.link(empty)
    bpy.context.view_layer.objects.active = empty
    assert bpy.ops.synergy.use_image() == {"FINISHED"}
    assert bpy.context.scene.synergy_photo == empty.data and len(settings().faces) == 1


def test_a_photo_without_a_face_says_so_until_a_box_is_drawn(registered):
    picture = data.astronaut()
    hidden = picture.copy()
    hidden[40:210, 150:300] = 128
    bpy.context.scene.synergy_photo = image_of(hidden)
    assert "draw a box" in settings().trouble and bpy.context.scene.synergy_pick == "NONE"
    with pytest.raises(RuntimeError, match="draw a box"):
        bpy.ops.synergy.create_head(texture=False)
    assert not bpy.data.meshes
    chosen.settle(bpy.context.scene, image_of(picture), [(170, 70, 280, 185)])
    assert bpy.ops.synergy.create_head(texture=False) == {"FINISHED"}


def test_a_box_drawn_over_the_view_is_a_box_in_the_photo():
    left, bottom, scale = box.photo_in_region(1000, 600, 400, 300)
    assert scale == pytest.approx(0.9 * 2) and left == pytest.approx((1000 - 720) / 2)
    start, end = (left + 10 * scale, bottom + 290 * scale), (left + 110 * scale, bottom + 150 * scale)
    found = box.box_in_photo(start, end, left, bottom, scale, 400, 300)
    assert found == pytest.approx((10, 10, 110, 150))
    assert box.box_in_photo(end, start, left, bottom, scale, 400, 300) == pytest.approx((10, 10, 110, 150))
    assert box.box_in_photo((0, 0), (5, 5), left, bottom, scale, 400, 300) is None


def test_a_photo_on_its_side_is_stood_upright(registered, tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    picture = np.ascontiguousarray(np.rot90(data.astronaut()[:400], 1))
    Image.fromarray(picture).save(tmp_path / "side.jpg", quality=95, exif=exif.tobytes())
    bpy.context.scene.synergy_photo = bpy.data.images.load(str(tmp_path / "side.jpg"))
    assert tuple(bpy.context.scene.synergy_photo.size) == (512, 400)
    assert len(settings().faces) == 1


@pytest.mark.parametrize("upright", [False, True])
def test_any_lens_shows_the_landmarks_where_the_photo_does(registered, upright):
    bpy.context.scene.synergy_photo = image_of(data.astronaut())
    bpy.ops.synergy.create_head(texture=False, upright=upright)
    head, model = bpy.context.object, head_model.load()
    flat = landmarks_in_photo(head, model)
    for lens in (24, 85):
        head.synergy_lens = lens
        bpy.context.view_layer.update()
        assert scene.camera_of(head).data.lens == pytest.approx(lens)
        off = np.linalg.norm(landmarks_in_photo(head, model) - flat, axis=1)
        assert off.mean() < (4 if lens < 30 else 1.5)
    head.synergy_lens = 0
    bpy.context.view_layer.update()
    np.testing.assert_allclose(landmarks_in_photo(head, model), flat, atol=0.02)


def test_the_lens_in_the_file_is_offered(registered, tmp_path):
    exif = Image.Exif()
    exif.get_ifd(34665)[41989] = 50
    Image.fromarray(data.astronaut()).save(tmp_path / "lens.jpg", quality=95, exif=exif.tobytes())
    bpy.ops.synergy.create_head(filepath=str(tmp_path / "lens.jpg"), texture=False)
    assert bpy.ops.synergy.photo_lens() == {"FINISHED"}
    assert scene.camera_of(bpy.context.object).data.lens == pytest.approx(50)
    assert bpy.context.scene.synergy_photo is not None and len(settings().faces) == 1


def test_symmetry_and_the_asset_browser(registered):
    bpy.context.scene.synergy_photo = image_of(data.astronaut())
    bpy.ops.synergy.create_head(texture=False)
    head = bpy.context.object
    keys = head.data.shape_keys.key_blocks
    keys["mouthSmileLeft"].value, keys["mouthSmileRight"].value, keys["jawLeft"].value = 0.8, 0.2, 0.6
    bpy.ops.synergy.expression(to="SYMMETRIC")
    assert keys["mouthSmileLeft"].value == pytest.approx(0.5) == pytest.approx(keys["mouthSmileRight"].value)
    assert keys["jawLeft"].value == pytest.approx(keys["jawRight"].value)
    bpy.ops.synergy.expression(to="NEUTRAL")
    bpy.ops.synergy.identity(to="SYMMETRIC")
    model = head_model.load()
    shape = model.vertices(np.array([key.value for key in sliders.identity_keys(head)]), np.zeros(52))
    flipped = shape * [-1, 1, 1]
    nearest = np.array([np.abs(shape - at).max(1).min() for at in flipped[::97]])
    assert nearest.max() < 2e-4  # of a metre
    assert bpy.ops.synergy.mark_asset() == {"FINISHED"}
    pixels = np.empty(256 * 256 * 4, np.float32)
    head.preview.image_pixels_float.foreach_get(pixels)
    assert head.asset_data is not None and 0.2 < pixels.reshape(-1, 4)[:, 3].mean() < 0.8
    assert {thing.type for thing in bpy.data.objects} == {"MESH", "CAMERA"}


def eyes_on_map(head):
    """UV (n, 2) of the corners of a head's eyes."""
    uv = np.empty(2 * len(head.data.loops), np.float32)
    head.data.uv_layers["UVMap"].uv.foreach_get("vector", uv)
    model = head_model.load()
    ball = np.concatenate([model.groups["eye_left"], model.groups["eye_right"]])
    return uv.reshape(-1, 2)[np.isin(model.faces, ball).all(1).repeat(4)]


@pytest.mark.parametrize("version", [0, 1, 2])
def test_heads_of_older_files_become_editable(registered, tmp_path, version):
    bpy.context.scene.synergy_photo = image_of(data.astronaut())
    bpy.ops.synergy.create_head(texture=False)
    head = bpy.context.object
    face = sliders.photo_face(head)
    kept = json.loads(head[sliders.REMEMBERED])
    del head[sliders.REMEMBERED]
    if version == 1:
        kept = {name: kept[name] for name in ("identity", "expression", "posed")}
    if version:
        head[sliders.REMEMBERED] = json.dumps(kept | {"version": version})
    eyes = eyes_on_map(head)
    head.data.uv_layers["UVMap"].uv.foreach_set("vector", np.zeros(2 * len(head.data.loops), np.float32))
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "old.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "old.blend"))
    head = bpy.data.objects["Head"]
    assert sliders.is_head(head) and sliders.is_posed(head)
    assert json.loads(head[sliders.REMEMBERED])["version"] == sliders.VERSION
    np.testing.assert_array_equal(eyes_on_map(head), eyes)
    for name in sliders.Face._fields:
        np.testing.assert_allclose(getattr(sliders.photo_face(head), name), getattr(face, name), rtol=1e-3, atol=1e-3)


def test_preferences_shape_new_heads(registered, monkeypatch):
    from synergy_blender.ui import preferences

    monkeypatch.setattr(preferences._Defaults, "unit", 100.0)
    monkeypatch.setattr(preferences._Defaults, "density", "1")
    bpy.context.scene.synergy_photo = image_of(data.astronaut())
    bpy.ops.synergy.create_head(texture=False)
    head = bpy.context.object
    assert 20 < max(head.dimensions) < 50  # centimetres
    assert [modifier.type for modifier in head.modifiers] == ["SUBSURF"]
    face, model = sliders.photo_face(head), head_model.load()
    from synergy_blender.face.pose import to_picture

    points = to_picture(
        model.landmarks(model.vertices(face.identity, face.expression)), face.scale, face.rotation, face.centre
    )
    np.testing.assert_allclose(landmarks_in_photo(head, model), points[:, :2], atol=0.05)


def test_what_should_not_happen_ends_in_a_sentence_and_a_log(registered, tmp_path, monkeypatch):
    from synergy_blender import log
    from synergy_blender.ui import create

    monkeypatch.setattr(log, "FILE", tmp_path / "log.txt")
    bpy.context.scene.synergy_photo = image_of(data.astronaut())
    before = len(bpy.data.objects), len(bpy.data.materials), len(bpy.data.images)

    def broken(*_, **__):
        yield 0.5
        raise RuntimeError("out of luck")

    for name, value in (("engine.load", lambda *_: 1 / 0), ("scene.add_heads_in_steps", broken)):
        with monkeypatch.context() as patch:
            patch.setattr(f"{create.__name__}.{name}", value)
            with pytest.raises(RuntimeError, match="please report it with the file"):
                bpy.ops.synergy.create_head(texture=False)
    assert "ZeroDivisionError" in log.FILE.read_text() and "out of luck" in log.FILE.read_text()
    assert before == (len(bpy.data.objects), len(bpy.data.materials), len(bpy.data.images))


def test_many_builds_leave_nothing_behind(registered):
    bpy.context.scene.synergy_photo = image_of(data.astronaut())
    kinds = ("objects", "meshes", "shape_keys", "materials", "images", "cameras")

    def build_and_delete():
        bpy.ops.synergy.create_head(texture=False)
        for thing in list(bpy.data.objects):
            bpy.data.objects.remove(thing)
        bpy.ops.outliner.orphans_purge(do_recursive=True)
        return [len(getattr(bpy.data, kind)) for kind in kinds]

    first = build_and_delete()
    assert [build_and_delete() for _ in range(3)] == [first] * 3


def test_the_engine_of_the_preferences_is_used_or_a_sentence_says_why_not(registered, monkeypatch):
    monkeypatch.setattr(preferences._Defaults, "engine", "torch")
    monkeypatch.setitem(sys.modules, "torch", None)
    engine.torch_device.cache_clear()
    engine.load.cache_clear()
    bpy.context.scene.synergy_photo = image_of(data.astronaut())
    with pytest.raises(RuntimeError, match="choose NumPy"):
        bpy.ops.synergy.create_head(texture=False)
    assert not [thing for thing in bpy.data.objects if sliders.is_head(thing)]
    monkeypatch.setattr(preferences._Defaults, "engine", "numpy")
    assert bpy.ops.synergy.create_head(texture=False) == {"FINISHED"}
