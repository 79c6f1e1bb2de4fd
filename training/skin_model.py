"""How skin usually varies over a face: `python -m training.skin_model` writes `addon_assets/skin.npz`.

For every vertex the colour of the skin there over the colour of the cheeks, the median over Face Research Lab London
people below 120, neutral and in even light, both sides of the face together: lips are redder, brows and lids darker,
noses shine. `usual` (V, 3). No one's picture is in it.
"""

import cv2
import numpy as np

from synergy_blender.face import assets, head_model, reconstruct, texels, texture
from training import sources

SIZE = 512
FEWEST = 12  # people who must show a vertex
SMOOTHING = 3
EDGE = (0.055, 0.085)  # metres from the face's middle, over which usual skin becomes plain: ears, scalp and neck


def of_person(path):
    """Colours (V, 3) over the cheeks' and how surely each vertex was seen (V,)."""
    picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    about = texels.texels_of(SIZE)
    colour, share, cheeks = texture.seen_skin(picture, reconstruct(picture)[0], about, delit=0.0)
    return texels.gather(colour / cheeks, share, about)


def main():
    model = head_model.load()
    count = len(model.mean)
    people = [of_person(path) for path in sources.london_pictures("london_neutral", validation=False)]
    values, seen = (np.stack(part) for part in zip(*people, strict=True))
    values = np.where(seen[..., None] > 0.5, values, np.nan)
    both = np.concatenate([values, values[:, texels.mirrored()]])
    known = (~np.isnan(both[..., 0])).sum(0) >= 2 * FEWEST
    usual = np.ones((count, 3))
    usual[known] = np.nanmedian(both[:, known], axis=0)
    from_middle = np.linalg.norm((model.mean - [0, -0.03, model.mean[:, 2].max() - 0.03]) * [1, 0.8, 0.6], axis=1)
    plain = np.clip((from_middle - EDGE[0]) / (EDGE[1] - EDGE[0]), 0, 1)[:, None]
    usual = plain + (1 - plain) * usual
    start, end = texels.edges().T
    number = np.maximum(np.bincount(end, minlength=count), 1)[:, None]
    for _ in range(SMOOTHING):
        around = np.stack([np.bincount(end, usual[start, c], count) for c in range(3)], 1) / number
        usual = 0.5 * (usual + around)
    assets.save(sources.ASSETS / "skin.npz", "skin", {"usual": usual.astype(np.float32)})
    print(f"skin.npz: {known.mean():.0%} of the vertices were seen on enough of {len(people)} people")


if __name__ == "__main__":
    main()
