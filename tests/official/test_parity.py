"""The authors' files, imported, give the authors' numbers: those of a plain second writing of their way."""

import numpy as np
import pytest
from skimage import data

from synergy_blender import official
from synergy_blender.official import conventions, crops, faces, network

from . import authors, straight

BOXES = [(168.3, 60.1, 281.9, 187.7), (-20.0, -31.5, 130.2, 140.4), (300.2, 350.0, 512.0, 560.9)]


@pytest.fixture(scope="module", params=[False, True], ids=["zip", "legacy"])
def both(request, tmp_path_factory):
    """The imported model and the plain writing of the same files."""
    folder = tmp_path_factory.mktemp("authors")
    arrays, rows = authors.write(folder, legacy=request.param)
    official.import_official(folder / "best.pth.tar", None, folder / "official.npz")
    return official.load(folder / "official.npz"), straight.Straight(arrays, rows)


def test_a_checkpoint_has_all_of_its_keys(both):
    _, plain = both
    assert len(plain.w) == 445


@pytest.mark.parametrize("box", BOXES)
def test_every_number_is_the_authors(both, box):
    model, plain = both
    picture = data.astronaut()
    region = straight.region(box)
    assert crops.region_of(box) == pytest.approx(region)
    part, _ = crops.cut(picture, region)
    np.testing.assert_array_equal(part, straight.cut(picture, region))
    crop, _ = faces.crop_of(picture, region)
    whitened, feature = network.parameters_of(model.weights, crop)
    wanted, wanted_feature = plain.parameters(crop)
    np.testing.assert_allclose(whitened, wanted, atol=1e-4)
    np.testing.assert_allclose(feature, wanted_feature, atol=1e-4)
    points = plain.points(wanted, base=True)
    refined = network.refinement_of(model.weights, points, wanted_feature, wanted)
    np.testing.assert_allclose(refined, plain.refinement(points, wanted_feature, wanted), atol=1e-4)
    np.testing.assert_allclose(network.reverse_of(model.weights, points), plain.reverse(points), atol=1e-4)
    [face] = official.reconstruct(picture, [box], model, "parity")
    np.testing.assert_allclose(face.landmarks.T, straight.moved(points, region), atol=0.01)
    vertices = plain.points(wanted, base=False)
    np.testing.assert_allclose(face.vertices.T, straight.moved(vertices, region), atol=0.01)
    np.testing.assert_allclose((face.yaw, face.pitch, face.roll), plain.angles(wanted), atol=0.01)


def test_corrected_points_lie_where_the_photo_shows_them(both):
    """A dot drawn into the picture under a landmark comes to lie under that landmark's place in the crop."""
    model, _ = both
    box, picture = (168.3, 60.1, 281.9, 187.7), data.astronaut()
    region = crops.region_of(box)
    [face] = official.reconstruct(picture, [box], model, "corrected")
    crop, _ = faces.crop_of(picture, region)
    whitened, _ = network.parameters_of(model.weights, crop)
    place = conventions.in_crop(model.landmarks(whitened), model.pose(whitened), "corrected")
    inside = [k for k in range(68) if (abs(place[k, :2] - 60) < 50).all()]
    for k in inside[:8]:
        dotted = np.zeros_like(picture)
        y, x = (np.indices(dotted.shape[:2]) + 0.5 - face.landmarks[k, 1::-1][:, None, None]) ** 2
        dotted[:] = (255 * np.exp(-(x + y) / 8))[..., None]
        seen = faces.crop_of(dotted, region)[0][..., 0].astype(float)
        rows, columns = np.indices(seen.shape) + 0.5
        middle = np.array([(seen * columns).sum(), (seen * rows).sum()]) / seen.sum()
        np.testing.assert_allclose(middle, place[k, :2], atol=0.06)


def test_conventions_differ_by_what_the_docs_say(both):
    model, _ = both
    box = (168.0, 60.0, 280.0, 188.0)  # cut along whole pixels, so that rounding plays no part
    found = [official.reconstruct(data.astronaut(), [box], model, one)[0] for one in official.CONVENTIONS]
    region = crops.region_of(box)
    ratio = (region[2] - region[0]) / 120
    gap = (found[1].landmarks - found[0].landmarks)[:, :2] / ratio
    np.testing.assert_allclose(gap, 0.5, atol=1e-3)


def test_yaw_is_right_only_when_corrected():
    from synergy_blender.face import pose

    turns = [(40, 20, 15), (-60, -10, 25), (80, 5, -30), (10, 0, 0)]
    for turn in turns:
        matrix = np.column_stack([4e-4 * pose.matrix(*turn), [60, 60, 0]])
        np.testing.assert_allclose(conventions.angles(matrix[None])[0], turn, atol=1e-6)
    matrices = [np.column_stack([pose.matrix(*turn), np.zeros(3)]) for turn in turns]
    off = np.abs(conventions.angles(matrices, "parity")[:, 0] - np.array(turns)[:, 0])
    assert max(off[:3]) > 1 and off[3] < 1e-6


def test_crops_are_resized_as_opencv_does():
    cv2 = pytest.importorskip("cv2")
    picture = data.astronaut()
    kinds = {"lanczos": cv2.INTER_LANCZOS4, "bilinear": cv2.INTER_LINEAR}
    for height, width in ((137, 138), (64, 63), (300, 301), (120, 120), (11, 12)):
        part = np.ascontiguousarray(picture[40 : 40 + height, 90 : 90 + width])
        for kind, flag in kinds.items():
            wanted = cv2.resize(part, (120, 120), interpolation=flag)
            np.testing.assert_array_equal(crops.resized(part, 120, kind), wanted)


def test_real_checkpoints_are_read_as_pytorch_reads_them(tmp_path):
    torch = pytest.importorskip("torch")
    arrays, _ = authors.state(np.random.default_rng(1), 100)
    tensors = {name: torch.from_numpy(values.copy()) for name, values in arrays.items()}
    tensors["module.u"] = tensors["module.u"].reshape(100, 3).T  # a view with strides of its own
    for legacy in (False, True):
        path = tmp_path / f"{legacy}.pth.tar"
        torch.save({"epoch": 1, "state_dict": tensors}, path, _use_new_zipfile_serialization=not legacy)
        found = official.torch_file.read(path)["state_dict"]
        assert found.keys() == tensors.keys()
        for name, values in tensors.items():
            np.testing.assert_array_equal(found[name], values.numpy())


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_many_crops_at_once_are_the_same_crops_one_by_one(both, engine):
    if engine == "torch":
        pytest.importorskip("torch")
    model, plain = both
    regions = [straight.region(box) for box in BOXES]
    cut = np.stack([faces.crop_of(data.astronaut(), region)[0] for region in regions])
    found = official.reconstruct_crops(cut, model, engine, convention="parity")
    for k, crop in enumerate(cut):
        wanted, _ = plain.parameters(crop)
        np.testing.assert_allclose(found.whitened[k], wanted, atol=1e-4)
        np.testing.assert_allclose(found.landmarks[k], plain.points(wanted, base=True), atol=0.01)
        np.testing.assert_allclose(found.vertices[k], plain.points(wanted, base=False), atol=0.01)
        np.testing.assert_allclose(found.angles[k], plain.angles(wanted), atol=0.01)
    corrected = official.reconstruct_crops(cut, model, engine, dense=False)
    assert corrected.vertices is None
    gap = np.broadcast_to(np.array([0.5, 0.5, 0])[:, None], found.landmarks.shape)
    np.testing.assert_allclose(found.landmarks - corrected.landmarks, gap, atol=1e-3)
    assert len(official.reconstruct_crops(cut[:0], model, engine).whitened) == 0
