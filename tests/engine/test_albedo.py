"""The network that takes light out of skin says in NumPy what it says in PyTorch."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from synergy_blender.face import albedo  # noqa: E402
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
