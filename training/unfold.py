"""The shipped, folded weights back in PyTorch, for comparison and for engines that want it."""

import torch
from torch import nn

from training.network import InvertedResidual


def load_folded(model, weights):
    """Fill an ImageToParameters with the arrays of `synergynet.npz`; its batch-norms become the identity."""

    def tensor(name):
        return torch.as_tensor(weights[name])

    def fill(sequence, name):
        convolution, norm = sequence[0], sequence[1]
        weight = tensor(f"{name}_weight")
        outputs, inputs, rows, _ = convolution.weight.shape
        if convolution.groups > 1:
            weight = weight.permute(2, 0, 1)[:, None]
        elif rows == 1:
            weight = weight.T[:, :, None, None]
        else:
            weight = weight.reshape(3, 3, inputs, outputs).permute(3, 2, 0, 1)
        convolution.weight.data.copy_(weight)
        convolution.bias = nn.Parameter(tensor(f"{name}_bias"))
        sequence[1] = nn.Identity()
        assert isinstance(norm, nn.BatchNorm2d | nn.Identity)

    layers = list(model.features)
    fill(layers[0], "stem")
    for i, block in enumerate(b for b in layers if isinstance(b, InvertedResidual)):
        names = ("expand", "depthwise", "project") if len(block.body) == 3 else ("depthwise", "project")
        for name, layer in zip(names, block.body, strict=True):
            fill(layer, f"block{i:02d}_{name}")
    fill(layers[-1], "last")
    fill(model.sight.deep, "sight_deep")
    fill(model.sight.around[1], "sight_around")
    model.pooling.weight.data.copy_(tensor("pooling_weight").permute(2, 0, 1))
    model.sight.fine.weight.data.copy_(tensor("sight_fine_weight").T[:, :, None, None])
    model.sight.heat.weight.data.copy_(tensor("sight_heat_weight").T[:, :, None, None])
    fill(model.sight.near, "sight_near")
    model.sight.heat.bias.data.copy_(tensor("sight_heat_bias"))
    for name in ("from_sight", "from_look"):
        layer = getattr(model, name)
        layer.weight.data.copy_(tensor(f"{name}_weight").T)
        layer.bias.data.copy_(tensor(f"{name}_bias"))
    model.closer.weight.data.copy_(tensor("closer_weight"))
    model.closer.bias.data.copy_(tensor("closer_bias"))
    model.heads.weight.data.copy_(tensor("heads_weight").T)
    model.heads.bias.data.copy_(tensor("heads_bias"))
    return model.eval()
