"""Files that are not what they should be are refused in one line; nothing in them is run, nothing is left behind."""

import os
import pickle
import shutil
import zipfile

import numpy as np
import pytest

from synergy_blender import __main__ as command
from synergy_blender import official
from synergy_blender.face import AssetError
from synergy_blender.official import array_file, pickled, torch_file

from . import authors

FUZZED = int(os.environ.get("SYNERGY_FUZZ", "600"))  # files


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The authors' files, once with the checkpoint as a zip and once in the format before."""
    folder = tmp_path_factory.mktemp("authors")
    arrays, _ = authors.write(folder, count=100)
    authors.save(folder / "legacy.pth.tar", {"epoch": 80, "state_dict": arrays}, legacy=True)
    bare = {name: values for name, values in arrays.items() if not name.startswith("module.param_")}
    authors.save(folder / "bare.pth.tar", {"epoch": 80, "state_dict": bare})
    rest = np.ones(40, np.float32)
    whitening = {name: np.concatenate([arrays[f"module.{name}"], rest]) for name in ("param_mean", "param_std")}
    (folder / "3dmm_data" / "param_whitening.pkl").write_bytes(pickle.dumps(whitening, 2))
    return folder


def refusal(checkpoint, folder, target):
    """The sentence with which an import is refused; asserts that it is one line and that nothing is left behind."""
    with pytest.raises(official.ImportProblem) as caught:
        official.import_official(checkpoint, folder, target)
    assert not list(target.parent.iterdir())
    words = str(caught.value)
    assert "\n" not in words and words.endswith(".") and len(words) < 600
    return words


@pytest.fixture()
def target(tmp_path):
    (tmp_path / "models").mkdir()
    return tmp_path / "models" / "official.npz"


def test_whitening_is_taken_from_its_own_file_where_the_checkpoint_has_none(files, target):
    official.import_official(files / "bare.pth.tar", files / "3dmm_data", target)
    model = official.load(target)
    official.load.cache_clear()
    official.import_official(files / "best.pth.tar", None, target)
    np.testing.assert_array_equal(model.param_std, official.load(target).param_std)


@pytest.mark.parametrize("name", ["best.pth.tar", "3dmm_data/tri.mat", "3dmm_data/keypoints_sim.npy"])
def test_a_missing_file_is_named_with_where_the_authors_keep_it(files, tmp_path, target, name):
    copy = tmp_path / "copy"
    shutil.copytree(files, copy)
    (copy / name).unlink()
    words = refusal(copy / "best.pth.tar", None, target)
    assert str(copy / name) in words and "choyingw/SynergyNet" in words


def with_state(files, tmp_path, **changed):
    value = torch_file.read(files / "best.pth.tar")
    for name, values in changed.items():
        key = "module." + name.replace("__", ".")
        if values is None:
            del value["state_dict"][key]
        else:
            value["state_dict"][key] = np.asarray(values, np.float32)
    authors.save(tmp_path / "changed.pth.tar", value)
    return tmp_path / "changed.pth.tar"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"forwardDirection__conv3__weight": None}, "lacks forwardDirection.conv3.weight"),
        ({"reverseDirection__bn2__bias": np.zeros(63)}, "reverseDirection.bn2.bias with the shape"),
        ({"w_exp": np.zeros((300, 12))}, "w_exp with the shape"),
        ({"u": np.zeros((297, 1))}, "different sizes"),
        ({"param_std": np.zeros(62)}, "param_std that is not above zero"),
        ({"I2P__backbone__features__0__0__weight": np.full((32, 3, 3, 3), np.nan)}, "not finite"),
    ],
)
def test_what_is_wrong_with_a_checkpoint_is_named(files, tmp_path, target, changed, said):
    assert said in refusal(with_state(files, tmp_path, **changed), files / "3dmm_data", target)


def test_truncated_and_renamed_files_are_refused(files, tmp_path, target):
    for name in ("best.pth.tar", "legacy.pth.tar"):
        whole = (files / name).read_bytes()
        for share in (0, 0.001, 0.5, 0.999999):
            (tmp_path / name).write_bytes(whole[: int(share * len(whole))])
            refusal(tmp_path / name, files / "3dmm_data", target)
    for other in ("tri.mat", "keypoints_sim.npy", "param_whitening.pkl"):
        shutil.copy(files / "3dmm_data" / other, tmp_path / "best.pth.tar")
        refusal(tmp_path / "best.pth.tar", files / "3dmm_data", target)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"cposix\nsystem\n(S'touch ran'\ntR.", "posix.system"),
        (b"\x80\x02cbuiltins\neval\nX\x0f\x00\x00\x00open('ran', 'w')\x85R.", "builtins.eval"),
        (b"(S'ran'\nios\nmkdir\n.", "os.mkdir"),
        (b"c__builtin__\ngetattr\n(cos\nS'mkdir'\ntR.", "__builtin__.getattr"),
        (b"\x80\x04\x8c\x05torch\x8c\x0c_C._jit_init\x93)R.", "torch._C._jit_init"),
        (b"\x80\x02ctorch.hub\nload\n)R.", "torch.hub.load"),
        (b"\x80\x02\x82\x01.", "by a number"),
    ],
)
@pytest.mark.parametrize("kind", ["zip", "legacy", "pkl"])
def test_what_a_file_wants_to_run_is_named_and_not_run(files, tmp_path, target, monkeypatch, body, named, kind):
    monkeypatch.chdir(tmp_path)
    path, data = tmp_path / "best.pth.tar", files / "3dmm_data"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("best/data.pkl", body)
    elif kind == "legacy":
        path.write_bytes(pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps({}, 2) + body)
    else:
        path, data = files / "bare.pth.tar", tmp_path / "3dmm_data"
        shutil.copytree(files / "3dmm_data", data)
        (data / "param_whitening.pkl").write_bytes(body)
    words = refusal(path, data, target)
    assert named in words
    assert not (tmp_path / "ran").exists()


def test_object_arrays_are_refused(tmp_path):
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(pickled.UnsafeFile, match="plain numbers"):
        array_file.read_npy(tmp_path / "objects.npy")


def test_what_asks_for_more_memory_than_there_is_is_refused(tmp_path):
    text, words, array = b"\x80\x02X\xff\xff\xff\x7f.", b"\x80\x02\x8e", b"\x80\x05\x96"
    for body in (text, words + b"\xff" * 7 + b"\x0f.", array + b"\xff" * 4 + b"\x0f\0\0\0."):
        (tmp_path / "bomb.pkl").write_bytes(body)
        with (tmp_path / "bomb.pkl").open("rb") as file, pytest.raises(pickled.UnsafeFile):
            pickled.read(file, pickled.NUMPY)


def test_what_holds_itself_or_grows_without_end_is_refused(tmp_path):
    laughs = [0]
    for _ in range(40):
        laughs = [laughs, laughs]
    path = tmp_path / "laughs.pkl"
    path.write_bytes(pickle.dumps(laughs, 2))
    with path.open("rb") as file:
        assert len(pickled.read(file, pickled.NUMPY)) == 2  # 2^40 lists, were each written out
    circle = {"a": 1}
    circle["b"] = circle["c"] = [circle, circle]
    path.write_bytes(pickle.dumps(circle, 2))
    with path.open("rb") as file, pytest.raises(pickled.UnsafeFile, match="holds itself"):
        pickled.read(file, pickled.NUMPY)


def mutated(rng, whole, reach):
    """Bytes with something changed among the first `reach` of them, or their end cut off."""
    body, kind = bytearray(whole), rng.integers(6)
    at = int(rng.integers(min(reach, len(body))))
    count = int(min(2 ** rng.integers(0, 10), len(body) - at))
    if kind < 2:
        for _ in range(int(rng.integers(1, 8))):
            body[int(rng.integers(min(reach, len(body))))] = rng.integers(256)
    elif kind == 2:
        del body[at : at + count]
    elif kind == 3:
        body[at:at] = rng.bytes(count)
    elif kind == 4:
        body[at:at] = body[at : at + count]
    else:
        del body[at:]
    return bytes(body)


def test_mutated_files_are_imported_or_refused_in_one_line(files, tmp_path, monkeypatch):
    """`SYNERGY_FUZZ=10000 pytest tests/official -k mutated` tries that many."""
    rng = np.random.default_rng(int(os.environ.get("SYNERGY_FUZZ_SEED", "0")))
    monkeypatch.setattr(np, "savez_compressed", np.savez)
    monkeypatch.chdir(tmp_path)
    data, target = tmp_path / "3dmm_data", tmp_path / "models" / "official.npz"
    shutil.copytree(files / "3dmm_data", data)
    target.parent.mkdir()
    with zipfile.ZipFile(files / "best.pth.tar") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    zipped, legacy = (files / name for name in ("best.pth.tar", "legacy.pth.tar"))
    whole_zip, whole_legacy = zipped.read_bytes(), legacy.read_bytes()
    small = {name: (data / name).read_bytes() for name in ("tri.mat", "keypoints_sim.npy", "param_whitening.pkl")}
    path, imported = tmp_path / "best.pth.tar", 0
    for k in range(FUZZED):
        kind, checkpoint, restore = k % 8, path, None
        if kind == 0:  # inside of a sound zip
            with zipfile.ZipFile(path, "w") as archive:
                for name, body in parts.items():
                    archive.writestr(name, mutated(rng, body, 10**9) if name == "best/data.pkl" else body)
        elif kind == 1:  # of the zip itself, mostly of its directory
            turned = whole_zip[::-1]
            path.write_bytes(mutated(rng, turned, 60_000)[::-1] if k % 16 == 1 else mutated(rng, whole_zip, 10**9))
        elif kind in (2, 3):
            path.write_bytes(mutated(rng, whole_legacy, 70_000))
        else:
            restore = ("tri.mat", "keypoints_sim.npy", "param_whitening.pkl")[k % 3]
            reach = {"tri.mat": 400, "keypoints_sim.npy": 200}.get(restore, 10**9)
            (data / restore).write_bytes(mutated(rng, small[restore], reach))
            checkpoint = files / "bare.pth.tar"
        try:
            official.import_official(checkpoint, data, target)
        except official.ImportProblem as problem:
            words = str(problem)
            assert "\n" not in words and words.endswith(".") and len(words) < 600
        else:
            imported += 1
            try:
                official.model.load.__wrapped__(target)
            except AssetError as error:
                raise AssertionError(f"file {k} became a model that cannot be loaded: {error}") from None
            target.unlink()
        assert not list(target.parent.iterdir())
        if restore:
            (data / restore).write_bytes(small[restore])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["3dmm_data", "best.pth.tar", "models"]
    print(f"{FUZZED} mutated files: {FUZZED - imported} refused, {imported} imported")


def test_the_command_imports_and_tells(files, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(official.model.WHERE, str(tmp_path))
    assert command.main(["import-official", str(files / "best.pth.tar")]) == 0
    assert official.place() == tmp_path / "official.npz" and official.place().exists()
    capsys.readouterr()
    assert command.main(["import-official", str(tmp_path / "nowhere.tar")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "tri.mat" in said
    assert official.place().exists()  # a failed import leaves the model that was there


def test_a_model_that_was_not_imported_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(official.model.WHERE, str(tmp_path))
    official.load.cache_clear()
    with pytest.raises(AssetError, match="import-official"):
        official.load()
