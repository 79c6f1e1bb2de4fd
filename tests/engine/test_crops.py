"""What training does to crops before a network sees them, against what is known of them."""

from dataclasses import replace

import numpy as np
import pytest

torch, cv2 = (pytest.importorskip(name) for name in ("torch", "cv2"))

from synergy_blender.face import network, pose, refinement  # noqa: E402
from training import flatten, shards  # noqa: E402
from training.export_refinement import found  # noqa: E402
from training.expressions import NAMES  # noqa: E402
from training.face_points import FacePoints  # noqa: E402
from training.refinement import Refinement, take_refinement  # noqa: E402
from training.train import SIZE, Variations, from_afar, small  # noqa: E402
from training.train_refinement import inputs, plain  # noqa: E402
from training.wrinkles import Wrinkles  # noqa: E402


def heads(count):
    """Fits of some heads, as `training.flatten` wants them."""
    rng = np.random.default_rng(5)
    arrays = {
        "identity": rng.normal(0, 0.7, (count, 40)),
        "expression": rng.uniform(0, 0.4, (count, 52)),
        "scale": rng.uniform(450, 520, count),
        "rotation": np.stack([pose.turn(v) for v in rng.normal(0, 0.3, (count, 3))]),
        "shift": rng.normal(60, 3, (count, 2)),
    }
    return {name: torch.as_tensor(values, dtype=torch.float32) for name, values in arrays.items()}


def test_crops_from_afar_are_means_of_what_pixels_cover():
    pictures = np.random.default_rng(0).integers(0, 256, (2, 192, 192, 3)).astype(np.uint8)
    found = from_afar(torch.as_tensor(pictures), SIZE).permute(0, 2, 3, 1).numpy()
    expected = [cv2.resize(one.astype(np.float32), (SIZE, SIZE), interpolation=cv2.INTER_AREA) for one in pictures]
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_parameters_follow_their_varied_crops():
    regress = network.load()
    mean, basis = (
        torch.as_tensor(a[..., 30, :].astype(np.float32)) for a in (regress.points_mean, regress.points_basis)
    )
    state = heads(64)
    pose_matrix = torch.cat([state["scale"][:, None, None] * state["rotation"], torch.zeros(64, 3, 1)], 2)
    pose_matrix[:, :2, 3] = state["shift"]
    truth = torch.cat([pose_matrix.flatten(1), state["identity"], state["expression"]], 1)

    def tip(parameters):
        """The tip of the nose, which is its own mirror image, in pixels, y down."""
        shape = mean + torch.einsum("bs,sd->bd", parameters[:, 12:], basis)
        matrix = parameters[:, :12].view(-1, 3, 4)
        x, y, _ = (torch.einsum("bij,bj->bi", matrix[:, :, :3], shape) + matrix[:, :, 3]).T
        return torch.stack([x, SIZE - y], 1)

    centres = torch.arange(SIZE) + 0.5
    apart = centres[None, :, None] - tip(truth)[:, None, :]
    across, down = torch.exp(-(apart**2) / 8).unbind(2)
    crops = (down[:, :, None] * across[:, None, :])[:, None].repeat(1, 3, 1, 1)
    varied, followed = Variations(regress.mirror.astype(np.float32), "cpu", 1)(crops, truth)
    weight = varied[:, 0] / varied[:, 0].sum((1, 2), keepdim=True)
    seen = torch.stack([(weight.sum(1) * centres).sum(1), (weight.sum(2) * centres).sum(1)], 1)
    assert (seen - tip(followed)).norm(dim=1).max() < 0.05
    moved = (followed - truth).abs().amax(1) > 1e-4
    assert 0.5 < moved.float().mean() < 0.95  # a quarter is left as it is


def test_turns_are_found_again():
    vectors = torch.randn(50, 3, dtype=torch.double, generator=torch.Generator().manual_seed(0)) * 0.6
    vectors[0] = 0
    torch.testing.assert_close(flatten.vectors_of(flatten.turns(vectors)), vectors)


def test_pictures_that_a_device_keeps_are_those_of_the_shards(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "CROPS", tmp_path)
    rng = np.random.default_rng(2)

    def write(name):
        np.save(tmp_path / f"{name}_pictures.npy", rng.integers(0, 256, (3, 192, 192, 3)).astype(np.uint8))
        np.savez(tmp_path / f"{name}_labels.npz", pose=rng.normal(size=(3, 3, 4)))

    resident, chosen = shards.Resident("cpu", small), [5, 0, 2]
    for name in ("some_02", "some_03", "some_01"):  # the last one is the first of them all
        write(name)
        if name == "some_02":
            continue
        data = shards.Shards("some")
        resident.take(data)
        expected = [cv2.resize(one, (SIZE, SIZE), interpolation=cv2.INTER_AREA) for one in data.shown(chosen)]
        off = resident(torch.as_tensor(chosen)).numpy().astype(int) - expected
        assert np.abs(off).max() <= 1  # rounding
    assert len(data) == len(resident.all) == 9
    mapped = shards.pictures_on(torch.device("cpu"))
    mapped.take(data)
    np.testing.assert_array_equal(mapped(torch.as_tensor(chosen)), data.shown(chosen))


def pictures_of_heads(count):
    """Pictures (n, 192, 192, 3) uint8 and how the add-on's refinement lays faces flat."""
    weights = refinement.load().weights
    points = FacePoints(*(weights[name].astype(np.float32) for name in ("mean", "basis", "chart")))
    pictures = np.random.default_rng(1).integers(0, 256, (count, 24, 24, 3)).astype(np.uint8)
    return np.stack([cv2.resize(one, (192, 192)) for one in pictures]), flatten.Flattener(points)


@torch.no_grad()
def test_the_shipped_refinement_is_put_back_as_it_was():
    refine, state = refinement.load(), heads(24)
    pictures, flattener = pictures_of_heads(24)
    model, one = Refinement(), flatten.example(flattener, torch.as_tensor(pictures), state, state)
    model.change_std.copy_(torch.linspace(0.2, 2, len(model.change_std)))
    take_refinement(model, refine.weights, [inputs(plain(one), one)])
    points, shapes = found(model.eval(), flattener, torch.as_tensor(pictures), state)
    for k in (0, 7):
        head = refinement.Head(**{name: v[k].numpy() for name, v in state.items()})
        seen, _, shape = refine(pictures[k].astype(np.float32), head)
        np.testing.assert_allclose(points[k, refine.outer], seen, atol=0.05)
        np.testing.assert_allclose(shapes[k], shape, atol=0.05)
    rms = model.body.features[0][0].weight.flatten(1).square().mean(1).sqrt()
    torch.testing.assert_close(rms, torch.full_like(rms, 0.1), atol=1e-3, rtol=0)  # what Adam's steps are measured by


def test_faces_are_laid_flat_as_the_add_on_lays_them(monkeypatch):
    refine, state = refinement.load(), heads(3)
    pictures, flattener = pictures_of_heads(3)
    colours, square, _ = flattener(torch.as_tensor(pictures), state)
    flat = []
    see = type(refine).see
    monkeypatch.setattr(type(refine), "see", lambda self, picture: (flat.append(picture), see(self, picture))[1])
    for k, picture in enumerate(pictures):
        refine(picture.astype(np.float32), refinement.Head(**{name: v[k].numpy() for name, v in state.items()}))
    expected = np.array(flat)
    np.testing.assert_allclose(square, expected[..., 3], atol=2e-3)
    shown = expected[..., 3] > 0.25
    assert shown.mean() > 0.3
    here = colours.permute(0, 2, 3, 1).numpy()[shown] / 127.5 - 1
    np.testing.assert_allclose(here, expected[..., :3][shown], atol=5e-3)


def test_foreheads_fold_where_brows_move():
    x, y = np.meshgrid(np.linspace(-0.07, 0.07, 141), np.linspace(-0.08, 0.08, 161))
    places = np.stack([x, y, 0.02 - 4 * x**2], 2).astype(np.float32)
    wrinkles = replace(Wrinkles.drawn(np.random.default_rng(0)), depth=0.2)

    def light(**units):
        return wrinkles.light(places, np.array([units.get(name, 0.0) for name in NAMES]))

    def slopes(picture):
        down, across = np.gradient(picture)
        return (down**2).sum(), (across**2).sum()

    assert (light(jawOpen=1.0) == 1).all() and not wrinkles.thrown_by(np.zeros(len(NAMES)))
    raised, left, knit = light(browInnerUp=1.0), light(browOuterUpLeft=1.0), light(browDownLeft=1.0, browDownRight=1.0)
    for picture in (raised, left, knit):
        assert 0.75 < picture.min() < 0.97
    below = (y < 0.02) & (np.abs(x) < 0.01)
    for picture, still in ((raised, below), (left, x < 0), (knit, np.abs(x) > 0.025)):
        np.testing.assert_allclose(picture[still], 1, atol=1e-3)
    assert slopes(raised)[0] > 3 * slopes(raised)[1] and slopes(knit)[1] > 3 * slopes(knit)[0]
