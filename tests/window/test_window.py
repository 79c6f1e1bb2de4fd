"""The add-on in a real Blender with a window, where there is one: SYNERGY_BLENDER, or that of real-blender."""

import os
import runpy
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
INSTALLED = [*Path("/opt").glob("real-blender-*/usr/bin/blender")] if os.geteuid() == 0 else []
BLENDERS = [os.environ["SYNERGY_BLENDER"]] if "SYNERGY_BLENDER" in os.environ else sorted(map(str, INSTALLED))


@pytest.mark.skipif(not BLENDERS, reason="needs a Blender with a window: ../shared/tools/real-blender install")
@pytest.mark.parametrize("blender", BLENDERS)
def test_an_artist_meets_the_add_on(blender, tmp_path):
    pytest.importorskip("bpy")
    from PIL import Image
    from skimage import data

    Image.fromarray(data.astronaut()).resize((1000, 1000), Image.LANCZOS).save(tmp_path / "photo.png")
    steps = runpy.run_path(str(HERE / "run.py"))["drive"](blender, tmp_path / "photo.png", tmp_path / "out")
    assert steps and steps[-1]["step"] == "end", steps
    assert not [step for step in steps if not step["good"]]
