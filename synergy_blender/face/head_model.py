"""The morphable head: parameters to vertices and landmarks.

Model frame: metres, +x the subject's left, +y up, +z out of the face, origin between the eyes.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from . import assets

IDENTITY, EXPRESSION, LANDMARKS = 40, 52, 68


@dataclass(frozen=True)
class HeadModel:
    """A linear head of V vertices and F faces: the bundled one's are quads, and its numbers are those below.

    `mean` (V, 3) float32 metres; `identity` (40, V, 3) per sigma; `identity_names` (40,) what a higher value does, or
    "" where no words fit; `expression` (52, V, 3) at slider 1; `expression_names` (52,) Apple's ARKit names; `faces`
    (F, 4); `uv` (F, 4, 2); `material` (F,) indices into `material_names`; `groups` name -> (n,) vertices;
    `landmark_vertices` (68, 3) and `landmark_weights` (68, 3): the iBUG points as weighted vertices (weights sum to 1;
    negative where a point lies beside its triangle);
    `expression_limits` of the expression's numbers; `name` of the model among those that can be chosen (`models`).
    """

    mean: np.ndarray
    identity: np.ndarray
    expression: np.ndarray
    identity_names: tuple
    expression_names: tuple
    faces: np.ndarray
    uv: np.ndarray
    material: np.ndarray
    material_names: tuple
    groups: dict
    landmark_vertices: np.ndarray
    landmark_weights: np.ndarray
    expression_limits: tuple = (0.0, 1.0)
    name: str = "open"

    def vertices(self, identity, expression):
        """Model-frame vertices (V, 3) float32 of identity (40,) in sigma and expression (52,)."""
        basis = np.concatenate([identity, expression]).astype(np.float32)
        return self.mean + (basis @ self._flat_basis()).reshape(-1, 3)

    def landmarks(self, vertices):
        """The 68 landmarks (..., 68, 3) of vertices (..., V, 3), in whatever frame the vertices are."""
        return np.einsum("kc,...kcd->...kd", self.landmark_weights, vertices[..., self.landmark_vertices, :])

    @lru_cache(maxsize=2)  # noqa: B019 - the models are loaded once and live as long as the process
    def _flat_basis(self):
        return np.concatenate([self.identity, self.expression]).reshape(len(self.identity) + len(self.expression), -1)

    def __hash__(self):
        return id(self)


@lru_cache(maxsize=4)
def load(path=None):
    """The bundled head model, read once. Raises assets.AssetError if the file is missing or damaged."""
    path = path or assets.FOLDER / "head_model.npz"
    data = assets.load(path, "head model")
    count = len(data.get("mean", ()))
    faces = len(data.get("quads", ()))
    shapes = {
        "mean": (count, 3),
        "identity": (IDENTITY, count, 3),
        "expression": (EXPRESSION, count, 3),
        "identity_names": (IDENTITY,),
        "expression_names": (EXPRESSION,),
        "quads": (faces, 4),
        "uv": (faces, 4, 2),
        "material": (faces,),
        "material_names": (None,),
        "landmark_vertices": (LANDMARKS, 3),
        "landmark_weights": (LANDMARKS, 3),
    }
    assets.expect(path, data, shapes)
    groups = {name.removeprefix("group_"): rows for name, rows in data.items() if name.startswith("group_")}
    indices = [data["quads"], data["landmark_vertices"], *groups.values()]
    if any(rows.size and (rows.min() < 0 or rows.max() >= count) for rows in indices):
        raise assets.AssetError(f"{path} names vertices that do not exist: install the add-on again.")
    return HeadModel(
        mean=data["mean"].astype(np.float32),
        identity=data["identity"].astype(np.float32),
        expression=data["expression"].astype(np.float32),
        identity_names=tuple(str(name) for name in data["identity_names"]),
        expression_names=tuple(str(name) for name in data["expression_names"]),
        faces=data["quads"].astype(np.int32),
        uv=data["uv"].astype(np.float32),
        material=data["material"].astype(np.int32),
        material_names=tuple(str(name) for name in data["material_names"]),
        groups=groups,
        landmark_vertices=data["landmark_vertices"].astype(np.int32),
        landmark_weights=data["landmark_weights"].astype(np.float32),
    )
