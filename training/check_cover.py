"""Whether what hides faces is found on those of `training.bare_faces`: `python -m training.check_cover`.

Prints on how many of those that hair or a hat hides (`covered.txt`; nothing was learned from them) much is found, and
on how many that nothing hides (`uncovered.txt`), of the portraits that were trained on and of those held back.
"""

import numpy as np

from synergy_blender.face import cover
from training import sources
from training.train_beard import coarse, flattened
from training.train_cover import UNCOVERED, mistaken

COVERED = sources.PROJECT / "training" / "covered.txt"


def main():
    data = np.load(sources.WORK / "bare_faces.npz")
    free, covered = (np.isin(data["names"], path.read_text().split()) for path in (UNCOVERED, COVERED))
    found = np.zeros(len(free), bool)
    pictures, whole = data["pictures"], data["whole"]
    for k in np.flatnonzero(free | covered):
        known = whole[k][..., 0] >= 0
        colours = coarse(flattened(pictures[k].astype(np.float32), whole[k] - np.float32(0.5)), cover.GRID)
        found[k] = mistaken(cover.surely(colours, known))
    print(f"found on {found[covered].sum()} of {covered.sum()} that are hidden in part")
    for name, some in (("trained on", ~data["held_back"]), ("held back", data["held_back"])):
        print(f"{name}: found on {found[free & some].sum()} of {(free & some).sum()} that are not")


if __name__ == "__main__":
    main()
