"""Export the trained SynergyNet for NumPy: `python -m training.export [--name first]`.

Writes `addon_assets/synergynet.npz` from the averaged weights of `work/runs/NAME/checkpoint.pt`, batch-norm folded and
the whitening multiplied into the heads, and prints how far NumPy's parameters are from PyTorch's.
"""

import argparse

import numpy as np
import torch

from synergy_blender.face import assets, network
from training import sources
from training.fold import folded, plain
from training.network import CROP, InvertedResidual
from training.train import Crops, build_network


def weights_of(model):
    """The image-to-parameters network of a SynergyNet as arrays by name, and its whitening in the heads."""
    body = model.image_to_parameters
    arrays = {}

    def add(name, pair):
        arrays[f"{name}_weight"], arrays[f"{name}_bias"] = pair

    layers = list(body.features)
    add("stem", folded(layers[0]))
    for i, block in enumerate(b for b in layers if isinstance(b, InvertedResidual)):
        names = ("expand", "depthwise", "project") if len(block.body) == 3 else ("depthwise", "project")
        for name, layer in zip(names, block.body, strict=True):
            add(f"block{i:02d}_{name}", folded(layer))
    add("last", folded(layers[-1]))
    arrays["pooling_weight"] = body.pooling.weight.permute(1, 2, 0).detach().contiguous().numpy()
    arrays["sight_fine_weight"] = body.sight.fine.weight[:, :, 0, 0].T.detach().contiguous().numpy()
    add("sight_deep", folded(body.sight.deep))
    add("sight_around", folded(body.sight.around[1]))
    add("sight_heat", plain(body.sight.heat))
    arrays["from_sight_weight"] = body.from_sight.weight.T.detach().contiguous().numpy()
    arrays["from_sight_bias"] = body.from_sight.bias.detach().numpy()
    std, mean = model.whitening_std.double(), model.whitening_mean.double()
    arrays["heads_weight"] = (body.heads.weight.double().T * std).float().contiguous().detach().numpy()
    arrays["whitening_std"] = std.float().numpy()
    arrays["heads_bias"] = (body.heads.bias.double() * std + mean).float().detach().numpy()
    return arrays


def load_run(name):
    """The averaged network of a training run, ready for inference, and the step it was taken at."""
    state = torch.load(sources.WORK / "runs" / name / "checkpoint.pt", map_location="cpu", weights_only=True)
    whitening = state["average"]["whitening_mean"], state["average"]["whitening_std"]
    model = build_network(whitening)
    model.load_state_dict(state["average"])
    return model.eval(), state["step"]


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--name", default="first")
    options = options.parse_args()
    model, step = load_run(options.name)
    arrays = weights_of(model)
    assets.save(sources.ASSETS / "synergynet.npz", "SynergyNet", arrays)
    pictures, _ = Crops("validation").batch(np.arange(16))
    with torch.no_grad():
        crops = torch.as_tensor(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
        expected = model.image_to_parameters(crops)[0].numpy()
    ours = np.array([network.load()(picture) for picture in pictures])
    std, mean = model.whitening_std.numpy(), model.whitening_mean.numpy()
    gap = np.abs((ours - mean) / std - expected).max()
    size = (sources.ASSETS / "synergynet.npz").stat().st_size
    print(
        f"synergynet.npz: step {step}, {size / 1e6:.1f} MB, crop {CROP:.0f}, "
        f"largest difference from PyTorch {gap:.1e} of a whitened parameter"
    )


if __name__ == "__main__":
    main()
