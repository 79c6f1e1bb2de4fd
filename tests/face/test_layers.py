"""Convolutions against the definition, written as plain loops."""

import numpy as np
import pytest

from synergy_blender.face import layers


def by_definition(x, weight, bias, stride):
    """3x3 convolution of (H, W, A) with weight (3, 3, A, B), zeros outside."""
    height, width, _ = x.shape
    out = []
    for row in range(0, height, stride):
        for column in range(0, width, stride):
            total = bias.astype(float).copy()
            for i in range(3):
                for j in range(3):
                    r, c = row + i - 1, column + j - 1
                    if 0 <= r < height and 0 <= c < width:
                        total += x[r, c] @ weight[i, j]
            out.append(total)
    return np.array(out).reshape((height - 1) // stride + 1, (width - 1) // stride + 1, -1)


@pytest.mark.parametrize("size", [(6, 8), (7, 5), (1, 3)])
@pytest.mark.parametrize("stride", [1, 2])
def test_depthwise_is_a_convolution_of_each_channel(size, stride):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(*size, 4)).astype(np.float32)
    weight, bias = rng.normal(size=(3, 3, 4)).astype(np.float32), rng.normal(size=4).astype(np.float32)
    diagonal = weight[..., None] * np.eye(4)
    np.testing.assert_allclose(
        layers.depthwise(x, weight, bias, stride), by_definition(x, diagonal, bias, stride), atol=1e-5
    )


def test_depthwise_of_a_large_picture_has_no_seams():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(50, 60, 96)).astype(np.float32)
    ones = layers.depthwise(np.ones_like(x), np.ones((3, 3, 96), np.float32), np.zeros(96, np.float32))
    assert np.all(ones[1:-1, 1:-1] == 9) and np.all(ones[0, 1:-1] == 6) and ones[0, 0, 0] == 4
    weight = np.zeros((3, 3, 96), np.float32)
    weight[0, 1] = 1  # takes the row above
    np.testing.assert_array_equal(layers.depthwise(x, weight, np.zeros(96, np.float32))[1:], x[:-1])


@pytest.mark.parametrize("stride", [1, 2])
def test_full_convolution(stride):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(6, 9, 3)).astype(np.float32)
    weight, bias = rng.normal(size=(3, 3, 3, 5)).astype(np.float32), rng.normal(size=5).astype(np.float32)
    np.testing.assert_allclose(
        layers.full(x, weight.reshape(27, 5), bias, stride), by_definition(x, weight, bias, stride), atol=1e-5
    )


def test_clip6():
    np.testing.assert_array_equal(layers.clip6(np.array([-1.0, 0.5, 7.0])), [0, 0.5, 6])
