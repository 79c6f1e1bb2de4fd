"""Solve the last layers of the shipped networks anew: `python -m training.last_layers [--first K] [--closer N]`.

What the networks see stays as it is; how that tells identity and expression is found by least squares, over the crops
in `work/crops` and their mirror images, as the change from what is shipped. So labels that were mended need no new
training: landmarks alone do not tell whether a jaw or lips open a mouth, and the runs up to `eleventh` and
`refinement12` have learned from fits that left it to the lips (`fit_portraits.with_open_jaws`). Writes
`addon_assets/synergynet.npz` (heads of the network and of the reverse module, their precisions), then
`addon_assets/refinement.npz` by what the new heads lead to.
"""

import argparse
import multiprocessing

import cv2
import numpy as np

from synergy_blender.face import assets, network, refinement, reverse
from synergy_blender.face.fit import fit
from synergy_blender.face.network import CROP, LANDMARKS, SHAPE
from training import sources
from training.export import RIDGE, half
from training.fit_landmarks import JAW, LandmarkModel
from training.make_crops import CROPS

PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 1e6)  # of changed weights, for features of deviation 1; the last for none
MEASURED = 12  # every so many crops tell how wrong the new layers are
BLOCK = 500  # crops whose rows are summed together
LANDMARK_ERROR = 0.3  # pixels of a crop by which the reverse module's landmarks err


class Equations:
    """Normal equations of a linear layer, of rows as they come. Of each half of the portraits by itself: what one half
    tells is tried on the other to find how much a layer may change."""

    def __init__(self, inputs, outputs):
        size = inputs + 1
        self.halves = [
            {"inner": np.zeros((size, size)), "outer": np.zeros((size, outputs)), "square": np.zeros(outputs)}
            for _ in range(2)
        ]

    def take(self, rows, left, which):
        """Add rows (n, inputs) of one half, and what the layer leaves wrong for them (n, outputs)."""
        rows = np.column_stack([rows, np.ones(len(rows))]).astype(np.float32)
        left = left.astype(np.float32)
        sums = self.halves[which]
        sums["inner"] += rows.T @ rows
        sums["outer"] += rows.T @ left
        sums["square"] += (left.astype(float) ** 2).sum(0)

    def add(self, other):
        for mine, theirs in zip(self.halves, other.halves, strict=True):
            for name in mine:
                mine[name] += theirs[name]

    def change(self):
        """The change of weights and bias (inputs + 1, outputs) by the penalty that is best for each output."""
        both = {name: sum(half[name] for half in self.halves) for name in self.halves[0]}
        shares = []
        for penalty in PENALTIES:
            left = 0
            for learned, tried in (self.halves, self.halves[::-1]):
                found = solved(learned, penalty)
                left += (
                    tried["square"] - 2 * (found * tried["outer"]).sum(0) + (found * (tried["inner"] @ found)).sum(0)
                )
            shares.append(left / both["square"])
            identity, expression = shares[-1][:40].mean(), shares[-1][40:].mean()
            print(
                f"  penalty {penalty}: left are {identity:.4f} of identity's squares, {expression:.4f} of others",
                flush=True,
            )
        best = np.argmin(shares, 0)
        print(f"  {both['inner'][-1, -1]:.0f} rows; jawOpen {np.min(shares, 0)[40 + JAW]:.3f}")
        return np.choose(best, np.array([solved(both, penalty) for penalty in PENALTIES]))


def solved(sums, penalty):
    """The least squares change of a layer by its sums."""
    count = sums["inner"][-1, -1]
    mean = sums["inner"][-1] / count
    variance = np.maximum(np.diag(sums["inner"]) / count - mean**2, 1e-8)
    variance[-1] = 1e-8  # the bias is free
    return np.linalg.solve(sums["inner"] + np.diag(penalty * count * variance), sums["outer"])


def shards(first):
    """The paths of the labels of training shards from a number on."""
    paths = [path for path in sorted(CROPS.glob("train_*_labels.npz")) if "partial" not in path.name]
    return [path for path in paths if int(path.name.split("_")[1]) >= first]


def opened(path):
    """Pictures (n, H, H, 3), poses (n, 3, 4) and shapes (n, 92) of a shard, and which half of the portraits it has: the
    two workers of `make_crops` take turns."""
    pictures = np.load(path.with_name(path.name.replace("labels.npz", "pictures.npy")), mmap_mode="r")
    labels = np.load(path)
    shapes = np.concatenate([labels["identity"], labels["expression"]], 1)
    return pictures, labels["pose"], shapes, int(path.name.split("_")[1]) % 2


def covariance(errors):
    """Sum (92, 92) of the errors of shapes (n, 92), and their number."""
    return errors.T.astype(float) @ errors, len(errors)


def precision(sums):
    """The inverse covariance (92, 92) of errors of shapes by their sums."""
    total = sum(one for one, _ in sums) / sum(count for _, count in sums)
    return np.linalg.inv(total + RIDGE * np.diag(np.diag(total))).astype(np.float32)


def small(picture):
    return cv2.resize(picture, (int(CROP),) * 2, interpolation=cv2.INTER_AREA)


def of_network(path):
    """Equations of the heads and of the reverse module's, from one shard."""
    cv2.setNumThreads(1)
    regress, marks = network.load(), LandmarkModel.load().ibug()
    pictures, poses, shapes, which = opened(path)
    rng = np.random.default_rng(int(path.name.split("_")[1]))
    heads = Equations(len(regress.weights["heads_weight"]), SHAPE)
    back = Equations(len(regress.weights["reverse_heads_weight"]), SHAPE)
    for start in range(0, len(shapes), BLOCK):
        some = slice(start, start + BLOCK)
        crops = [small(one) for one in pictures[some]]
        told = [regress.told(crop)[2] for one in crops for crop in (one, np.ascontiguousarray(one[:, ::-1]))]
        truth = np.stack([shapes[some], shapes[some] @ regress.mirror.T], 1).reshape(-1, SHAPE)
        heads.take(np.array(told), truth - read(regress, "heads", told), which)
        points = marks.points(*np.split(shapes[some], [40], 1))
        points = np.einsum("bed,bkd->bke", poses[some, :2, :3], points) + poses[some, :2, 3][:, None]
        points += rng.normal(0, LANDMARK_ERROR, points.shape)
        told = [reverse.told(regress.weights, with_depth(regress, one), CROP) for one in points]
        back.take(np.array(told), shapes[some] - read(regress, "reverse_heads", told), which)
    return heads, back


def with_depth(regress, landmarks):
    """Landmarks (68, 3) as the reverse module is told them: `network.view_of_landmarks`."""
    mean = regress.points_mean[:LANDMARKS]
    return np.column_stack([landmarks, mean @ reverse.start_pose(mean, landmarks)[2, :3]])


def read(regress, name, told):
    """The shapes (n, 92) that the named heads read from what they are told."""
    return (np.array(told) @ regress.weights[f"{name}_weight"] + regress.weights[f"{name}_bias"])[:, -SHAPE:]


def errors_of_network(path):
    """Sums of the errors on some crops of a shard: of shapes regressed both ways, and from landmarks."""
    cv2.setNumThreads(1)
    regress, marks = network.load(), LandmarkModel.load().ibug()
    pictures, poses, shapes, _ = opened(path)
    forward, back = [], []
    for k in range(0, len(shapes), MEASURED):
        crop = small(pictures[k])
        here, there = (regress(one)[0][-SHAPE:] for one in (crop, np.ascontiguousarray(crop[:, ::-1])))
        forward.append((here + regress.mirror @ there) / 2 - shapes[k])
        points = marks.points(*np.split(shapes[k : k + 1], [40], 1))[0] @ poses[k, :2, :3].T + poses[k, :2, 3]
        told = reverse.shape_of(regress.weights, with_depth(regress, points), CROP)
        back.append(np.concatenate(told) - shapes[k])
    return covariance(np.array(forward)), covariance(np.array(back))


def first_fit(regress, picture):
    """A picture (H, H, 3) of a crop, and the refinement.Head that a first look fits to it."""
    found = fit(regress.points_mean, regress.points_basis, [network.view(regress, small(picture).astype(np.float32))])
    return picture.astype(np.float32), head_of(found)


def head_of(found):
    return refinement.Head(found.identity, found.expression[0], found.scale[0], found.rotation[0], found.shift[0])


def both_looks(refine, regress, picture):
    """The pictures and heads of the product's two closer looks at a crop, the second one both ways round."""
    picture, head = first_fit(regress, picture)
    yield picture, head
    found = fit(refine.points_mean, refine.points_basis, [refine.refined(picture, head)])
    yield picture, head_of(found)
    yield picture[:, ::-1], head_of(found).mirrored(refine.mirror)


def of_refinement(path):
    """Equations of the refinement's change of the shape, from one shard."""
    cv2.setNumThreads(1)
    regress, refine = network.load(), refinement.load()
    pictures, _, shapes, which = opened(path)
    change = Equations(len(refine.weights["change_weight"]), SHAPE)
    for start in range(0, len(shapes), BLOCK):
        told, left = [], []
        for k in range(start, min(start + BLOCK, len(shapes))):
            for look, (picture, head) in enumerate(both_looks(refine, regress, pictures[k])):
                truth = refine.mirror @ shapes[k] if look == 2 else shapes[k]
                told.append(refine.told(picture, head)[2])
                left.append(truth - np.concatenate([head.identity, head.expression]))
        told = np.array(told)
        said = (told @ refine.weights["change_weight"] + refine.weights["change_bias"])[:, :SHAPE]
        change.take(told, np.array(left) - said, which)
    return change


def errors_of_refinement(path):
    """Sums of the errors of shapes that the last look tells, both ways round, on some crops of a shard."""
    cv2.setNumThreads(1)
    regress, refine = network.load(), refinement.load()
    pictures, _, shapes, _ = opened(path)
    errors = []
    for k in range(0, len(shapes), MEASURED):
        _, (picture, head), (turned, other) = both_looks(refine, regress, pictures[k])
        shape = (refine(picture, head)[2] + refine.mirror @ refine(turned, other)[2]) / 2
        errors.append(shape - shapes[k])
    return covariance(np.array(errors))


def summed(parts):
    """Equations of all shards together."""
    total, *rest = parts
    for one in rest:
        total.add(one)
    return total


def changed(arrays, name, columns, change):
    """Arrays by name with a layer's weights and bias changed in some columns."""
    weight, bias = (arrays[f"{name}_{part}"].astype(np.float32) for part in ("weight", "bias"))
    weight[:, columns] += change[:-1]
    bias[columns] += change[-1]
    return arrays | {f"{name}_weight": weight, f"{name}_bias": bias}


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--first", type=int, default=0, help="number of the first training shard to learn from")
    options.add_argument("--closer", type=int, default=10, help="shards that the refinement learns from")
    options = options.parse_args()
    paths = shards(options.first)
    save = {kind: sources.ASSETS / f"{name}.npz" for kind, name in (("SynergyNet", "synergynet"), ("refinement",) * 2)}

    def map_shards(work, paths):
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            return list(pool.imap(work, paths, chunksize=1))

    arrays = assets.load(save["SynergyNet"], "SynergyNet")
    parts = map_shards(of_network, paths)
    for name, equations in zip(("heads", "reverse_heads"), map(summed, zip(*parts, strict=True)), strict=True):
        print(name, flush=True)
        columns = np.arange(arrays[f"{name}_bias"].size)[-SHAPE:]
        arrays = changed(arrays, name, columns, equations.change())
    assets.save(save["SynergyNet"], "SynergyNet", half(arrays))
    forward, back = zip(*map_shards(errors_of_network, paths[: options.closer]), strict=True)
    arrays |= {"precision": precision(forward), "reverse_precision": precision(back)}
    assets.save(save["SynergyNet"], "SynergyNet", half(arrays))

    print("refinement", flush=True)
    arrays = assets.load(save["refinement"], "refinement")
    change = summed(map_shards(of_refinement, paths[: options.closer])).change()
    assets.save(save["refinement"], "refinement", half(changed(arrays, "change", np.arange(SHAPE), change)))
    arrays = assets.load(save["refinement"], "refinement")
    arrays["precision"] = precision(map_shards(errors_of_refinement, paths[: options.closer]))
    assets.save(save["refinement"], "refinement", half(arrays))


if __name__ == "__main__":
    main()
