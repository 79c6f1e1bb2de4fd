"""What several tests of the official model start from."""

import numpy as np
import pytest

from synergy_blender import models, official
from synergy_blender.face import head_model, surface

from . import authors


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """A model of the authors' form, imported: its face is that of our head, and its network says the same of every
    picture. Gives the numbers of vertices, whole and trimmed."""
    folder, patch = tmp_path_factory.mktemp("authors"), pytest.MonkeyPatch()
    ours, own = head_model.load(), surface.bundled()
    faces = own.triangles[own.skin]
    rows = np.unique(faces)
    points = ours.mean[rows].astype(float)
    keypoints = np.array([((points - mark) ** 2).sum(1).argmin() for mark in ours.landmarks(ours.mean)])
    kept = np.flatnonzero(points[:, 2] > -0.02)
    authors.write_head(folder, points, np.searchsorted(rows, faces), keypoints, kept)
    patch.setenv(official.model.WHERE, str(folder))
    official.import_official(folder / "best.pth.tar", None, official.place())
    for cache in (official.load, models.load):
        cache.cache_clear()
    yield len(points), len(kept)
    patch.undo()
    for cache in (official.load, models.load):
        cache.cache_clear()
