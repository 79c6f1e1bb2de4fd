"""Where a first look leaves every crop, for the refinement to learn from: `python -m training.first_fits`.

Writes `work/crops/NAME_KK_fits.npz` beside each shard that has none: the `identity` (n, 40), `expression` (n, 52),
`scale` (n,), `rotation` (n, 3, 3) and `shift` (n, 2) that the shipped network and the fit make of its crops, in pixels
of a crop of 120, y up.
"""

import argparse
import multiprocessing
import os

import cv2
import numpy as np
import torch

from synergy_blender.engine.torch_network import TorchImageToParameters
from synergy_blender.face import network
from synergy_blender.face.fit import fit
from training.make_crops import SIZE
from training.shards import finished, number_of

BATCH = 100
PARTS = ("identity", "expression", "scale", "rotation", "shift")


def small(picture):
    """A crop (H, H, 3) as the network is shown it."""
    return cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_AREA)


def first_fits(pictures, regress):
    """What a first look makes of crops (n, H, H, 3) uint8: arrays by name."""
    found = {name: [] for name in PARTS}
    for start in range(0, len(pictures), BATCH):
        some = pictures[start : start + BATCH]
        for seen in regress.several([small(one) for one in some]):
            one = fit(regress.points_mean, regress.points_basis, [network.evidence(regress, seen)])
            found["identity"].append(one.identity)
            for name in PARTS[1:]:
                found[name].append(getattr(one, name)[0])
    return {name: np.array(values, np.float32) for name, values in found.items()}


def _shard(path):
    """The fits of one shard, by the path of its labels."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    regress = TorchImageToParameters(network.load().weights, "cuda" if torch.cuda.is_available() else "cpu")
    pictures = np.load(path.with_name(path.name.replace("labels.npz", "pictures.npy")), mmap_mode="r")
    done = path.with_name(path.name.replace("labels", "fits"))
    partial = done.with_suffix(".partial.npz")
    np.savez(partial, **first_fits(pictures, regress))
    os.replace(partial, done)
    print(f"{done.name}: {len(pictures)} crops", flush=True)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--first", type=int, default=0, help="number of the first training shard to be fitted")
    options.add_argument("--workers", type=int, default=2)
    options = options.parse_args()
    missing = [path for path in finished() if not path.with_name(path.name.replace("labels", "fits")).exists()]
    missing = [path for path in missing if "train" not in path.name or number_of(path) >= options.first]
    if not missing:
        return
    with multiprocessing.get_context("spawn").Pool(min(options.workers, len(missing))) as pool:
        list(pool.imap(_shard, missing))


if __name__ == "__main__":
    main()
