"""Train the face detector: `python -m training.train_detector [--pictures 200000] [--name detector]`.

Pictures are composed as they are needed (`training/compose.py`). Resumes from `work/runs/NAME/checkpoint.pt`, writes
`addon_assets/detector.npz` at the end, shows losses, and recall and false alarms on held-back portraits
(`training.run`).
"""

import argparse
import copy

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from synergy_blender.face import assets
from synergy_blender.face import detector as runtime
from training import face_free, sources, unfold
from training.compose import TURNED, Composer
from training.fold import arrays_of
from training.network import convolution
from training.run import Run, in_background, keep_memory

CANVAS = 256
MEASURED = 24  # batches, and pictures in each, on which the norms of shipped weights are measured
LITTLE = 0.1  # what a residual block adds at first, times what a norm lets through
SCORES = 3  # weight of the scores' loss: squares are set right by what looks at them
DECAY_SHARE = 0.3  # of the run, in which the rate falls
SMALLEST, LARGEST = 11, 210  # side of a face's square on the canvas
SIDES = ((0, 44), (34, 100), (80, 10**6))  # sides that each level must find; where ranges overlap both do


class Network(nn.Module):
    """The layers that `synergy_blender.face.detector` runs."""

    def __init__(self):
        super().__init__()
        self.stem = convolution(3, runtime.STEM, 3, 2)
        blocks, inputs, read = [], runtime.STEM, []
        for outputs, stride, is_level in runtime.BLOCKS:
            spread = convolution(inputs, inputs, 3, stride, groups=inputs)
            blocks.append(nn.Sequential(spread, convolution(inputs, outputs)))
            inputs = outputs
            if is_level:
                read.append(outputs)
        self.blocks = nn.ModuleList(blocks)
        width = runtime.WIDTH
        self.deeper = nn.ModuleList(
            nn.ModuleList(
                nn.Sequential(
                    convolution(outputs, outputs, 3, groups=outputs), convolution(outputs, outputs, 1, activation=False)
                )
                for _ in range(count)
            )
            for outputs, count in zip(read, runtime.DEEPER, strict=True)
        )
        for block in (block for level in self.deeper for block in level):
            nn.init.constant_(block[1][1].weight, LITTLE)
        self.lateral = nn.ModuleList(nn.Conv2d(outputs, width, 1) for outputs in read)
        self.head = nn.ModuleList(
            nn.Sequential(
                convolution(width, width, 3, groups=width),
                convolution(width, width),
                nn.Conv2d(width, runtime.OUTPUTS, 1),
            )
            for _ in read
        )
        for head in self.head:
            nn.init.constant_(head[2].bias, 0)
            nn.init.constant_(head[2].bias[:1], -4.0)

    def forward(self, x):
        """x (B, 3, H, W) in -1..1 -> per level (B, 4, h, w)."""
        x, read = self.stem(x), []
        for block, (_, _, is_level) in zip(self.blocks, runtime.BLOCKS, strict=True):
            x = block(x)
            if is_level:
                for more in self.deeper[len(read)]:
                    x = x + more(x)
                read.append(x)
        merged, outputs = None, []
        for level in reversed(range(len(read))):
            here = self.lateral[level](read[level])
            if merged is not None:
                here = here + F.interpolate(merged, scale_factor=2, mode="nearest")
            merged = here
            outputs.append(self.head[level](merged).float())
        return outputs[::-1]

    def layers(self):
        """Names of the shipped weights and their layers."""
        yield "stem", self.stem
        for i, block in enumerate(self.blocks):
            yield f"block{i:02d}_depthwise", block[0]
            yield f"block{i:02d}_project", block[1]
        for level, blocks in enumerate(self.deeper):
            for k, block in enumerate(blocks):
                yield f"deeper{level}{k}_depthwise", block[0]
                yield f"deeper{level}{k}_project", block[1]
        for level, (lateral, head) in enumerate(zip(self.lateral, self.head, strict=True)):
            yield f"lateral{level}", lateral
            yield f"head{level}_depthwise", head[0]
            yield f"head{level}_hidden", head[1]
            yield f"head{level}_output", head[2]

    def arrays(self):
        """All weights, batch-norm folded, by the names of the NumPy detector."""
        return arrays_of(self.layers())


def targets(faces):
    """Per level the wanted outputs (4, h, w) and a weight (h, w): 1 face, 0 ignored, -1 background."""
    wanted = []
    for cell, (low, high) in zip(runtime.LEVELS, SIDES, strict=True):
        count = CANVAS // cell
        centres = (np.arange(count) + 0.5) * cell
        values, kind = np.zeros((4, count, count), np.float32), np.full((count, count), -1.0, np.float32)
        for x, y, side in faces:
            distance = np.maximum(np.abs(centres[None, :] - x), np.abs(centres[:, None] - y))
            kind[(distance < max(0.4 * side, cell)) & (kind < 0)] = 0
            if not low <= side < high:
                continue
            near = distance <= max(0.14 * side, 0.51 * cell)
            kind[near] = 1
            values[1][near] = ((x - centres) / cell)[None, :].repeat(count, 0)[near]
            values[2][near] = ((y - centres) / cell)[:, None].repeat(count, 1)[near]
            values[3][near] = np.log2(side / (4 * cell))
        wanted.append((values, kind))
    return wanted


def loss_of(outputs, wanted, kinds):
    """Focal loss of the scores (Lin et al., 2017) and L1 of the squares at faces."""
    score_loss = square_loss = 0
    faces = sum((kind > 0).sum() for kind in kinds).clamp(min=1)
    for output, values, kind in zip(outputs, wanted, kinds, strict=True):
        known = kind != 0
        truth = (kind > 0).float()
        cross = F.binary_cross_entropy_with_logits(output[:, 0], truth, reduction="none")
        chance = torch.exp(-cross)
        score_loss = score_loss + 0.5 * ((1 - chance) ** 2 * cross * known).sum() / faces
        at = (kind > 0)[:, None]
        # errors of place count against the side of the face, as the side's own
        side = 4.0 * 2.0 ** values[:, 3:4]
        weight = torch.cat([4 / side, 4 / side, torch.ones_like(side)], 1)
        gap = F.smooth_l1_loss(output[:, 1:], values[:, 1:], beta=0.1, reduction="none") * weight
        square_loss = square_loss + (gap * at).sum() / faces
    return score_loss, square_loss


@in_background
def batches(size, seed, turned):
    """An endless stream of batches: pictures (B, CANVAS, CANVAS, 3) uint8, in which a share of the faces is turned, and
    per level what is wanted of them."""
    composer = Composer(CANVAS, CANVAS, SMALLEST, LARGEST, turned=turned)
    rng = np.random.default_rng(seed)
    while True:
        drawn = [composer.draw(rng) for _ in range(size)]
        levels = zip(*(targets(faces) for _, faces in drawn), strict=True)
        stacked = [tuple(np.stack(parts) for parts in zip(*level, strict=True)) for level in levels]
        yield np.stack([picture for picture, _ in drawn]), stacked


def begin_with_shipped(network, turned):
    """Go on from the weights the add-on ships, with batch norms measured on composed pictures; blocks that those lack
    begin by adding little."""
    weights, stream = assets.load(sources.ASSETS / "detector.npz", "face detector"), batches(MEASURED, 10**5, turned)
    seen = [torch.as_tensor(next(stream)[0]).permute(0, 3, 1, 2).float() / 127.5 - 1 for _ in range(MEASURED)]
    pairs = []
    for name, layer in network.layers():
        if f"{name}_weight" not in weights:
            continue
        unfold.take(layer, weights[f"{name}_weight"], weights[f"{name}_bias"])
        if isinstance(layer, nn.Sequential):
            pairs.append((layer[0], layer[1]))
    unfold.measure(network, pairs, [(some,) for some in seen])
    network.train()


def alarms_on_face_free(find):
    """False alarms per picture and the number of pictures, on face-free pictures held back."""
    pictures = face_free.load(validation=True)
    return sum(len(find(picture)) for picture in pictures) / max(1, len(pictures)), len(pictures)


def composed(pictures, seed):
    """Pictures 640x480 of held-back portraits, with faces from 24 to 400 pixels, and each one's faces (x, y, side)."""
    composer, rng = Composer(480, 640, 24, 400, validation=True), np.random.default_rng(seed)
    for _ in range(pictures):
        yield composer.draw(rng)


def squares_of(found):
    """Centres and sides (n, 3) of detector.Faces."""
    return np.array([[*face.centre, face.side] for face in found]).reshape(-1, 3)


def hits(squares, faces):
    """How many of a picture's faces the squares (n, 3) find, and how many squares are false alarms."""
    found, hit = 0, np.zeros(len(squares), bool)
    for x, y, side in faces:
        gap = np.abs(squares[:, :2] - [x, y]).max(1) if len(squares) else np.zeros(0)
        match = (gap < 0.35 * side) & (np.abs(np.log2(squares[:, 2] / side)) < 0.6)
        found += match.any()
        hit |= match
    return found, (~hit).sum()


def evaluate(find, pictures=300, seed=10**6):
    """Recall and false alarms per picture of `find`, a Detector, on composed pictures."""
    found = total = alarms = 0
    for picture, faces in composed(pictures, seed):
        right, wrong = hits(squares_of(find(picture)), faces)
        found, total, alarms = found + right, total + len(faces), alarms + wrong
    return found / total, alarms / pictures


def weights_of(run):
    """The averaged weights of a Run by the names of the NumPy detector."""
    return copy.deepcopy(run.average).cpu().eval().arrays()


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--pictures", type=int, default=200_000)
    options.add_argument("--batch", type=int, default=32)
    options.add_argument("--rate", type=float, default=3e-3)
    options.add_argument("--name", default="detector")
    options.add_argument("--from-shipped", action="store_true", help="go on from the weights the add-on ships")
    options.add_argument("--turned", type=float, default=TURNED, help="share of the faces that lie any way up")
    options = options.parse_args()
    keep_memory()
    cv2.setNumThreads(1)
    torch.manual_seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = Network().to(device, memory_format=torch.channels_last)
    if options.from_shipped:
        begin_with_shipped(network, options.turned)
    run = Run(options.name, network, options.pictures, options.batch, options.rate, DECAY_SHARE)
    stream = batches(options.batch, run.step, options.turned)

    def lesson(x, *levels):
        with torch.autocast(device.type, torch.bfloat16):
            outputs = network(x)
        score, square = loss_of(outputs, levels[: len(outputs)], levels[len(outputs) :])
        return SCORES * score + square, {"score": score, "square": square}, None

    while run.step < run.steps:
        pictures, levels = next(stream)
        x = torch.as_tensor(pictures).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
        wanted = [torch.as_tensor(values).to(device) for values, _ in levels]
        kinds = [torch.as_tensor(kind).to(device) for _, kind in levels]
        run.learn(lesson, x.contiguous(memory_format=torch.channels_last), *wanted, *kinds)
        if run.is_to_be_saved:
            arrays = weights_of(run)
            recall, alarms = evaluate(runtime.Detector(arrays), 150)
            run.save({"recall": recall, "false_alarms": alarms})
            assets.save(run.folder / "detector.npz", "face detector", arrays)
    assets.save(sources.ASSETS / "detector.npz", "face detector", weights_of(run))


if __name__ == "__main__":
    main()
