"""Faces to put things on: `python -m training.bare_faces`, for `train_glasses`, `train_beard` and `train_cover`.

Every well labelled portrait is cut out about the face. Writes `work/bare_faces.npz`: per face its `names`, the
`pictures` (N, SIDE, SIDE, 3) uint8, where in them the cells are seen on which glasses are found, `points` (N, rows,
columns, 2), below 0 where they are not, likewise those on which beards are, `lower`, and those on which hats and hair
over the face are, `whole`, the `eyes` (N, 2, 3), the subject's left first, in metres of the head, and the head's
`scale` (N,), `rotation` (N, 3, 3) and `centre` (N, 2) in the picture; `held_back` (N,).
"""

import argparse
import concurrent.futures
import multiprocessing

import cv2
import numpy as np

from synergy_blender.face import beard, cover, glasses, head_model, reconstruct
from synergy_blender.face.pose import to_picture
from synergy_blender.face.seen import View
from synergy_blender.face.texels import texels_of
from training import sources
from training.skin_model import plain_surface

SIDE, WIDE = 544, 0.27  # pixels and metres of a picture
ABOUT = (0.0, -0.02, 0.03)  # its middle on the head, metres
SURE, SIZE = 0.9, 1024


def of_portrait(path, texels):
    """What is kept of one face, by name, or None where none is sure."""
    picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    faces = reconstruct(picture)
    if not faces or faces[0].confidence < SURE:
        return None
    face, model = faces[0], head_model.load()
    middle = to_picture(np.array([ABOUT]), face.scale, face.rotation, face.centre)[0, :2]
    ratio = SIDE / (WIDE * face.scale)
    move = np.array([[ratio, 0, SIDE / 2 - ratio * middle[0]], [0, ratio, SIDE / 2 - ratio * middle[1]]])
    if ratio < 0.7:  # as sharp as a texture of `SIZE` shows it
        picture = cv2.GaussianBlur(picture, (0, 0), 0.4 / ratio)
    part = cv2.warpAffine(picture, move, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    vertices = face.vertices * ratio
    vertices[:, :2] += move[:, 2]
    view = View(part, vertices, texels)  # as large as it is: `SIDE` is below `SIZE`
    seen = view.project(texels, np.arange(len(texels.at)))
    points = {}
    for name, grid in (("points", glasses.GRID), ("lower", beard.GRID), ("whole", cover.GRID)):
        where, known = grid.laid(seen.rows, seen.point + view.corner, texels)
        points[name] = np.where(known[..., None], where, -1).astype(np.float32)
    shape = model.vertices(face.identity, face.expression)
    return {
        "pictures": part,
        **points,
        "eyes": np.array([shape[model.groups[side]].mean(0) for side in ("eye_left", "eye_right")]),
        "scale": face.scale * ratio,
        "rotation": face.rotation,
        "centre": face.centre * ratio + move[:, 2],
    }


def of_portraits(paths):
    cv2.setNumThreads(1)
    texels = texels_of(SIZE, plain_surface())
    found = ((str(path.relative_to(sources.DATA)), of_portrait(path, texels)) for path in paths)
    return [(name, one) for name, one in found if one]


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--workers", type=int, default=2, help="processes, each with its share of the portraits")
    options = options.parse_args()
    found = []
    with concurrent.futures.ProcessPoolExecutor(options.workers, multiprocessing.get_context("spawn")) as pool:
        for held_back in (False, True):
            allowed = sources.well_labelled(held_back)
            paths = sources.synthetic_portraits(True) if held_back else sources.training_portraits()
            paths = [path for path in paths if str(path.relative_to(sources.DATA)) in allowed]
            parts = pool.map(of_portraits, [paths[k :: options.workers] for k in range(options.workers)])
            some = sorted((one for part in parts for one in part), key=lambda one: one[0])
            found += [(name, one | {"held_back": held_back}) for name, one in some]
    np.savez(
        sources.WORK / "bare_faces.npz",
        names=[name for name, _ in found],
        **{key: np.array([one[key] for _, one in found]) for key in found[0][1]},
    )
    print(f"{len(found)} faces")


if __name__ == "__main__":
    main()
