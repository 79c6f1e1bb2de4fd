"""Skin in even light to learn from: `python -m training.even_skins`, for `training.train_albedo`.

Every training portrait that looks ahead is laid on the head, its light taken out by `training.harmonics`, what is
hidden filled, and what light leaves made even. Writes `work/even_skins.npz`: per portrait its name, the `log` colours
(N, V, 3) of the vertices, how far each was `seen` (N, V) 0..1, and how `uneven` (N,) the light was, the spread of the
logarithm of what was taken out.
"""

import argparse
import concurrent.futures
import multiprocessing
from dataclasses import replace

import numpy as np

from synergy_blender.face import albedo
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
    here, there, cheeks, _ = look(picture, face.vertices, texels)
    bare = evenly_lit(here, there, cheeks, texels)
    change = np.log(np.maximum(brightness(bare[0].colour), 1) / np.maximum(brightness(here.colour), 1))
    on_face = (here.trust > 0.5) & (np.abs(texels.places[here.rows, 0]) < FACE_WIDTH)
    filled, _ = synthesise([bare], texels)
    _, trust = flat(here, texels)
    colour, _ = gather(np.log(np.maximum(filled, DARKEST)), np.ones(len(filled), np.float32), texels)
    _, share = gather(filled, trust, texels)
    return plain(colour, share, texels.surface), share, change[on_face].std()


def plain(log, seen, surface):
    """Log colours (V, 3) of skin seen so far (V,), without what light leaves on it that no skin has."""
    laid = albedo.laid(surface)
    inputs, _, weights, level = albedo.inputs_of(log, seen, np.zeros_like(log), surface)
    unlike, _ = albedo.unlike_skin(laid.lay(log) - level, level, weights, inputs[..., 3:4], surface)
    return log - laid.take(unlike)


def of_portraits(paths):
    """Of those among the portraits that will do: the name, and what `of_portrait` finds."""
    texels = texels_of(SIZE)
    return [
        (str(path.relative_to(sources.DATA)), *of_portrait(picture, face, texels))
        for path, picture, face in looking_ahead(paths, LARGEST_YAW)
    ]


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--workers", type=int, default=2, help="processes, each with its share of the portraits")
    options = options.parse_args()
    paths = sources.training_portraits()
    shares = [paths[k :: options.workers] for k in range(options.workers)]
    with concurrent.futures.ProcessPoolExecutor(options.workers, multiprocessing.get_context("spawn")) as pool:
        found = sorted((one for part in pool.map(of_portraits, shares) for one in part), key=lambda one: one[0])
    names, log, seen, uneven = zip(*found, strict=True)
    np.savez(
        sources.WORK / "even_skins.npz",
        log=np.array(log, np.float16),
        seen=np.array(seen, np.float16),
        uneven=np.array(uneven),
        names=names,
    )
    print(f"{len(names)} portraits")


if __name__ == "__main__":
    main()
