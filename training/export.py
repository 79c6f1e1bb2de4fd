"""Export the trained SynergyNet for NumPy: `python -m training.export [--name eleventh]`.

Writes `addon_assets/synergynet.npz` from the averaged weights of `work/runs/NAME/checkpoint.pt`, batch-norm folded and
the whitening multiplied into the heads, and prints how far NumPy's parameters are from PyTorch's.
"""

import argparse

import numpy as np
import torch

from synergy_blender.face import assets, network
from training import sources
from training.fold import folded
from training.network import CROP, POSE
from training.run import saved
from training.shipped import heads_of, layers_of
from training.train import Crops, build_network, mirror_of_shape, parameters_of

ERRORS_OF, RIDGE = 3000, 1e-3  # crops; share of each variance added to the covariance of the errors


def weights_of_sight(body, layers):
    """What sees points in a picture as arrays by name: the named `layers`, folded, and those that are not layers."""
    arrays = {}
    for name, layer in layers:
        arrays[f"{name}_weight"], bias = folded(layer)
        if bias is not None:
            arrays[f"{name}_bias"] = bias
    arrays["pooling_weight"] = body.pooling.weight.permute(1, 2, 0).detach().contiguous().numpy()
    for name in ("closer", "again"):
        arrays[f"{name}_weight"] = getattr(body, name).weight.detach().contiguous().numpy()
        arrays[f"{name}_bias"] = getattr(body, name).bias.detach().numpy()
    return arrays


def half(arrays):
    """Weights of layers as float16: half the size, and a thousandth of what their errors are in training."""
    return {n: v.astype(np.float16) if n.endswith("_weight") else v for n, v in arrays.items()}


def weights_of(model):
    """The image-to-parameters network of a SynergyNet as arrays by name, and its whitening in the heads."""
    arrays = weights_of_sight(model.image_to_parameters, layers_of(model))
    arrays["points_mean"] = model.mean.view(-1, 3).numpy()
    arrays["points_basis"] = model.basis.view(len(model.basis), -1, 3).numpy()
    arrays["mirror"] = mirror_of_shape()
    std, mean = model.whitening_std.double(), model.whitening_mean.double()
    arrays["whitening_std"] = std.float().numpy()
    for name, heads in heads_of(model).items():
        arrays[f"{name}_weight"] = (heads.weight.double().T * std).float().contiguous().detach().numpy()
        arrays[f"{name}_bias"] = (heads.bias.double() * std + mean).float().detach().numpy()
    return arrays


def precision(errors):
    """The inverse covariance (92, 92) float32 of errors of shapes (n, 92)."""
    errors = errors.astype(float)
    covariance = errors.T @ errors / len(errors)
    return np.linalg.inv(covariance + RIDGE * np.diag(np.diag(covariance))).astype(np.float32)


@torch.no_grad()
def precisions_of(model):
    """The inverse covariances (92, 92) of the errors of the shape regressed from crops it was trained with, seen both
    ways, and from their true landmarks."""
    mirror = torch.as_tensor(mirror_of_shape())
    data = Crops("train")
    rows = np.sort(np.random.default_rng(0).choice(len(data), ERRORS_OF, replace=False))
    forward, back = [], []
    for some in np.array_split(rows, ERRORS_OF // 100):
        pictures, labels = data.batch(some)
        crops = torch.as_tensor(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
        truth = torch.as_tensor(parameters_of(labels))
        landmarks = model.points(truth)[:, :, : network.LANDMARKS]
        here, there = (model.unwhiten(model.image_to_parameters(x)[0])[:, POSE:] for x in (crops, crops.flip(3)))
        forward.append(((here + there @ mirror.T) / 2 - truth[:, POSE:]).double().numpy())
        back.append((model.unwhiten(model.landmarks_to_parameters(landmarks)) - truth)[:, POSE:].double().numpy())
    return {"precision": precision(np.concatenate(forward)), "reverse_precision": precision(np.concatenate(back))}


def load_run(name):
    """The averaged network of a training run, ready for inference, and the step it was taken at."""
    state = saved(name)
    whitening = state["average"]["whitening_mean"], state["average"]["whitening_std"]
    model = build_network(whitening)
    model.load_state_dict(state["average"])  # with the points that this run was trained to see
    return model.eval(), state["step"]


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--name", default="eleventh")
    options = options.parse_args()
    model, step = load_run(options.name)
    arrays = weights_of(model) | precisions_of(model) | {"confidence": np.zeros(4, np.float32)}  # see calibrate
    assets.save(sources.ASSETS / "synergynet.npz", "SynergyNet", half(arrays))
    pictures, _ = Crops("validation").batch(np.arange(16))
    with torch.no_grad():
        crops = torch.as_tensor(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
        expected = model.image_to_parameters(crops)[0].numpy()
    ours = np.array([network.load()(picture)[0] for picture in pictures])
    std, mean = model.whitening_std.numpy(), model.whitening_mean.numpy()
    gap = np.abs((ours - mean) / std - expected).max()
    size = (sources.ASSETS / "synergynet.npz").stat().st_size
    print(
        f"synergynet.npz: step {step}, {size / 1e6:.1f} MB, crop {CROP:.0f}, "
        f"largest difference from PyTorch {gap:.1e} of a whitened parameter"
    )


if __name__ == "__main__":
    main()
