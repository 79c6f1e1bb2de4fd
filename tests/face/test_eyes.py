"""The irises' colour, on an astronaut's brown eyes and on the same eyes painted over, and eyes on the map."""

from dataclasses import replace

import numpy as np
import pytest
from skimage import data

from synergy_blender.face import head_model, reconstruct
from synergy_blender.face.eyes import iris_colour, paint
from synergy_blender.face.surface import bundled


@pytest.fixture(scope="module")
def large():
    picture = data.astronaut()[20:240, 110:330].repeat(3, 0).repeat(3, 1)
    return picture, reconstruct(picture)[0]


def test_brown_eyes_are_brown_and_painted_ones_as_painted(large):
    picture, face = large
    red, green, blue = iris_colour(picture, face)
    assert red > green > blue and red < 0.6
    model, painted = head_model.load(), picture.copy()
    rows, columns = np.mgrid[: len(picture), : len(picture)]
    for side in ("left", "right"):
        points = face.vertices[model.groups[f"iris_{side}"]]
        x, y, _ = points.mean(0)
        radius = np.linalg.norm(points - points.mean(0), axis=1).max()
        painted[(columns - x) ** 2 + (rows - y) ** 2 < radius**2] = (40, 90, 150)
    np.testing.assert_allclose(iris_colour(painted, face), np.array([40, 90, 150]) * 1.25 / 255, atol=0.03)


def test_what_is_not_seen_has_no_colour(large):
    picture, face = large
    names = head_model.load().expression_names
    shut = face.expression.copy()
    shut[[names.index("eyeBlinkLeft"), names.index("eyeBlinkRight")]] = 1
    assert iris_colour(picture, replace(face, expression=shut)) is None
    tiny = replace(face, vertices=face.vertices * 0.02)
    assert iris_colour(picture, tiny) is None


@pytest.mark.parametrize("size", [512, 1000])
def test_eyes_are_painted_where_the_map_has_them_and_nowhere_else(size):
    blue, dark = (0.3, 0.4, 0.6), np.full((size, size, 3), 60, np.uint8)
    light, model = np.full((size, size, 3), 190, np.uint8), head_model.load()
    for texture in (light, dark):
        before = texture[0, 0].copy()
        paint(texture, bundled(), blue)
        uv = model.uv.reshape(-1, 2) * [size, -size] + [0, size]
        column, row = np.clip(uv, 0, size - 1).astype(int).T
        material = np.repeat(np.array(model.material_names)[model.material], 4)
        painted = (texture != before).any(2)[row, column]
        eyes = np.isin(material, ("sclera", "iris", "pupil"))
        assert painted[eyes].all() and not painted[~eyes].any()
    for eye in bundled().eyes:
        y, x = np.mgrid[:size, :size] + 0.5
        out = np.hypot(x - eye.middle[0] * size, size - y - eye.middle[1] * size) / (eye.radius * size)
        iris = light[(out > 0.45) & (out < 0.7)].astype(float)
        red, green, blue = np.median(iris, axis=0)
        assert red < green < blue and 90 < blue < 170 and iris.std(0).min() > 8  # fibres
        assert light[out < 0.2].max() < 10 and light[(out > 1.1) & (out < 1.2)].min() > 150
        assert 60 < dark[(out > 1.1) & (out < 1.2)].mean() < 150  # in a dark photo eyes do not shine
