"""The surface of a head that is textured: its triangles, its map, and what skin usually is on it."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from . import head_model, skin

MATERIALS = ("skin", "lips")


@dataclass(frozen=True)
class Eye:
    """Where one eye lies on the map: its whole `box` (u0, v0, u1, v1), and its iris about `middle` (2,) by `radius`."""

    box: tuple
    middle: tuple
    radius: float


@dataclass(frozen=True, eq=False)
class Surface:
    """A mean head of V vertices with F faces of three or four corners, that is T triangles, S of which have skin.

    `mean` (V, 3) metres in the model frame; `faces` (F, 3) or (F, 4); `skin` (S,) those of the `triangles` that are on
    the map, and `uv` (S, 3, 2) where; `partner` (V,) the vertex in every one's place on the other side. Of skin in
    general, for every vertex: `usual` (V, 3) its colour over that of the cheeks, `alike_in_detail` (V,) how far what
    is fine on one side is found on the other, `hairy` (V,) how far hair grows there. `eyes`: an Eye each, or none.
    """

    mean: np.ndarray
    faces: np.ndarray
    skin: np.ndarray
    uv: np.ndarray
    partner: np.ndarray
    usual: np.ndarray
    alike_in_detail: np.ndarray
    hairy: np.ndarray
    eyes: tuple = ()

    @cached_property
    def triangles(self):
        """The faces as triangles (T, 3): all first ones, then all second ones."""
        return in_triangles(self.faces)

    @cached_property
    def edges(self):
        """Both directions of the edges (2 E, 2)."""
        count = self.faces.shape[1]
        ends = np.concatenate([self.faces[:, [k, (k + 1) % count]] for k in range(count)])
        found = np.unique(np.sort(ends, axis=1), axis=0)
        return np.concatenate([found, found[:, ::-1]])

    @cached_property
    def neighbours(self):
        """Every vertex's neighbours (V, most), filled up with V, and their number (V,)."""
        start, end = self.edges[np.argsort(self.edges[:, 1], kind="stable")].T
        count = len(self.mean)
        number = np.bincount(end, minlength=count)
        near = np.full((count, number.max()), count)
        near[end, np.arange(len(end)) - np.repeat(np.cumsum(number) - number, number)] = start
        return near, number


def in_triangles(faces):
    """What every face's corners have, (F, 3, ...) or (F, 4, ...), for its triangles' (T, 3, ...)."""
    return faces if faces.shape[1] == 3 else np.concatenate([faces[:, [0, 1, 2]], faces[:, [0, 2, 3]]])


@lru_cache(maxsize=1)
def bundled():
    """The Surface of the bundled head. Raises assets.AssetError."""
    return of_head(head_model.load(), skin.usual(), skin.alike_in_detail())


def of_head(model, usual, alike_in_detail):
    """The Surface of a HeadModel with what is known of skin on it."""
    on_map = np.isin(model.material, [model.material_names.index(name) for name in MATERIALS])
    rows = np.flatnonzero(np.concatenate([on_map, on_map]))
    mean = model.mean.astype(np.float64).round(6)
    order, other = (np.lexsort(points.T) for points in (mean, mean * [-1, 1, 1]))
    partner = np.empty(len(mean), int)
    partner[order] = other
    return Surface(
        mean=model.mean,
        faces=model.faces,
        skin=rows,
        uv=in_triangles(model.uv)[rows],
        partner=partner,
        usual=usual,
        alike_in_detail=alike_in_detail,
        hairy=skin.hairy(),
        eyes=tuple(_eye(model, side) for side in ("left", "right")),
    )


def _eye(model, side):
    whole = model.uv[np.isin(model.faces, model.groups[f"eye_{side}"]).all(1)].reshape(-1, 2)
    iris = model.uv[np.isin(model.faces, model.groups[f"iris_{side}"]).all(1)].reshape(-1, 2)
    low, high = iris.min(0), iris.max(0)
    return Eye((*whole.min(0), *whole.max(0)), tuple((low + high) / 2), float((high - low).max() / 2))
