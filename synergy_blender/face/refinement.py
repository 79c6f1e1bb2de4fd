"""The refinement in NumPy: a closer look at a face that was fitted already, laid flat by that fit.

Laid flat, pose, shape and expression as far as they are known are gone from the picture: what is left to be seen is how
wrong they are. As SynergyNet's refinement does for landmarks, it says for points all over the face how far off they
are; and, as the reverse module closes that loop, a fit to the moved points says what the parameters are.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from . import assets, chart, fit, network

PICTURE = 192  # side in pixels of the square that is laid flat
STATE = network.SHAPE + 3  # identity, expression and where the camera is in the head's frame: no roll
CHANGE = network.SHAPE + 4  # the shape's, a turn in the head's frame in radians and the log of the scale
REACH = 0.003  # metres of a point's offset in depth for an output of 1
SPREADING = 320  # points of the head that lay it flat
FINELY = 10.0  # offsets on the chart are told this much larger


def shapes():
    """Every weight of the refinement by name, with its shape."""
    shape, points, told = network.SHAPE, network.POINTS, network.LOOKED + STATE
    table = network.shapes_of_sight(4) | {"deeper_weight": (told, 3 * points), "deeper_bias": (3 * points,)}
    told += network.FEATURES + 2 * points + network.SEEN
    table |= {"change_weight": (told, CHANGE), "change_bias": (CHANGE,)}
    # where points lie on the chart's grid, which of them a camera can see, how precise the changed shape is
    table |= {"at": (points, 2), "outer": (None,), "precision": (shape, shape)}
    # the points that lay a head flat, metres, and their places on the chart
    return table | {"mean": (SPREADING, 3), "basis": (shape, SPREADING, 3), "chart": (SPREADING, 2)}


@dataclass(frozen=True)
class Head:
    """A head in a square: `identity` (40,), `expression` (52,), `scale` in pixels per metre of a crop of network.CROP,
    `rotation` (3, 3) and `shift` (2,) in its pixels, y up."""

    identity: np.ndarray
    expression: np.ndarray
    scale: float
    rotation: np.ndarray
    shift: np.ndarray

    def mirrored(self, mirror):
        """The head in the square's mirror image; mirror (92, 92) of the shape."""
        identity, expression = np.split(mirror @ np.concatenate([self.identity, self.expression]), [40])
        rotation = self.rotation * network.FLIP * network.FLIP[:, None]
        shift = np.array([network.CROP, 0]) + self.shift * network.FLIP[:2]
        return Head(identity, expression, self.scale, rotation, shift)


class Refinement(network.Sight):
    """From a picture of a Head to how wrong that is.

    `points_mean` (K, 3), `points_basis` (92, K, 3): the points it sees, metres, first those of the head, then the same
    points of the mirrored head where they lie on this one.
    """

    def __init__(self, weights, regress):
        """`weights` by name and the network.ImageToParameters whose points it sees."""
        super().__init__(weights)
        self.mirror, self.outer = regress.mirror, weights["outer"]
        self.precision = weights["precision"].astype(float)
        self.spread = chart.spread(weights["chart"].astype(float))
        rows = np.concatenate([self.outer, network.POINTS + self.outer])
        self.points_mean = regress.points_mean[rows]
        self.points_basis = np.ascontiguousarray(regress.points_basis[:, rows])

    def refined(self, picture, head):
        """What a square picture (H, H, 3) 0..255 of a Head says of it, as evidence for a fit."""
        return self._evidence(head, *self(picture, head))

    def refined_both_ways(self, picture, head):
        """The same of the picture and its mirror image, which errs in its own way."""
        here, there = self(picture, head), self(picture[:, ::-1], head.mirrored(self.mirror))
        back = np.array([network.CROP, 0]) + there[0] * network.FLIP[:2]
        points, errors = np.concatenate([here[0], back]), np.concatenate([here[1], there[1]])
        return self._evidence(head, points, errors, (here[2] + self.mirror @ there[2]) / 2)

    def _evidence(self, head, points, errors, shape):
        matrix = np.column_stack([head.scale * head.rotation, [*head.shift, 0]])
        return fit.View(points, errors, shape[:40], shape[40:], self.precision, matrix)

    def __call__(self, picture, head):
        """Where points (K, 2) lie in a square picture (H, H, 3) of a Head, in crop pixels, y up, the errors (K,) to
        expect of them in pixels, and the shape (92,) that it shows."""
        points, errors, told = self.told(picture, head)
        change = told @ self.weights["change_weight"] + self.weights["change_bias"]
        shape = np.concatenate([head.identity, head.expression]).astype(np.float32)
        return points, errors, (shape + change[: network.SHAPE]).astype(float)

    def told(self, picture, head):
        """The points and errors of a call, and all (2423,) that tells how the head's shape is to be changed."""
        w, shape = self.weights, np.concatenate([head.identity, head.expression]).astype(np.float32)
        spreading = w["mean"] + np.tensordot(shape, w["basis"], 1)
        rows = (head.scale * head.rotation[:2]).astype(np.float32)
        at = rows @ spreading.T + head.shift.astype(np.float32)[:, None]
        where = chart.filled_in(np.stack([self.spread @ line for line in at], 1))  # one by one: three times as fast
        colours = network.look(picture, where.reshape(-1, 2) * np.float32(2 / network.CROP) - 1)
        colours = colours.reshape(chart.CELLS, chart.CELLS, 3)
        seen = self.see(chart.laid_flat(colours, chart.facing(where, head.scale)))
        state = np.concatenate([shape, head.rotation[2]], dtype=np.float32)
        deeper = np.concatenate([seen.looked, state]) @ w["deeper_weight"] + w["deeper_bias"]
        points = network.look(where, seen.points) + REACH * deeper.reshape(-1, 3) @ rows.T
        offsets = FINELY * (seen.points - w["at"]).ravel()
        errors = np.exp(seen.log_errors[self.outer].astype(float))
        told = np.concatenate([seen.feature, offsets, seen.spots, seen.looked, state])
        return points[self.outer].astype(float), errors, told


@lru_cache(maxsize=4)
def load(path=None):
    """The bundled refinement, read once. Raises assets.AssetError if the file is missing or damaged."""
    path = path or assets.FOLDER / "refinement.npz"
    weights = assets.load(path, "refinement")
    assets.expect(path, weights, shapes())
    outer = weights["outer"]
    if outer.dtype.kind not in "iu" or (outer.size and (outer.min() < 0 or outer.max() >= network.POINTS)):
        raise assets.AssetError(f"{path} names points that do not exist: {assets.REMEDY}.")
    return Refinement(weights, network.load())
