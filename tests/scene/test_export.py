"""A head survives the formats that artists exchange: names, keys and size."""

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from synergy_blender import scene  # noqa: E402
from synergy_blender.face import head_model  # noqa: E402
from synergy_blender.scene import frames  # noqa: E402

from .test_head_in_blender import SIZE, made_up_face  # noqa: E402

FORMATS = {
    "glb": (
        lambda path: bpy.ops.export_scene.gltf(filepath=path, use_selection=True),
        lambda path: bpy.ops.import_scene.gltf(filepath=path),
    ),
    "fbx": (
        lambda path: bpy.ops.export_scene.fbx(filepath=path, use_selection=True, add_leaf_bones=False),
        lambda path: bpy.ops.import_scene.fbx(filepath=path),
    ),
}


@pytest.mark.parametrize("ending", FORMATS)
def test_keys_names_and_size_survive(ending, tmp_path):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    model = head_model.load()
    face = made_up_face(model)
    [(head, _)] = scene.add_heads(
        model, [face], np.full((SIZE[1], SIZE[0], 3), 128, np.uint8), "photo.png", posed=False
    )
    names = [key.name for key in head.data.shape_keys.key_blocks][1:]
    size = np.ptp(np.array([v.co for v in head.data.vertices]), axis=0)
    head.select_set(True)
    path = str(tmp_path / f"head.{ending}")
    write, read = FORMATS[ending]
    write(path)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    read(path)
    [back] = [thing for thing in bpy.data.objects if thing.type == "MESH"]
    assert back.name.split(".")[0] == "Head"
    keys = back.data.shape_keys.key_blocks
    assert {key.name for key in keys} >= set(names)
    for name, value in zip(model.expression_names, face.expression, strict=True):
        assert keys[name].value == pytest.approx(value, abs=1e-3)
    placed = np.array([back.matrix_world @ v.co for v in back.data.vertices])
    np.testing.assert_allclose(np.sort(np.ptp(placed, axis=0)), np.sort(size), rtol=1e-3)


def test_alembic_keeps_the_shape_and_the_map(tmp_path):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    model = head_model.load()
    face = made_up_face(model)
    picture = np.full((SIZE[1], SIZE[0], 3), 128, np.uint8)
    scene.add_heads(model, [face], picture, "photo.png", posed=False)
    shape = frames.points(model.vertices(face.identity, face.expression))
    path = str(tmp_path / "head.abc")
    bpy.ops.wm.alembic_export(filepath=path, selected=True)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.wm.alembic_import(filepath=path)
    [back] = [thing for thing in bpy.data.objects if thing.type == "MESH"]
    placed = np.array([back.matrix_world @ v.co for v in back.data.vertices])
    np.testing.assert_allclose(placed, shape, atol=2e-5)
    assert back.name.startswith("Head") and len(back.data.polygons) == len(model.faces) and back.data.uv_layers
