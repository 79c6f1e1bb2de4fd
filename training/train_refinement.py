"""Train the refinement: `python -m training.train_refinement [--crops 264000] [--name refinement]`.

Crops are laid flat by the fits that a first look at them ends with (`training.first_fits`), by others between those and
the truth, and by what fits to the refinement's own last sight of them were, so that a second refinement of what the
first one mended finds what it knows. What counts is what such fits leave wrong (`training.linear_fit`). Resumes from
`work/runs/NAME/checkpoint.pt`, shows loss and validation (`training.run`).
"""

import argparse

import numpy as np
import torch

from synergy_blender.face import assets, chart, network, pose
from synergy_blender.face.fit import View, fit
from training import linear_fit, sources
from training.export import RIDGE
from training.expressions import NAMES
from training.face_points import face_points, outer_points
from training.flatten import Flattener, between, changes, example, mirrored, vectors_of, wrong_by
from training.losses import PIXELS_PER_METRE, error_loss, wing
from training.refinement import Refinement, begin, grid_places, take_refinement
from training.revive import gatherings_of, revive
from training.run import SAVED_EVERY, Run, get_ready, in_background, pinned, saved
from training.shards import Shards, pictures_on
from training.train import SHOWN_EXPRESSIONS, augment

SHAPE, LOG_ERRORS = network.SHAPE, network.LOG_ERRORS
STILL = (0.15, 0.6, 1.25)  # share of the first look's error that is left: from, usually from, up to
MENDED = 0.25  # share of the crops with less than usual
AGAIN = 0.5  # share of the crops with what the refinement left of them when it saw them last
WEIGHTS = {"points": 0.5, "looks": 0.25, "error": 0.1, "change": 3.0, "identity": 0.5, "expression": 2.0}
# of what the fit leaves wrong
WEIGHTS |= {"fit_turn": 2.0, "fit_points": 1.0, "fit_identity": 1.8, "fit_expression": 8.0, "fit_units": 4.0}
MEASURED, WHITENED = 30, 200  # batches on which the norms of shipped weights are measured, and features
VALIDATED = 600  # crops
SHOWN = ("square", "where", "target", "rows", "state", "changes")  # of an example, beside its colours, to learn from
TRUE = ("identity", "expression", "scale", "rotation")
LATELY = 0.01  # share of the newest batch in the covariance of the errors


def tensors(arrays, device):
    return {name: torch.as_tensor(values).to(device) for name, values in arrays.items()}


class Fitted(Shards):
    """All crops of one kind with what is true of them, what a first look has fitted to them, and what the refinement
    has `left` of some of them: tensors by name on a device."""

    def __init__(self, kind, device="cpu"):
        super().__init__(kind, "fits")
        matrices = self.labels["pose"].astype(float)
        truth = {
            "identity": self.labels["identity"],
            "expression": self.labels["expression"],
            "scale": np.linalg.norm(matrices[:, 0, :3], axis=1).astype(np.float32),
            "rotation": pose.nearest_rotations(matrices).astype(np.float32),
            "shift": self.labels["pose"][:, :2, 3],
        }
        self.device = device
        self.truth, self.fits = (tensors(side, device) for side in (truth, self.fits))
        self.left = {name: values.clone() for name, values in self.fits.items()}
        self.kept = pictures_on(torch.device(device))
        self.kept.take(self)

    def pictures_of(self, chosen):
        """The chosen pictures (B, H, H, 3) uint8."""
        return self.kept(torch.as_tensor(chosen, device=self.device))

    def states(self, chosen, again=None):
        """What is true of chosen crops and what was fitted to them. With `again` (B,), what the refinement left of
        these."""
        truth, fits, left = ({k: v[chosen] for k, v in side.items()} for side in (self.truth, self.fits, self.left))
        if again is not None:
            fits = {k: torch.where(again.view(-1, *[1] * (v.ndim - 1)), left[k], v) for k, v in fits.items()}
        return truth, fits

    def leave(self, chosen, state):
        """Keep what the refinement left of crops."""
        for name, values in state.items():
            self.left[name][chosen] = values


@in_background
def batches(data, size, seed):
    """An endless stream of batches: rows of the crops (B,), and their pictures (B, H, H, 3) uint8."""
    rng = np.random.default_rng(seed)
    while True:
        order = rng.permutation(len(data))
        for start in range(0, len(order) - size + 1, size):
            chosen = np.sort(order[start : start + size])
            yield torch.as_tensor(chosen), data.pictures_of(chosen)


class Lessons:
    """An endless stream of crops laid flat by what was fitted to them, or by something between that and the truth:
    rows of the crops, whether mirrored, what is true, and an example."""

    def __init__(self, data, flattener, size, seed):
        self.stream, self.data, self.flattener = batches(data, size, seed), data, flattener
        self.flips = np.random.default_rng(seed)
        self.generator = torch.Generator(data.device).manual_seed(seed)

    def __next__(self):
        chosen, pictures = next(self.stream)
        chosen = pinned(chosen).to(self.data.device, non_blocking=True)
        again, little, within = torch.empty(3, len(chosen), device=pictures.device).uniform_(generator=self.generator)
        truth, fits = self.data.states(chosen, again < AGAIN)
        flipped = self.flips.random() < 0.5
        if flipped:
            pictures = pictures.flip(2)
            truth, fits = (mirrored(side, self.flattener.mirror) for side in (truth, fits))
        least, usual, most = STILL
        share = torch.where(little < MENDED, least + (usual - least) * within, usual + (most - usual) * within)
        state = between(truth, fits, share, self.generator)
        return chosen, flipped, truth, example(self.flattener, pictures, truth, state)

    def colours(self, example):
        """An example's colours in -1..1, varied at random."""
        return augment(example["colours"], self.generator)


def laid_flat(colours, square):
    """Colours (B, 3, H, W) in -1..1 and how squarely cells are seen (B, H, W) as `face.chart.laid_flat`."""
    square = square[:, None]
    shown = ((square - chart.SEEN) / (chart.EDGE - chart.SEEN)).clamp(0, 1)
    return torch.cat([colours * shown, square], 1).contiguous(memory_format=torch.channels_last)


class Losses:
    """Each loss by name, unweighted, of what a Refinement sees; keeps count of the errors of the shapes it finds."""

    def __init__(self, model, flattener, outer):
        """Of the points, only `outer` ones can be seen."""
        self.std, self.outer = model.change_std, outer
        self.mean, self.basis, self.dense = flattener.seen_mean, flattener.seen_basis, flattener.basis.flatten(1)
        self.split = SHAPE - len(NAMES)
        self.covariance = torch.diag(self.std[:SHAPE] ** 2).double()

    @property
    def precision(self):
        """The inverse covariance (92, 92) of the errors of shapes seen of late."""
        return torch.linalg.inv_ex(self.covariance + RIDGE * torch.diag(torch.diag(self.covariance)))[0]

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


def inputs(colours, example):
    """What a Refinement is told of colours (B, 3, H, W) in -1..1 of an example."""
    return laid_flat(colours, example["square"]), example["state"], example["where"], example["rows"]


def look_at(model, colours, example):
    """The output of a Refinement for colours (B, 3, H, W) in -1..1 of an example."""
    return model(*inputs(colours, example))


def plain(example):
    """An example's colours in -1..1."""
    return example["colours"] / 127.5 - 1


@torch.no_grad()
def validate(model, data, flattener, losses):
    """What is left of exact-truth crops: of 68 points seen (NME), and by the fit to them after the first look's, of the
    turn, of identity and of how shown expressions correlate with the truth."""
    model.eval()
    marks, outer = network.LANDMARKS, losses.outer
    kept = {name: [] for name in ("before", "seen", "turn_before", "turn", "found", "true", "plain", "dense")}
    identity, mean, basis, precision = (
        values.double().cpu().numpy()
        for values in (
            flattener.basis[:40].flatten(1),
            flattener.seen_mean[outer],
            flattener.seen_basis[:, outer],
            losses.precision,
        )
    )
    for start in range(0, min(len(data), VALIDATED), 100):
        rows = np.arange(start, min(start + 100, len(data)))
        truth, fits = data.states(torch.as_tensor(rows))
        made = example(flattener, data.pictures_of(rows).to(data.device), truth, fits)
        looks, log_errors, change = look_at(model, plain(made), made)
        found = made["state"][:, :SHAPE] + (change * model.change_std)[:, :SHAPE]
        target = made["target"][:, :marks]
        box = (target.amax(1) - target.amin(1)).prod(1).sqrt()
        for name, points in (("before", made["before"]), ("seen", looks[-1])):
            kept[name] += ((points[:, :marks] - target).norm(dim=2).mean(1) / box).tolist()
        seen, errors, shape = (
            a.double().cpu().numpy()
            for a in (looks[-1][:, outer], log_errors[:, outer].clamp(*LOG_ERRORS).exp(), found)
        )
        truth, fits = ({k: v.double().cpu().numpy() for k, v in side.items()} for side in (truth, fits))
        for k in range(len(rows)):
            start_pose = np.column_stack([fits["scale"][k] * fits["rotation"][k], [*fits["shift"][k], 0]])
            view = View(seen[k], errors[k], shape[k, :40], shape[k, 40:], precision, start_pose)
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
        kept[name] = np.degrees(vectors_of(torch.as_tensor(kept[name])).norm(dim=1).numpy())
    columns = [NAMES.index(name) for name in SHOWN_EXPRESSIONS]
    alike = [round(float(np.corrcoef(kept["found"][:, k], kept["true"][:, k])[0, 1]), 3) for k in columns]
    means = {name: round(float(kept[name].mean()), 4) for name in ("before", "seen", "turn_before", "turn")}
    means["identity"] = round(float(kept["dense"].mean() / kept["plain"].mean()), 3)
    return means | dict(zip(SHOWN_EXPRESSIONS, alike, strict=True))


def spread_of(data):
    """By how much (B, 96) first looks' shapes and poses are usually wrong, and shapes at least."""
    spread = changes(data.truth, data.fits).std(0)
    spread[:SHAPE].clamp_(min=0.1 * spread[:SHAPE].median())
    return spread


def begun(shipped, data, flattener, size):
    """A Refinement that starts from the weights of the shipped SynergyNet, its norms measured on batches of a size."""
    lessons = Lessons(data, flattener, size, 0)
    seen = [next(lessons)[3] for _ in range(MEASURED)]
    model = begin(shipped, [laid_flat(lessons.colours(one), one["square"])[:, :3].cpu() for one in seen])
    model.at.copy_(torch.as_tensor(grid_places(shipped, SHAPE - len(NAMES) + NAMES.index("jawOpen"))))
    model.change_std.copy_(spread_of(data))
    return model


def begun_again(data, flattener, size):
    """A Refinement that starts from the shipped one's weights, its norms measured on batches of a size."""
    model, lessons = Refinement().to(data.device), Lessons(data, flattener, size, 0)
    model.change_std.copy_(spread_of(data))
    shown = [inputs(lessons.colours(one), one) for one in (next(lessons)[3] for _ in range(MEASURED))]
    take_refinement(model, assets.load(sources.ASSETS / "refinement.npz", "refinement"), shown)
    return model


@torch.no_grad()
def prepare(model, data, flattener, size):
    """Begin dead units of a Refinement anew, and let its last layers learn of features whitened as they are now on
    batches of a size."""
    model.eval()
    lessons = Lessons(data, flattener, size, 0)
    shown = [next(lessons)[3] for _ in range(WHITENED)]

    def show():
        for one in shown:
            look_at(model, plain(one), one)

    deeper, change = layers = model.deeper.plain(), model.change.plain()
    print(f"{revive(gatherings_of(model.body, change, deeper), show)} units begun anew", flush=True)
    rows = {layer: [] for layer in (model.deeper, model.change)}
    hooks = [layer.register_forward_pre_hook(lambda layer, told: rows[layer].append(told[0])) for layer in rows]
    show()
    for hook in hooks:
        hook.remove()
    for (layer, told), as_they_are in zip(rows.items(), layers, strict=True):
        layer.take(as_they_are, torch.cat(told))


def record(model, told):
    """Let a GPU replay what a Refinement does in training, there and back, of inputs like those it is told."""
    with torch.autocast("cuda", torch.bfloat16, cache_enabled=False):
        torch.cuda.make_graphed_callables(model, told, allow_unused_input=True)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--crops", type=int, default=264_000, help="crops to show in all")
    options.add_argument("--batch", type=int, default=32)
    options.add_argument("--rate", type=float, default=1.5e-3)
    options.add_argument("--name", default="refinement")
    options.add_argument("--decay", type=float, default=0.7, help="share of the run in which the rate falls")
    options.add_argument("--start-from", help="a run, or 'shipped', whose weights it starts from, not SynergyNet's")
    options.add_argument("--kind", default="train", help="of crops to learn from, as training.make_crops names them")
    options.add_argument("--saved-every", type=int, default=SAVED_EVERY, help="steps between checkpoints")
    options.add_argument("--seed", type=int, default=0)
    options = options.parse_args()
    device = get_ready()
    torch.manual_seed(options.seed)
    data, held_back, flattener = Fitted(options.kind, device), Fitted("large", device), Flattener(face_points(), device)
    shipped = assets.load(sources.ASSETS / "synergynet.npz", "SynergyNet")
    if options.start_from == "shipped":
        model = begun_again(data, flattener, options.batch)
    elif options.start_from:
        model = Refinement()
        model.load_state_dict(model.state_dict() | saved(options.start_from)["average"])  # light ones lack whitening
    else:
        model = begun(shipped, data, flattener, options.batch)
    model = model.to(device, memory_format=torch.channels_last)
    prepare(model, data, flattener, options.batch)
    schedule = options.crops, options.batch, options.rate, options.decay, options.saved_every
    run = Run(options.name, model, *schedule, recorded=False)
    lessons = Lessons(data, flattener, options.batch, options.seed + run.step)
    losses = Losses(model, flattener, torch.as_tensor(outer_points(shipped), device=device))
    print(f"{len(data)} crops, {run.steps} steps of {options.batch} on {device}", flush=True)
    model.train()
    if device.type == "cuda":
        made = next(lessons)[3]
        record(model, inputs(lessons.colours(made), made))

    def lesson(colours, *told):
        made, truth = dict(zip(SHOWN, told, strict=False)), dict(zip(TRUE, told[len(SHOWN) :], strict=True))
        with torch.autocast(device.type, torch.bfloat16):
            output = look_at(model, colours, made)
        parts, wrong = losses(output, made, truth)
        return sum(WEIGHTS[name] * value for name, value in parts.items()), parts, wrong

    while run.step < run.steps:
        chosen, flipped, truth, made = next(lessons)
        told = (*(made[name] for name in SHOWN), *(truth[name] for name in TRUE))
        wrong = run.learn(lesson, lessons.colours(made), *told)
        left = wrong_by(truth, wrong)
        data.leave(chosen, mirrored(left, flattener.mirror) if flipped else left)
        if run.is_to_be_saved:
            run.save(validate(run.average, held_back, flattener, losses))


if __name__ == "__main__":
    main()
