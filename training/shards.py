"""The crops of `training.make_crops`, memory-mapped, to be drawn in any order."""

import numpy as np

from training.make_crops import CROPS


class Shards:
    """All shards of a `kind` that have their `part` (`labels`, or `fits`); `labels` and `fits` are arrays by name."""

    def __init__(self, kind, part="labels"):
        self.pictures, found = [], {"labels": [], part: []}
        for path in sorted(CROPS.glob(f"{kind}_*_{part}.npz")):
            if "partial" in path.name:
                continue
            name = path.name.removesuffix(f"{part}.npz")
            self.pictures.append(np.load(path.with_name(f"{name}pictures.npy"), mmap_mode="r"))
            for which, parts in found.items():
                parts.append(dict(np.load(path.with_name(f"{name}{which}.npz"))))
        for which, parts in found.items():
            setattr(self, which, {key: np.concatenate([one[key] for one in parts]) for key in parts[0]})
        sizes = [len(p) for p in self.pictures]
        self.shard = np.repeat(np.arange(len(sizes)), sizes)
        self.row = np.concatenate([np.arange(n) for n in sizes])

    def __len__(self):
        return len(self.row)

    def shown(self, chosen):
        """The chosen pictures, a list of (H, H, 3) uint8 RGB."""
        return [self.pictures[self.shard[i]][self.row[i]] for i in chosen]
