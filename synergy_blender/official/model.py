"""The authors' model as it was imported: networks, whitening and the morphable model."""

import os
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from ..face import assets
from .weights import EXPRESSION, IDENTITY, LANDMARKS, PARAMETERS, POSE, shapes

KIND = "official SynergyNet"
REMEDY = "import the official model again"
METRE = 1e6  # of the model's unit
WHERE = "SYNERGY_MODELS"  # the environment variable that names another folder for models


def place():
    """The file that an imported model is kept in, outside of the add-on, so that its updates leave it alone."""
    folder = os.environ.get(WHERE)
    return (Path(folder) if folder else Path.home() / ".synergy_blender") / "official.npz"


@dataclass(frozen=True, eq=False)
class OfficialModel:
    """The authors' networks and morphable model of V vertices, micrometres, y up, z out of the face.

    `weights` the networks' arrays (`weights.of_checkpoint`); `param_mean`, `param_std` (62,) undo the whitening; `mean`
    (V, 3), `identity` (40, V, 3), `expression` (10, V, 3); `triangles` (T, 3); `keypoints` (68,) vertices that are
    landmarks. Where the authors' files for them were there: `kept` (K,) vertices of the trimmed face with its
    `kept_triangles` among those, and `uv` (V, 2).
    `name` among the models that can be chosen.
    """

    weights: dict
    param_mean: np.ndarray
    param_std: np.ndarray
    mean: np.ndarray
    identity: np.ndarray
    expression: np.ndarray
    triangles: np.ndarray
    keypoints: np.ndarray
    kept: np.ndarray = None
    kept_triangles: np.ndarray = None
    uv: np.ndarray = None
    name: str = "official"

    @cached_property
    def centre(self):
        """The shape (V, 3) float32 whose whitened parameters are all 0."""
        return self.mean + np.tensordot(self.param_mean[POSE:], self._plain_basis, 1)

    @cached_property
    def basis(self):
        """What each whitened parameter of the shape adds (50, V, 3) float32."""
        return self._plain_basis * self.param_std[POSE:, None, None]

    @cached_property
    def origin(self):
        """The point (3,) between the eyes of that shape."""
        return self.centre[self.keypoints[36:48]].mean(0)

    def trimmed(self):
        """The model of the trimmed face, or this one where the authors' files for it were not imported."""
        if self.kept is None or self.kept_triangles is None:
            return self
        row = np.full(len(self.mean), -1)
        row[self.kept] = np.arange(len(self.kept))
        gone = self.keypoints[row[self.keypoints] < 0]
        for point in gone:  # a landmark that was cut off is the nearest point that was not
            row[point] = ((self.mean[self.kept] - self.mean[point]) ** 2).sum(1).argmin()
        return replace(
            self,
            mean=self.mean[self.kept],
            identity=self.identity[:, self.kept],
            expression=self.expression[:, self.kept],
            triangles=self.kept_triangles.astype(np.int32),
            keypoints=row[self.keypoints].astype(np.int32),
            kept=None,
            kept_triangles=None,
            uv=None if self.uv is None else self.uv[self.kept],
            name="official_face",
        )

    @property
    def _plain_basis(self):
        return np.concatenate([self.identity, self.expression])

    @cached_property
    def face(self):
        """The same for the landmarks alone: (68, 3) and (50, 68, 3)."""
        return self.centre[self.keypoints], np.ascontiguousarray(self.basis[:, self.keypoints])

    @cached_property
    def planes(self):
        """Centre (3 N,) and basis (50, 3 N), all x first, then all y and all z: of the landmarks, and of all."""

        def flat(part):
            return np.ascontiguousarray(part.swapaxes(-1, -2), np.float32).reshape(*part.shape[:-2], -1)

        return [(flat(centre), flat(basis)) for centre, basis in (self.face, (self.centre, self.basis))]

    def shape(self, whitened):
        """Vertices (V, 3) of whitened parameters (62,)."""
        flat = self.basis.reshape(len(self.basis), -1)
        return self.centre + (np.asarray(whitened[POSE:], np.float32) @ flat).reshape(-1, 3)

    def landmarks(self, whitened):
        """Landmarks (68, 3) of whitened parameters (62,)."""
        centre, basis = self.face
        return centre + np.tensordot(np.asarray(whitened[POSE:], np.float32), basis, 1)

    def pose(self, whitened):
        """The pose (..., 3, 4), micrometres to crop pixels, y up, of whitened parameters (..., 62)."""
        plain = whitened[..., :POSE] * self.param_std[:POSE] + self.param_mean[:POSE]
        return plain.reshape(*whitened.shape[:-1], 3, 4)


@lru_cache(maxsize=2)
def load(path=None):
    """The imported model, read once. Raises assets.AssetError if it was not imported or its file is damaged."""
    path = Path(path or place())
    if not path.exists():
        raise assets.AssetError(
            "The official SynergyNet was not imported yet: run python -m synergy_blender import-official best.pth.tar, "
            "or press the button in the add-on's preferences."
        )
    data = assets.load(path, KIND, REMEDY)
    count, triangles = len(data.get("mean", ())), len(data.get("triangles", ()))
    wanted = shapes() | {
        "param_mean": (PARAMETERS,),
        "param_std": (PARAMETERS,),
        "mean": (count, 3),
        "identity": (IDENTITY, count, 3),
        "expression": (EXPRESSION, count, 3),
        "triangles": (triangles, 3),
        "keypoints": (LANDMARKS,),
    }
    for name, columns in (("kept", ()), ("kept_triangles", (3,)), ("uv", (2,))):
        if name in data:
            wanted[name] = (len(data[name]), *columns)
    assets.expect(path, data, wanted, REMEDY)
    limits = {"triangles": count, "keypoints": count, "kept": count, "kept_triangles": len(data.get("kept", ()))}
    for name, limit in limits.items():
        if name in data and data[name].size and (data[name].min() < 0 or data[name].max() >= limit):
            raise assets.AssetError(f"{path} names points that do not exist: {REMEDY}.")
    more = {name: data[name] for name in ("kept", "kept_triangles", "uv") if name in data}
    return OfficialModel(
        weights={name: np.ascontiguousarray(data[name], np.float32) for name in shapes()},
        **{name: data[name] for name in ("param_mean", "param_std", "mean", "identity", "expression")},
        triangles=data["triangles"].astype(np.int32),
        keypoints=data["keypoints"].astype(np.int32),
        **more,
    )
