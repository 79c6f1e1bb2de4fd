"""The networks on PyTorch say what they say on NumPy; without PyTorch a sentence says so."""

import sys

import numpy as np
import pytest
from skimage import data

from synergy_blender import __main__ as command
from synergy_blender import engine
from synergy_blender.face import crop, reconstruct
from synergy_blender.png import png


def test_pytorch_sees_what_numpy_sees():
    pytest.importorskip("torch")
    picture = data.astronaut()
    crops = [crop.square(picture, (225, 115 + shift), 170, 120) for shift in (-10, 0, 25)]
    here, there = (engine.load(name).several(crops) for name in engine.NAMES)
    for one, other in zip(here, there, strict=True):
        for a, b, allowed in zip(one, other, (2e-3, 1e-3, 1e-3), strict=True):
            np.testing.assert_allclose(a, b, atol=allowed, rtol=1e-4)


def test_a_face_is_the_same_on_pytorch():
    pytest.importorskip("torch")
    [here], [there] = (reconstruct(data.astronaut(), regress=engine.load(name)) for name in engine.NAMES)
    np.testing.assert_allclose(here.vertices, there.vertices, atol=0.02)


def test_without_pytorch_a_sentence_says_so(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)
    engine.torch_device.cache_clear()
    engine.load.cache_clear()
    with pytest.raises(engine.EngineError, match="choose NumPy"):
        engine.load("torch")
    photo = tmp_path / "photo.png"
    photo.write_bytes(png(data.astronaut()))
    assert command.main([str(photo), "--engine", "torch"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "choose NumPy" in said
