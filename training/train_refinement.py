"""Train the refinement: `python -m training.train_refinement [--crops 400000] [--name refinement]`.

Crops are laid flat by the fits that a first look at them ends with (`training.first_fits`), and by others between those
and the truth, so that a second refinement of what the first one mended finds what it knows. Resumes from
`work/runs/NAME/checkpoint.pt` and shows loss and validation. A run can be given more or fewer crops than it was
started with: the rate follows.
"""

import argparse
import copy
import json
import queue
import threading
import time

import cv2
import numpy as np
import torch

from synergy_blender.face import assets, chart, network, pose
from synergy_blender.face.fit import POSE
from training import sources
from training.expressions import NAMES
from training.face_points import face_points, outer_points
from training.first_fits import PARTS
from training.losses import CROP, FAR, PIXELS_PER_METRE, wing
from training.make_crops import CROPS
from training.refinement import begin, grid_places
from training.train import SHOWN_EXPRESSIONS, augment, blend_in, keep_memory

SHAPE = network.SHAPE
STILL = (0.15, 0.6, 1.25)  # share of the first look's error that is left: from, usually from, up to
MENDED = 0.25  # share of the crops with less than usual
JITTER = (0.012, 0.006, 0.25)  # of the pose beside: turn in radians, log of the scale, shift in pixels
WEIGHTS = {"points": 1.0, "looks": 0.5, "error": 0.1, "change": 6.0, "identity": 1.0, "expression": 4.0}
WARM_UP_STEPS = 300
MEASURED = 30  # batches on which the norms of shipped weights are measured


class Fitted:
    """All shards of one kind with the fits of a first look, memory-mapped."""

    def __init__(self, kind):
        self.pictures, parts = [], []
        for path in sorted(CROPS.glob(f"{kind}_*_fits.npz")):
            if "partial" in path.name:
                continue
            self.pictures.append(np.load(path.with_name(path.name.replace("fits.npz", "pictures.npy")), mmap_mode="r"))
            labels = np.load(path.with_name(path.name.replace("fits", "labels")))
            matrices = labels["pose"].astype(float)
            rotation = pose.nearest_rotations(matrices).astype(np.float32)
            scale = np.linalg.norm(matrices[:, 0, :3], axis=1).astype(np.float32)
            truth = labels["identity"], labels["expression"], scale, rotation, labels["pose"][:, :2, 3]
            parts.append([*truth, *np.load(path).values()])
        whole = [np.concatenate(values) for values in zip(*parts, strict=True)]
        self.truth, self.fits = (dict(zip(PARTS, half, strict=True)) for half in (whole[:5], whole[5:]))
        sizes = [len(p) for p in self.pictures]
        self.shard = np.repeat(np.arange(len(sizes)), sizes)
        self.row = np.concatenate([np.arange(n) for n in sizes])

    def __len__(self):
        return len(self.row)

    def batch(self, chosen):
        """Pictures, a list of (H, H, 3) uint8, and what is true and what was fitted: arrays by name."""
        pictures = [self.pictures[self.shard[i]][self.row[i]] for i in chosen]
        return pictures, *({k: v[chosen] for k, v in side.items()} for side in (self.truth, self.fits))


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
    square = (left[-1].detach() ** 2).sum(2).clamp(max=FAR**2)
    log_error = log_error[:, outer].clamp(*network.LOG_ERRORS)
    wrong = change - batch["changes"] / model.change_std
    shape = PIXELS_PER_METRE * (wrong * model.change_std)[:, :SHAPE]
    split = SHAPE - len(NAMES)
    return {
        "points": wing(left[-1], 0),
        "looks": wing(left[0], 0) + wing(left[1], 0),
        "error": (2 * log_error + square / (2 * torch.exp(2 * log_error))).mean(),
        "change": (wrong**2).mean(),
        "identity": wing(shape[:, :split] @ basis[:split], 0),
        "expression": wing(shape[:, split:] @ basis[split:], 0),
    }


def run(model, colours, batch):
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
        looks, _, change = run(model, colours, batch)
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
    options.add_argument("--crops", type=int, default=400_000, help="crops to show in all")
    options.add_argument("--batch", type=int, default=32)
    options.add_argument("--rate", type=float, default=2e-3)
    options.add_argument("--name", default="refinement")
    options.add_argument("--decay", type=float, default=0.7, help="share of the run in which the rate falls")
    options.add_argument("--seed", type=int, default=0)
    options = options.parse_args()
    keep_memory()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(options.seed)
    data, held_back, flattener = Fitted("train"), Fitted("validation"), Flattener()
    folder = sources.WORK / "runs" / options.name
    folder.mkdir(parents=True, exist_ok=True)
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
    average = copy.deepcopy(model)
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.02}, {"params": others, "weight_decay": 0}], lr=options.rate, fused=True
    )
    steps, step, checkpoint = options.crops // options.batch, 0, folder / "checkpoint.pt"
    decay_from = int(steps * (1 - options.decay))
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        model.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
        print(f"resumed at step {step}", flush=True)
    basis = torch.as_tensor(flattener.basis.reshape(SHAPE, -1), device=device)
    print(f"{len(data)} crops, {steps} steps of {options.batch} on {device}", flush=True)
    model.train()
    started, shown, sums = time.time(), step, {}
    while step < steps:
        rate = options.rate * min(1, (step + 1) / WARM_UP_STEPS)
        if step >= decay_from:
            rate *= max(0.0, 1 - (step - decay_from) / (steps - decay_from)) + 0.002
        for group in optimizer.param_groups:
            group["lr"] = rate
        batch = tensors(next(stream), device)
        colours = augment(batch["colours"].permute(0, 3, 1, 2).float(), generator)
        with torch.autocast(device.type, torch.bfloat16):
            output = run(model, colours, batch)
        parts = losses(model, output, batch, basis, outer)
        loss = sum(WEIGHTS[name] * value for name, value in parts.items())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 20.0)
        optimizer.step()
        step += 1
        blend_in(average, model, step)
        for name, value in {**parts, "loss": loss}.items():
            sums[name] = sums.get(name, 0) + value.item()
        if step % 50 == 0:
            speed = (step - shown) * options.batch / (time.time() - started)
            text = " ".join(f"{name} {value / (step - shown):.3f}" for name, value in sums.items())
            print(f"{step}/{steps} {text} rate {rate:.5f} {speed:.0f} crops/s", flush=True)
            started, shown, sums = time.time(), step, {}
        if step % 500 == 0 or step == steps:
            result = validate(average, held_back, flattener, device)
            print(f"validation {step} {json.dumps(result)}", flush=True)
            with (folder / "validation.jsonl").open("a") as log:
                log.write(json.dumps({"step": step, "crops": step * options.batch, **result}) + "\n")
            state = {"network": model.state_dict(), "average": average.state_dict(), "step": step}
            torch.save({**state, "optimizer": optimizer.state_dict()}, checkpoint.with_suffix(".partial"))
            checkpoint.with_suffix(".partial").replace(checkpoint)
            started = time.time()


if __name__ == "__main__":
    main()
