"""Solve the last layers of the shipped networks anew: `python -m training.last_layers [--first K] [--closer N]`.

What the networks see stays as it is; how that tells identity and expression is found by least squares, over the crops
in `work/crops` and their mirror images, as the change from what is shipped. So labels that were mended, and expressions
that move the head otherwise, need no new training: the runs up to `eleventh` and `refinement12` have learned from fits
that left it to the lips to open mouths (`fit_portraits.with_open_jaws`), and from the source's narrow brows
(`expressions.brow_moves`). Writes `addon_assets/synergynet.npz` (how shape moves points, heads of the network and of
the reverse module, their precisions), then `addon_assets/refinement.npz` by what the new heads lead to.
"""

import argparse
import multiprocessing

import cv2
import numpy as np

from synergy_blender.face import assets, network, refinement, reverse
from synergy_blender.face.network import CROP, LANDMARKS, SHAPE
from training import sources
from training.bench import as_fitted
from training.closer_looks import looked_closer
from training.export import half, precision
from training.face_points import basis_of
from training.first_fits import small
from training.fit_landmarks import LandmarkModel
from training.fit_portraits import JAW
from training.shards import finished, number_of

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
    """The least squares change of a layer by its sums; the bias, which does not vary, is all but free."""
    count = sums["inner"][-1, -1]
    mean = sums["inner"][-1] / count
    variance = np.maximum(np.diag(sums["inner"]) / count - mean**2, 1e-8)
    return np.linalg.solve(sums["inner"] + np.diag(penalty * count * variance), sums["outer"])


def shards(first):
    """The paths of the labels of training shards from a number on."""
    return [path for path in finished("train") if number_of(path) >= first]


def opened(path):
    """Pictures (n, H, H, 3), poses (n, 3, 4) and shapes (n, 92) of a shard, and which half of the portraits it has: the
    two workers of `make_crops` take turns."""
    pictures = np.load(path.with_name(path.name.replace("labels.npz", "pictures.npy")), mmap_mode="r")
    labels = np.load(path)
    shapes = np.concatenate([labels["identity"], labels["expression"]], 1)
    return pictures, labels["pose"], shapes, number_of(path) % 2


def of_network(path):
    """Equations of the heads and of the reverse module's, from one shard."""
    cv2.setNumThreads(1)
    regress, marks = network.load(), LandmarkModel.load().ibug()
    pictures, poses, shapes, which = opened(path)
    rng = np.random.default_rng(number_of(path))
    heads = Equations(len(regress.weights["heads_weight"]), SHAPE)
    back = Equations(len(regress.weights["reverse_heads_weight"]), SHAPE)
    for start in range(0, len(shapes), BLOCK):
        some = slice(start, start + BLOCK)
        crops = [small(one) for one in pictures[some]]
        told = [regress.told(crop)[2] for one in crops for crop in (one, np.ascontiguousarray(one[:, ::-1]))]
        truth = np.stack([shapes[some], shapes[some] @ regress.mirror.T], 1).reshape(-1, SHAPE)
        heads.take(np.array(told), truth - said(regress, "heads", told)[:, -SHAPE:], which)
        points = marks.points(*np.split(shapes[some], [40], 1))
        points = np.einsum("bed,bkd->bke", poses[some, :2, :3], points) + poses[some, :2, 3][:, None]
        points += rng.normal(0, LANDMARK_ERROR, points.shape)
        mean, told = regress.points_mean[:LANDMARKS], []
        for one in points:
            landmarks = reverse.with_depth(one, mean, reverse.start_pose(mean, one))
            told.append(reverse.told(regress.weights, landmarks, CROP))
        back.take(np.array(told), shapes[some] - said(regress, "reverse_heads", told)[:, -SHAPE:], which)
    return heads, back


def said(model, name, told):
    """What a named layer of a model says (n, outputs) of what it is told."""
    return np.array(told) @ model.weights[f"{name}_weight"] + model.weights[f"{name}_bias"]


def errors_of_network(path):
    """Errors (n, 92) on some crops of a shard: of shapes regressed both ways, and from landmarks."""
    cv2.setNumThreads(1)
    regress, marks = network.load(), LandmarkModel.load().ibug()
    pictures, poses, shapes, _ = opened(path)
    forward, back = [], []
    for k in range(0, len(shapes), MEASURED):
        crop = small(pictures[k])
        here, there = (regress(one)[0][-SHAPE:] for one in (crop, np.ascontiguousarray(crop[:, ::-1])))
        forward.append((here + regress.mirror @ there) / 2 - shapes[k])
        points = marks.points(*np.split(shapes[k : k + 1], [40], 1))[0] @ poses[k, :2, :3].T + poses[k, :2, 3]
        view = network.view_of_landmarks(regress, points, LANDMARK_ERROR)
        back.append(np.concatenate([view.identity, view.expression]) - shapes[k])
    return np.array(forward), np.array(back)


def both_looks(refine, regress, picture):
    """The pictures and heads of the product's two closer looks at a crop, the second one both ways round."""
    found = as_fitted((regress.points_mean, regress.points_basis), network.view(regress, small(picture)))
    picture = picture.astype(np.float32)
    yield picture, refinement.Head(*found)
    head = refinement.Head(*looked_closer(picture, found, both_ways=False))
    yield picture, head
    yield picture[:, ::-1], head.mirrored(refine.mirror)


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
        change.take(np.array(told), np.array(left) - said(refine, "change", told)[:, :SHAPE], which)
    return change


def errors_of_refinement(path):
    """Errors (n, 92) of shapes that the last look tells, both ways round, on some crops of a shard."""
    cv2.setNumThreads(1)
    regress, refine = network.load(), refinement.load()
    pictures, _, shapes, _ = opened(path)
    errors = []
    for k in range(0, len(shapes), MEASURED):
        _, (picture, head), (turned, other) = both_looks(refine, regress, pictures[k])
        shape = (refine(picture, head)[2] + refine.mirror @ refine(turned, other)[2]) / 2
        errors.append(shape - shapes[k])
    return np.array(errors)


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
    first, closer = (sources.ASSETS / f"{name}.npz" for name in ("synergynet", "refinement"))

    def map_shards(work, paths):
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            return list(pool.imap(work, paths, chunksize=1))

    arrays = assets.load(first, "SynergyNet")
    arrays["points_basis"] = basis_of(arrays["points_mean"])
    assets.save(first, "SynergyNet", half(arrays))
    parts = map_shards(of_network, paths)
    for name, equations in zip(("heads", "reverse_heads"), map(summed, zip(*parts, strict=True)), strict=True):
        print(name, flush=True)
        columns = np.arange(arrays[f"{name}_bias"].size)[-SHAPE:]
        arrays = changed(arrays, name, columns, equations.change())
    assets.save(first, "SynergyNet", half(arrays))
    forward, back = zip(*map_shards(errors_of_network, paths[: options.closer]), strict=True)
    arrays |= {"precision": precision(np.concatenate(forward)), "reverse_precision": precision(np.concatenate(back))}
    assets.save(first, "SynergyNet", half(arrays))

    print("refinement", flush=True)
    arrays = assets.load(closer, "refinement")
    arrays["basis"] = basis_of(arrays["mean"])
    assets.save(closer, "refinement", half(arrays))
    change = summed(map_shards(of_refinement, paths[: options.closer])).change()
    assets.save(closer, "refinement", half(changed(arrays, "change", np.arange(SHAPE), change)))
    arrays = assets.load(closer, "refinement")
    arrays["precision"] = precision(np.concatenate(map_shards(errors_of_refinement, paths[: options.closer])))
    assets.save(closer, "refinement", half(arrays))


if __name__ == "__main__":
    main()
