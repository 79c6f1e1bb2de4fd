"""Whether what hides faces is found on those of `training.bare_faces`: `python -m training.check_cover`.

Prints on how many of those that hair or a hat hides (`covered.txt`; nothing was learned from them) much is found, and
on how many that nothing hides (`uncovered.txt`), of the portraits that were trained on and of those held back.
"""

from synergy_blender.face import cover
from training import sources
from training.laid_faces import check
from training.train_cover import UNCOVERED, mistaken

COVERED = sources.PROJECT / "training" / "covered.txt"


if __name__ == "__main__":
    check(cover, "whole", mistaken, COVERED, UNCOVERED, ("that are hidden in part", "that are not"))
