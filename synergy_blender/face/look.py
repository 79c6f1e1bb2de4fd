"""A face looked at in a square crop, whichever way up it is, and then more closely, laid flat: evidence for a fit."""

from dataclasses import dataclass, replace

import numpy as np

from . import crop, fit, network, refinement
from .pose import to_picture

MARGIN = 1.4  # side of the crop over the side of the square around the landmarks, as in training
DOUBT = 2.5  # mean error expected of the points, crop pixels, above which a crop is looked at the other ways up as well
CLEARER = 0.8  # of the upright crop's errors: another way up must expect less
HOPELESS = 1.25  # times an error that is too large: from there on a closer look is not taken both ways
OFF, LARGER = 0.15, 1.25  # of a crop's side, by which its face may lie beside its middle, and be larger or smaller


@dataclass(frozen=True)
class Look:
    """What was seen of a face in a square crop: `middle` (2,) and `side` in picture pixels, the detector's `score`, and
    `points` of the head, those that `view` has, as (mean (N, 3), basis (92, N, 3)) in metres."""

    view: fit.View
    middle: np.ndarray
    side: float
    score: float
    points: tuple

    def place(self, found, k):
        """Scale, rotation and centre in the picture of view `k` of a fit."""
        ratio = self.side / network.CROP
        shift = found.shift[k] * ratio
        centre = self.middle + [shift[0] - self.side / 2, self.side / 2 - shift[1]]
        return found.scale[k] * ratio, found.rotation[k], centre


def fitted(looks):
    """The Fit of one identity to Looks at a person that are alike in their points."""
    return fit.fit(*looks[0].points, [look.view for look in looks])


def first(image, face, regress, doubt=DOUBT):
    """A Look at a detector's Face, upright or, where that expects greater errors than `doubt` and another way up is
    clearer, turned."""
    middle, side = np.array(face.centre), face.side * MARGIN
    part = crop.square(image, middle, side, network.CROP)
    best = network.view(regress, part)
    if best.errors.mean() > doubt:
        others = regress.several([np.ascontiguousarray(np.rot90(part, k)) for k in (1, 2, 3)])
        views = [network.evidence(regress, seen) for seen in others]
        k = int(np.argmin([view.errors.mean() for view in views]))
        if views[k].errors.mean() < CLEARER * best.errors.mean():
            best = network.turned_back(views[k], k + 1)
    return Look(best, middle, side, face.score, (regress.points_mean, regress.points_basis))


def closer(image, face, regress, enough=np.inf):
    """A Look at a detector's Face laid flat, as it lies in `image` according to a first look; where that finds it
    elsewhere than the detector did, it is taken again there. Who wants errors below `enough` is soon told of far larger
    ones."""
    seen = first(image, face, regress)
    found = fitted([seen])
    middle, side = square_about(seen, found)
    if np.abs(middle - seen.middle).max() > OFF * seen.side or not 1 / LARGER < side * MARGIN / seen.side < LARGER:
        seen = first(image, replace(face, centre=tuple(middle), side=side), regress)
        found = fitted([seen])
        middle, side = square_about(seen, found)
    refine, side = refinement.load(), side * MARGIN
    part, ratio = crop.square(image, middle, side, refinement.PICTURE), network.CROP / side
    points = refine.points_mean, refine.points_basis

    def laid_flat_by(seen, found):
        scale, rotation, centre = seen.place(found, 0)
        shift = (centre - middle) * [ratio, -ratio] + network.CROP / 2
        return refinement.Head(found.identity, found.expression[0], scale * ratio, rotation, shift)

    seen = Look(refine.refined(part, laid_flat_by(seen, found)), middle, side, seen.score, points)
    if seen.view.errors.mean() > HOPELESS * enough:
        return seen
    return replace(seen, view=refine.refined_both_ways(part, laid_flat_by(seen, fitted([seen]))))


def square_about(seen, found):
    """Middle (2,) and side of the square around the landmarks of a head `found` in a first Look, near where it was
    sought: far away the look has lost the face."""
    side, (mean, basis) = seen.side / MARGIN, (points[..., : network.LANDMARKS, :] for points in seen.points)
    landmarks = mean + np.tensordot(np.concatenate([found.identity, found.expression[0]]), basis, 1)
    points = to_picture(landmarks, *seen.place(found, 0))[:, :2]
    if not np.isfinite(points).all():
        return seen.middle, side
    low, high = points.min(0), points.max(0)
    middle = np.clip((low + high) / 2, seen.middle - side / 2, seen.middle + side / 2)
    return middle, float(np.clip((high - low).max(), 0.5 * side, 2 * side))
