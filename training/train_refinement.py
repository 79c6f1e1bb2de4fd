"""Train the refinement: `python -m training.train_refinement [--crops 264000] [--name refinement]`.

Crops are laid flat by the fits that a first look at them ends with (`training.first_fits`), by others between those and
the truth, and by what fits to the refinement's own last sight of them were, so that a second refinement of what the
first one mended finds what it knows. What counts is what such fits leave wrong (`training.linear_fit`). Resumes from
`work/runs/NAME/checkpoint.pt`, shows loss and validation (`training.run`).
"""

import argparse

import cv2
import numpy as np
import torch

from synergy_blender.face import assets, chart, network, pose
from synergy_blender.face.fit import IDENTITY_LIMIT, POSE, View, fit
from training import linear_fit, sources
from training.export import RIDGE
from training.expressions import NAMES
from training.face_points import face_points, outer_points
from training.losses import CROP, PIXELS_PER_METRE, error_loss, wing
from training.refinement import Refinement, begin, grid_places
from training.revive import gatherings_of, revive
from training.run import Run, in_background, keep_memory, saved
from training.shards import Shards
from training.train import SHOWN_EXPRESSIONS, augment

SHAPE, LOG_ERRORS = network.SHAPE, network.LOG_ERRORS
STILL = (0.15, 0.6, 1.25)  # share of the first look's error that is left: from, usually from, up to
MENDED = 0.25  # share of the crops with less than usual
JITTER = (0.012, 0.006, 0.25)  # of the pose beside: turn in radians, log of the scale, shift in pixels
AGAIN = 0.5  # share of the crops with what the refinement left of them when it saw them last
WEIGHTS = {"points": 0.5, "looks": 0.25, "error": 0.1, "change": 3.0, "identity": 0.5, "expression": 2.0}
# of what the fit leaves wrong
WEIGHTS |= {"fit_turn": 2.0, "fit_points": 1.0, "fit_identity": 1.8, "fit_expression": 8.0, "fit_units": 4.0}
MEASURED, WHITENED = 30, 200  # batches on which the norms of shipped weights are measured, and features
VALIDATED = 600  # crops
LATELY = 0.01  # share of the newest batch in the covariance of the errors


class Fitted(Shards):
    """All crops of one kind with what is true of them, what a first look has fitted to them, and what the refinement
    has `left` of some of them: arrays by name."""

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
        self.left = {name: values.copy() for name, values in self.fits.items()}

    def batch(self, chosen, again=None):
        """Pictures, a list of (H, H, 3) uint8, and what is true and what was fitted: arrays by name. With `again` (B,),
        what the refinement left of these."""
        truth, fits = ({k: v[chosen] for k, v in side.items()} for side in (self.truth, self.fits))
        if again is not None:
            for name, values in fits.items():
                values[again] = self.left[name][chosen[again]]
        return self.shown(chosen), truth, fits

    def leave(self, chosen, state):
        """Keep what the refinement left of crops."""
        for name, values in state.items():
            self.left[name][chosen] = values


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
        where = chart.filled_in(where).reshape(chart.CELLS, chart.CELLS, count, 2).transpose(2, 0, 1, 3).copy()
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


def wrong_by(truth, unknowns):
    """Fits that are wrong by unknowns (B, 98) of `training.linear_fit`."""
    shape, pose_step = linear_fit.shape_of(unknowns)
    split = shape.shape[1] - len(NAMES)
    return {
        "identity": (truth["identity"] + shape[:, :split]).clip(-IDENTITY_LIMIT, IDENTITY_LIMIT),
        "expression": (truth["expression"] + shape[:, split:]).clip(0, 1),
        "scale": truth["scale"] * np.exp(pose_step[:, 3].clip(-0.3, 0.3)),
        "rotation": (turns(pose_step[:, :3]) @ truth["rotation"]).astype(np.float32),
        "shift": truth["shift"] + pose_step[:, 4:],
    }


@in_background
def batches(data, flattener, size, seed):
    """An endless stream of batches laid flat: rows of the crops, whether mirrored, truth, example."""
    rng = np.random.default_rng(seed)
    while True:
        order = rng.permutation(len(data))
        for start in range(0, len(order) - size + 1, size):
            chosen = np.sort(order[start : start + size])
            pictures, truth, fits = data.batch(chosen, rng.random(size) < AGAIN)
            flipped = rng.random() < 0.5
            if flipped:
                pictures = [np.ascontiguousarray(p[:, ::-1]) for p in pictures]
                truth, fits = (mirrored(side, flattener.mirror) for side in (truth, fits))
            little = rng.random(size) < MENDED
            share = rng.uniform(np.where(little, STILL[0], STILL[1]), np.where(little, STILL[1], STILL[2]))
            yield chosen, flipped, truth, example(flattener, pictures, truth, between(truth, fits, share, rng))


def laid_flat(colours, square):
    """Colours (B, 3, H, W) in -1..1 and how squarely cells are seen (B, H, W) as `face.chart.laid_flat`."""
    square = square[:, None]
    shown = ((square - chart.SEEN) / (chart.EDGE - chart.SEEN)).clamp(0, 1)
    return torch.cat([colours * shown, square], 1).contiguous(memory_format=torch.channels_last)


class Losses:
    """Each loss by name, unweighted, of what a Refinement sees; keeps count of the errors of the shapes it finds."""

    def __init__(self, model, flattener, outer):
        """Of the points, only `outer` ones can be seen."""
        device = outer.device
        self.std, self.outer = model.change_std, outer
        self.mean, self.basis, self.dense = (
            torch.as_tensor(a, device=device)
            for a in (flattener.seen_mean, flattener.seen_basis, flattener.basis.reshape(SHAPE, -1))
        )
        self.split = SHAPE - len(NAMES)
        self.covariance = torch.diag(self.std[:SHAPE] ** 2).double()

    @property
    def precision(self):
        """The inverse covariance (92, 92) of the errors of shapes seen of late."""
        return torch.linalg.inv(self.covariance + RIDGE * torch.diag(torch.diag(self.covariance)))

    def moved(self, shape):
        """How far a shape (B, 92) wrong by that much moves points, in pixels: the mean distance by identity, and the
        mean square by expression.

        The best guess by squares is the mean; by distances a rare expression in doubt would best be none.
        """
        shape = PIXELS_PER_METRE * shape
        identity, expression = (shape[:, k] @ self.dense[k] for k in (slice(self.split), slice(self.split, SHAPE)))
        return (identity.unflatten(1, (-1, 3)).square().sum(2) + 1e-6).sqrt().mean(), expression.square().mean()

    def __call__(self, output, batch, truth):
        """The losses, and what a fit would leave wrong (B, 98)."""
        looks, log_error, change = output
        left = [points - batch["target"] for points in looks]
        seen, log_error = left[-1][:, self.outer], log_error[:, self.outer]
        wrong = change - batch["changes"] / self.std
        shape = (wrong * self.std)[:, :SHAPE]
        errors = shape.detach().double()
        self.covariance.lerp_(errors.T @ errors / len(errors), LATELY)
        identity, expression = self.moved(shape)
        parts = {
            "points": wing(seen, 0),
            "looks": wing(left[0][:, self.outer], 0) + wing(left[1][:, self.outer], 0),
            "error": error_loss(log_error, seen.detach().transpose(1, 2)),
            "change": (wrong**2).mean(),
            "identity": identity,
            "expression": expression,
        }
        true_shape = torch.cat([truth["identity"], truth["expression"]], 1)
        slope = linear_fit.slopes(self.mean, self.basis, true_shape, truth["scale"], truth["rotation"])
        fitted = linear_fit.left_wrong(slope[:, :, self.outer], seen, log_error, shape, self.precision)
        shape, pose_step = linear_fit.shape_of(fitted)
        marks = torch.einsum("bu,bukd->bkd", fitted, slope[:, :, : network.LANDMARKS])
        identity, expression = self.moved(shape)
        parts |= {
            "fit_turn": torch.rad2deg((pose_step[:, :3].square().sum(1) + 1e-6).sqrt()).mean(),
            "fit_points": wing(marks, 0),
            "fit_identity": identity,
            "fit_expression": expression,
            "fit_units": ((shape / self.std[:SHAPE])[:, self.split :] ** 2).mean(),
        }
        return parts, fitted.detach()


def look_at(model, colours, batch):
    """The output of a Refinement for colours (B, 3, H, W) in -1..1 of a batch."""
    where = batch["where"].permute(0, 3, 1, 2).contiguous()
    return model(laid_flat(colours, batch["square"]), batch["state"], where, batch["rows"])


@torch.no_grad()
def validate(model, data, flattener, losses, device):
    """What is left of exact-truth crops: of 68 points seen (NME), and by the fit to them after the first look's, of the
    turn, of identity and of how shown expressions correlate with the truth."""
    model.eval()
    marks, outer = network.LANDMARKS, losses.outer.cpu().numpy()
    kept = {name: [] for name in ("before", "seen", "turn_before", "turn", "found", "true", "plain", "dense")}
    identity = flattener.basis[:40].reshape(40, -1)
    mean, basis = flattener.seen_mean[outer].astype(float), flattener.seen_basis[:, outer].astype(float)
    precision = losses.precision.cpu().numpy()
    for start in range(0, min(len(data), VALIDATED), 100):
        pictures, truth, fits = data.batch(np.arange(start, min(start + 100, len(data))))
        made = example(flattener, pictures, truth, fits)
        batch = tensors(made, device)
        colours = batch["colours"].permute(0, 3, 1, 2).float() / 127.5 - 1
        looks, log_errors, change = look_at(model, colours, batch)
        found = batch["state"][:, :SHAPE] + (change * model.change_std)[:, :SHAPE]
        target = batch["target"][:, :marks]
        box = (target.amax(1) - target.amin(1)).prod(1).sqrt()
        for name, points in (("before", batch["before"]), ("seen", looks[-1])):
            kept[name] += ((points[:, :marks] - target).norm(dim=2).mean(1) / box).tolist()
        seen, errors, shape = (
            a.double().cpu().numpy() for a in (looks[-1], log_errors.clamp(*LOG_ERRORS).exp(), found)
        )
        for k in range(len(pictures)):
            start_pose = np.column_stack([fits["scale"][k] * fits["rotation"][k], [*fits["shift"][k], 0]])
            view = View(seen[k, outer], errors[k, outer], shape[k, :40], shape[k, 40:], precision, start_pose)
            one = fit(mean, basis, [view])
            kept["turn"].append(one.rotation[0] @ truth["rotation"][k].T)
            kept["turn_before"].append(fits["rotation"][k] @ truth["rotation"][k].T)
            kept["found"].append(one.expression[0])
            kept["true"].append(truth["expression"][k])
            for name, off in (("dense", one.identity - truth["identity"][k]), ("plain", truth["identity"][k])):
                kept[name].append(np.linalg.norm((off @ identity).reshape(-1, 3), axis=1).mean())
    model.train()
    kept = {name: np.array(values) for name, values in kept.items()}
    for name in ("turn_before", "turn"):
        kept[name] = np.degrees(np.linalg.norm(vectors_of(kept[name]), axis=1))
    columns = [NAMES.index(name) for name in SHOWN_EXPRESSIONS]
    alike = [round(float(np.corrcoef(kept["found"][:, k], kept["true"][:, k])[0, 1]), 3) for k in columns]
    means = {name: round(float(kept[name].mean()), 4) for name in ("before", "seen", "turn_before", "turn")}
    means["identity"] = round(float(kept["dense"].mean() / kept["plain"].mean()), 3)
    return means | dict(zip(SHOWN_EXPRESSIONS, alike, strict=True))


def tensors(batch, device):
    return {name: torch.as_tensor(value).to(device) for name, value in batch.items()}


def begun(shipped, data, flattener, size):
    """A Refinement that starts from the weights of the shipped SynergyNet, its norms measured on batches of a size."""
    stream, generator = batches(data, flattener, size, 0), torch.Generator().manual_seed(0)
    seen = [tensors(next(stream)[3], "cpu") for _ in range(MEASURED)]
    seen = [laid_flat(augment(one["colours"].permute(0, 3, 1, 2).float(), generator), one["square"]) for one in seen]
    model = begin(shipped, [one[:, :3] for one in seen])
    model.at.copy_(torch.as_tensor(grid_places(shipped, SHAPE - len(NAMES) + NAMES.index("jawOpen"))))
    spread = changes(data.truth, data.fits).std(0)
    model.change_std.copy_(torch.as_tensor(np.maximum(spread, 0.1 * np.median(spread[:SHAPE]))))
    model.change_std[SHAPE:] = torch.as_tensor(spread[SHAPE:])
    return model


@torch.no_grad()
def prepare(model, data, flattener, size):
    """Begin dead units of a Refinement anew, and let its last layers learn of features whitened as they are now on
    batches of a size."""
    model.eval()
    stream = batches(data, flattener, size, 0)
    shown = [tensors(next(stream)[3], "cpu") for _ in range(WHITENED)]

    def show():
        for batch in shown:
            look_at(model, batch["colours"].permute(0, 3, 1, 2).float() / 127.5 - 1, batch)

    deeper, change = layers = model.deeper.plain(), model.change.plain()
    print(f"{revive(gatherings_of(model.body, change, deeper), show)} units begun anew", flush=True)
    rows = {layer: [] for layer in (model.deeper, model.change)}
    hooks = [layer.register_forward_pre_hook(lambda layer, told: rows[layer].append(told[0])) for layer in rows]
    show()
    for hook in hooks:
        hook.remove()
    for (layer, told), plain in zip(rows.items(), layers, strict=True):
        layer.take(plain, torch.cat(told))


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--crops", type=int, default=264_000, help="crops to show in all")
    options.add_argument("--batch", type=int, default=32)
    options.add_argument("--rate", type=float, default=1.5e-3)
    options.add_argument("--name", default="refinement")
    options.add_argument("--decay", type=float, default=0.7, help="share of the run in which the rate falls")
    options.add_argument("--start-from", help="name of the run whose weights it starts from, not SynergyNet's")
    options.add_argument("--kind", default="train", help="of crops to learn from, as training.make_crops names them")
    options.add_argument("--seed", type=int, default=0)
    options = options.parse_args()
    keep_memory()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(options.seed)
    data, held_back, flattener = Fitted(options.kind), Fitted("large"), Flattener()
    shipped = assets.load(sources.ASSETS / "synergynet.npz", "SynergyNet")
    if options.start_from:
        model = Refinement()
        model.load_state_dict(saved(options.start_from)["average"])
    else:
        model = begun(shipped, data, flattener, options.batch)
    prepare(model, data, flattener, options.batch)
    model = model.to(device, memory_format=torch.channels_last)
    run = Run(options.name, model, options.crops, options.batch, options.rate, options.decay)
    generator = torch.Generator().manual_seed(options.seed + run.step)
    stream = batches(data, flattener, options.batch, options.seed + run.step)
    losses = Losses(model, flattener, torch.as_tensor(outer_points(shipped), device=device))
    print(f"{len(data)} crops, {run.steps} steps of {options.batch} on {device}", flush=True)
    model.train()
    while run.step < run.steps:
        chosen, flipped, truth, made = next(stream)
        batch = tensors(made, device)
        colours = augment(batch["colours"].permute(0, 3, 1, 2).float(), generator)
        with torch.autocast(device.type, torch.bfloat16):
            output = look_at(model, colours, batch)
        parts, wrong = losses(output, batch, tensors(truth, device))
        run.learn(sum(WEIGHTS[name] * value for name, value in parts.items()), parts)
        left = wrong_by(truth, wrong.cpu().numpy())
        data.leave(chosen, mirrored(left, flattener.mirror) if flipped else left)
        if run.is_to_be_saved:
            run.save(validate(run.average, held_back, flattener, losses, device))


if __name__ == "__main__":
    main()
