"""The U-Nets over a head's cells that `face.layers.unet` runs (Ronneberger et al., 2015), to be trained."""

import argparse
import copy

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from synergy_blender.face import assets
from training import sources
from training.fold import arrays_of
from training.run import Run, saved

DECAY_SHARE = 0.9  # of a run, in which the rate falls


def block(inputs, outputs, stride=1):
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


class UNet(nn.Module):
    """Inputs (B, inputs, H, W) -> outputs (B, outputs, H, W), zero at first."""

    def __init__(self, inputs, widths, fine, outputs):
        super().__init__()
        self.depth = len(widths)
        for i, (a, b) in enumerate(zip((inputs, *widths), widths, strict=False)):
            setattr(self, f"down{i}", block(a, b, 2))
            setattr(self, f"at{i}", block(b, b))
        for i in range(self.depth - 1):
            setattr(self, f"up{i}", block(widths[i] + widths[i + 1], widths[i]))
        self.fine = block(inputs + widths[0], fine)
        self.last = nn.Conv2d(fine, outputs, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x):
        kept, inputs = [], x
        for i in range(self.depth):
            x = getattr(self, f"at{i}")(getattr(self, f"down{i}")(x))
            kept.append(x)
        for i in reversed(range(self.depth - 1)):
            x = getattr(self, f"up{i}")(torch.cat([twice(x), kept[i]], 1))
        return self.last(self.fine(torch.cat([twice(x), inputs], 1)))


def twice(x):
    return F.interpolate(x, scale_factor=2, mode="nearest")


def weights_of(run):
    """The averaged weights of a Run as they are shipped."""
    arrays = arrays_of(copy.deepcopy(run.average).eval().named_children())
    return {name: values.astype(np.float16) for name, values in arrays.items()}


def options_of(description, name, samples, rate):
    """What the command line says of a run, else such a name, number of samples and rate."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--name", default=name)
    options.add_argument("--samples", type=int, default=samples)
    options.add_argument("--start-from", help="name of an earlier run")
    options.add_argument("--rate", type=float, default=rate)
    return options.parse_args()


def begun(options, network, batch):
    """The Run of a UNet that the options name, from an earlier run's weights where they name one."""
    if options.start_from:
        network.load_state_dict(saved(options.start_from)["average"])
    return Run(options.name, network, options.samples, batch, options.rate, DECAY_SHARE)


def learn(run, lesson, samples, workers, validate, asset):
    """Let a Run learn a lesson from an endless dataset that so many processes draw. Its averaged network goes to
    `validate` whenever it is saved; its weights lie in the run's folder as ASSET.npz, and in the add-on at last."""
    batches = iter(torch.utils.data.DataLoader(samples, run.batch, num_workers=workers, prefetch_factor=4))
    while run.step < run.steps:
        run.learn(lesson, *next(batches))
        if run.is_to_be_saved:
            run.save(validate(copy.deepcopy(run.average)))
            assets.save(run.folder / f"{asset}.npz", asset, weights_of(run))
    assets.save(sources.ASSETS / f"{asset}.npz", asset, weights_of(run))
