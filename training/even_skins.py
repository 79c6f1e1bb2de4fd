"""Skin in even light to learn from: `python -m training.even_skins [--part 0 --parts 2]`, for `training.train_albedo`.

Every training portrait that looks ahead is laid on the head, its light taken out by `training.harmonics` and what is
hidden filled. Writes `work/even_skins_<part>.npz`: per portrait the `log` colours (N, V, 3) of the
vertices, how far each was `seen` (N, V) 0..1, and how `uneven` (N,) the light was, the spread of the logarithm of what
was taken out.
"""

import argparse
from dataclasses import replace

import numpy as np

from synergy_blender.face.seen import SCALP, cheeks_of, look
from synergy_blender.face.texels import brightness, carry, gather, texels_of
from synergy_blender.face.texture import DARKEST, synthesise
from training import harmonics, sources
from training.bench_texture import flat
from training.skin_model import looking_ahead

SIZE, LARGEST_YAW = 256, 25
FACE_WIDTH = 0.065  # metres from the middle that the light is estimated from


def evenly_lit(here, there, cheeks, texels):
    """What a photo shows, as `synthesise` takes it, its light taken out by harmonics alone."""
    x, y, _ = texels.places[here.rows].T
    sure = (here.trust > 0.5) & (np.abs(x) < FACE_WIDTH) & (y < SCALP[0])
    usual = texels.surface.usual
    colours = here.colour[sure] / carry(usual, texels, here.rows[sure])
    found = harmonics.estimate(colours, here.normal[sure].astype(float), here.trust[sure])
    here, there = (replace(side, colour=side.colour / harmonics.shading(found, side.normal)) for side in (here, there))
    _, cheeks = cheeks_of(here, texels)
    return here, there, cheeks


def of_portrait(picture, face, texels):
    """Log colours (V, 3), how far seen (V,), and how uneven the light was."""
    here, there, cheeks = look(picture, face.vertices, texels)
    bare = evenly_lit(here, there, cheeks, texels)
    change = np.log(np.maximum(brightness(bare[0].colour), 1) / np.maximum(brightness(here.colour), 1))
    on_face = (here.trust > 0.5) & (np.abs(texels.places[here.rows, 0]) < FACE_WIDTH)
    filled, *_ = synthesise([bare], texels)
    _, trust = flat(here, texels)
    colour, _ = gather(np.log(np.maximum(filled, DARKEST)), np.ones(len(filled), np.float32), texels)
    _, share = gather(filled, trust, texels)
    return colour, share, change[on_face].std()


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--part", type=int, default=0)
    options.add_argument("--parts", type=int, default=1)
    options = options.parse_args()
    texels, found, names = texels_of(SIZE), [], []
    paths = sources.training_portraits()[options.part :: options.parts]
    for path, picture, face in looking_ahead(paths, LARGEST_YAW):
        found.append(of_portrait(picture, face, texels))
        names.append(str(path.relative_to(sources.DATA)))
    log, seen, uneven = (np.array(column) for column in zip(*found, strict=True))
    np.savez(
        sources.WORK / f"even_skins_{options.part}.npz",
        log=log.astype(np.float16),
        seen=seen.astype(np.float16),
        uneven=uneven,
        names=names,
    )
    print(f"{len(names)} portraits")


if __name__ == "__main__":
    main()
