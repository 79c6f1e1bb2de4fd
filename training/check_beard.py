"""Whether beards are found on the faces of `training.bare_faces`: `python -m training.check_beard`.

Prints how many of those that have one (`bearded.txt`; nothing was learned from them) are found, and on how many shaven
ones (`shaven.txt`), of the portraits that were trained on and of those held back.
"""

from synergy_blender.face import beard
from training import sources
from training.laid_faces import check
from training.train_beard import SHAVEN

BEARDED = sources.PROJECT / "training" / "bearded.txt"


if __name__ == "__main__":
    check(beard, "lower", beard.has_one, BEARDED, SHAVEN, ("bearded ones", "shaven ones"))
