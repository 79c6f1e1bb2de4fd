"""The command line: what it writes, what it refuses, and that it leaves nothing half-written."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from skimage import data

from synergy_blender.__main__ import main
from synergy_blender.face import assets, head_model, network

FIELDS = ["parameters", "identity", "expression", "landmarks", "vertices", "yaw", "pitch", "roll", "box", "confidence"]


@pytest.fixture(scope="module")
def portrait(tmp_path_factory):
    path = tmp_path_factory.mktemp("photos") / "astronaut.png"
    Image.fromarray(data.astronaut()).save(path)
    return path


def faces_in(path, tmp_path, *more):
    target = tmp_path / "faces.json"
    assert main([str(path), "--json", str(target), *more]) == 0
    return json.loads(target.read_text())["faces"]


def refuses(capsys, words, *said):
    assert main([str(w) for w in words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "Traceback" not in error
    for text in said:
        assert text in error, error


def test_json_holds_every_field(portrait, tmp_path):
    [face] = faces_in(portrait, tmp_path)
    assert set(FIELDS) <= set(face)
    shapes = {"parameters": (104,), "identity": (40,), "expression": (52,), "landmarks": (68, 3)}
    for name, shape in shapes.items():
        assert np.shape(face[name]) == shape
    assert np.shape(face["vertices"]) == (len(head_model.load().mean), 3)
    x, y = np.mean(face["landmarks"], axis=0)[:2]
    assert 200 < x < 250 and 90 < y < 170  # her face


def test_json_needs_no_blender(portrait, tmp_path):
    script = (
        "import sys; sys.modules['bpy'] = None\n"
        "from synergy_blender.__main__ import main\n"
        f"sys.exit(main([{str(portrait)!r}, '--json', {str(tmp_path / 'faces.json')!r}]))"
    )
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
    assert (tmp_path / "faces.json").exists()


def landmarks(faces):
    return np.array(faces[0]["landmarks"])[:, :2]


def test_every_kind_of_picture_gives_the_same_face(portrait, tmp_path):
    picture = Image.open(portrait).convert("RGB")
    expected = landmarks(faces_in(portrait, tmp_path))
    grey = picture.convert("L")
    kinds = {
        "rgba.png": picture.convert("RGBA"),
        "grey.png": grey,
        "palette.png": picture.quantize(256),
        "sixteen.png": Image.fromarray(np.asarray(grey).astype(np.uint16) * 257),
        "photo.jpg": picture,
        "cmyk.jpg": picture.convert("CMYK"),
        "photo.webp": picture,
        "photo.tif": picture,
        "photo.bmp": picture,
    }
    for name, version in kinds.items():
        path = tmp_path / name
        version.save(path)
        found = landmarks(faces_in(path, tmp_path))
        assert np.abs(found - expected).mean() < 3, name


@pytest.mark.parametrize("orientation", range(2, 9))
def test_exif_rotation_is_obeyed(portrait, tmp_path, orientation):
    picture = Image.open(portrait).convert("RGB")
    expected = landmarks(faces_in(portrait, tmp_path))
    undo = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }[orientation]
    for step in undo:
        picture = picture.transpose(step)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "turned.jpg"
    picture.save(path, exif=exif, quality=95)
    assert np.abs(landmarks(faces_in(path, tmp_path)) - expected).mean() < 3


def test_tiny_and_huge_pictures(portrait, tmp_path):
    picture = Image.open(portrait).convert("RGB").crop((150, 50, 310, 210))
    expected = landmarks(faces_in(portrait, tmp_path)) - [150, 50]
    tiny, huge = tmp_path / "tiny.png", tmp_path / "huge.jpg"
    picture.resize((40, 40)).save(tiny)
    assert main([str(tiny), "--json", str(tmp_path / "tiny.json")]) in (0, 2)
    for path, width in ((huge, 12_000),):
        factor = width / picture.width
        picture.resize((width, round(picture.height * factor))).save(path, quality=90)
        found = landmarks(faces_in(path, tmp_path)) / factor
        assert np.abs(found - expected).mean() < 8, width


def test_a_box_says_where_the_face_is(portrait, tmp_path, capsys):
    expected = landmarks(faces_in(portrait, tmp_path))
    low, high = expected.min(0) - 6, expected.max(0) + 6
    [face] = faces_in(portrait, tmp_path, "--box", *(str(v) for v in (*low, *high)))
    assert np.abs(np.array(face["landmarks"])[:, :2] - expected).mean() < 4
    refuses(capsys, [portrait, "--json", tmp_path / "f.json", "--box", 0, 0, 9000, 90], "outside the picture")
    refuses(capsys, [portrait, "--json", tmp_path / "f.json", "--box", 50, 0, 40, 90], "X0 < X1")
    refuses(capsys, [portrait, "--json", tmp_path / "f.json", "--box", "nan", 0, 40, 90], "X0 < X1")


def test_refusals_are_one_line_and_leave_nothing(portrait, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    target = out / "faces.json"
    words = ["--json", target]
    whole = portrait.read_bytes()
    text, cut, empty, plain = (tmp_path / n for n in ("text.jpg", "cut.png", "empty.png", "plain.png"))
    text.write_text("this is not a picture")
    cut.write_bytes(whole[: len(whole) // 2])
    empty.write_bytes(b"")
    Image.new("RGB", (300, 200), (90, 120, 200)).save(plain)
    refuses(capsys, [tmp_path / "none.jpg", *words], "There is no file")
    refuses(capsys, [tmp_path, *words], "not a file")
    refuses(capsys, [text, *words], "not a picture")
    refuses(capsys, [empty, *words], "not a picture")
    refuses(capsys, [cut, *words], "cut off")
    refuses(capsys, [plain, *words], "No face was found")
    refuses(capsys, [portrait, "--json", out / "faces.txt"], ".json")
    refuses(capsys, [portrait, "--json", tmp_path / "nowhere" / "faces.json"], "no folder")
    assert list(out.iterdir()) == []


def test_damaged_jpegs_never_break_out(portrait, tmp_path, capsys):
    path = tmp_path / "photo.jpg"
    Image.open(portrait).convert("RGB").save(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for trial in range(25):
        data_ = bytearray(whole if trial % 2 else whole[: rng.integers(1, len(whole))])
        for _ in range(rng.integers(1, 30)):
            data_[rng.integers(len(data_))] = rng.integers(256)
        path.write_bytes(bytes(data_))
        assert main([str(path), "--json", str(tmp_path / "f.json")]) in (0, 2)
        assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("name", ["synergynet", "refinement", "detector", "head_model"])
def test_a_damaged_asset_is_named(portrait, tmp_path, capsys, monkeypatch, name):
    for source in assets.FOLDER.glob("*.npz"):
        content = source.read_bytes()
        (tmp_path / source.name).write_bytes(content[: len(content) // 2] if source.stem == name else content)
    monkeypatch.setattr(assets, "FOLDER", tmp_path)
    from synergy_blender.face import detector, refinement

    caches = [detector.load, head_model.load, network.load, refinement.load]
    for cache in caches:
        cache.cache_clear()
    refuses(capsys, [portrait, "--json", tmp_path / "faces.json"], f"{name}.npz is damaged")
    for cache in caches:
        cache.cache_clear()


def test_blend_and_rendering(portrait, tmp_path):
    bpy = pytest.importorskip("bpy")
    blend, picture = tmp_path / "head.blend", tmp_path / "head.png"
    assert main([str(portrait), "-o", str(blend), "--render", str(picture)]) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["head.blend", "head.png"]
    bpy.ops.wm.open_mainfile(filepath=str(blend))
    assert len(bpy.data.objects["Head"].data.shape_keys.key_blocks) == 93
    assert {o.type for o in bpy.data.objects} == {"MESH", "CAMERA"}
    sheet = np.asarray(Image.open(picture).convert("RGB"), float)
    side = sheet.shape[0]
    photo, over = sheet[:, :side], sheet[:, side + 12 : 2 * side + 12]
    assert photo.std() > 30  # the photo around the head first
    changed = np.abs(over - photo).mean(2) > 12
    assert 0.1 < changed.mean() < 0.7  # then the head over it, the rest of the photo around it
    assert not changed[:, :8].any()
    view = sheet[:, -side:]
    assert 0.15 < (np.abs(view - view[2, 2]).max(2) > 15).mean() < 0.8  # and the head from the side


@pytest.mark.parametrize("orientation", range(1, 9))
def test_blenders_reader_turns_a_photo_as_pillow_does(tmp_path, orientation):
    bpy = pytest.importorskip("bpy")
    from PIL import Image

    from synergy_blender import photo

    bpy.ops.wm.read_factory_settings(use_empty=True)
    picture = np.zeros((60, 90, 3), np.uint8)
    picture[:30, :30], picture[30:, 60:] = (250, 20, 20), (20, 20, 250)
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(picture).save(tmp_path / "photo.jpg", quality=95, exif=exif.tobytes())
    with_blender = photo._with_blender(tmp_path / "photo.jpg")
    with_pillow = photo._with_pillow(tmp_path / "photo.jpg")
    assert with_blender.shape == with_pillow.shape
    assert np.abs(with_blender.astype(int) - with_pillow).mean() < 3
