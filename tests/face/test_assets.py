"""Assets are read whole, checked and never executed."""

import pickle
import shutil

import numpy as np
import pytest

from synergy_blender.face import assets, detector, head_model, network, reconstruct, refinement


def arrays():
    return {"a": np.arange(12, dtype=np.float32).reshape(3, 4), "names": np.array(["x", "yy"])}


def test_round_trip(tmp_path):
    assets.save(tmp_path / "thing.npz", "thing", arrays())
    found = assets.load(tmp_path / "thing.npz", "thing")
    assert set(found) == {"a", "names"}
    np.testing.assert_array_equal(found["a"], arrays()["a"])
    assert [p.name for p in tmp_path.iterdir()] == ["thing.npz"]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(assets.AssetError, match=r"gone.npz is missing .* install"):
        assets.load(tmp_path / "gone.npz", "thing")


def test_another_kind_is_refused(tmp_path):
    assets.save(tmp_path / "thing.npz", "thing", arrays())
    with pytest.raises(assets.AssetError, match="not a head model"):
        assets.load(tmp_path / "thing.npz", "head model")


def test_every_kind_of_damage_is_one_sentence(tmp_path):
    path = tmp_path / "thing.npz"
    assets.save(path, "thing", arrays())
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    survived = 0
    for trial in range(300):
        data = bytearray(whole)
        if trial % 3 == 0:
            data = data[: rng.integers(0, len(data))]
        else:
            for _ in range(rng.integers(1, 8)):
                data[rng.integers(len(data))] = rng.integers(256)
        path.write_bytes(bytes(data))
        try:
            found = assets.load(path, "thing")
        except assets.AssetError as error:
            assert "\n" not in str(error) and "install the add-on again" in str(error)
        else:  # a byte that carries no data may change, the arrays may not
            survived += 1
            np.testing.assert_array_equal(found["a"], arrays()["a"])
    assert survived < 100


def test_pickles_are_not_opened(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("a pickle was executed",))

    path = tmp_path / "bomb.npz"
    with path.open("wb") as file:
        np.savez(file, meta=np.array(Bomb(), dtype=object))
    with pytest.raises(assets.AssetError):
        assets.load(path, "thing")
    path.write_bytes(pickle.dumps({"meta": 1}))
    with pytest.raises(assets.AssetError):
        assets.load(path, "thing")


@pytest.mark.parametrize(
    "name, load",
    [
        ("detector", detector.load),
        ("synergynet", network.load),
        ("refinement", refinement.load),
        ("head_model", head_model.load),
    ],
)
def test_wrong_shapes_are_refused(tmp_path, name, load):
    source = assets.FOLDER / f"{name}.npz"
    with np.load(source) as file:
        data = {key: file[key] for key in file.files if key != "meta"}
    kinds = {"detector": "face detector", "synergynet": "SynergyNet", "head_model": "head model"}
    kind = kinds.get(name, name)
    first = next(key for key in data if data[key].ndim > 1)
    data[first] = data[first][:-1]
    path = tmp_path / source.name
    assets.save(path, kind, data)
    with pytest.raises(assets.AssetError):
        load(path)


def test_a_missing_asset_stops_reconstruction_with_its_name(tmp_path, monkeypatch):
    for source in assets.FOLDER.glob("*.npz"):
        if source.stem != "synergynet":
            shutil.copy(source, tmp_path)
    monkeypatch.setattr(assets, "FOLDER", tmp_path)
    for module in (detector, head_model, network):
        module.load.cache_clear()
    with pytest.raises(assets.AssetError, match=r"synergynet\.npz is missing"):
        reconstruct(np.zeros((100, 100, 3), np.uint8))
    monkeypatch.undo()
    for module in (detector, head_model, network):
        module.load.cache_clear()
