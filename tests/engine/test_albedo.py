"""The network that takes light out of skin says in NumPy what it says in PyTorch, and what it learns from."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from synergy_blender.face import albedo  # noqa: E402
from training import harmonics  # noqa: E402
from training.train_albedo import Network, arrays_of  # noqa: E402


@torch.no_grad()
def test_numpy_says_what_pytorch_says(monkeypatch):
    torch.manual_seed(0)
    network = Network().eval()
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.3)
            layer.running_var.uniform_(0.5, 2)
            layer.weight.uniform_(0.5, 2)
            layer.bias.normal_(0, 0.3)
    network.last.weight.normal_(0, 0.5)
    arrays = arrays_of(network)
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
