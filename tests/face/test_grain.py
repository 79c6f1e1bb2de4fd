"""Skin's fine detail, spread over what no photo shows."""

import numpy as np

from synergy_blender.face import grain, texels


def test_detail_is_spread_with_its_spread_and_does_not_repeat():
    about, rng = texels.texels_of(512), np.random.default_rng(0)
    detail = rng.normal(0, 0.05, (40, 44)).astype(np.float32)
    square = grain.spread_out(detail, 1024)
    assert abs(square.mean()) < 0.005 and 0.9 < square.std() / 0.05 < 1.1
    strip = square[100:164]  # nothing but itself is like it
    alike = [np.corrcoef(strip[:, :150].ravel(), strip[:, k : k + 150].ravel())[0, 1] for k in range(1, 100)]
    assert max(alike) < 0.3
    square = grain.spread_out(detail, 512)
    there = {tuple(divmod(at, 512)): k for k, at in enumerate(about.at)}
    rows = [there[300, 256 - 1 - k] for k in range(20)], [there[300, 256 + k] for k in range(20)]
    left, right = (grain.at_texels(square, np.array(some), about) for some in rows)
    np.testing.assert_array_equal(left, right)  # folded, so that it ends nowhere
    assert np.ptp(left) > 0.02


def test_a_cheek_that_is_not_seen_has_no_detail_and_a_seen_one_only_what_is_fine():
    about, rng = texels.texels_of(1024), np.random.default_rng(0)
    x, y, _ = about.places.T
    coarse = np.exp(0.3 * np.sin(x / 0.02) + 0.3 * np.sin(y / 0.02))[:, None] * np.float32([200, 150, 130])
    fine = np.exp(0.03 * rng.standard_normal(len(x)))[:, None]
    seen = np.where(x > 0, 1, 0).astype(np.float32)

    def flat(rows):
        return np.full((len(rows), 3), 150, np.float32)

    assert grain.of_cheek(coarse * fine, np.zeros(len(x)), flat, about) is None
    found = grain.of_cheek(coarse * fine, seen, flat, about)
    inner = found[8:-8, 8:-8]
    assert 0.02 < inner.std() < 0.035
    assert np.abs(grain.of_cheek(coarse, seen, flat, about)[8:-8, 8:-8]).max() < 0.01
