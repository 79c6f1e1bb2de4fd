"""Maps of skin with one side hidden: `python -m training.skin_maps [--delit]`, for `training.train_synthesiser`.

Every training portrait that looks ahead is laid on the map SIZE wide, as photographed or delit; random turns say what
a view from there would still show, and `face.texture.synthesise` fills what it would not. Writes `work/skin_maps.npz`
or `work/skin_maps_delit.npz`: per portrait the log of its `colour` over the cheeks' (N, n, 3) with its `trust` (N, n),
per turn what is `shown` (N, turns, n) 0..1 and the `filled` log colours (N, turns, n, 3), and the texels' places `at`
(n,).
"""

import argparse
from dataclasses import replace

import numpy as np

from synergy_blender.face.seen import View, look
from synergy_blender.face.texels import texels_of
from synergy_blender.face.texture import DARKEST, synthesise, unlit
from training import sources
from training.bench_texture import flat, turned
from training.skin_model import looking_ahead

SIZE, ANGLES = 128, {0.0: 4, 1.0: 2}  # by how much of the light is taken out
TURN = 30, 85  # degrees
LARGEST_YAW = 20
PATHS = {0.0: sources.WORK / "skin_maps.npz", 1.0: sources.WORK / "skin_maps_delit.npz"}


def hide(picture, points, texels, seen):
    """What a view with the head's vertices at `points` shows of a photo's skin, as (Seen, Seen of the mirror side) for
    `synthesise`, and how well it shows every texel (n,). `seen` are both sides as the photo shows them."""
    every, view = np.arange(len(texels.at)), View(picture, points, texels)
    both, shown = [], []
    for mirror, side in zip((False, True), seen, strict=True):
        _, share = flat(view.project(texels, every, mirror), texels)
        both.append(replace(side, trust=side.trust * share[side.rows].astype(np.float32)))
        shown.append(share)
    return both, shown[0]


def of_portrait(rng, picture, face, texels, delit):
    """The arrays of one portrait by name."""
    every = np.arange(len(texels.at))
    shown = look(picture, face.vertices, texels)
    here = shown.here
    _, trust = flat(here, texels)
    # the mirror side is believed where its own texels are
    there = View(picture, face.vertices, texels).project(texels, every, mirror=True)
    flipped = np.zeros(SIZE * SIZE)
    flipped[texels.at] = trust
    there = replace(there, trust=there.trust * flipped.reshape(SIZE, SIZE)[:, ::-1].ravel()[texels.at[there.rows]])
    here, there, cheeks, _ = unlit(shown._replace(there=there), face.vertices, texels, delit)
    colour, trust = flat(here, texels)
    found = {"shown": [], "filled": []}
    for _ in range(ANGLES[delit]):
        degrees = rng.uniform(*TURN) * rng.choice([-1, 1])
        points = turned(face, degrees, picture.shape)
        (one, other), shown = hide(picture, points, texels, (here, there))
        filled, _ = synthesise([(one, other, cheeks)], texels)
        found["shown"].append(shown)
        found["filled"].append(np.log(np.maximum(filled, DARKEST) / cheeks))
    return {
        "colour": np.log(np.maximum(colour, DARKEST) / cheeks).astype(np.float16),
        "trust": trust.astype(np.float16),
        **{name: np.array(values, np.float16) for name, values in found.items()},
    }


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--delit", action="store_const", const=1.0, default=0.0, help="without the photos' light")
    delit = options.parse_args().delit
    rng, texels, found = np.random.default_rng(0), texels_of(SIZE), []
    for _, picture, face in looking_ahead(sources.training_portraits(), LARGEST_YAW):
        found.append(of_portrait(rng, picture, face, texels, delit))
        if len(found) % 100 == 0:
            print(f"{len(found)} portraits", flush=True)
    np.savez(PATHS[delit], at=texels.at, **{name: np.stack([one[name] for one in found]) for name in found[0]})
    print(f"{len(found)} portraits")


if __name__ == "__main__":
    main()
