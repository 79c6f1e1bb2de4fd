"""Train the refinement: `python -m training.train_refinement [--crops 264000] [--name refinement]`.

Crops are laid flat by the fits that a first look at them ends with (`training.first_fits`), and by others between those
and the truth, so that a second refinement of what the first one mended finds what it knows. Resumes from
`work/runs/NAME/checkpoint.pt`, shows loss and validation (`training.run`).
"""

import argparse
import queue
import threading

import cv2
import numpy as np
import torch

from synergy_blender.face import assets, chart, network, pose
from synergy_blender.face.fit import POSE
from training import sources
from training.expressions import NAMES
from training.face_points import face_points, outer_points
from training.losses import CROP, PIXELS_PER_METRE, error_loss, wing
from training.refinement import begin, grid_places
from training.run import Run, keep_memory
from training.shards import Shards
from training.train import SHOWN_EXPRESSIONS, augment

SHAPE = network.SHAPE
STILL = (0.15, 0.6, 1.25)  # share of the first look's error that is left: from, usually from, up to
MENDED = 0.25  # share of the crops with less than usual
JITTER = (0.012, 0.006, 0.25)  # of the pose beside: turn in radians, log of the scale, shift in pixels
WEIGHTS = {"points": 1.0, "looks": 0.5, "error": 0.1, "change": 6.0, "identity": 1.0, "expression": 4.0}
MEASURED = 30  # batches on which the norms of shipped weights are measured


class Fitted(Shards):
    """All crops of one kind with what is true of them and what a first look has fitted to them: arrays by name."""

    def __init__(self, kind):
        super().__init__(kind, "fits")
        matrices = self.labels["pose"].astype(float)
        self.truth = {
            "identity": self.labels["identity"],
            "expression": self.labels["expression"],
            "scale": np.linalg.norm(matrices[:, 0, :3], axis=1).astype(np.float32),
            "rotation": pose.nearest_rotations(matrices).astype(np.float32),
            "shift": self.labels["pose"][:, :2, 3],
        }

    def batch(self, chosen):
        """Pictures, a list of (H, H, 3) uint8, and what is true and what was fitted: arrays by name."""
        return self.shown(chosen), *({k: v[chosen] for k, v in side.items()} for side in (self.truth, self.fits))


def turns(vectors):
    """Rotations (B, 3, 3) about vectors (B, 3) by their lengths in radians."""
    return np.stack([pose.turn(v) for v in vectors])


def vectors_of(rotations):
    """The turns (B, 3) in radians that rotations (B, 3, 3) are."""
    return np.stack([cv2.Rodrigues(r.astype(float))[0].ravel() for r in rotations])


def between(truth, fits, share, rng=None):
    """Fits with a `share` (B,) of their errors left, and with an `rng` a pose a little beside that."""
    count = len(share)
    jitter = np.zeros((count, POSE)) if rng is None else rng.normal(0, np.repeat(JITTER, (3, 1, 2)), (count, POSE))
    wrong = vectors_of(fits["rotation"] @ truth["rotation"].transpose(0, 2, 1))
    mixed = {k: truth[k] + share[:, None] * (fits[k] - truth[k]) for k in ("identity", "expression", "shift")}
    mixed["expression"] = mixed["expression"].clip(0, 1)
    mixed["rotation"] = turns(share[:, None] * wrong + jitter[:, :3]) @ truth["rotation"]
    mixed["scale"] = truth["scale"] * (fits["scale"] / truth["scale"]) ** share * np.exp(jitter[:, 3])
    mixed["shift"] = mixed["shift"] + jitter[:, 4:]
    return {k: v.astype(np.float32) for k, v in mixed.items()}


def mirrored(state, mirror):
    """What is true of or fitted to crops, for their mirror images."""
    split = state["identity"].shape[1]
    flip = network.FLIP.astype(np.float32)
    return {
        "identity": state["identity"] @ mirror[:split, :split].T,
        "expression": state["expression"] @ mirror[split:, split:].T,
        "scale": state["scale"],
        "rotation": state["rotation"] * flip * flip[:, None],
        "shift": np.array([CROP, 0], np.float32) + state["shift"] * flip[:2],
    }


class Flattener:
    """Lays batches of crops flat by what was fitted to them."""

    def __init__(self):
        spreading = face_points()
        self.mean, self.basis = spreading.mean, spreading.basis
        self.spread = chart.spread(spreading.chart.astype(float))
        regress, count = network.load(), network.POINTS
        self.mirror = regress.mirror.astype(np.float32)
        self.seen_mean = regress.points_mean[:count].astype(np.float32)
        self.seen_basis = regress.points_basis[:, :count].astype(np.float32)

    def posed(self, state, mean, basis):
        """Points (B, K, 3) in crop pixels, y up."""
        shape = np.concatenate([state["identity"], state["expression"]], 1)
        points = mean + (shape @ basis.reshape(len(basis), -1)).reshape(len(shape), -1, 3)
        points = points @ (state["scale"][:, None, None] * state["rotation"]).transpose(0, 2, 1)
        points[..., :2] += state["shift"][:, None]
        return points

    def __call__(self, pictures, state):
        """Colours (B, CELLS, CELLS, 3) uint8, how squarely cells are seen (B, CELLS, CELLS), and where cells lie in the
        crop (B, CELLS, CELLS, 2), pixels, y up."""
        points = self.posed(state, self.mean, self.basis)
        count = len(points)
        where = self.spread @ points[..., :2].transpose(1, 0, 2).reshape(points.shape[1], -1)
        where = where.reshape(chart.CELLS, chart.CELLS, count, 2).transpose(2, 0, 1, 3).copy()
        colours, square = [], []
        for picture, at, scale in zip(pictures, where, state["scale"], strict=True):
            pixels = len(picture) / CROP
            x, y = at[..., 0] * pixels - 0.5, (CROP - at[..., 1]) * pixels - 0.5
            colours.append(cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
            square.append(chart.facing(at, scale))
        return np.array(colours), np.array(square), where


def state_rows(state):
    """What the refinement is told of fits (B, 95)."""
    return np.concatenate([state["identity"], state["expression"], state["rotation"][:, 2]], 1)


def changes(truth, state):
    """How the shape must change, and the rotation, in the head's frame, and the log of the scale (B, 96)."""
    turn = vectors_of(state["rotation"].transpose(0, 2, 1) @ truth["rotation"])
    return np.concatenate(
        [
            truth["identity"] - state["identity"],
            truth["expression"] - state["expression"],
            turn,
            np.log(truth["scale"] / state["scale"])[:, None],
        ],
        1,
    ).astype(np.float32)


def example(flattener, pictures, truth, state):
    """Everything a batch needs: arrays by name."""
    colours, square, where = flattener(pictures, state)
    rows = (state["scale"][:, None, None] * state["rotation"][:, :2]).astype(np.float32)
    points = flattener.seen_mean, flattener.seen_basis
    return {
        "colours": colours,
        "square": square,
        "where": where,
        "before": flattener.posed(state, *points)[..., :2],
        "target": flattener.posed(truth, *points)[..., :2],
        "rows": rows,
        "state": state_rows(state),
        "changes": changes(truth, state),
    }


def batches(data, flattener, size, seed):
    """An endless stream of batches laid flat in the background."""
    ready = queue.Queue(6)

    def fill():
        rng = np.random.default_rng(seed)
        while True:
            order = rng.permutation(len(data))
            for start in range(0, len(order) - size + 1, size):
                pictures, truth, fits = data.batch(np.sort(order[start : start + size]))
                if rng.random() < 0.5:
                    pictures = [np.ascontiguousarray(p[:, ::-1]) for p in pictures]
                    truth, fits = (mirrored(side, flattener.mirror) for side in (truth, fits))
                little = rng.random(size) < MENDED
                share = rng.uniform(np.where(little, STILL[0], STILL[1]), np.where(little, STILL[1], STILL[2]))
                ready.put(example(flattener, pictures, truth, between(truth, fits, share, rng)))

    threading.Thread(target=fill, daemon=True).start()
    while True:
        yield ready.get()


def laid_flat(colours, square):
    """Colours (B, 3, H, W) in -1..1 and how squarely cells are seen (B, H, W) as `face.chart.laid_flat`."""
    square = square[:, None]
    shown = ((square - chart.SEEN) / (chart.EDGE - chart.SEEN)).clamp(0, 1)
    return torch.cat([colours * shown, square], 1).contiguous(memory_format=torch.channels_last)


def losses(model, output, batch, basis, outer):
    """Each loss by name, unweighted; of the points, only `outer` ones (268,) can be seen."""
    looks, log_error, change = output
    left = [(points - batch["target"])[:, outer] for points in looks]
    wrong = change - batch["changes"] / model.change_std
    shape = PIXELS_PER_METRE * (wrong * model.change_std)[:, :SHAPE]
    split = SHAPE - len(NAMES)
    return {
        "points": wing(left[-1], 0),
        "looks": wing(left[0], 0) + wing(left[1], 0),
        "error": error_loss(log_error[:, outer], left[-1].detach().transpose(1, 2)),
        "change": (wrong**2).mean(),
        "identity": wing(shape[:, :split] @ basis[:split], 0),
        "expression": wing(shape[:, split:] @ basis[split:], 0),
    }


def look_at(model, colours, batch):
    """The output of a Refinement for colours (B, 3, H, W) in -1..1 of a batch."""
    where = batch["where"].permute(0, 3, 1, 2).contiguous()
    return model(laid_flat(colours, batch["square"]), batch["state"], where, batch["rows"])


@torch.no_grad()
def validate(model, data, flattener, device):
    """What is left after one refinement of the first looks at exact-truth crops: of 68 points seen (NME), of the
    regressed turn, and how shown expressions correlate with the truth."""
    model.eval()
    marks = network.LANDMARKS
    kept = {name: [] for name in ("before", "seen", "turn_before", "turn", "found", "true", "plain", "dense")}
    identity = torch.as_tensor(flattener.basis[:40].reshape(40, -1), device=device)
    for start in range(0, len(data), 100):
        pictures, truth, fits = data.batch(np.arange(start, min(start + 100, len(data))))
        batch = tensors(example(flattener, pictures, truth, fits), device)
        colours = batch["colours"].permute(0, 3, 1, 2).float() / 127.5 - 1
        looks, _, change = look_at(model, colours, batch)
        change = change * model.change_std
        target = batch["target"][:, :marks]
        box = (target.amax(1) - target.amin(1)).prod(1).sqrt()
        for name, points in (("before", batch["before"]), ("seen", looks[-1])):
            kept[name].append((points[:, :marks] - target).norm(dim=2).mean(1) / box)
        turn = torch.rad2deg((change - batch["changes"])[:, SHAPE : SHAPE + 3].norm(dim=1))
        kept["turn"].append(turn)
        kept["turn_before"].append(torch.rad2deg(batch["changes"][:, SHAPE : SHAPE + 3].norm(dim=1)))
        found = batch["state"][:, :SHAPE] + change[:, :SHAPE]
        true = batch["state"][:, :SHAPE] + batch["changes"][:, :SHAPE]
        kept["found"].append(found[:, 40:])
        kept["true"].append(true[:, 40:])
        kept["dense"].append((((found - true)[:, :40]) @ identity).view(len(found), -1, 3).norm(dim=2).mean(1))
        kept["plain"].append((true[:, :40] @ identity).view(len(found), -1, 3).norm(dim=2).mean(1))
    kept = {name: torch.cat(values).cpu().numpy() for name, values in kept.items()}
    model.train()
    columns = [NAMES.index(name) for name in SHOWN_EXPRESSIONS]
    alike = [round(float(np.corrcoef(kept["found"][:, k], kept["true"][:, k])[0, 1]), 3) for k in columns]
    means = {name: round(float(kept[name].mean()), 4) for name in ("before", "seen", "turn_before", "turn")}
    means["identity"] = round(float(kept["dense"].mean() / kept["plain"].mean()), 3)
    return means | dict(zip(SHOWN_EXPRESSIONS, alike, strict=True))


def tensors(batch, device):
    return {name: torch.as_tensor(value).to(device) for name, value in batch.items()}


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--crops", type=int, default=264_000, help="crops to show in all")
    options.add_argument("--batch", type=int, default=32)
    options.add_argument("--rate", type=float, default=1.5e-3)
    options.add_argument("--name", default="refinement")
    options.add_argument("--decay", type=float, default=0.7, help="share of the run in which the rate falls")
    options.add_argument("--seed", type=int, default=0)
    options = options.parse_args()
    keep_memory()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(options.seed)
    data, held_back, flattener = Fitted("train"), Fitted("validation"), Flattener()
    stream = batches(data, flattener, options.batch, options.seed)
    shipped = assets.load(sources.ASSETS / "synergynet.npz", "SynergyNet")
    generator = torch.Generator().manual_seed(options.seed)
    seen = [tensors(next(stream), "cpu") for _ in range(MEASURED)]
    seen = [laid_flat(augment(one["colours"].permute(0, 3, 1, 2).float(), generator), one["square"]) for one in seen]
    model = begin(shipped, [one[:, :3] for one in seen])
    model.at.copy_(torch.as_tensor(grid_places(shipped, SHAPE - len(NAMES) + NAMES.index("jawOpen"))))
    model = model.to(device, memory_format=torch.channels_last)
    outer = torch.as_tensor(outer_points(shipped), device=device)
    spread = changes(data.truth, data.fits).std(0)
    model.change_std.copy_(torch.as_tensor(np.maximum(spread, 0.1 * np.median(spread[:SHAPE]))))
    model.change_std[SHAPE:] = torch.as_tensor(spread[SHAPE:])
    run = Run(options.name, model, options.crops, options.batch, options.rate, options.decay)
    basis = torch.as_tensor(flattener.basis.reshape(SHAPE, -1), device=device)
    print(f"{len(data)} crops, {run.steps} steps of {options.batch} on {device}", flush=True)
    model.train()
    while run.step < run.steps:
        batch = tensors(next(stream), device)
        colours = augment(batch["colours"].permute(0, 3, 1, 2).float(), generator)
        with torch.autocast(device.type, torch.bfloat16):
            output = look_at(model, colours, batch)
        parts = losses(model, output, batch, basis, outer)
        run.learn(sum(WEIGHTS[name] * value for name, value in parts.items()), parts)
        if run.is_to_be_saved:
            run.save(validate(run.average, held_back, flattener, device))


if __name__ == "__main__":
    main()
