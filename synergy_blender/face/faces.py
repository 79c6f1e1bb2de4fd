"""Where the faces of a picture are: what the detector is sure of, and what it doubts but the network recognises."""

import numpy as np

from . import crop, detector, look, network

CERTAIN, PROPOSED = 0.95, 0.5  # scores of the detector
NEAR, ALIKE = 0.4, 0.7  # of its side, and logarithm to base 2: where and how large a face is found again
TURNED = 0.7  # score of both looks from which a doubtful face is looked at whichever way up it may be
MOST = 16  # doubtful ones that are looked at, the likeliest: each costs as much as a face
# Mean errors expected of the points, crop pixels, up to which an even chance becomes a face, at the first look and as
# the geometric mean of that and the closer one, and the power of the odds that they grow with: chosen for few false
# alarms on pictures without faces (`training.doubtful_faces`).
RECOGNISED, SEEN, POWER = 3.6, 4.6, 0.8


def find(image):
    """The faces, a list of detector.Face, largest first, in a picture (H, W, 3) uint8 RGB.

    What was doubted and recognised must be seen well in a closer look too, the better the worse it was at first.

    Raises assets.AssetError if the detector or the network is missing or damaged.
    """
    image = crop.readable(image)
    regress, seek = network.load(), detector.load()
    proposed = seek(image, PROPOSED)
    likely = sorted(proposed, key=lambda face: -face.score)
    certain = [face for face in likely if face.score >= CERTAIN]

    def recognised(face):
        """Score and square of a doubtful face, or None: the less likely it is, the better it must be seen."""
        score = considered(image, face, seek)
        if score < PROPOSED:
            return None
        seen = doubted(image, face, regress, score)
        error = seen.view.errors.mean()
        if error >= enough(score, RECOGNISED):
            return None
        square, most = square_of(seen), enough(score, SEEN) ** 2 / error
        return [face.score, *square] if closer(image, face, square, most).view.errors.mean() < most else None

    found = [recognised(face) for face in likely[len(certain) :][:MOST]]
    rows = [[face.score, *face.centre, face.side] for face in certain] + [row for row in found if row]
    return sorted(detector.keep_best(np.array(rows).reshape(-1, 4)), key=lambda face: -face.side)


def considered(image, face, seek):
    """The score 0..1 of a detector's Face once the detector has looked again, at the part about it alone: what is none
    rarely looks like a face twice. The mean of both looks' odds (their logarithms)."""
    score, x, y, side = seek.about(image, face.centre, face.side).T
    again = score[(np.abs(x) < NEAR) & (np.abs(y) < NEAR) & (np.abs(np.log2(side)) < ALIKE)].max(initial=0)
    both = np.clip([again, face.score], 1e-3, 1 - 1e-3)
    odds = np.sqrt((both / (1 - both)).prod())
    return float(odds / (1 + odds))


def doubted(image, face, regress, score):
    """A Look at a detector's Face that may be none, with a `score` 0..1 of both its looks."""
    return look.first(image, face, regress, look.DOUBT if score > TURNED else np.inf)


def square_of(seen):
    """The square (3,) where a Look sees its face: x, y and side in picture pixels."""
    return np.hstack(look.square_about(seen, look.fitted([seen])))


def closer(image, face, square, error=np.inf):
    """A closer Look at a detector's Face where a first one saw it, in a square (3,), if it may expect less `error`."""
    return look.closer(image, detector.Face(tuple(square[:2]), square[2], face.score), network.load(), error)


def enough(score, error, power=POWER):
    """The error below which what the detector gives a score of 0..1 is a face, for that at even odds."""
    return error * (score / (1 - score)) ** power
