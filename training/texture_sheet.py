"""Contact sheet of textured heads: `python -m training.texture_sheet` writes `docs/textures.png`.

Twelve held-back generated portraits (SFHQ-T2I, SFHQ: free of licence claims, MIT), light and dark skin, beards,
glasses, from frontal to profile: the photo, and the head with its skin, the photo's light taken out, under our own
light: front, both sides, back.
"""

import argparse

import cv2
import numpy as np
from PIL import Image

from synergy_blender.face import pose, reconstruct, skin
from training import sources
from training.gallery import Drawing, texture_of

TILE = 180
VIEWS = (0, 60, -60, 180)  # degrees of yaw
PORTRAITS = (
    "faces/sfhq/sfhq_0037.jpg",
    "faces/sfhq/sfhq_0311.jpg",
    "faces/sfhq/sfhq_0009.jpg",
    "faces/sfhq/sfhq_0023.jpg",
    "faces/t2i/t2i_1276.jpg",
    "faces/sfhq/sfhq_0256.jpg",
    "faces/t2i/t2i_0110.jpg",
    "faces/t2i/t2i_0837.jpg",
    "faces/t2i/t2i_1385.jpg",
    "faces/t2i/t2i_0000.jpg",
    "faces/t2i/t2i_1344.jpg",
    "faces/t2i/t2i_0082.jpg",
)


def row(drawing, picture, face):
    """The photo about the head and the four views, each (TILE, TILE, 3) uint8."""
    half = 1.05 * (face.box[2] - face.box[0])
    x, y = (face.box[0] + face.box[2]) / 2, (face.box[1] + face.box[3]) / 2 - 0.16 * half
    factor = TILE / half  # of a picture twice as large
    matrix = np.array([[factor, 0, TILE - x * factor], [0, factor, TILE - y * factor]])
    size = (2 * TILE, 2 * TILE)
    tiles = [cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)]
    shape = drawing.model.vertices(face.identity, face.expression)
    colour = skin.mean_colour(picture, face, drawing.model)
    texture = texture_of(picture, face)
    for yaw in VIEWS:
        view, seen = drawing.shade(shape, colour, 7 * TILE, pose.matrix(yaw, 0, 0), (TILE, 0.95 * TILE), size, texture)
        tiles.append(np.where(seen[..., None], view, 60))
    return [cv2.resize(np.asarray(t, np.uint8), (TILE, TILE), interpolation=cv2.INTER_AREA) for t in tiles]


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--output", default=str(sources.PROJECT / "docs" / "textures.png"))
    options = options.parse_args()
    drawing, rows = Drawing(), []
    for name in PORTRAITS:
        picture = cv2.cvtColor(cv2.imread(str(sources.DATA / name)), cv2.COLOR_BGR2RGB)
        rows.append(np.hstack(row(drawing, picture, reconstruct(picture)[0])))
    sheet = np.vstack([np.hstack(rows[i : i + 2]) for i in range(0, len(rows), 2)])
    Image.fromarray(sheet).save(options.output, optimize=True)


if __name__ == "__main__":
    main()
