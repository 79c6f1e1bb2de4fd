"""The bars of an artist-grade head, as `make check-head` prints them."""

import numpy as np
import pytest

pytest.importorskip("bpy")

from synergy_blender.face import head_model
from training import check_head


@pytest.fixture(scope="module")
def figures():
    return check_head.measure(head_model.load())


def test_every_bar_is_met(figures):
    assert not {name: (value, bar) for name, (value, bar, good) in figures.items() if not good}


def test_a_fold_is_seen():
    model = head_model.load()
    vertices = model.mean.copy()
    nose = vertices[:, 2].argmax()
    vertices[nose, 2] -= 0.3  # through the back of the head
    assert len(check_head.crossings(model.faces, model.groups, vertices))


def test_a_tooth_through_the_lip_is_seen():
    model = head_model.load()
    vertices = model.mean.copy()
    assert not check_head.through_teeth(model, vertices)
    vertices[model.groups["teeth_upper"], 2] += 0.02
    assert check_head.through_teeth(model, vertices)


def test_closed_lids_meet():
    model = head_model.load()
    blink = model.expression[model.expression_names.index("eyeBlinkLeft")]
    opened, closed = (
        np.ptp(model.landmarks(model.mean + shift)[[[43, 44], [47, 46]], 1], axis=0).max()
        for shift in (0 * blink, blink)
    )
    assert opened > 0.006 and closed < 0.002
