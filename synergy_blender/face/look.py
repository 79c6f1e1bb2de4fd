"""A face looked at in a square crop, whichever way up it is: evidence for a fit."""

from dataclasses import dataclass

import numpy as np

from . import crop, fit, network
from .pose import to_picture

MARGIN = 1.4  # side of the crop over the side of the square around the landmarks, as in training
DOUBT = 2.5  # mean error expected of the points, crop pixels, above which a crop is looked at the other ways up as well
CLEARER = 0.8  # of the upright crop's errors: another way up must expect less


@dataclass(frozen=True)
class Look:
    """What was seen of a face in a square crop: `middle` (2,) and `side` in picture pixels, the detector's `score`, and
    by how many `quarters` of a turn to the left the crop was turned to be looked at; `view` is turned back."""

    view: fit.View
    middle: np.ndarray
    side: float
    score: float
    quarters: int = 0

    def place(self, found, k):
        """Scale, rotation and centre in the picture of view `k` of a fit."""
        ratio = self.side / network.CROP
        shift = found.shift[k] * ratio
        centre = self.middle + [shift[0] - self.side / 2, self.side / 2 - shift[1]]
        return found.scale[k] * ratio, found.rotation[k], centre


def fitted(looks):
    """The Fit of one identity to Looks at a person."""
    regress = network.load()
    return fit.fit(regress.points_mean, regress.points_basis, [look.view for look in looks])


def first(image, face, regress, doubt=DOUBT):
    """A Look at a detector's Face, upright or, where that expects greater errors than `doubt` and another way up is
    clearer, turned."""
    middle, side = np.array(face.centre), face.side * MARGIN
    part = crop.square(image, middle, side, network.CROP)
    best, quarters = network.view(regress, part), 0
    if best.errors.mean() > doubt:
        others = regress.several([np.ascontiguousarray(np.rot90(part, k)) for k in (1, 2, 3)])
        views = [network.evidence(regress, seen) for seen in others]
        k = int(np.argmin([view.errors.mean() for view in views]))
        if views[k].errors.mean() < CLEARER * best.errors.mean():
            best, quarters = network.turned_back(views[k], k + 1), k + 1
    return Look(best, middle, side, face.score, quarters)


def second(image, before, regress):
    """A Look at the same face, in a crop cut around what was found `before`, and at its mirror image."""
    middle, side = square_about(before)
    side = side * MARGIN
    part = crop.square(image, middle, side, network.CROP)
    view = network.view_both_ways(regress, np.ascontiguousarray(np.rot90(part, before.quarters)))
    return Look(network.turned_back(view, before.quarters), middle, side, before.score, before.quarters)


def square_about(seen):
    """Middle (2,) and side of the square around the landmarks of a head fitted to a Look, near where it was sought:
    far away the look has lost the face."""
    found = fitted([seen])
    regress, side = network.load(), seen.side / MARGIN
    shape = np.concatenate([found.identity, found.expression[0]])
    mean, basis = regress.points_mean[: network.LANDMARKS], regress.points_basis[:, : network.LANDMARKS]
    landmarks = mean + np.tensordot(shape, basis, 1)
    points = to_picture(landmarks, *seen.place(found, 0))[:, :2]
    if not np.isfinite(points).all():
        return seen.middle, side
    low, high = points.min(0), points.max(0)
    middle = np.clip((low + high) / 2, seen.middle - side / 2, seen.middle + side / 2)
    return middle, float(np.clip((high - low).max(), 0.5 * side, 2 * side))
