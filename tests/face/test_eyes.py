"""The irises' colour, on an astronaut's brown eyes and on the same eyes painted over."""

from dataclasses import replace

import numpy as np
import pytest
from skimage import data

from synergy_blender.face import head_model, reconstruct
from synergy_blender.face.eyes import iris_colour


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
