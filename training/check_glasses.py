"""Whether glasses are found on the faces of `training.bare_faces`: `python -m training.check_glasses`.

Prints how many of those that wear some (`glasses_worn.txt`; nothing was learned from them) are found, and on how many
others, of the portraits that were trained on and of those held back.
"""

import numpy as np

from synergy_blender.face import glasses
from training import sources
from training.train_glasses import WORN_ALREADY, laid_out


def main():
    data, wearers = np.load(sources.WORK / "bare_faces.npz"), set(WORN_ALREADY.read_text().split())
    found, wears, held_back = [], np.array([name in wearers for name in data["names"]]), data["held_back"]
    for picture, points in zip(data["pictures"], data["points"], strict=True):
        known = points[..., 0] >= 0
        colours = laid_out(picture.astype(np.float32), points - np.float32(0.5))
        found.append(glasses.worn(glasses.GRID.surely(colours, known)))
    found = np.array(found)
    for name, some in (("trained on", ~held_back), ("held back", held_back)):
        print(
            f"{name}: glasses found on {found[some & wears].sum()} of {(some & wears).sum()} that wear some, on "
            f"{found[some & ~wears].sum()} of {(some & ~wears).sum()} others"
        )


if __name__ == "__main__":
    main()
