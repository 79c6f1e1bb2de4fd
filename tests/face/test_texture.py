"""The photo's skin in the UV map: exact where it is seen, plausible where it is not."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import spatial
from skimage import data

from synergy_blender.face import (
    albedo,
    beard,
    brows,
    cover,
    glasses,
    head_model,
    pose,
    raster,
    reconstruct,
    seen,
    skin_texture,
    surface,
    texels,
    texture,
)


@pytest.fixture(scope="module")
def astronaut():
    picture = data.astronaut()
    [face] = reconstruct(picture)
    return picture, face, skin_texture([(picture, face.vertices)], 512, delit=0.0)


def test_rasterize_known_answers():
    points = np.array([[0, 0], [8, 0], [0, 8], [8, 8]], float)
    index, weights = raster.rasterize(points, np.array([[0, 1, 2], [1, 3, 2]]), 8, 8)
    assert (index >= 0).all() and index[0, 0] == 0 and index[7, 7] == 1
    np.testing.assert_allclose(weights.sum(2), 1, atol=1e-6)
    np.testing.assert_allclose(
        np.einsum("hwc,hwcd->hwd", weights, points[np.array([[0, 1, 2], [1, 3, 2]])[index]])[3, 5],
        [5.5, 3.5],
        atol=1e-5,
    )
    near = raster.rasterize(
        np.vstack([points, points]), np.array([[4, 5, 6], [0, 1, 2]]), 8, 8, np.repeat([1.0, 2.0], 4)
    )
    assert set(np.unique(near[0])) == {-1, 0}


def test_partners_are_mirror_images():
    model = head_model.load()
    other = surface.bundled().partner
    np.testing.assert_allclose(model.mean[other], model.mean * [-1, 1, 1], atol=2e-6)


def test_seen_skin_looks_as_in_the_photo(astronaut):
    picture, face, skin = astronaut
    about = texels.texels_of(512)
    at, mean, places = about.at, about.places, texels.carry(face.vertices, about)
    cheeks = (np.abs(mean[:, 0]) < 0.035) & (mean[:, 1] > -0.045) & (mean[:, 1] < -0.02) & (mean[:, 2] > 0.005)
    assert cheeks.sum() > 500
    there = picture[places[cheeks, 1].astype(int), places[cheeks, 0].astype(int)].astype(float)
    assert np.abs(skin.reshape(-1, 3)[at[cheeks]] - there).mean() < 8


def test_what_is_not_seen_is_skin_and_neither_backdrop_nor_clothes(astronaut):
    _, _, skin = astronaut
    at, mean = texels.texels_of(512).at, texels.texels_of(512).places
    neck, cheek = mean[:, 1] < -0.13, (np.abs(mean[:, 0]) < 0.03) & (mean[:, 2] > 0.01) & (mean[:, 1] > -0.045)
    cheek &= mean[:, 1] < -0.02
    colours = skin.reshape(-1, 3).astype(float)
    wanted, found = np.median(colours[at[cheek]], axis=0), colours[at[neck]]
    share = found / found.sum(1, keepdims=True) - wanted / wanted.sum()
    assert np.abs(share).max() < 0.09  # the hue of skin: the photo's shirt is black, its wall white
    assert found.mean() > 0.5 * wanted.mean()


def painted(picture, face, about, here, colour):
    """The photo with some texels `here` of the head painted over, and what is within a pixel of them."""
    x, y = texels.carry(face.vertices, about)[here, :2].astype(int).T
    canvas = picture.copy()
    for down in (-1, 0, 1):
        for across in (-1, 0, 1):
            canvas[y + down, x + across] = colour
    return canvas


def test_glasses_are_found_and_left_out(astronaut):
    picture, face, skin = astronaut
    about = texels.texels_of(512)
    x, y, z = about.places.T
    rims = (np.abs(np.hypot(np.abs(x) - 0.033, y) - 0.021) < 0.001) & (z > -0.03)
    frames = rims | ((np.abs(x) < 0.013) & (np.abs(y - 0.002) < 0.001) & (z > 0))
    worn = painted(picture, face, about, frames, (20, 15, 15))

    def covered(photo):
        shown = seen.View(photo, face.vertices, about).project(about, np.arange(len(about.at)))
        return glasses.covered(shown.rows, shown.colour, about)

    assert covered(picture) is None and covered(worn) is not None
    lower = about.at[rims & (y < -0.01)]
    bare, without = (
        one.reshape(-1, 3)[lower].mean(1) for one in (skin, skin_texture([(worn, face.vertices)], 512, 0.0))
    )
    assert np.abs(without - bare).mean() < 0.2 * (bare.mean() - 17)


def test_behind_dark_lenses_there_is_skin(astronaut):
    picture, face, _ = astronaut
    about = texels.texels_of(512)
    x, y, z = about.places.T
    lenses = (np.hypot(np.abs(x) - 0.033, 1.2 * y) < 0.024) & (z > -0.03)
    lenses |= (np.abs(x) < 0.013) & (np.abs(y - 0.002) < 0.002) & (z > 0)
    worn = painted(picture, face, about, lenses, (12, 12, 14))
    beside = about.at[(np.hypot(np.abs(x) - 0.033, y) < 0.02) & (np.abs(y + 0.012) < 0.003) & (z > 0)]
    skin = skin_texture([(worn, face.vertices)], 512).reshape(-1, 3)
    cheeks = about.at[(np.abs(np.abs(x) - 0.033) < 0.008) & (np.abs(y + 0.04) < 0.006) & (z > 0)]
    assert skin[beside].mean() > 0.7 * skin[cheeks].mean()


def test_under_a_band_and_a_fringe_there_is_skin(astronaut):
    picture, face, _ = astronaut
    about = texels.texels_of(512)
    x, y, z = about.places.T
    band = (y > 0.03 + 0.1 * x) & (y < 0.05 + 0.1 * x) & (z > -0.04)
    locks = (y > 0.012 + 0.012 * np.abs(np.sin(260 * x))) & (y < 0.06) & (x < -0.005) & (x > -0.06) & (z > -0.04)
    strands = np.exp(0.35 * np.cos(2500 * x[locks] + 200 * y[locks]))[:, None]
    cheeks = (np.abs(np.abs(x) - 0.033) < 0.008) & (np.abs(y + 0.035) < 0.006) & (z > 0)
    over = {
        "band": (band, lambda skin: np.tile([30, 60, 130], (len(skin), 1)), 1.4),
        "fringe": (locks, lambda skin: np.array([62, 44, 34]) * strands, 1.2),
    }
    for name, (here, change, unlike) in over.items():
        photo = painted_over(picture, face, about, here, change)
        shown = seen.View(photo, face.vertices, about).project(about, np.arange(len(about.at)))
        free = cover.GRID.uncovered(shown.rows, about, cover.covered(shown.rows, shown.colour, about))
        middle = here & (np.abs(x) < 0.04) & (y > 0.025) & (y < 0.045)
        assert free[middle[shown.rows]].mean() < 0.2 and free[cheeks[shown.rows]].mean() > 0.95, name
        for delit in (0.0, 1.0):
            skin = np.log(skin_texture([(photo, face.vertices)], 512, delit).reshape(-1, 3) + 1.0)
            off = skin[about.at[cheeks]].mean(0) - skin[about.at[middle]].mean(0)
            assert np.abs(off[0] - off[2] if name == "band" else off.mean()) < 0.25 * unlike, name


@pytest.fixture(scope="module", params=[(78, 54, 40), (40, 36, 34), (215, 212, 208)])
def jaw(astronaut, request):
    """The astronaut with a curly beard of a colour on jaw and chin, and with a dark shadow there; and whether each of
    the map's texels lies in the middle of that."""
    picture, face, _ = astronaut
    about = texels.texels_of(1024)
    x, y, z = about.places.T
    lower = (y < -0.06 + 0.35 * np.maximum(np.abs(x) - 0.03, 0)) & (y > -0.115) & (z > -0.06)
    lower &= np.hypot(x / 0.028, (y + 0.068) / 0.012) > 1
    waves = np.random.default_rng(0).normal(0, 900, (12, 3))
    curls = np.cos(about.places @ waves.T + np.arange(12)).mean(1) / 0.2
    dark = 0.6 * np.clip((-0.055 - y[lower]) / 0.025, 0, 1)
    grown, shaded = (
        painted_over(picture, face, about, lower, change)
        for change in (
            lambda skin: request.param * np.exp(0.35 * curls[lower, None]),
            lambda skin: (1 - dark[:, None]) * skin,
        )
    )
    middle = (y < -0.07) & (y > -0.105) & (np.abs(x) > 0.03) & (np.abs(x) < 0.055) & (z > -0.04)
    return grown, shaded, middle


def painted_over(picture, face, about, here, change):
    """The photo with some texels `here` of the head changed from what they show, where nothing lies before them."""
    shown = seen.View(picture, face.vertices, about).project(about, np.flatnonzero(here))
    x, y = texels.carry(face.vertices, about, shown.rows)[:, :2].astype(int).T
    order = np.full(len(about.at), -1)
    order[np.flatnonzero(here)] = np.arange(here.sum())
    canvas = picture.astype(float)
    whole = np.zeros((here.sum(), 3))
    whole[order[shown.rows]] = picture[y, x]
    canvas[y, x] = change(whole)[order[shown.rows]]
    return canvas.clip(0, 255).astype(np.uint8)


def test_a_beard_stays_and_a_shadow_goes_with_the_light(astronaut, jaw):
    picture, face, _ = astronaut
    grown, shaded, middle = jaw
    about = texels.texels_of(1024)

    def covered(photo):
        shown = seen.View(photo, face.vertices, about).project(about, np.arange(len(about.at)))
        return beard.grown(shown.rows, shown.colour, about)

    assert covered(picture) is None and covered(shaded) is None and covered(grown) is not None
    bare, with_beard, with_shadow = (
        np.log(skin_texture([(photo, face.vertices)], 1024).reshape(-1, 3)[about.at[middle]].mean(0))
        for photo in (picture, grown, shaded)
    )
    x, y = texels.carry(face.vertices, about)[middle, :2].astype(int).T
    hair, skin = (np.log(np.median(photo[y, x], axis=0)) for photo in (grown, picture))
    kept = (with_beard - bare) @ (hair - skin) / ((hair - skin) @ (hair - skin))
    assert np.abs(bare - with_shadow).max() < 0.25 and kept > 0.38


@pytest.fixture
def nothing_before_it(monkeypatch):
    """Nothing is taken for a hat, or for hair over the face."""
    monkeypatch.setattr(cover, "covered", lambda *seen: None)


def in_photo(face, *values):
    """Where the head is not in the photo, and values (V,) of its vertices there, all (512, 512)."""
    triangles = surface.bundled().triangles
    index, weights = raster.rasterize(face.vertices[:, :2], triangles, 512, 512, face.vertices[:, 2])
    return index < 0, *(np.einsum("hwc,hwc->hw", weights, v[triangles[index]]) for v in values)


def black_haired(picture, face):
    """The photo with black hair, and as black a backdrop."""
    beyond, grown = in_photo(face, surface.bundled().hairy)
    hair = beyond | (grown > 0.5)
    noise = np.random.default_rng(0).normal(0, 3, picture.shape)
    return np.where(hair[..., None], [26, 22, 20] + noise, picture).clip(0, 255).astype(np.uint8)


def test_hair_is_not_taken_for_a_backdrop_of_its_colour(astronaut, nothing_before_it):
    picture, face, _ = astronaut
    black = black_haired(picture, face)
    about = texels.texels_of(256)
    scalp = skin_texture([(black, face.vertices)], 256).reshape(-1, 3)[about.at]
    grown = about.hairy > 0.95
    assert scalp[grown].mean() < 50


def test_before_an_uneven_backdrop_hair_at_the_outline_is_doubted(astronaut, nothing_before_it):
    picture, face, _ = astronaut
    index, _ = raster.rasterize(face.vertices[:, :2], surface.bundled().triangles, 512, 512, face.vertices[:, 2])
    lights = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).repeat(8, 0).repeat(8, 1)
    about = texels.texels_of(256)
    grown = about.hairy > 0.95
    here, *_ = seen.look(np.where(index[..., None] < 0, lights, picture).astype(np.uint8), face.vertices, about)
    hair, outline = grown[here.rows], here.normal[:, 2] < 0.35
    assert (hair & outline).sum() > 100 and not here.trust[hair & outline].any()
    assert here.trust[hair & (here.normal[:, 2] > 0.7)].mean() > 0.8


def test_a_backdrop_that_is_seen_above_a_low_skull_is_not_taken_for_hair(astronaut, nothing_before_it):
    picture, face, _ = astronaut
    head, about = surface.bundled(), texels.texels_of(256)
    beyond, high, grown = in_photo(face, head.mean[:, 1], head.hairy)
    rng = np.random.default_rng(0)
    sky = [120, 150, 190] + rng.normal(0, 12, picture.shape)
    hair = [60, 40, 30] + rng.normal(0, 12, picture.shape)
    lower = np.where((grown > 0.5)[..., None], hair, picture)
    seen_above = np.where((beyond | (high > 0.079))[..., None], sky, lower).clip(0, 255).astype(np.uint8)
    here, *_ = seen.look(seen_above, face.vertices, about)
    y = about.places[here.rows, 1]
    inside = (here.normal[:, 2] > 0.58) & (about.hairy[here.rows] > 0.95)
    assert (inside & (y > 0.081)).sum() > 50 and here.trust[inside & (y > 0.081)].mean() < 0.1
    assert here.trust[inside & (y < 0.073)].mean() > 0.8
    scalp = skin_texture([(seen_above, face.vertices)], 256, 0).reshape(-1, 3)[about.at]
    assert np.ptp(scalp[about.hairy > 0.95].mean(0)) < 50 and scalp[about.hairy > 0.95].mean() < 70


def test_hair_that_is_not_seen_has_strands_from_the_crown_and_bald_heads_have_none(astronaut):
    picture, face, _ = astronaut
    about = texels.texels_of(512)
    grown = about.hairy > 0.95
    behind = np.flatnonzero(grown & (about.places[:, 2] < -0.128) & (about.places[:, 1] < 0.04))

    def unlike(skin, step):
        """How unlike what lies a step (3,) in metres aside is, over the skin's brightness."""
        bright = skin.reshape(-1, 3)[about.at].mean(1)
        tree = spatial.cKDTree(about.places[behind])
        near, other = tree.query(about.places[behind] + step)
        beside = near < 0.0005
        return np.abs(bright[behind] - bright[behind[other]])[beside].mean() / bright[behind].mean()

    hair = skin_texture([(picture, face.vertices)], 512)
    down, aside = (unlike(hair, 0.002 * np.array(step)) for step in ([0, 1, 0], [1, 0, 0]))
    assert aside > 0.08 and down < 0.6 * aside
    skinny = np.full_like(picture, np.median(picture[105:125, 205:215], axis=(0, 1)).astype(np.uint8))
    assert unlike(skin_texture([(skinny, face.vertices)], 512, 0.0), [0.002, 0, 0]) < 0.03


def test_what_the_photo_shows_of_hair_is_kept(astronaut):
    picture, face, skin = astronaut
    about = texels.texels_of(512)
    here, *_ = seen.look(picture, face.vertices, about)
    sure = here.trust > 0.99
    shown = skin.reshape(-1, 3)[about.at[here.rows[sure]]]
    assert np.abs(shown - here.colour[sure]).max() < 1


def test_a_black_photo_makes_black_skin(astronaut):
    picture, face, _ = astronaut
    for delit in (0.0, 1.0):
        with np.errstate(divide="raise", invalid="raise"):
            skin = skin_texture([(np.zeros_like(picture), face.vertices)], 256, delit)
        assert skin.max() < 20


def test_size_and_refusal(astronaut):
    picture, face, skin = astronaut
    assert skin.shape == (512, 512, 3) and skin.dtype == np.uint8
    with pytest.raises(ValueError, match="256 to 8192"):
        skin_texture([(picture, face.vertices)], 100)


def test_the_light_of_a_lamp_is_taken_out(astronaut):
    picture, face, _ = astronaut
    triangles = surface.bundled().triangles
    normals = raster.vertex_normals(face.vertices * [1, -1, 1], triangles)
    index, weights = raster.rasterize(face.vertices[:, :2], triangles, 512, 512, face.vertices[:, 2])
    seen = np.einsum("hwc,hwcd->hwd", weights, normals[triangles[index]])
    lamp = 0.75 + 0.5 * np.clip(seen @ np.array([0.8, 0, 0.6]), 0, 1)
    lit = np.where((index >= 0)[..., None], picture * lamp[..., None], picture).clip(0, 255).astype(np.uint8)
    at, places = texels.texels_of(256).at, texels.texels_of(256).places
    cheeks = at[(np.abs(places[:, 0]) < 0.055) & (np.abs(places[:, 1] + 0.035) < 0.03) & (places[:, 2] > -0.02)]

    def error(delit):
        truth, found = (
            skin_texture([(photo, face.vertices)], 256, delit).reshape(-1, 3)[cheeks].astype(float)
            for photo in (picture, lit)
        )
        return np.abs(found * (truth.mean(0) / found.mean(0)) - truth).mean()

    assert error(1.0) < 0.5 * error(0.0)


def test_what_a_hard_shadow_darkens_is_as_light_as_the_other_side(astronaut):
    picture, face, _ = astronaut
    columns, rows = np.meshgrid(np.arange(512) + 0.5, np.arange(512) + 0.5)
    # a shadow over one side of the face from the mouth down, as of a lamp above that something stands before
    jaw, side = face.landmarks[48:68].mean(0), np.sign(face.landmarks[16, 0] - face.landmarks[0, 0])
    shadow = 1 / (1 + np.exp(-((columns - jaw[0]) * side - 8) / 2)) / (1 + np.exp(-(rows - jaw[1] + 22) / 2))
    dark = (picture * (1 - 0.75 * shadow)[..., None]).astype(np.uint8)
    about = texels.texels_of(256)
    x, y, z = about.places.T
    cheek = (np.abs(x) > 0.03) & (np.abs(x) < 0.05) & (y < -0.055) & (y > -0.075) & (z > -0.05)

    def left_over_right(photo, delit):
        skin = skin_texture([(photo, face.vertices)], 256, delit).reshape(-1, 3)[about.at].mean(1)
        return skin[cheek & (x > 0)].mean() / skin[cheek & (x < 0)].mean()

    assert left_over_right(dark, 0.0) < 0.5
    assert left_over_right(dark, 1.0) > 0.8 * left_over_right(picture, 1.0)


def test_where_a_hard_shadow_ends_no_line_is_left_and_fine_lines_of_the_skin_are(
    astronaut, nothing_before_it, monkeypatch
):
    monkeypatch.setattr(glasses, "covered", lambda *seen: None)  # a line right across the nose may be a frame's
    picture, face, _ = astronaut
    columns, rows = np.meshgrid(np.arange(512) + 0.5, np.arange(512) + 0.5)
    nose = face.landmarks[31:36, :2].mean(0)
    dark = picture * np.where((columns - nose[0]) + 0.3 * (rows - nose[1]) > 14, 0.35, 1)[..., None]
    lined = picture * np.where(np.abs(rows - nose[1] + 8) < 1, 0.6, 1)[..., None]
    about = texels.texels_of(512)
    here = seen.View(picture, face.vertices, about).project(about, np.arange(len(about.at)))
    x, y, _ = about.places[here.rows].T
    cheek = (here.trust > 0.9) & (np.abs(x) < 0.045) & (y > -0.05) & (y < -0.02)
    point = texels.carry(face.vertices, about, here.rows)[:, :2]
    away = (point - nose) @ np.array([1, 0.3]) / np.hypot(1, 0.3)
    edge = cheek & (np.abs(away - 14 / np.hypot(1, 0.3)) < 5)
    below = np.abs(point[:, 1] - nose[1] + 8)

    def log(photo):
        skin = skin_texture([(photo.astype(np.uint8), face.vertices)], 512)
        return np.log(skin.reshape(-1, 3)[about.at[here.rows]].astype(float) + 1).mean(1)

    def line():
        off = log(dark) - log(picture)
        return off[edge].std()

    def depth():
        off = log(lined) - log(picture)
        return off[cheek & (below > 3) & (below < 6)].mean() - off[cheek & (below < 0.5)].mean()

    fainter, kept = line(), depth()
    monkeypatch.setattr(albedo, "_edges", lambda change, seen, share: np.zeros_like(change))
    assert fainter < 0.85 * line()
    assert kept > 0.9 * depth() > 0.2


def test_what_shines_in_at_the_outline_of_a_turned_face_is_not_taken(astronaut, nothing_before_it, monkeypatch):
    _, face, skin = astronaut
    head, about = surface.bundled(), texels.texels_of(512)
    every = np.ones(len(about.at), np.float32)
    points = (face.vertices - face.vertices.mean(0)) @ pose.matrix(-50, 0, 0).T * 1.2 + [256, 256, 0]
    colours, _ = texels.gather(skin.reshape(-1, 3)[about.at].astype(np.float32), every, about)
    index, weights = raster.rasterize(points[:, :2], head.triangles, 512, 512, points[:, 2])
    lights = np.random.default_rng(0).integers(220, 256, (64, 64, 1)).repeat(8, 0).repeat(8, 1)
    photo = np.einsum("hwc,hwcd->hwd", weights, 0.5 * colours[head.triangles[index]])
    photo = np.where((index < 0)[..., None], lights, photo).clip(0, 255).astype(np.uint8)
    normals = raster.vertex_normals(points * [1, -1, 1], head.triangles)
    x, y, z = head.mean.T
    far = np.zeros(len(x), bool)
    far[head_model.load().groups["skin"]] = True
    far &= (normals[:, 2] > 0.2) & (normals[:, 2] < 0.5) & (np.abs(x) < 0.042) & (y > -0.06) & (y < -0.02) & (z > -0.01)
    aside = np.sign(points[far, 0].mean() - points[:, 0].mean())

    def brighter():
        """By how much the far cheek is, at most, where the head is fitted a few pixels beside where it is."""
        found = [skin_texture([(photo, points + [aside * off, 0, 0])], 512) for off in (0, 3, 4)]
        found = [texels.gather(one.reshape(-1, 3)[about.at].astype(np.float32), every, about)[0][far] for one in found]
        there, *beside = (one.mean(1) for one in found)
        return np.mean([np.percentile(one / np.maximum(there, 1), 95) for one in beside])

    now = brighter()
    monkeypatch.setattr(texture, "OUTLINE", (-2, -1))
    assert far.sum() > 50 and now - 1 < 0.65 * (brighter() - 1)


def test_colour_that_no_skin_has_is_taken_off_a_cheek_but_not_off_lips(astronaut, monkeypatch):
    monkeypatch.setattr(albedo, "LESS_CAST", 0.0)  # red enough, a cheek is taken for one in red light
    monkeypatch.setattr(albedo, "LESS_SHADE", 0.0)  # which takes off colour, too, beside the face
    picture, face, _ = astronaut
    columns, rows = np.meshgrid(np.arange(512) + 0.5, np.arange(512) + 0.5)
    about, mean = texels.texels_of(256), head_model.load().mean
    cheek, lips = (0.036, -0.04), (0.0, -0.071)  # the lower one: between them teeth may show

    def reddened(middle):
        away = np.linalg.norm(mean[:, :2] - middle, axis=1) + (mean[:, 2] < -0.02)
        x, y = face.vertices[np.argmin(away), :2]
        much = np.exp(-((((columns - x) ** 2 + (rows - y) ** 2) / 8**2) ** 2))[..., None]
        return (picture * (1 + much * [0.25, -0.45, -0.45])).clip(0, 255).astype(np.uint8)

    def redness(photo, middle, delit):
        near = (np.linalg.norm(about.places[:, :2] - middle, axis=1) < 0.005) & (about.places[:, 2] > -0.02)
        colour = skin_texture([(photo, face.vertices)], 256, delit).reshape(-1, 3)[about.at[near]].mean(0)
        return np.log(colour[0] / colour[1])

    def kept(middle):
        lit = reddened(middle)
        more = [redness(lit, middle, delit) - redness(picture, middle, delit) for delit in (0.0, 1.0)]
        assert more[0] > 0.2
        return more[1] / more[0]

    less_on_cheek, as_on_lips = kept(cheek), kept(lips)
    monkeypatch.setattr(albedo, "LESS_TINT", 0.0)
    assert less_on_cheek < 0.8 * kept(cheek)
    assert as_on_lips > 0.95 * kept(lips)


def test_trust_ends_farther_from_what_is_doubtful_beside_the_face_than_in_its_middle():
    about = texels.texels_of(512)
    rows = np.arange(len(about.at))

    def trust_about(spot):
        """The least distance, metres, at which texels about a doubtful spot of 3 mm are trusted wholly."""
        away = np.linalg.norm(about.places - spot, axis=1)
        trust = seen._soften(rows, np.where(away < 0.0015, 0, 1).astype(np.float32), about)
        lost = trust[(away > 0.0015) & (away < 0.01)] < 0.99
        return np.sort(away[(away > 0.0015) & (away < 0.01)][lost])[-1] - 0.0015

    def on_skin(x, y):
        ahead = about.places[np.linalg.norm(about.places[:, :2] - [x, y], axis=1) < 0.004]
        return ahead[np.argmax(ahead[:, 2])]

    middle, beside = trust_about(on_skin(0.02, -0.045)), trust_about(on_skin(0.062, -0.035))
    assert middle < 0.004 and 0.004 < beside < 0.009


def test_light_that_no_skin_has_the_colour_of_is_taken_out_and_grey_stays_grey(astronaut):
    picture, face, _ = astronaut
    about = texels.texels_of(256)
    x, y, z = about.places.T
    cheeks = about.at[(np.abs(np.abs(x) - 0.034) < 0.01) & (np.abs(y + 0.03) < 0.01) & (z > 0)]
    teal = (picture * [0.62, 1.0, 1.0]).astype(np.uint8)
    grey = picture.mean(2, keepdims=True).repeat(3, 2).astype(np.uint8)

    def tone(photo, delit):
        red, green, _ = skin_texture([(photo, face.vertices)], 256, delit).reshape(-1, 3)[cheeks].mean(0)
        return np.log(red / green)

    assert tone(teal, 0.0) < 0
    assert tone(teal, 1.0) > tone(teal, 0.0) + 0.08
    assert tone(picture, 1.0) > 0.1
    apart = [np.ptp(skin_texture([(grey, face.vertices)], 256, d).reshape(-1, 3)[cheeks], axis=1) for d in (0.0, 1.0)]
    assert np.percentile(apart[1], 75) <= np.percentile(apart[0], 75) + 1 < 4


def test_brows_that_no_photo_shows_are_as_dark_as_hair_lets_expect():
    head = surface.bundled()
    cheeks, share = np.array([200.0, 160, 140]), np.where(head.hairy > 0.8, 1.0, 0.0)
    x, y, z = head.mean.T
    brow = (np.abs(x) > 0.015) & (y > 0.01) & (z > 0) & (np.log(head.usual).mean(1) < -0.25)
    elsewhere = ((y < 0) | (y > 0.05)) & (head.hairy == 0)

    def usual(hair):
        found, _ = texture._usual(np.tile(np.float32(hair), (len(x), 1)), share, cheeks, head)
        return found.mean(1)

    black, fair, plain = usual([25, 20, 18]), usual([210, 180, 130]), np.log(cheeks * head.usual).mean(1)
    assert brow.sum() > 20 and (black[brow] < plain[brow] - 0.3).all()
    np.testing.assert_allclose(fair[brow], plain[brow])
    np.testing.assert_allclose(black[elsewhere], plain[elsewhere])


def test_brows_that_no_photo_shows_are_drawn_hair_by_hair_and_those_it_shows_are_not(astronaut, nothing_before_it):
    picture, face, _ = astronaut
    about = texels.texels_of(512)
    at, hairs = brows.drawn(about)
    x, y, z = about.places.T
    about_brows = (np.abs(y - 0.013) < 0.014) & (np.abs(x) < 0.06) & (z > -0.04)
    shown = seen.look(black_haired(picture, face), face.vertices, about)
    hidden = shown._replace(
        **{k: replace(getattr(shown, k), trust=getattr(shown, k).trust * ~about_brows[getattr(shown, k).rows])
           for k in ("here", "there")}
    )  # fmt: skip
    before, after = (texture.synthesise([look], about)[0].mean(1) for look in (shown, hidden))
    brow, hairs = at[hairs > 0], hairs[hairs > 0]
    assert np.corrcoef(after[brow], hairs)[0, 1] < -0.7  # dark where a hair is
    assert abs(np.corrcoef(before[brow], hairs)[0, 1]) < 0.5
    assert after[brow].mean() < 0.9 * after[(np.abs(x) < 0.004) & (np.abs(y - 0.015) < 0.004) & (z > 0)].mean()


def test_hair_that_a_hat_hides_is_as_dark_as_brows_let_expect():
    head, cheeks = surface.bundled(), np.array([200.0, 160, 140])
    there = brows.shade(head) > 0.5

    def hair(colour):
        known = np.where(there[:, None], colour, 0).astype(np.float32)
        return texture._usual(known, there.astype(float), cheeks, head)[1]

    dark, skin = hair([90.0, 70, 60]), hair(cheeks)
    assert (dark < -1.2).all() and np.abs(skin).max() < 1e-6
    assert texture._usual(np.zeros((len(there), 3), np.float32), np.zeros(len(there)), cheeks, head)[1] is None


def test_a_bright_patch_on_a_cheek_is_taken_for_light(astronaut, monkeypatch):
    picture, face, _ = astronaut
    columns, rows = np.meshgrid(np.arange(512) + 0.5, np.arange(512) + 0.5)
    about, mean = texels.texels_of(256), head_model.load().mean
    spot = (0.034, -0.05)
    x, y = face.vertices[np.argmin(np.linalg.norm(mean[:, :2] - spot, axis=1) + (mean[:, 2] < -0.02)), :2]
    much = np.exp(-((((columns - x) ** 2 + (rows - y) ** 2) / 4**2) ** 2))[..., None]
    shining = (picture * (1 - 0.3 * (1 - much))).astype(np.uint8)  # nothing is so bright that it is cut off
    near = np.linalg.norm(about.places[:, :2] - spot, axis=1) + (about.places[:, 2] < -0.02)
    inside, around = about.at[near < 0.004], about.at[(near > 0.013) & (near < 0.018)]

    def brighter(photo, delit=1.0):
        skin = skin_texture([(photo, face.vertices)], 256, delit).reshape(-1, 3).astype(float)
        return np.log(skin[inside].mean() / skin[around].mean())

    def kept():
        return (brighter(shining) - brighter(even)) / (brighter(shining, 0.0) - brighter(even, 0.0))

    even = (picture * 0.7).astype(np.uint8)
    now = kept()
    monkeypatch.setattr(albedo, "LESS_GLARE", 0.0)
    assert now < 0.8 * kept()


def test_hair_has_the_colour_of_what_is_lit_of_it_and_not_that_of_the_forehead_or_of_what_is_behind():
    rng = np.random.default_rng(0)
    skin = np.log([200.0, 160, 140])

    def found(*parts):
        """Brightness and colour, over the skin's, by parts: shares, log brightness and colour over the skin's."""
        seen = [skin + bright + np.array(colour) + rng.normal(0, 0.02, (n, 3)) for n, bright, colour in parts]
        off = texture._of_hair(np.concatenate(seen), skin) - skin
        return off.mean(), np.ptp(off - off.mean())

    fair, forehead, sky = [-0.15, 0.02, 0.13], [0, 0, 0], [-0.2, 0, 0.2]
    bright, colour = found((40, 0.05, fair), (40, -0.1, fair), (60, -0.9, fair), (20, 0.0, forehead))
    assert abs(bright) < 0.15 and abs(colour - 0.28) < 0.05
    assert found((60, -1.6, [-0.1, 0, 0.1]), (40, 0.0, forehead))[0] < -1.5
    assert found((60, -1.6, [-0.1, 0, 0.1]), (30, 0.6, sky))[0] < -1.5
    assert np.abs(found((90, 0.0, forehead), (10, -1.0, fair))).max() < 0.1


def test_shadows_beside_the_face_are_taken_for_light_but_beards_and_locks_are_not():
    head = surface.bundled()
    x, y, z = head.mean.T
    skin = np.log(np.array([200.0, 150, 125]) * head.usual)
    jaw = (np.abs(x + 0.052) < 0.02) & (np.abs(y + 0.06) < 0.025) & (head.hairy == 0)
    temple = (np.abs(x + 0.045) < 0.015) & (np.abs(y - 0.03) < 0.015) & (head.hairy == 0)
    seen = np.where(z > -0.05, 1.0, 0.0)
    laid = albedo.laid(head)

    def kept(where, change, hair):
        """How much of the log brightness that is changed (3,) somewhere is left, beside hair so bright, and doubted."""
        log = skin + where[:, None] * change + head.hairy[:, None] * hair
        known = [log, seen, seen * np.exp(skin).mean(1) * (1 - head.hairy)]
        cells = laid.lay(np.column_stack(known).astype(np.float32))
        share, level = cells[..., 3:4], albedo.mean_of(cells[..., :3], cells[..., 4:])
        off, dark = albedo.unlike_skin(cells[..., :3] - level, level, cells[..., 4:], share, head)
        shown = where & (z > -0.03)
        return 1 - laid.take(off)[shown].mean() / np.mean(change), laid.take(dark)[shown].mean()

    shadow, beard = np.array([-0.45, -0.5, -0.55]), np.array([-0.75, -0.5, -0.3])
    left, in_doubt = kept(jaw, 0.7 * shadow, -1.5)
    assert left < 0.6 and in_doubt < 0.3
    left, in_doubt = kept(jaw, beard, -1.5)
    assert left > 0.85 and in_doubt < 0.1
    assert kept(temple, 1.6 * shadow, 0.1)[1] > 0.6
    left, in_doubt = kept(temple, 2.4 * shadow, -1.5)
    assert left > 0.8 and in_doubt < 0.3
