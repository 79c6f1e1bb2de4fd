"""Train SynergyNet: `python -m training.train [--crops 450000] [--name first]`.

Resumes from `work/runs/NAME/checkpoint.pt`, shows loss and validation, runs on CUDA where there is one (`run`).
The first parts of the run look at smaller crops, which cost less and teach the same coarse things, and train the
image-to-parameters network alone; refinement and reverse module join for the last part.
"""

import argparse

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from synergy_blender.face import assets
from training import sources, unfold
from training.expressions import NAMES
from training.fit_landmarks import LandmarkModel
from training.losses import WEIGHTS, losses, total
from training.make_crops import SIZE
from training.network import EXPRESSION, IDENTITY, LANDMARKS, POSE, SynergyNet
from training.revive import gatherings_of, revive
from training.run import SAVED_EVERY, Run, get_ready, in_background, pinned, saved
from training.shards import Shards, pictures_on
from training.shipped import take_shipped

SURFACE_POINTS = 200
SHOWN_EXPRESSIONS = ("jawOpen", "eyeBlinkLeft", "mouthSmileLeft", "browInnerUp", "mouthPucker")
SMALLEST_STD = 0.12  # of an expression: rare ones are not blown up by whitening
SMALL, SMALL_SIZE = 0.35, 96  # share of the run that looks at smaller crops, and their size
MEASURED = 40  # batches on which the norms of shipped weights are measured
SYNERGY_FROM = 0.88  # share of the run after which all modules are trained


def surface_points(count=SURFACE_POINTS):
    """Vertices of the face region spread by farthest-point sampling, as (mean, identity, expression)."""
    surface = np.load(sources.WORK / "head_surface.npz")
    candidates = np.flatnonzero(surface["region"] > 0.3)
    points = surface["mean"][candidates]
    chosen = [int(np.argmax(points[:, 2]))]
    distance = np.full(len(points), np.inf)
    for _ in range(count - 1):
        distance = np.minimum(distance, ((points - points[chosen[-1]]) ** 2).sum(1))
        chosen.append(int(np.argmax(distance)))
    rows = candidates[chosen]
    return surface["mean"][rows], surface["identity"][:, rows], surface["expression"][:, rows]


def mirror_of_shape():
    """The matrix (92, 92) float32 that gives a mirrored head's identity and expression."""
    surface = np.load(sources.WORK / "head_surface.npz")
    basis = surface["identity"]
    flat = basis.reshape(len(basis), -1)
    mirrored = (basis[:, surface["mirror"]] * np.array([-1.0, 1, 1])).reshape(len(basis), -1)
    matrix = np.zeros((IDENTITY + EXPRESSION, IDENTITY + EXPRESSION), np.float32)
    # mirroring a component gives a combination of the components: exact for those from mirrored samples
    matrix[:IDENTITY, :IDENTITY] = np.linalg.lstsq(flat.T, mirrored.T, rcond=None)[0]
    other = [n.replace("Left", "#").replace("Right", "Left").replace("#", "Right") for n in NAMES]
    matrix[range(IDENTITY, IDENTITY + EXPRESSION), [IDENTITY + NAMES.index(name) for name in other]] = 1
    return matrix


class Crops(Shards):
    """All crops of one kind, as large as the network looks at them."""

    def batch(self, chosen):
        """RGB crops (B, 120, 120, 3) uint8 and their labels."""
        pictures = [cv2.resize(one, (SIZE, SIZE), interpolation=cv2.INTER_AREA) for one in self.shown(chosen)]
        return np.stack(pictures), {name: value[chosen] for name, value in self.labels.items()}


def parameters_of(labels):
    return np.concatenate(
        [labels["pose"].reshape(len(labels["pose"]), 12), labels["identity"], labels["expression"]], axis=1
    )


def build_network(whitening, trained=None):
    """A SynergyNet on the points of the head: chosen anew, or those that `trained` weights know, as the add-on's
    arrays `points_mean` (K, 3) and `points_basis` (92, K, 3)."""
    landmarks = LandmarkModel.load().ibug()
    more = surface_points() if trained is None else points_of(trained)
    mean, identity, expression = (
        torch.as_tensor(np.concatenate(pair, axis=-2))
        for pair in zip((landmarks.mean, landmarks.identity, landmarks.expression), more, strict=True)
    )
    return SynergyNet(mean, identity, expression, *map(torch.as_tensor, whitening))


def points_of(trained):
    """What trained weights know of the surface's points, as (mean, identity, expression)."""
    first = LANDMARKS
    mean, basis = trained["points_mean"][first:], trained["points_basis"][:, first:]
    return mean, basis[:IDENTITY], basis[IDENTITY:]


def augment(crops, generator):
    """Colour jitter and grey, on crops (B, 3, H, W) float in 0..255 -> -1..1; the generator is on their device."""
    n, device = len(crops), crops.device

    def draw(low, high, channels=1):
        return torch.empty(n, channels, 1, 1, device=device).uniform_(low, high, generator=generator)

    grey = crops.mean(1, keepdim=True)
    saturation = draw(0.4, 1.4) * (draw(0, 1) > 0.12)
    crops = grey + saturation * (crops - grey)
    middle = crops.mean((1, 2, 3), keepdim=True)
    crops = (crops - middle) * draw(0.6, 1.4) + middle * draw(0.6, 1.4)
    return (crops * draw(0.88, 1.12, 3)).clamp(0, 255) / 127.5 - 1


def covering(larger, smaller):
    """The matrix (smaller, larger) that makes a row of pixels shorter: each new one is the mean of what it covers."""
    edges = torch.arange(smaller + 1) * (larger / smaller)
    at = torch.arange(larger)
    covered = torch.minimum(edges[1:, None], at + 1) - torch.maximum(edges[:-1, None], at)
    return covered.clamp(min=0) * (smaller / larger)


def from_afar(pictures, size):
    """Pictures (B, H, H, 3) uint8 as float crops (B, 3, size, size), 0..255."""
    shorter = covering(pictures.shape[1], size).to(pictures.device)
    rows = pictures.permute(0, 3, 1, 2).float() @ shorter.T
    return (rows.transpose(2, 3) @ shorter.T).transpose(2, 3)


class Variations:
    """Mirrors half of the crops (B, 3, 120, 120) and turns, scales and shifts half of them in the picture, at random,
    with their parameters (B, 104); `mirror` (92, 92) is that of the shape."""

    def __init__(self, mirror, device, seed):
        self.generator = torch.Generator(device).manual_seed(seed)
        flip = torch.tensor([[1.0, -1, -1, -1], [-1, 1, 1, 1], [-1, 1, 1, 1]]).ravel()
        self.mirror = torch.block_diag(torch.diag(flip), torch.as_tensor(mirror)).to(device)

    def __call__(self, crops, truth):
        count, device = len(crops), crops.device
        drawn = torch.empty(count, 2, device=device).uniform_(generator=self.generator) < 0.5
        flipped, turned = drawn.T
        roll, log_scale, right, up = torch.randn(4, count, device=device, generator=self.generator) * turned
        mirrored = truth @ self.mirror.T
        mirrored[:, 3] += SIZE
        truth = torch.where(flipped[:, None], mirrored, truth)
        angle, scale = torch.deg2rad(9 * roll), torch.exp(0.05 * log_scale)
        cosine, sine, zero = torch.cos(angle), torch.sin(angle), torch.zeros_like(angle)
        turn = torch.stack([cosine, -sine, zero, sine, cosine, zero, zero, zero, zero + 1], 1).view(-1, 3, 3)  # y up
        shift, middle = torch.stack([2 * right, 2 * up, zero], 1), truth.new_tensor([SIZE / 2, SIZE / 2, 0])
        pose = truth[:, :POSE].view(-1, 3, 4)
        columns = scale[:, None, None] * turn @ torch.cat([pose[:, :, :3], (pose[:, :, 3] - middle)[..., None]], 2)
        columns[:, :, 3] += middle + shift
        truth = torch.cat([columns.flatten(1), truth[:, POSE:]], 1)
        # where pixels of the new crops come from, in -1..1, y down
        back = turn[:, :2, :2].transpose(1, 2) / scale[:, None, None]
        offset = -(back @ shift[:, :2, None]) / (SIZE / 2)
        down = truth.new_tensor([1, -1])
        across = torch.stack([1 - 2.0 * flipped, zero + 1], 1)
        theta = across[:, :, None] * down[:, None] * torch.cat([back * down, offset], 2)
        grid = F.affine_grid(theta, crops.shape, align_corners=False)
        return F.grid_sample(crops, grid, padding_mode="border", align_corners=False), truth


def small(pictures):
    """Pictures (B, H, H, 3) uint8 as large as the network looks at them."""
    return from_afar(pictures, SIZE).round().byte().permute(0, 2, 3, 1).contiguous()


@in_background
def batches(kind, size, seed, device):
    """An endless stream of batches of one kind of crops: pictures (B, H, H, 3) uint8 and their parameters (B, 104), on
    a GPU where that is the device.

    Every round is over all crops there are by then: more may be made meanwhile.
    """
    rng, pictures = np.random.default_rng(seed), pictures_on(device, small)
    while True:
        data = Crops(kind)
        pictures.take(data)
        truth = torch.as_tensor(parameters_of(data.labels)).to(device)
        order = rng.permutation(len(data))
        for start in range(0, len(order) - size + 1, size):
            chosen = pinned(np.sort(order[start : start + size])).to(device, non_blocking=True)
            yield pictures(chosen), truth[chosen]


class Lessons:
    """An endless stream of crops (B, 3, 120, 120) in -1..1, varied at random, and their parameters, on a device."""

    def __init__(self, kind, size, seed, device):
        self.stream = batches(kind, size, seed, device)
        self.vary = Variations(mirror_of_shape(), device, seed)

    def __next__(self):
        pictures, truth = next(self.stream)
        crops, truth = self.vary(from_afar(pictures, SIZE), truth)
        return augment(crops, self.vary.generator), truth


@torch.no_grad()
def inherit(network, state):
    """Take over the weights of another run; layers that it lacks or that have another form keep their start."""
    for name, mine in network.state_dict().items():
        if name in state and state[name].shape == mine.shape and name not in ("mean", "basis"):
            mine.copy_(state[name])


@torch.no_grad()
def begin_with_shipped(network, arrays, kind, device):
    """Go on from the weights the add-on ships, with batch norms measured on crops of a kind and their landmarks, and
    dead units begun anew. The network is moved to the device."""
    pairs = take_shipped(network, arrays)
    network.to(device, memory_format=torch.channels_last)
    lessons = Lessons(kind, 50, 0, device)
    seen = [next(lessons) for _ in range(MEASURED)]
    crops = [some for some, _ in seen]
    landmarks = [network.points(truth)[:, :, :68] for _, truth in seen]
    inner = set(network.image_to_parameters.modules())
    body, back = network.image_to_parameters, network.landmarks_to_parameters
    for module, inputs in ((body, crops), (back, landmarks)):
        own = [pair for pair in pairs if (pair[0] in inner) == (inputs is crops)]
        unfold.measure(module, own, [(some,) for some in inputs])
    print(
        f"{revive(gatherings_of(body, body.heads), lambda: [body(some) for some in crops])} units begun anew",
        flush=True,
    )


def rotations(pose):
    """Rotation matrices (B, 3, 3) of poses (B, 12)."""
    rows = pose.reshape(-1, 3, 4)[:, :, :3]
    r0 = F.normalize(rows[:, 0], dim=1)
    r1 = F.normalize(rows[:, 1] - (rows[:, 1] * r0).sum(1, keepdim=True) * r0, dim=1)
    return torch.stack([r0, r1, torch.linalg.cross(r0, r1)], 1)


def turned(found, truth):
    """Angle between the rotations of poses (B, 12), degrees (B,)."""
    trace = (rotations(found) * rotations(truth)).sum((1, 2))
    return torch.rad2deg(torch.acos(((trace - 1) / 2).clamp(-1, 1)))


def angles(pose):
    """pitch, yaw, roll (B, 3) degrees of poses (B, 12) in the convention R = Rx Ry Rz."""
    r0, r1, r2 = rotations(pose).unbind(1)
    pitch, yaw = torch.atan2(r1[:, 2], r2[:, 2]), -torch.asin(r0[:, 2].clamp(-1, 1))
    return torch.rad2deg(torch.stack([pitch, yaw, torch.atan2(r0[:, 1], r0[:, 0])], 1))


@torch.no_grad()
def validate(network, data, device, size=SIZE):
    """NME of landmarks and refined landmarks by yaw bin, rotation error, on exact-truth crops seen at `size`."""
    network.eval()
    plain, refined, seen, yaw, turn, identity, mean_face, expressions = [], [], [], [], [], [], [], []
    for start in range(0, len(data), 100):
        pictures, labels = data.batch(np.arange(start, min(start + 100, len(data))))
        crops = torch.as_tensor(pictures).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
        crops = F.interpolate(crops, size, mode="area") if size < SIZE else crops
        truth = torch.as_tensor(parameters_of(labels)).to(device)
        whitened, sight, points, better, _ = network(crops.contiguous(memory_format=torch.channels_last))
        target = network.points(truth)[:, :2, :68]
        box = (target.amax(2) - target.amin(2)).prod(1).sqrt()
        plain.append((points[:, :2, :68] - target).norm(dim=1).mean(1) / box)
        refined.append((better[:, :2] - target).norm(dim=1).mean(1) / box)
        spots = (SIZE / 2) * (sight[2][:, :68] + 1).transpose(1, 2)
        seen.append((spots - target).norm(dim=1).mean(1) / box)
        found = network.unwhiten(whitened)
        yaw.append(angles(truth[:, :POSE])[:, 1].abs())
        turn.append(turned(found[:, :POSE], truth[:, :POSE]))
        wrong, whole = (
            (x @ network.basis[:IDENTITY]).view(len(x), -1, 3).norm(dim=2).mean(1)
            for x in ((found - truth)[:, POSE : POSE + IDENTITY], truth[:, POSE : POSE + IDENTITY])
        )
        identity.append(wrong)
        mean_face.append(whole)
        expressions.append(torch.stack([found, truth])[:, :, POSE + IDENTITY :])
    plain, refined, seen, yaw, turn, identity, mean_face = map(
        torch.cat, (plain, refined, seen, yaw, turn, identity, mean_face)
    )
    expressions = torch.cat(expressions, 1).cpu().numpy()
    shown = [NAMES.index(name) for name in SHOWN_EXPRESSIONS]
    correlation = [np.corrcoef(expressions[0, :, k], expressions[1, :, k])[0, 1] for k in shown]
    bins = [(yaw < 30), (yaw >= 30) & (yaw < 60), yaw >= 60]
    network.train()
    return {
        "nme": plain.mean().item(),
        "nme_refined": refined.mean().item(),
        "nme_seen": seen.mean().item(),
        "nme_by_yaw": [round(plain[b].mean().item(), 4) for b in bins],
        "rotation": turn.mean().item(),
        "rotation_median": turn.median().item(),
        "identity_over_mean_face": (identity.mean() / mean_face.mean()).item(),
        "expression_correlation": dict(zip(SHOWN_EXPRESSIONS, np.round(correlation, 3).tolist(), strict=True)),
    }


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--crops", type=int, default=400_000, help="crops to show in all")
    options.add_argument("--batch", type=int, default=32)
    options.add_argument("--rate", type=float, default=4e-3)
    options.add_argument("--name", default="first")
    options.add_argument("--start-from", help="name of a run whose weights are the start, or 'shipped'")
    options.add_argument("--small", type=float, default=SMALL, help="share of the run that looks at smaller crops")
    options.add_argument("--decay", type=float, default=0.85, help="share of the run in which the rate falls")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--synergy-from", type=float, default=SYNERGY_FROM, help="share of the run it joins after")
    options.add_argument("--kind", default="train", help="of crops to learn from, as training.make_crops names them")
    options.add_argument("--saved-every", type=int, default=SAVED_EVERY, help="steps between checkpoints")
    options.add_argument("--minutes", type=float, help="let the number of steps follow the speed: the run ends then")
    options.add_argument("--without", nargs="*", default=[], choices=[*WEIGHTS], help="losses to leave out")
    options = options.parse_args()
    device = get_ready()
    torch.manual_seed(options.seed)
    data, held_back = Crops(options.kind), Crops("validation")
    truth = parameters_of(data.labels)
    std = truth.std(0)
    std[-EXPRESSION:] = np.maximum(std[-EXPRESSION:], SMALLEST_STD)
    std[11] = 1.0  # the depth offset of the crop is 0 by definition
    whitening = truth.mean(0), std
    start = None
    if options.start_from == "shipped":
        start = assets.load(sources.ASSETS / "synergynet.npz", "SynergyNet")
        whitening = whitening[0], start["whitening_std"]
    elif options.start_from:
        start = saved(options.start_from)["average"]
        start["points_mean"] = start["mean"].view(-1, 3)
        start["points_basis"] = start["basis"].view(IDENTITY + EXPRESSION, -1, 3)
        whitening = start["whitening_mean"], start["whitening_std"]
    network = build_network(whitening, start)
    if options.start_from == "shipped":
        begin_with_shipped(network, start, options.kind, device)
    elif options.start_from:
        inherit(network, start)
    network.to(device, memory_format=torch.channels_last)
    schedule = options.crops, options.batch, options.rate, options.decay, options.saved_every
    run = Run(options.name, network, *schedule, minutes=options.minutes)
    enabled = {*WEIGHTS} - set(options.without)
    lessons = Lessons(options.kind, options.batch, options.seed + run.step, device)
    print(f"{len(data)} crops, {run.steps} steps of {options.batch} on {device}", flush=True)
    network.train()

    def lesson(synergy):
        """The step of a run with or without refinement and reverse module."""

        def taken(crops, truth):
            with torch.autocast(device.type, torch.bfloat16):
                output = network(crops, synergy=synergy)
            parts = losses(network, output, truth)
            return total(parts, enabled), parts, None

        return taken

    alone, together = lesson(False), lesson(True)
    while run.step < run.steps:
        crops, truth = next(lessons)
        size = SMALL_SIZE if run.step < options.small * run.steps else SIZE
        if size < SIZE:
            crops = F.interpolate(crops, size, mode="area")
        crops = crops.contiguous(memory_format=torch.channels_last)
        run.learn(together if run.step >= options.synergy_from * run.steps else alone, crops, truth)
        if run.is_to_be_saved:
            run.save(validate(run.average, held_back, device, size))


if __name__ == "__main__":
    main()
