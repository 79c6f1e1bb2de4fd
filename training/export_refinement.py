"""Export the trained refinement for NumPy: `python -m training.export_refinement [--name refinement8]`.

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
from training.export import ERRORS_OF, RIDGE, half, weights_of_sight
from training.face_points import face_points, outer_points
from training.refinement import Refinement
from training.run import saved
from training.shipped import layers_of_sight
from training.train_refinement import Fitted, Flattener, between, example, look_at, mirrored, tensors

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
    """Points (B, 268, 2) and shapes (B, 92) that a Refinement finds in pictures of heads."""
    batch = tensors(example(flattener, pictures, state, state), "cpu")
    colours = batch["colours"].permute(0, 3, 1, 2).float() / 127.5 - 1
    looks, _, change = look_at(model, colours, batch)
    return looks[-1].numpy(), (batch["state"] + change[:, :-1] * model.change_std[:-1])[:, :SHAPE].numpy()


def precision_of(model, data, flattener):
    """The inverse covariance (92, 92) of the errors of the shape, seen both ways, on crops it was trained with."""
    rows, errors = np.sort(np.random.default_rng(0).choice(len(data), ERRORS_OF, replace=False)), []
    for some in np.array_split(rows, ERRORS_OF // 100):
        pictures, truth, fits = data.batch(some)
        state = between(truth, fits, np.full(len(some), LEFT))
        here = found(model, flattener, pictures, state)[1]
        flipped = [np.ascontiguousarray(p[:, ::-1]) for p in pictures]
        there = found(model, flattener, flipped, mirrored(state, flattener.mirror))[1]
        true = np.concatenate([truth["identity"], truth["expression"]], 1)
        errors.append((here + there @ flattener.mirror.T) / 2 - true)
    errors = np.concatenate(errors).astype(float)
    covariance = errors.T @ errors / len(errors)
    return np.linalg.inv(covariance + RIDGE * np.diag(np.diag(covariance))).astype(np.float32)


def load_run(name):
    """The averaged Refinement of a training run, ready for inference, and the step it was taken at."""
    state = saved(name)
    model = Refinement()
    model.load_state_dict(state["average"])
    return model.eval(), state["step"]


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--name", default="refinement8")
    options.add_argument("--to", type=Path, default=sources.ASSETS / "refinement.npz")
    options = options.parse_args()
    model, step = load_run(options.name)
    data, flattener, points = Fitted("train"), Flattener(), face_points()
    arrays = weights_of(model) | {"precision": precision_of(model, data, flattener)}
    arrays |= {"mean": points.mean, "basis": points.basis, "chart": points.chart}
    arrays["outer"] = outer_points(network.load().weights).astype(np.int32)
    assets.save(options.to, "refinement", half(arrays))
    ours = refinement.load(options.to)
    pictures, _, fits = data.batch(np.arange(COMPARED))
    points, shapes = found(model, flattener, pictures, fits)
    gaps = np.zeros(2)
    for k, picture in enumerate(pictures):
        head = refinement.Head(**{name: values[k] for name, values in fits.items()})
        seen, _, shape = ours(picture, head)
        gaps = np.maximum(gaps, [np.abs(seen - points[k, ours.outer]).max(), np.abs(shape - shapes[k]).max()])
    print(
        f"{options.to.name}: step {step}, {options.to.stat().st_size / 1e6:.1f} MB; largest differences from PyTorch "
        f"{gaps[0]:.2f} px of a point, {gaps[1]:.3f} sigma or units of the shape"
    )


if __name__ == "__main__":
    main()
