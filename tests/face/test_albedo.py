"""Skin without the light of a photo, by a network over the head laid round a cylinder."""

import numpy as np
import pytest

from synergy_blender.face import albedo, head_model, raster, surface


@pytest.fixture(scope="module")
def head():
    return surface.bundled()


@pytest.fixture(scope="module")
def normals(head):
    return raster.vertex_normals(head.mean.astype(float), head.triangles).astype(np.float32)


def in_face(head):
    """Vertices of the face's skin that nothing lies before."""
    x, y, z = head.mean.T
    face = np.zeros(len(head.mean), bool)
    face[head_model.load().groups["skin"]] = True
    return face & (np.abs(x) < 0.05) & (z > 0.01) & (y > -0.06) & (y < 0.04) & (np.abs(y) > 0.02)


def test_what_is_laid_out_is_taken_back(head):
    waves = np.column_stack([np.sin(60 * head.mean), np.cos(60 * head.mean)]).astype(np.float32)
    at = albedo.laid(head)
    off = np.abs(at.take(at.lay(waves)) - waves)[in_face(head)]
    assert np.median(off) < 0.01 and np.percentile(off, 95) < 0.1


def test_mirrored_heads_are_laid_out_mirrored(head):
    at = albedo.laid(head)
    rng = np.random.default_rng(0)
    values = np.sin(head.mean @ rng.normal(0, 40, (3, 2))).astype(np.float32)
    plain, flipped = at.lay(values), at.lay(values[head.partner])[:, ::-1]
    assert (np.abs(plain - flipped).max(2) < 0.02).mean() > 0.98


def test_skin_in_even_light_stays_as_it_is(head, normals):
    log = np.log(np.array([190.0, 150, 130]) * head.usual).astype(np.float32)
    trust = (normals[:, 2] > 0.2).astype(np.float32)
    found, change, _, _ = albedo.of_seen(log, trust, normals, head)
    assert np.abs(change[in_face(head)]).mean() < 0.06
    assert np.abs(found - log)[in_face(head)].mean() < 0.06


@pytest.mark.parametrize("side", [-1, 1])
def test_a_hard_lamp_from_the_side_and_its_colour_are_taken_out(head, normals, side):
    log = np.log(np.array([150.0, 105, 85]) * head.usual).astype(np.float32)
    lamp = np.clip(normals @ (np.array([0.8 * side, 0.2, 0.56])), 0, 1)[:, None] * [1.2, 1.0, 0.8] + 0.15
    lit = (log + np.log(lamp) / 2.2).astype(np.float32)
    trust = (normals[:, 2] > 0.2).astype(np.float32)
    found, change, _, _ = albedo.of_seen(lit, trust, normals, head)
    face = in_face(head)

    def error(made):
        off = (made - log)[face]
        return np.abs(off - off.mean(0)).mean()

    assert error(found) < 0.35 * error(lit)
    assert error(lit + change) < 0.35 * error(lit)


def test_of_a_profile_the_hidden_side_is_as_the_seen(head, normals):
    log = np.log(np.array([170.0, 120, 100]) * head.usual).astype(np.float32)
    trust = (normals[:, 0] > 0.2).astype(np.float32)
    found, _, _, _ = albedo.of_seen(
        log, trust, normals @ np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]], np.float32).T, head
    )
    hidden = in_face(head) & (normals[:, 0] < -0.2)
    assert hidden.sum() > 100
    assert np.abs(found - log)[hidden].mean() < 0.12
