"""The crops of `training.make_crops`, memory-mapped or kept on a GPU, to be drawn in any order."""

import numpy as np
import torch

from training.make_crops import CROPS

AT_ONCE = 500  # pictures that are sent to a GPU together


def finished(kind="*", part="labels"):
    """The paths of a `part` of all shards of a `kind` that have it, in order."""
    return [path for path in sorted(CROPS.glob(f"{kind}_*_{part}.npz")) if "partial" not in path.name]


def number_of(path):
    """The number of the shard that a path is a part of."""
    return int(path.name.split("_")[1])


class Shards:
    """All shards of a `kind` that have their `part` (`labels`, or `fits`); `labels` and `fits` are arrays by name."""

    def __init__(self, kind, part="labels"):
        self.pictures, found = {}, {"labels": [], part: []}
        for path in finished(kind, part):
            name = path.name.removesuffix(f"{part}.npz")
            self.pictures[name] = np.load(path.with_name(f"{name}pictures.npy"), mmap_mode="r")
            for which, parts in found.items():
                parts.append(dict(np.load(path.with_name(f"{name}{which}.npz"))))
        for which, parts in found.items():
            setattr(self, which, {key: np.concatenate([one[key] for one in parts]) for key in parts[0]})
        sizes = [len(p) for p in self.pictures.values()]
        self.shard = np.repeat([*self.pictures], sizes)
        self.row = np.concatenate([np.arange(n) for n in sizes])

    def __len__(self):
        return len(self.row)

    def shown(self, chosen):
        """The chosen pictures, a list of (H, H, 3) uint8 RGB."""
        return [self.pictures[self.shard[i]][self.row[i]] for i in chosen]


def pictures_on(device, change=None):
    """Where batches for a device take the pictures of shards from: a GPU keeps them, changed before that."""
    return Resident(device, change) if device.type == "cuda" else Mapped()


class Mapped:
    """The pictures of shards as they lie on the disk."""

    def take(self, shards):
        """Show these shards from now on."""
        self.shards = shards

    def __call__(self, chosen):
        """The chosen pictures (B, H, H, 3) uint8, by their rows (B,)."""
        return torch.as_tensor(np.stack(self.shards.shown(chosen.numpy())))


class Resident:
    """The pictures of shards, kept on a GPU, so that a step needs nothing of its host but which ones to take."""

    def __init__(self, device, change=None):
        """Before they are kept, pictures (B, H, H, 3) uint8 are changed."""
        self.device, self.change, self.kept, self.all = device, change, {}, None

    def take(self, shards):
        """Keep all of these shards, in their order; those that are there already stay."""
        for name in shards.pictures.keys() - self.kept.keys():
            pictures = shards.pictures[name]
            parts = [pictures[k : k + AT_ONCE] for k in range(0, len(pictures), AT_ONCE)]
            parts = [torch.as_tensor(np.array(some)).to(self.device) for some in parts]
            self.kept[name] = torch.cat([self.change(some) for some in parts] if self.change else parts)
        self.all = torch.cat([self.kept[name] for name in shards.pictures])

    def __call__(self, chosen):
        """The chosen pictures (B, H, H, 3) uint8 of the shards taken last, by their rows (B,) on the device."""
        return self.all[chosen]
