"""The detector that is trained is the one that runs."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from synergy_blender.face import detector  # noqa: E402
from training import train_detector  # noqa: E402


def test_the_network_and_its_arrays_say_the_same_of_a_picture():
    torch.manual_seed(0)
    network = train_detector.Network().eval()
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(layer.weight, 0.5, 1.5)
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 1.5)
    picture = np.random.default_rng(0).integers(0, 256, (96, 128, 3)).astype(np.uint8)
    arrays = network.arrays()
    assert {name: value.shape for name, value in arrays.items()} == detector.shapes()
    with torch.no_grad():
        wanted = network(torch.as_tensor(picture).permute(2, 0, 1)[None].float() / 127.5 - 1)
    found = detector.Detector(arrays).maps(picture)
    for one, other in zip(wanted, found, strict=True):
        np.testing.assert_allclose(one[0].permute(1, 2, 0).numpy(), other, atol=1e-4)


def test_blocks_that_shipped_weights_lack_change_little_at_first():
    torch.manual_seed(0)
    network = train_detector.Network().eval()
    x = torch.rand(1, 96, 60, 80) * 6
    added = network.deeper[1][0](x)
    assert 0 < added.std() < 0.1 * x.std()
