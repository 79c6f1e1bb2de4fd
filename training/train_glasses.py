"""Learns where glasses are: `python -m training.train_glasses [--samples 80000]`.

Faces without glasses (`training.bare_faces`, less those of `glasses_worn.txt`) get some drawn (`training.spectacles`),
two of three times, and a small U-Net over the face's cells (`face.glasses`) learns what is theirs. Writes
`addon_assets/glasses.npz`; resumes from `work/runs/NAME`.
"""

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from synergy_blender.face import cells, glasses
from training import sources, spectacles
from training.run import keep_memory
from training.unet import UNet, begun, learn, options_of

BATCH, RATE = 32, 2e-3
WORKERS, CHECKED = 1, 512  # processes that draw; samples of held-back faces that are looked at on the way
WORN, MARKED = 0.65, 0.4  # shares of the samples that wear glasses, and that have other marks
WORN_ALREADY = sources.PROJECT / "training" / "glasses_worn.txt"
MARGIN, SHIFTED = 12, 0.7  # pixels around the cells that are looked at; by which cells are off
AREA = 0.7  # pixels over which a cell's colour is the mean, as texels are
COVERED = 1.5  # times a cell's covered share that it counts as covered


def bare():
    """The faces of `training.bare_faces` that wear no glasses: arrays by name."""
    worn = set(WORN_ALREADY.read_text().split())
    data = dict(np.load(sources.WORK / "bare_faces.npz"))
    chosen = np.array([name not in worn for name in data["names"]])
    return {name: values[chosen] for name, values in data.items()}


class Drawn(torch.utils.data.IterableDataset):
    """Samples without end, as `sample(rng)` draws them from a `seed`: (inputs, covered, known); of `count` faces."""

    def __iter__(self):
        worker = torch.utils.data.get_worker_info()
        rng = np.random.default_rng([self.seed, worker.id if worker else 0])
        while True:
            yield self.sample(rng)


def either_way(rng, parts):
    """The parts (k, rows, columns) of a sample, float32, or as often mirrored."""
    if rng.random() < 0.5:
        parts = [part[:, :, ::-1] for part in parts]
    return tuple(np.ascontiguousarray(part, np.float32) for part in parts)


class Wearers(Drawn):
    """Samples (inputs (INPUTS, ROWS, COLUMNS), how far glasses cover each cell (1, ...), which are seen (1, ...))
    without end."""

    def __init__(self, held_back, seed):
        data = bare()
        self.data = {name: values[data["held_back"] == held_back] for name, values in data.items()}
        self.seed, self.count = seed, len(self.data["names"])

    def sample(self, rng):
        k = rng.integers(self.count)
        eyes, scale, rotation, centre, points = (
            self.data[name][k] for name in ("eyes", "scale", "rotation", "centre", "points")
        )
        known = points[..., 0] >= 0
        low = np.maximum(points[known].min(0).astype(int) - MARGIN, 0)
        high = points[known].max(0).astype(int) + MARGIN
        picture = self.data["pictures"][k][low[1] : high[1], low[0] : high[0]].astype(np.float32)
        changed = None
        if rng.random() < MARKED:
            picture = spectacles.mark(rng, picture, scale)
        if rng.random() < WORN:
            picture, changed = spectacles.draw(rng, picture, eyes, scale, rotation, centre - low)
        points = (points - low - 0.5 + rng.normal(0, SHIFTED, 2)).astype(np.float32)
        colours = laid_out(taken(rng, picture), points)
        covered = np.zeros(known.shape, np.float32)
        if changed is not None:
            covered = np.clip(COVERED * laid_out(changed, points), 0, 1) * known
        inputs = glasses.GRID.inputs_of(colours, known)
        parts = inputs.transpose(2, 0, 1), covered[None], known[None].astype(np.float32)
        return either_way(rng, parts)


def laid_out(picture, points):
    """A picture's values at the cells' points (ROWS, COLUMNS, 2)."""
    return cv2.remap(cv2.GaussianBlur(picture, (0, 0), AREA), points[..., 0], points[..., 1], cv2.INTER_LINEAR)


def taken(rng, picture):
    """A picture (H, W, 3) float32 as some camera would have taken it: coarser, noisy, of other colours."""
    size = picture.shape[1::-1]
    if rng.random() < 0.5:
        picture = cv2.resize(picture, None, fx=(f := rng.uniform(0.3, 1)), fy=f, interpolation=cv2.INTER_AREA)
    if rng.random() < 0.3:
        picture = picture + rng.normal(0, rng.uniform(1, 8), picture.shape).astype(np.float32)
    if rng.random() < 0.5:
        _, coded = cv2.imencode(
            ".jpg", picture.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 95))]
        )
        picture = cv2.imdecode(coded, cv2.IMREAD_COLOR).astype(np.float32)
    if picture.shape[1::-1] != size:
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)
    gamma, gain = np.exp(rng.normal(0, 0.2)), np.exp(rng.normal(0, 0.15) + rng.normal(0, 0.06, 3))
    return (255 * gain * (picture.clip(0, 255) / 255) ** gamma).clip(0, 255).astype(np.float32)


def doubt(logits, covered, known):
    """Cross entropy per seen cell."""
    return (F.binary_cross_entropy_with_logits(logits, covered, reduction="none") * known).sum() / known.sum()


@torch.no_grad()
def validate(network, checked, says, wrongly):
    """On held-back faces: the loss, the share of covered cells that are found, of found ones that are, and, by the name
    `wrongly`, of bare faces of which the add-on `says` otherwise by how surely their cells (rows, columns) are."""
    network.eval()
    inputs, covered, known = checked
    logits = torch.cat([network(some) for some in inputs.split(BATCH)])
    found, true = (logits > 0) & (known > 0), covered > 0.5
    bare = ~true.flatten(1).any(1)
    surely = torch.sigmoid(logits[bare, 0]) * known[bare, 0]
    wrong = np.array([says(one.numpy()) for one in surely])
    return {
        "loss": doubt(logits, covered, known).item(),
        "recall": (found & true).sum().item() / true.sum().item(),
        "precision": (found & true).sum().item() / max(found.sum().item(), 1),
        wrongly: wrong.mean().item(),
    }


def lesson_of(network):
    def lesson(inputs, covered, known):
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(inputs)
        loss = doubt(logits.float(), covered, known)
        return loss, {}, None

    return lesson


def train(description, asset, samples, lessons, workers, says, wrongly):
    """Let a network over a grid's cells learn from the Drawn `lessons(held_back, seed)` and write the add-on's asset,
    as the command line says, else from so many `samples`, which `workers` processes draw; `says` and `wrongly` as for
    `validate`."""
    options = options_of(description, asset, samples, RATE)
    keep_memory()
    cv2.setNumThreads(1)  # its threads do not survive the fork of those that draw
    torch.manual_seed(0)
    held, rng = lessons(True, 1), np.random.default_rng(7)
    checked = torch.utils.data.default_collate([held.sample(rng) for _ in range(CHECKED)])
    network = UNet(cells.INPUTS, cells.WIDTHS, cells.FINE, 1)
    run = begun(options, network, BATCH)
    learned = lessons(False, run.step)
    print(f"{learned.count} faces, {held.count} held back", flush=True)

    def check(average):
        return validate(average, checked, says, wrongly)

    learn(run, lesson_of(network), learned, workers, check, asset)


if __name__ == "__main__":
    train(__doc__.splitlines()[0], "glasses", 80_000, Wearers, WORKERS, glasses.worn, "bare_wrong")
