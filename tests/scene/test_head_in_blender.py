"""The head in Blender: what is built, and that the camera sees it as the photo does."""

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from synergy_blender import scene  # noqa: E402
from synergy_blender.face import head_model, pose, reconstruct  # noqa: E402
from synergy_blender.face.reconstruct import Reconstruction, to_picture  # noqa: E402
from synergy_blender.png import png  # noqa: E402

SIZE = 400, 300


def made_up_face(model):
    """A Reconstruction with chosen parameters, off the middle of a wide picture."""
    rng = np.random.default_rng(4)
    identity, expression = np.clip(rng.normal(size=40), -3, 3), rng.uniform(size=52) * (rng.random(52) < 0.2)
    rotation, scale, centre = pose.matrix(35, -12, 20), 900.0, np.array([150.0, 120.0])
    shape = model.vertices(identity, expression)
    vertices = to_picture(shape, scale, rotation, centre)
    return Reconstruction(
        parameters=np.zeros(104),
        identity=identity,
        expression=expression,
        landmarks=model.landmarks(vertices),
        vertices=vertices,
        yaw=35,
        pitch=-12,
        roll=20,
        scale=scale,
        rotation=rotation,
        centre=centre,
        box=(0, 0, 1, 1),
        confidence=1.0,
        evidence=np.array([1.0, 1.0, 1.0]),
    )


@pytest.fixture()
def built(request):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    model = head_model.load()
    face = made_up_face(model)
    picture = np.full((SIZE[1], SIZE[0], 3), (180, 140, 120), np.uint8)
    posed = getattr(request, "param", True)
    [(head, camera)] = scene.add_heads(model, [face], picture, "photo.png", posed=posed)
    return model, face, head, camera


def seen_vertices(head, camera):
    """Pixels (V, 2) at which the scene's camera sees the evaluated mesh."""
    from bpy_extras.object_utils import world_to_camera_view

    graph = bpy.context.evaluated_depsgraph_get()
    mesh = head.evaluated_get(graph).to_mesh()
    flat = np.array([world_to_camera_view(bpy.context.scene, camera, head.matrix_world @ v.co) for v in mesh.vertices])
    return flat[:, :2] * [SIZE[0], -SIZE[1]] + [0, SIZE[1]]


@pytest.mark.parametrize("built", [True, False], indirect=True, ids=["posed", "upright"])
def test_the_camera_sees_the_head_as_the_photo_does(built):
    _, face, head, camera = built
    np.testing.assert_allclose(seen_vertices(head, camera), face.vertices[:, :2], atol=0.05)


@pytest.mark.parametrize("built", [False], indirect=True)
def test_upright_means_facing_minus_y(built):
    model, _, head, _ = built
    assert np.allclose(np.array(head.matrix_world)[:3, :3], np.eye(3))
    co = np.empty(len(model.mean) * 3, np.float32)
    head.data.shape_keys.key_blocks["Basis"].data.foreach_get("co", co)
    co = co.reshape(-1, 3)
    nose = co[np.argmax(model.mean[:, 2])]
    assert nose[1] == co[:, 1].min() and np.ptp(co[:, 2]) > 0.24  # nose first towards -Y, metres, Z up
    assert co[model.groups["eye_left"]][:, 0].min() > 0  # the subject's left is +X


def test_shape_keys(built):
    model, face, head, _ = built
    keys = head.data.shape_keys.key_blocks
    assert len(keys) == 1 + 40 + 52 and keys[0].name == "Basis"
    for i in range(40):
        key = keys[i + 1]
        assert key.name == f"Identity {i + 1:02d} {model.identity_names[i]}".strip()
        assert (key.slider_min, key.slider_max) == (-3, 3)
        assert key.value == pytest.approx(face.identity[i], abs=1e-5)
    for name, value in zip(model.expression_names, face.expression, strict=True):
        assert (keys[name].slider_min, keys[name].slider_max) == (0, 1)
        assert keys[name].value == pytest.approx(value, abs=1e-5)


def test_mesh_is_clean_and_complete(built):
    model, _, head, _ = built
    mesh = head.data
    assert {len(p.vertices) for p in mesh.polygons} == {4}
    assert len(mesh.vertices) == len(model.mean) and len(mesh.polygons) == len(model.faces)
    assert mesh.uv_layers.active is not None and all(p.use_smooth for p in mesh.polygons)
    assert {g.name for g in head.vertex_groups} >= {"skin", "eye_left", "eye_right", "ear_left", "neck", "tongue"}
    assert [m.name.split(".")[0] for m in mesh.materials] == [f"Head {n}" for n in model.material_names]


def test_photo_is_packed_and_upright(built):
    _, _, _, camera = built
    [behind] = camera.data.background_images
    assert tuple(behind.image.size) == SIZE and behind.image.packed_file is not None


def test_blend_file_opens_again_with_everything(built, tmp_path):
    _, face, _, _ = built
    path = tmp_path / "head.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path), compress=True)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=str(path))
    head = bpy.data.objects["Head"]
    np.testing.assert_allclose(seen_vertices(head, bpy.context.scene.camera), face.vertices[:, :2], atol=0.05)
    assert path.stat().st_size < 25e6


def test_several_faces_stand_side_by_side():
    bpy.ops.wm.read_factory_settings(use_empty=True)
    model = head_model.load()
    face = made_up_face(model)
    picture = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    made = scene.add_heads(model, [face, face], picture, "photo.png")
    assert [head.name for head, _ in made] == ["Head 1", "Head 2"]
    assert made[1][0].location.x - made[0][0].location.x > 0.3
    bpy.context.scene.camera = made[1][1]
    np.testing.assert_allclose(seen_vertices(*made[1]), face.vertices[:, :2], atol=0.05)


def test_operator_builds_and_reports(tmp_path):
    from PIL import Image
    from skimage import data

    import synergy_blender

    bpy.ops.wm.read_factory_settings(use_empty=True)
    Image.fromarray(data.astronaut()).save(tmp_path / "photo.png")
    (tmp_path / "not.png").write_text("no picture")
    synergy_blender.register()
    try:
        assert bpy.ops.synergy.create_head(filepath=str(tmp_path / "photo.png")) == {"FINISHED"}
        head = bpy.data.objects["Head"]
        found = reconstruct(data.astronaut())[0]
        first = head.data.shape_keys.key_blocks[1]
        assert first.name.startswith("Identity 01") and first.value == pytest.approx(found.identity[0], abs=1e-4)
        before = len(bpy.data.objects)
        with pytest.raises(RuntimeError, match="not a picture"):
            bpy.ops.synergy.create_head(filepath=str(tmp_path / "not.png"))
        assert len(bpy.data.objects) == before
    finally:
        synergy_blender.unregister()


def test_a_build_that_is_stopped_leaves_nothing():
    bpy.ops.wm.read_factory_settings(use_empty=True)
    model = head_model.load()
    bpy.context.scene.render.resolution_x = 1234
    kinds = ("objects", "meshes", "cameras", "images", "materials", "shape_keys")
    before = {kind: len(getattr(bpy.data, kind)) for kind in kinds}
    picture = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    building = scene.add_heads_in_steps(model, [made_up_face(model)] * 2, picture, "photo.png")
    shares = [next(building) for _ in range(120)]
    assert shares == sorted(shares) and 0.5 < shares[-1] < 1
    assert len(bpy.data.objects) > before["objects"]
    building.close()
    assert {kind: len(getattr(bpy.data, kind)) for kind in kinds} == before
    assert bpy.context.scene.camera is None and bpy.context.scene.render.resolution_x == 1234


def test_a_texture_is_packed_and_feeds_skin_and_lips():
    bpy.ops.wm.read_factory_settings(use_empty=True)
    model = head_model.load()
    picture = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    skin = np.full((256, 256, 3), (200, 150, 120), np.uint8)
    skins = [{"skin": png(skin), "bumps": png(skin), "gloss": png(skin[:, :, 0])}]
    [(head, _)] = scene.add_heads(model, [made_up_face(model)], picture, "photo.png", textures=skins)
    for material in head.data.materials:
        images = [node.image for node in material.node_tree.nodes if node.type == "TEX_IMAGE"]
        shown = {"Head skin": 3, "Head lips": 3, "Head iris": 1, "Head sclera": 1}
        assert len(images) == shown.get(material.name.split(".")[0], 0)
        for image in images:
            assert tuple(image.size) == (256, 256) and image.packed_file is not None
            assert (image.colorspace_settings.name == "sRGB") == image.name.endswith("skin")
