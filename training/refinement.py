"""The refinement in PyTorch: `synergy_blender.face.refinement`, to be trained.

SynergyNet's own image network looks again, at the face laid flat: it starts from the weights that see faces in crops,
and has to learn only what is left when pose, shape and expression are all but gone from the picture.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from synergy_blender.face import chart
from synergy_blender.face.network import CROP, FEATURES, LANDMARKS, LOOKED, POINTS, SEEN
from synergy_blender.face.refinement import CHANGE, FINELY, REACH, STATE
from training import unfold
from training.network import DEEP, DETAIL, FINE, ImageToParameters, SynergyNet, look, upside_down
from training.shipped import layers_of_sight, take_shipped, take_sight

# Of features that are whitened: the variance, for 1 of each, up to which directions of theirs are left small, and the
# least deviation, for the usual one, that is stretched to 1
LIKENESS, SMALL = 0.03, 0.1
SPREAD = 0.2  # deviation of whitened features, 2,423 of them: at 1 Adam's steps would be noise to all that comes before


class Whitened(nn.Linear):
    """A linear layer that learns of its inputs made uncorrelated: features that are much alike, or small, are otherwise
    learned too slowly for the run. It says the same as `plain()`."""

    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)
        self.register_buffer("middle", torch.zeros(inputs))
        self.register_buffer("whitening", torch.eye(inputs))

    def forward(self, rows):
        return super().forward((rows - self.middle) @ self.whitening)

    def plain(self):
        """The same layer (nn.Linear) of inputs as they are."""
        layer = nn.Linear(self.in_features, self.out_features, device=self.weight.device)
        layer.weight.data = self.weight.detach() @ self.whitening.T
        layer.bias.data = self.bias.detach() - layer.weight.data @ self.middle
        return layer

    @torch.no_grad()
    def take(self, layer, rows):
        """Say what a plain `layer` says, and learn from now on of inputs whitened as `rows` (n, inputs) are."""
        weight, rows = layer.weight.double(), rows.double()
        middle, deviations = rows.mean(0), rows.std(0)
        deviations = deviations.clamp(min=SMALL * deviations.median())
        rows = (rows - middle) / deviations
        values, axes = torch.linalg.eigh(rows.T @ rows / len(rows))
        stretch = (values.clamp(min=0) + LIKENESS).sqrt()
        self.middle.copy_(middle)
        self.whitening.copy_(SPREAD * (axes / stretch) @ axes.T / deviations[:, None])
        self.weight.copy_(weight * deviations @ (axes * stretch) @ axes.T / SPREAD)
        self.bias.copy_(layer.bias.double() + weight @ middle)


class Refinement(nn.Module):
    """From faces laid flat, and by what they were laid flat, to where points lie and how wrong that was."""

    def __init__(self):
        super().__init__()
        self.body = ImageToParameters()
        del self.body.heads
        stem = self.body.features[0][0]
        self.body.features[0][0] = nn.Conv2d(4, stem.out_channels, 3, 2, 1, bias=False)
        self.deeper = Whitened(LOOKED + STATE, 3 * POINTS)
        self.change = Whitened(FEATURES + 2 * POINTS + SEEN + LOOKED + STATE, CHANGE)
        self.register_buffer("change_std", torch.ones(CHANGE))
        self.register_buffer("at", torch.zeros(POINTS, 2))

    def forward(self, flat, state, where, rows):
        """flat (B, 4, CELLS, CELLS), state (B, 95), where (B, 2, CELLS, CELLS) its cells lie in crop pixels, y up, rows
        (B, 2, 3) of the poses -> points in crop pixels at a glance, closer and again (B, 268, 2 each), log errors in
        pixels (B, 268) and whitened changes (B, 96)."""
        body = self.body
        detail = body.features[:DETAIL](flat)
        fine = body.features[DETAIL:FINE](detail)
        deep = body.features[FINE:DEEP](fine)
        feature = body.pooling(body.features[DEEP:](deep).float())
        glance, near = body.sight(fine, deep)
        with torch.autocast(flat.device.type, enabled=False):

            def at(points):
                return torch.cat([look(detail, points), look(near, points)], 2)

            def in_picture(points):
                found = F.grid_sample(
                    where, upside_down(points)[:, :, None], padding_mode="border", align_corners=False
                )
                return found[..., 0].transpose(1, 2)

            first = body.closer(at(glance))
            closer = glance + first[..., :2] / CROP
            features = at(closer)
            looked = body.from_look(features[:, :LANDMARKS].flatten(1)).relu()
            second = body.again(features) + body.together(looked).view(first.shape)
            seen, error = closer + second[..., :2] / CROP, first[..., 2] + second[..., 2]
            looked = body.from_last_look(at(seen[:, :LANDMARKS]).flatten(1)).relu()
            flat_points = (seen - self.at).detach().flatten(1)
            deeper = REACH * self.deeper(torch.cat([looked, state], 1)).view(-1, POINTS, 3)
            points = in_picture(seen) + deeper @ rows.transpose(1, 2)
            told = [feature, FINELY * flat_points, body.from_sight(seen.detach().flatten(1)).relu(), looked, state]
            return (in_picture(glance), in_picture(closer), points), error, self.change(torch.cat(told, 1))


def begin(shipped, batches):
    """A Refinement with the weights of the shipped network, its batch norms measured on flat pictures, a list of
    (B, 3, CELLS, CELLS)."""
    basis = torch.as_tensor(shipped["points_basis"])
    points = torch.as_tensor(shipped["points_mean"]), basis[:40], basis[40:]
    network = SynergyNet(*points, torch.zeros(104), torch.as_tensor(shipped["whitening_std"]))
    pairs = take_shipped(network, shipped)
    inner = set(network.image_to_parameters.modules())
    body = network.image_to_parameters
    unfold.measure(body, [pair for pair in pairs if pair[0] in inner], [(some,) for some in batches])
    model = Refinement()
    taken = body.state_dict()
    stem = taken["features.0.0.weight"]
    taken["features.0.0.weight"] = torch.cat([stem, torch.zeros_like(stem[:, :1])], 1)
    taken = {name: value for name, value in taken.items() if not name.startswith("heads.")}
    model.body.load_state_dict(taken)
    return model


@torch.no_grad()
def take_refinement(model, arrays, batches):
    """Put the shipped refinement's weights into a Refinement whose `change_std` is known, its batch norms measured on
    `batches`, tuples of its inputs."""
    pairs = take_sight(model.body, layers_of_sight(model.body), arrays)
    for layer, name, std in ((model.deeper, "deeper", torch.ones(())), (model.change, "change", model.change_std)):
        layer.weight.copy_((torch.as_tensor(arrays[f"{name}_weight"]) / std.cpu()).T)
        layer.bias.copy_(torch.as_tensor(arrays[f"{name}_bias"]) / std.cpu())
    model.at.copy_(torch.as_tensor(arrays["at"]))
    unfold.measure(model, pairs, batches)


def grid_places(shipped, opened):
    """Where the shipped points (268, 2) lie on the chart's grid, -1..1; `opened` the row of jawOpen in the basis."""
    reference = shipped["points_mean"] + chart.OPEN * shipped["points_basis"][opened]
    return chart.on_grid(chart.places(np.asarray(reference, float))).astype(np.float32)
