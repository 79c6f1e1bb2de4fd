"""The shipped weights in the network that is trained: it says what NumPy says, and training can go on from them."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from synergy_blender.face import network  # noqa: E402
from training import unfold  # noqa: E402
from training.network import IDENTITY, Strided, SynergyNet  # noqa: E402
from training.shipped import take_shipped  # noqa: E402


@pytest.fixture(scope="module")
def taken():
    weights = network.load().weights
    basis = torch.as_tensor(weights["points_basis"])
    whitening = np.zeros(network.PARAMETERS, np.float32), weights["whitening_std"]
    model = SynergyNet(
        torch.as_tensor(weights["points_mean"]), basis[:IDENTITY], basis[IDENTITY:], *map(torch.as_tensor, whitening)
    )
    pairs = take_shipped(model, weights)
    return model.eval(), pairs


def crops(count):
    return np.random.default_rng(0).integers(0, 255, (count, network.CROP, network.CROP, 3)).astype(np.float32)


def shown(pictures):
    return torch.as_tensor(pictures).permute(0, 3, 1, 2) / 127.5 - 1


@torch.no_grad()
def test_trained_network_says_what_numpy_says(taken):
    model, _ = taken
    regress = network.load()
    for picture in crops(2):
        whitened, _, (_, _, seen, error) = model.image_to_parameters(shown(picture[None]))
        parameters, points, errors = regress(picture)
        gap = (model.unwhiten(whitened)[0].numpy() - parameters) / regress.weights["whitening_std"]
        assert np.abs(gap).max() < 1e-4
        np.testing.assert_allclose((network.CROP / 2) * (seen[0].numpy() + 1), points, atol=2e-3)
        np.testing.assert_allclose(error[0].clamp(*network.LOG_ERRORS).exp().numpy(), errors, rtol=1e-3)


@torch.no_grad()
def test_norms_that_are_put_back_change_nothing(taken):
    model, pairs = taken
    inner = set(model.image_to_parameters.modules())
    pairs = [pair for pair in pairs if pair[0] in inner]
    batches = [shown(some) for some in np.split(crops(24), 2)]
    model.eval()
    before = model.image_to_parameters(batches[0])[0]
    unfold.measure(model.image_to_parameters, pairs, [(some,) for some in batches])
    after = model.image_to_parameters(batches[0])[0]
    np.testing.assert_allclose(after.numpy(), before.numpy(), atol=1e-3)
    for layer, _ in pairs:
        rms = layer.weight.flatten(1).square().mean(1).sqrt()
        assert ((rms - unfold.RMS).abs() < 1e-4).all()


def test_strides_taken_after_the_convolution_are_strides():
    ours, plain = Strided(6, 6, 3, 2, 1, groups=6, bias=False), torch.nn.Conv2d(6, 6, 3, 2, 1, groups=6, bias=False)
    plain.load_state_dict(ours.state_dict())
    for size in (8, 15):
        x = torch.randn(2, 6, size, size)
        for layer in (ours, plain):
            layer.weight.grad = None
            layer(x).square().sum().backward()
        torch.testing.assert_close(ours(x), plain(x))
        torch.testing.assert_close(ours.weight.grad, plain.weight.grad)
