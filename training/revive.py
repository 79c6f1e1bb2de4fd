"""Begin dead units anew: rectified ones that say nothing of any face.

They cannot learn, for no gradient passes; a run that starts from weights with such units starts them again at random
(after ReDo, Sokar et al., ICML 2023), where what follows hears nothing of them yet.
"""

import torch

from synergy_blender.face.network import FEATURES, POINTS, SEEN
from training.network import InvertedResidual
from training.unfold import moments

DEAD = 0.01  # deviation of a unit's output over what it is shown below which it is begun anew


def gatherings_of(body, told, *told_last):
    """The rectified layers of a body (`training.network.ImageToParameters`) whose units may be dead, for `revive`.

    `told`: the nn.Linear that hears pooled features, points, what these say together and what the last look says, in
    this order; `told_last`: others that hear the last look first of all.
    """
    blocks = [block.body for block in body.features if isinstance(block, InvertedResidual)]
    sight = FEATURES + 2 * POINTS
    return [
        *((block[-2], [(block[-1][0], 0)]) for block in blocks),
        (body.features[-1], [(told, 0)]),
        (body.from_sight, [(told, sight)]),
        (body.from_look, [(body.together, 0)]),
        (body.from_last_look, [(told, sight + SEEN), *((other, 0) for other in told_last)]),
    ]


@torch.no_grad()
def revive(gatherings, show):
    """Begin anew the dead units of layers.

    `gatherings`: [(layer, followers)], a Sequential of a layer, a norm and whatever, to be rectified, and the [(linear
    or 1x1 layer, first column)] that hear its units. `show()` shows the network some batches. Returns how many units
    were begun anew, and leaves the layers' norms measured on these batches.
    """
    said = {layer: [] for layer, _ in gatherings}
    hooks = [
        layer[1].register_forward_hook(lambda norm, _, output, said=said[layer]: said.append(moments(output.relu())))
        for layer in said
    ]
    show()
    for hook in hooks:
        hook.remove()
    count = 0
    for layer, followers in gatherings:
        mean, square = torch.stack(said[layer]).double().mean(0)
        dead = (square - mean**2).clamp(min=0).sqrt() < DEAD
        weight, norm = layer[0].weight, layer[1]
        weight[dead] = torch.randn_like(weight[dead]) / weight[0].numel() ** 0.5
        norm.weight[dead], norm.bias[dead] = 1, 0
        for follower, first in followers:
            follower.weight[:, first : first + len(dead)][:, dead] = 0
        count += int(dead.sum())
    for layer, _ in gatherings:
        layer[1].reset_running_stats()
        layer[1].momentum = None  # the mean over all batches
        layer[1].train()
    show()
    for layer, _ in gatherings:
        layer[1].momentum = 0.1
        layer[1].eval()
    return count
