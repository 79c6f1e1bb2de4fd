"""Whether beards are found on the faces of `training.bare_faces`: `python -m training.check_beard`.

Prints how many of those that have one (`bearded.txt`; nothing was learned from them) are found, and on how many shaven
ones (`shaven.txt`), of the portraits that were trained on and of those held back.
"""

import numpy as np

from synergy_blender.face import beard
from training import sources
from training.train_beard import SHAVEN, coarse, flattened

BEARDED = sources.PROJECT / "training" / "bearded.txt"


def main():
    data = np.load(sources.WORK / "bare_faces.npz")
    shaven, bearded = (np.isin(data["names"], path.read_text().split()) for path in (SHAVEN, BEARDED))
    found = np.zeros(len(shaven), bool)
    pictures, lower = data["pictures"], data["lower"]
    for k in np.flatnonzero(shaven | bearded):
        known = lower[k][..., 0] >= 0
        colours = coarse(flattened(pictures[k].astype(np.float32), lower[k] - np.float32(0.5)))
        found[k] = beard.has_one(beard.surely(colours, known))
    print(f"found on {found[bearded].sum()} of {bearded.sum()} bearded ones")
    for name, some in (("trained on", ~data["held_back"]), ("held back", data["held_back"])):
        print(f"{name}: found on {found[shaven & some].sum()} of {(shaven & some).sum()} shaven ones")


if __name__ == "__main__":
    main()
