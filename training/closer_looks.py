"""What each plan of closer looks leaves wrong: `python -m training.closer_looks [--crops 600]`.

Prints, for looks one way (1) and both ways (2) after a first look (0), what is left of the landmarks (NME), the turn
and the identity, on crops of training portraits that were drawn with a seed of their own and are not trained on: what
is chosen by these figures is not chosen by validation.
"""

import argparse
import multiprocessing

import cv2
import numpy as np

from synergy_blender.face import refinement
from training.bench import as_fitted, compare
from training.first_fits import PARTS
from training.make_crops import CROPS, SHARD, CropMaker
from training.train_refinement import Fitted

PLANS = ("0", "1", "11", "111", "2", "12", "112", "22")
SEED = 100


def looked_closer(picture, reading, both_ways):
    """A reading (identity, expression, scale, rotation, shift) of a crop (H, H, 3) after one closer look at it."""
    refine = refinement.load()
    refined = refine.refined_both_ways if both_ways else refine.refined
    view = refined(picture.astype(np.float32), refinement.Head(*reading))
    return as_fitted((refine.points_mean, refine.points_basis), view)


def readings(rows):
    """By plan, what is found in some crops: (identity, expression, scale, rotation, shift) of each."""
    cv2.setNumThreads(1)
    data, found = Fitted("tuning"), {plan: [] for plan in PLANS}
    for k, picture in zip(rows, data.shown(rows), strict=True):
        after = {"0": [data.fits[name][k].numpy() for name in PARTS]}
        for plan in PLANS[1:]:
            after[plan] = looked_closer(picture, after[plan[:-1] or "0"], plan[-1] == "2")
        for plan, reading in after.items():
            found[plan].append(reading)
    return found


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--crops", type=int, default=600)
    options = options.parse_args()
    if not (CROPS / f"tuning_{SEED}_labels.npz").exists():
        CropMaker().shard(CROPS / f"tuning_{SEED}", SHARD, SEED)
        print("made the crops: run training.first_fits, then this again")
        return
    rows = np.arange(options.crops)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        parts = pool.map(readings, np.array_split(rows, 2))
    labels = {name: values[rows] for name, values in Fitted("tuning").labels.items()}
    for plan in PLANS:
        left = compare([one for part in parts for one in part[plan]], labels)
        print(
            f"{plan:>3}: NME {left['nme'].mean():.2%}, rotation {left['turn'].mean():.2f} degrees, identity "
            f"{left['dense'].mean() / left['plain'].mean():.3f} of the mean face's error",
            flush=True,
        )


if __name__ == "__main__":
    main()
