"""`make demo`: the head of scikit-image's astronaut, a public-domain portrait of Eileen Collins by NASA."""

import sys
from pathlib import Path

from PIL import Image
from skimage import data

from synergy_blender.__main__ import main

FOLDER = Path(__file__).resolve().parents[1] / "demo"


def demo():
    FOLDER.mkdir(exist_ok=True)
    photo = FOLDER / "astronaut_photo.png"
    Image.fromarray(data.astronaut()).save(photo)
    blend, picture = FOLDER / "astronaut.blend", FOLDER / "astronaut.png"
    status = main([str(photo), "-o", str(blend), "--render", str(picture), "--texture", "1024"])
    if status == 0:
        print(f"\nOpen {picture} to see the head beside the photo,\nand {blend} in Blender to move its sliders.")
    return status


if __name__ == "__main__":
    sys.exit(demo())
