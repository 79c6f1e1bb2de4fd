"""Export the trained refinement for NumPy: `python -m training.export_refinement [--name refinement12]`.

Writes `addon_assets/refinement.npz` from the averaged weights of `work/runs/NAME/checkpoint.pt`, batch-norm folded,
with the precision of the shapes it finds, and prints how far NumPy is from PyTorch.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from synergy_blender.face import assets, network, refinement
from synergy_blender.face.network import SHAPE
from training import sources
from training.export import ERRORS_OF, half, precision, weights_of_sight
from training.face_points import face_points, outer_points
from training.flatten import Flattener, between, example, mirrored
from training.refinement import Refinement
from training.run import saved
from training.shipped import layers_of_sight
from training.train_refinement import Fitted, look_at, plain

LEFT = 0.75  # of a first look's error, as the crops of this measurement are laid flat
COMPARED = 16


def weights_of(model):
    """A trained Refinement as arrays by name, but for what is known of the head and of its errors."""
    layers = [*layers_of_sight(model.body), ("deeper", model.deeper.plain()), ("change", model.change.plain())]
    arrays = weights_of_sight(model.body, layers)
    std = model.change_std.numpy()
    arrays["change_weight"], arrays["change_bias"] = arrays["change_weight"] * std, arrays["change_bias"] * std
    return arrays | {"at": model.at.numpy()}


@torch.no_grad()
def found(model, flattener, pictures, state):
    """Points (B, 268, 2) and shapes (B, 92) that a Refinement finds in pictures (B, H, H, 3) uint8 of heads."""
    made = example(flattener, pictures, state, state)
    looks, _, change = look_at(model, plain(made), made)
    return looks[-1], (made["state"] + change[:, :-1] * model.change_std[:-1])[:, :SHAPE]


def precision_of(model, data, flattener):
    """The inverse covariance (92, 92) of the errors of the shape, seen both ways, on crops it was trained with."""
    rows, errors = np.sort(np.random.default_rng(0).choice(len(data), ERRORS_OF, replace=False)), []
    for some in np.array_split(rows, ERRORS_OF // 100):
        pictures, (truth, fits) = data.pictures_of(some), data.states(torch.as_tensor(some))
        state = between(truth, fits, torch.full((len(some),), LEFT))
        here = found(model, flattener, pictures, state)[1]
        there = found(model, flattener, pictures.flip(2), mirrored(state, flattener.mirror))[1]
        true = torch.cat([truth["identity"], truth["expression"]], 1)
        errors.append((here + there @ flattener.mirror.T) / 2 - true)
    return precision(torch.cat(errors).double().numpy())


def load_run(name):
    """The averaged Refinement of a training run, ready for inference, and the step it was taken at."""
    state = saved(name)
    model = Refinement()
    model.load_state_dict(model.state_dict() | state["average"])  # light ones lack whitening
    return model.eval(), state["step"]


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--name", default="refinement12")
    options.add_argument("--to", type=Path, default=sources.ASSETS / "refinement.npz")
    options = options.parse_args()
    model, step = load_run(options.name)
    data, points = Fitted("train"), face_points()
    flattener = Flattener(points)
    arrays = weights_of(model) | {"precision": precision_of(model, data, flattener)}
    arrays |= {"mean": points.mean, "basis": points.basis, "chart": points.chart}
    arrays["outer"] = outer_points(network.load().weights).astype(np.int32)
    assets.save(options.to, "refinement", half(arrays))
    ours = refinement.load(options.to)
    rows = np.arange(COMPARED)
    _, fits = data.states(torch.as_tensor(rows))
    points, shapes = (part.numpy() for part in found(model, flattener, data.pictures_of(rows), fits))
    gaps = np.zeros(2)
    for k, picture in enumerate(data.shown(rows)):
        head = refinement.Head(**{name: values[k].numpy() for name, values in fits.items()})
        seen, _, shape = ours(picture, head)
        gaps = np.maximum(gaps, [np.abs(seen - points[k, ours.outer]).max(), np.abs(shape - shapes[k]).max()])
    print(
        f"{options.to.name}: step {step}, {options.to.stat().st_size / 1e6:.1f} MB; largest differences from PyTorch "
        f"{gaps[0]:.2f} px of a point, {gaps[1]:.3f} sigma or units of the shape"
    )


if __name__ == "__main__":
    main()
