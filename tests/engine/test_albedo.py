"""The network that takes light out of skin says in NumPy what it says in PyTorch, and what it learns from."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from synergy_blender.face import albedo, raster, surface  # noqa: E402
from training import harmonics, relight  # noqa: E402
from training.fold import arrays_of  # noqa: E402
from training.unet import UNet  # noqa: E402


@torch.no_grad()
def test_numpy_says_what_pytorch_says(monkeypatch):
    torch.manual_seed(0)
    network = UNet(albedo.INPUTS, albedo.WIDTHS, albedo.FINE, 3).eval()
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.3)
            layer.running_var.uniform_(0.5, 2)
            layer.weight.uniform_(0.5, 2)
            layer.bias.normal_(0, 0.3)
    network.last.weight.normal_(0, 0.5)
    arrays = arrays_of(network.named_children())
    assert {name: values.shape for name, values in arrays.items()} == albedo.shapes()
    monkeypatch.setattr(albedo, "load", lambda: arrays)
    inputs = torch.randn(1, albedo.INPUTS, albedo.SIZE, albedo.SIZE)
    found = albedo.changed(inputs[0].permute(1, 2, 0).numpy())
    wanted = network(inputs)[0].permute(1, 2, 0).numpy()
    assert np.ptp(wanted) > 1
    np.testing.assert_allclose(found, wanted, atol=1e-3 * np.ptp(wanted))


def test_light_of_known_harmonics_is_found():
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(4000, 3)) + [0, 0, 1.5]
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    true = np.zeros((9, 3))
    true[0], true[1], true[3] = 1, [0.4, 0.3, 0.2], [0.1, 0.1, 0.15]
    shade = harmonics.harmonics(normals) @ true
    colours = np.array([180.0, 130, 110]) * shade
    found = harmonics.shading(harmonics.estimate(colours, normals, np.ones(len(normals))), normals)
    np.testing.assert_allclose(found, shade / shade.mean(0), atol=0.05)


def test_light_reaches_what_faces_it_and_is_not_hidden(monkeypatch):
    monkeypatch.setattr(relight, "DIRECTIONS", 12)
    head = surface.bundled()
    points = head.mean.astype(float)
    normals = raster.vertex_normals(points, head.triangles)
    found = relight.reached(points, head.triangles, normals)
    for direction, lit in zip(relight.sphere(), found, strict=True):
        assert lit[np.argmax(points @ direction)] == 1
        assert not lit[normals @ direction < 0].any()
        facing = lit[normals @ direction > 0.3]
        assert 0.2 < facing.mean() < 1  # teeth and tongue lie in the dark


def test_a_photo_in_even_light_shows_skin_as_it_is():
    head = surface.bundled()
    count = len(head.mean)
    normals = np.tile(np.float32([0, 0, 1]), (count, 1))
    even = relight.Lit(np.ones((count, 3), np.float32), np.zeros((count, 3)), normals, normals, np.ones(count))
    skin = (np.array([190.0, 150, 130]) * head.usual).astype(np.float32)
    off = []
    for seed in range(20):
        shown, _ = relight.photograph(np.random.default_rng(seed), even, skin, head.mean)
        off.append(np.log(np.median(shown, axis=0) / np.median(skin, axis=0)))
    assert np.abs(np.mean(off, axis=0)).max() < 0.2 and np.abs(off).max() > 0.1
