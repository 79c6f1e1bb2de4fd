"""The layers of a SynergyNet that are shipped, by the names of their weights, and the way back from those."""

import torch
from torch import nn

from training import unfold
from training.network import InvertedResidual


def layers_of_sight(body):
    """Names of the weights that see points in a picture and their layers; a Sequential is folded."""
    layers = list(body.features)
    yield "stem", layers[0]
    for i, block in enumerate(b for b in layers if isinstance(b, InvertedResidual)):
        names = ("expand", "depthwise", "project") if len(block.body) == 3 else ("depthwise", "project")
        for name, layer in zip(names, block.body, strict=True):
            yield f"block{i:02d}_{name}", layer
    yield "last", layers[-1]
    yield "sight_deep", body.sight.deep
    yield "sight_around", body.sight.around[1]
    yield "sight_near", body.sight.near
    yield "sight_heat", body.sight.heat
    yield "sight_fine", body.sight.fine
    for name in ("from_sight", "from_look", "from_last_look", "together"):
        yield name, getattr(body, name)


def layers_of(model):
    """Names of the shipped weights and their layers: a Sequential is folded, a list is Linear and BatchNorm1d."""
    back = model.landmarks_to_parameters
    yield from layers_of_sight(model.image_to_parameters)
    dense = [*back.encoder.point, *back.encoder.whole]
    for k in range(len(dense) // 3):
        yield f"reverse{k}", dense[3 * k : 3 * k + 2]


def heads_of(model):
    """Names of the shipped heads and their layers, which give whitened parameters."""
    return {"heads": model.image_to_parameters.heads, "reverse_heads": model.landmarks_to_parameters.heads}


@torch.no_grad()
def take_sight(body, layers, arrays):
    """Put shipped weights into the named `layers` and whatever else sees points in a picture.

    Returns the pairs of layers and norms that `unfold.measure` is to measure after.
    """
    pairs = []
    for name, layer in layers:
        unfold.take(layer, arrays[f"{name}_weight"], arrays.get(f"{name}_bias"))
        if not isinstance(layer, nn.Module) or isinstance(layer, nn.Sequential):
            pairs.append((layer[0], layer[1]))
    body.pooling.weight.copy_(torch.as_tensor(arrays["pooling_weight"]).permute(2, 0, 1))
    for name in ("closer", "again"):
        getattr(body, name).weight.copy_(torch.as_tensor(arrays[f"{name}_weight"]))
        getattr(body, name).bias.copy_(torch.as_tensor(arrays[f"{name}_bias"]))
    return pairs


@torch.no_grad()
def take_shipped(model, arrays):
    """Put the shipped weights into a SynergyNet built with their whitening, as `take_sight`. MAFA's refinement is not
    shipped and keeps its random start.
    """
    pairs = take_sight(model.image_to_parameters, layers_of(model), arrays)
    std, mean = model.whitening_std.double(), model.whitening_mean.double()
    for name, heads in heads_of(model).items():
        heads.weight.copy_((torch.as_tensor(arrays[f"{name}_weight"]).double() / std).T)
        heads.bias.copy_((torch.as_tensor(arrays[f"{name}_bias"]).double() - mean) / std)
    return pairs
