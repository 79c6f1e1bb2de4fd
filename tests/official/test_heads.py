"""Heads of the authors' model in Blender: sliders, camera, skin; chosen in the panel and on the command line."""

import json

import numpy as np
import pytest
from skimage import data

bpy = pytest.importorskip("bpy")

from bpy_extras.object_utils import world_to_camera_view  # noqa: E402

from synergy_blender import __main__ as command  # noqa: E402
from synergy_blender import models, official, scene  # noqa: E402
from synergy_blender.face import surface  # noqa: E402
from synergy_blender.png import png  # noqa: E402
from synergy_blender.scene import sliders  # noqa: E402
from synergy_blender.scene.materials import skin_images  # noqa: E402


def of_photo(name):
    model = models.load(name)
    return model, model.reconstruct(data.astronaut(), [(180, 70, 270, 160)])


@pytest.mark.parametrize("name", ["official", "official_face"])
def test_the_head_lies_over_its_photo_and_its_sliders_are_the_parameters(imported, name):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    model, faces = of_photo(name)
    [face], picture = faces, data.astronaut()
    assert len(face.vertices) == imported[name == "official_face"]
    [(head, camera)] = scene.add_heads(model.head, faces, picture, "photo.png")
    keys = head.data.shape_keys.key_blocks
    assert len(sliders.identity_keys(head)) == 40 and len(sliders.expression_keys(head)) == 10
    assert all((key.slider_min, key.slider_max) == (-3, 3) for key in list(keys)[1:])
    bpy.context.view_layer.update()
    graph = bpy.context.evaluated_depsgraph_get()
    mesh = head.evaluated_get(graph).to_mesh()
    for k in range(0, len(face.vertices), 500):
        x, y, _ = world_to_camera_view(bpy.context.scene, camera, head.matrix_world @ mesh.vertices[k].co)
        np.testing.assert_allclose([x * 512, (1 - y) * 512], face.vertices[k, :2], atol=0.15)
    basis, moved = (sliders.places(keys[key]) for key in ("Basis", "Expression 03"))
    wanted = official.load().basis[42] / 1e6
    wanted = wanted if name == "official" else wanted[official.load().kept]
    np.testing.assert_allclose(np.linalg.norm(moved - basis, axis=1), np.linalg.norm(wanted, axis=1), atol=1e-6)


def test_what_the_official_surface_knows_of_skin_is_ours(imported):
    found, own = models.load("official").surface(), surface.bundled()
    off = np.linalg.norm(found.mean[found.partner] - found.mean * [-1, 1, 1], axis=1)
    assert np.median(off) < 1e-4 and np.quantile(off, 0.99) < 2e-3
    rows = np.unique(own.triangles[own.skin])
    assert np.abs(found.usual - own.usual[rows]).mean() < 0.01


def test_the_panel_and_its_button_make_a_textured_official_head(imported, registered):
    settings = bpy.context.scene.synergy
    bpy.context.scene.synergy_photo = scene.image_of(data.astronaut(), "photo")
    settings.model = "official"
    assert bpy.ops.synergy.create_head(model=settings.model, texture=True, size="512") == {"FINISHED"}
    head = bpy.context.view_layer.objects.active
    assert sliders.model_of(head) == "official" and len(head.data.vertices) == imported[0]
    assert all(len(face.vertices) == 3 for face in head.data.polygons[:20])
    images = skin_images(head)
    pixels = np.empty(512 * 512 * 4, np.float32)
    images[0].pixels.foreach_get(pixels)
    assert len(images) == 3 and pixels.reshape(-1, 4)[:, :3].std() > 0.05
    assert bpy.ops.synergy.bake_skin() == {"FINISHED"}
    head.synergy_lens = 50
    assert scene.camera_of(head).data.type == "PERSP"
    assert not bpy.ops.synergy.refine.poll() and not bpy.ops.synergy.add_photos.poll()
    assert bpy.ops.synergy.expression(to="NEUTRAL") == {"FINISHED"}
    assert bpy.ops.synergy.identity(to="PHOTO") == {"FINISHED"}
    assert bpy.ops.synergy.freeze_identity() == {"FINISHED"}


def test_the_operator_imports(imported, registered, tmp_path, monkeypatch):
    source = official.place().parent
    monkeypatch.setenv(official.model.WHERE, str(tmp_path))
    assert models.available() == ["open"]
    assert bpy.ops.synergy.import_official(filepath=str(source / "best.pth.tar")) == {"FINISHED"}
    assert models.available() == list(models.NAMES)
    with pytest.raises(RuntimeError, match=r"tri\.mat"):
        bpy.ops.synergy.import_official(filepath=str(source / "best.pth.tar"), folder=str(tmp_path))


def test_the_command_line_takes_the_official_model(imported, tmp_path, capsys):
    (tmp_path / "photo.png").write_bytes(png(data.astronaut()))
    words = [str(tmp_path / "photo.png"), "--model", "official", "--json", str(tmp_path / "faces.json")]
    assert command.main([*words, "-o", str(tmp_path / "head.blend"), "--convention", "parity"]) == 0
    [face] = json.loads((tmp_path / "faces.json").read_text())["faces"]
    assert len(face["parameters"]) == 62 and len(face["expression"]) == 10
    assert command.main([*words, "--also", str(tmp_path / "photo.png")]) == 2
    assert "open model alone" in capsys.readouterr().err
