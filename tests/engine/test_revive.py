"""What a run does to the weights it starts from: they say what they said, and no unit of theirs is dead."""

import pytest

torch = pytest.importorskip("torch")

from training.network import gathered  # noqa: E402
from training.refinement import SPREAD, Whitened  # noqa: E402
from training.revive import DEAD, revive  # noqa: E402


def alike(count, width):
    """Rows (count, width) of inputs that are mostly alike; the first never changes."""
    torch.manual_seed(0)
    rows = torch.randn(count, 4) @ torch.randn(4, width) + 0.02 * torch.randn(count, width) + 3
    rows[:, 0] = 2
    return rows


def test_whitened_layer_says_what_the_plain_one_said():
    rows, plain, layer = alike(400, 30), torch.nn.Linear(30, 5), Whitened(30, 5)
    layer.take(plain, rows)
    torch.testing.assert_close(layer(rows), plain(rows), atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(layer.plain()(rows), plain(rows), atol=1e-3, rtol=1e-3)


@torch.no_grad()
def test_whitened_rows_are_uncorrelated_and_no_noise_is_blown_up():
    rows, layer = alike(400, 30), Whitened(30, 5)
    layer.take(torch.nn.Linear(30, 5), rows)
    variances = torch.linalg.eigvalsh(torch.cov(((rows - layer.middle) @ layer.whitening / SPREAD).T))
    assert (variances < 1.01).all()
    assert (variances[-4:] > 0.95).all()  # what the rows are made of
    assert (variances[:-4] < 0.1).all()  # their noise


@torch.no_grad()
def test_dead_units_live_and_are_not_heard_yet():
    rows, layer, follower = alike(640, 30), gathered(30, 12), torch.nn.Linear(15, 4)
    layer.eval()
    layer[1].running_mean.copy_((rows @ layer[0].weight.T).mean(0))
    layer[1].running_var.copy_((rows @ layer[0].weight.T).var(0, unbiased=False))
    layer[1].bias[:9] = -100
    kept = follower.weight.clone()

    def said():
        return follower(torch.cat([rows[:, :3], layer(rows).relu()], 1))

    before = said()
    assert revive([(layer, [(follower, 3)])], lambda: [layer(some) for some in rows.split(64)]) == 9
    assert (layer(rows).relu().std(0) > DEAD).all()
    assert (follower.weight[:, 3:12] == 0).all()
    assert torch.equal(follower.weight[:, :3], kept[:, :3]) and torch.equal(follower.weight[:, 12:], kept[:, 12:])
    assert (said() - before).abs().mean() < 0.1 * before.std()
