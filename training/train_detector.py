"""Train the face detector: `python -m training.train_detector [--pictures 90000]`.

Pictures are composed as they are needed: portraits and profile crops pasted at many scales, rotations and lights on to
backgrounds without faces, none to five to a picture. Resumes from `work/detector/checkpoint.pt`, writes
`addon_assets/detector.npz` at the end, and prints recall and false alarms on held-back portraits.
"""

import argparse
import copy
import queue
import threading
import time

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from synergy_blender.face import assets
from synergy_blender.face import detector as runtime
from training import sources
from training.embed_landmarks import IBUG_68
from training.fit_landmarks import LandmarkModel
from training.fold import folded, plain
from training.network import convolution
from training.train import Crops, blend_in, keep_memory

CANVAS = 256
WARM_UP_STEPS, DECAY_SHARE = 200, 0.3
SMALLEST, LARGEST = 11, 210  # side of a face's square on the canvas
SIDES = ((0, 44), (34, 100), (80, 10**6))  # sides that each level must find; where ranges overlap both do
PROFILES = 12_000  # rendered crops used beside the portraits


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
                read.append(x)
        merged, outputs = None, []
        for level in reversed(range(len(read))):
            here = self.lateral[level](read[level])
            if merged is not None:
                here = here + F.interpolate(merged, scale_factor=2, mode="nearest")
            merged = here
            outputs.append(self.head[level](merged).float())
        return outputs[::-1]

    def arrays(self):
        """All weights, batch-norm folded, by the names of the NumPy detector."""
        table = {}

        def add(name, pair):
            table[f"{name}_weight"], table[f"{name}_bias"] = pair

        add("stem", folded(self.stem))
        for i, block in enumerate(self.blocks):
            add(f"block{i:02d}_depthwise", folded(block[0]))
            add(f"block{i:02d}_project", folded(block[1]))
        for level, (lateral, head) in enumerate(zip(self.lateral, self.head, strict=True)):
            add(f"lateral{level}", plain(lateral))
            add(f"head{level}_depthwise", folded(head[0]))
            add(f"head{level}_hidden", folded(head[1]))
            add(f"head{level}_output", plain(head[2]))
        return table


class Composer:
    """Draws pictures (256, 256, 3) with the squares (n, 3) x, y, side of their faces."""

    def __init__(self, validation=False):
        fits = np.load(sources.WORK / "portrait_fits.npz")
        labels = np.load(sources.WORK / "landmarks.npz")
        wanted = sources.synthetic_portraits(True) if validation else sources.training_portraits()
        wanted = {str(p.relative_to(sources.DATA)) for p in wanted}
        self.photos, self.points = [], []
        for name, landmarks, nme in zip(labels["names"], labels["landmarks"], fits["nme"], strict=True):
            if name not in wanted or nme > 0.03:
                continue
            photo = cv2.cvtColor(cv2.imread(str(sources.DATA / name)), cv2.COLOR_BGR2RGB)
            shrink = min(1.0, 320 / max(photo.shape[:2]))
            self.photos.append(cv2.resize(photo, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA))
            self.points.append(landmarks[IBUG_68, :2] * shrink)
        crops = Crops("validation" if validation else "train")
        chosen = np.linspace(0, len(crops) - 1, 800 if validation else PROFILES).astype(int)
        pictures, data = crops.batch(chosen)
        model = LandmarkModel.load().ibug()
        shapes = model.points(data["identity"], data["expression"])
        places = np.einsum("bde,bke->bkd", data["pose"][:, :2, :3], shapes) + data["pose"][:, None, :2, 3]
        places[..., 1] = pictures.shape[1] - places[..., 1]
        self.crops, self.crop_points = pictures, places

    def background(self, rng):
        """A picture without faces: part of a photo beside its face, a photo whose face is painted over, or a ramp."""
        kind = rng.random()
        i = rng.integers(len(self.photos))
        photo, points = self.photos[i], self.points[i]
        low, high = points.min(0), points.max(0)
        if kind < 0.45:
            height, width = photo.shape[:2]
            gaps = {"left": low[0], "right": width - high[0], "bottom": height - high[1], "top": low[1] * 0.7}
            side = max(gaps, key=lambda k: gaps[k] * rng.uniform(0.5, 1))
            size = int(max(12, gaps[side] * 0.85))
            x = 0 if side == "left" else width - size if side == "right" else rng.integers(0, max(1, width - size))
            y = 0 if side == "top" else height - size if side == "bottom" else rng.integers(0, max(1, height - size))
            part = photo[y : y + size, x : x + size]
            canvas = cv2.resize(part, (CANVAS, CANVAS), interpolation=cv2.INTER_LINEAR)
        elif kind < 0.85:
            canvas = photo.copy()
            middle, axes = (low + high) / 2, (high - low) * [0.62, 0.72]
            mask = np.zeros(photo.shape[:2], np.uint8)
            cv2.ellipse(mask, (middle.astype(int).tolist()), axes.astype(int).tolist(), 0, 0, 360, 255, -1)
            j = rng.integers(len(self.photos))
            other = cv2.resize(self.photos[j][-self.photos[j].shape[0] // 4 :], photo.shape[1::-1])
            fill = np.full_like(photo, canvas[mask > 0].mean(0)) if rng.random() < 0.4 else other
            canvas[mask > 0] = fill[mask > 0]
            canvas = cv2.resize(canvas, (CANVAS, CANVAS), interpolation=cv2.INTER_AREA)
            if rng.random() < 0.5:
                canvas = np.ascontiguousarray(np.rot90(canvas, rng.integers(1, 4)))
        else:
            a, b = rng.uniform(0, 255, (2, 3))
            ramp = np.linspace(0, 1, CANVAS)[:, None, None] * np.ones((1, CANVAS, 1))
            canvas = a + (b - a) * ramp + rng.normal(0, rng.uniform(0, 20), (CANVAS, CANVAS, 3))
            canvas = np.clip(canvas, 0, 255).astype(np.uint8)
        if rng.random() < 0.25:  # blocks in disorder: texture without structure
            n = int(rng.choice([4, 8]))
            blocks = canvas.reshape(n, CANVAS // n, n, CANVAS // n, 3).transpose(0, 2, 1, 3, 4).reshape(n * n, -1)
            blocks = blocks[rng.permutation(n * n)].reshape(n, n, CANVAS // n, CANVAS // n, 3)
            canvas = np.ascontiguousarray(blocks.transpose(0, 2, 1, 3, 4).reshape(CANVAS, CANVAS, 3))
        return canvas

    def draw(self, rng):
        canvas = self.background(rng)
        count = int(rng.choice([0, 1, 2, 3, 5], p=[0.15, 0.4, 0.2, 0.15, 0.1]))
        faces = []
        for turn in range(count):
            from_crop = rng.random() < 0.35
            if from_crop:
                i = rng.integers(len(self.crops))
                photo, points = self.crops[i], self.crop_points[i]
            else:
                i = rng.integers(len(self.photos))
                photo, points = self.photos[i], self.points[i]
            low, high = points.min(0), points.max(0)
            side = (high - low).max()
            largest = LARGEST if turn == 0 else LARGEST / 2
            wanted = np.exp(rng.uniform(np.log(SMALLEST), np.log(largest)))
            if from_crop:
                wanted = min(wanted, 1.6 * side)
            angle = rng.normal(0, 14) if rng.random() < 0.85 else rng.uniform(-180, 180)
            matrix = cv2.getRotationMatrix2D(tuple(((low + high) / 2).tolist()), angle, wanted / side)
            place = rng.uniform(0.1, 0.9, 2) * CANVAS if wanted < 130 else rng.uniform(0.35, 0.65, 2) * CANVAS
            matrix[:, 2] += place - (low + high) / 2
            if rng.random() < 0.5:
                mirror = np.array([[-1.0, 0], [0, 1]])
                matrix[:, :2] = mirror @ matrix[:, :2]
                matrix[0, 2] = 2 * place[0] - matrix[0, 2]
            there = points @ matrix[:, :2].T + matrix[:, 2]
            a, b = there.min(0), there.max(0)
            square = np.array([*(a + b) / 2, (b - a).max()])
            if any(np.abs(square[:2] - f[:2]).max() < 0.75 * (square[2] + f[2]) for f in faces):
                continue
            if not (0.04 * CANVAS < square[0] < 0.96 * CANVAS and 0.04 * CANVAS < square[1] < 0.96 * CANVAS):
                continue
            source = photo
            shrink = wanted / side
            if shrink < 0.5:  # area averaging before the warp, as a camera does
                source = cv2.resize(photo, None, fx=shrink * 1.5, fy=shrink * 1.5, interpolation=cv2.INTER_AREA)
                matrix = matrix.copy()
                matrix[:, :2] *= photo.shape[1] / source.shape[1]
            mask = np.full(source.shape[:2], 255, np.uint8)
            if not from_crop and rng.random() < 0.5:
                ratio = source.shape[1] / photo.shape[1]
                middle = ((low + high) / 2 * ratio + [0, -0.1 * side * ratio]).astype(int).tolist()
                axes = ((high - low) * ratio * rng.uniform([0.75, 0.85], [1.6, 1.5])).astype(int).tolist()
                mask[:] = 0
                cv2.ellipse(mask, middle, axes, 0, 0, 360, 255, -1)
            warped = cv2.warpAffine(source, matrix, (CANVAS, CANVAS), flags=cv2.INTER_LINEAR)
            alpha = cv2.warpAffine(mask, matrix, (CANVAS, CANVAS), flags=cv2.INTER_LINEAR)[..., None] / np.float32(255)
            light = rng.uniform(0.55, 1.3) * rng.uniform(0.9, 1.1, 3) if rng.random() < 0.5 else 1.0
            canvas = (canvas + alpha * (np.clip(warped * light, 0, 255) - canvas)).astype(np.uint8)
            # a face covered by a later one is not one to find
            faces = [f for f in faces if alpha[int(np.clip(f[1], 0, 255)), int(np.clip(f[0], 0, 255)), 0] < 0.5]
            faces.append(square)
        canvas = canvas.astype(np.float32)
        if rng.random() < 0.15:
            canvas[:] = canvas.mean(2, keepdims=True)
        canvas = (canvas - 128) * rng.uniform(0.6, 1.25) + 128 * rng.uniform(0.6, 1.35)
        if rng.random() < 0.3:
            canvas += rng.normal(0, rng.uniform(2, 12), canvas.shape)
        canvas = np.clip(canvas, 0, 255).astype(np.uint8)
        if rng.random() < 0.2:
            canvas = cv2.GaussianBlur(canvas, (0, 0), rng.uniform(0.4, 1.2))
        if rng.random() < 0.4:
            _, data = cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 90))])
            canvas = cv2.imdecode(data, cv2.IMREAD_COLOR)
        return canvas, np.array(faces).reshape(-1, 3)


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
        score_loss = score_loss + 0.5 * ((1 - chance) ** 2 * cross)[known].sum() / faces
        at = (kind > 0)[:, None]
        # errors of place count against the side of the face, as the side's own
        side = 4.0 * 2.0 ** values[:, 3:4]
        weight = torch.cat([4 / side, 4 / side, torch.ones_like(side)], 1)
        gap = F.smooth_l1_loss(output[:, 1:], values[:, 1:], beta=0.1, reduction="none") * weight
        square_loss = square_loss + (gap * at).sum() / faces
    return score_loss, square_loss


def batches(size, seed):
    ready = queue.Queue(8)

    def fill():
        composer, rng = Composer(), np.random.default_rng(seed)
        while True:
            drawn = [composer.draw(rng) for _ in range(size)]
            levels = zip(*(targets(faces) for _, faces in drawn), strict=True)
            stacked = [tuple(np.stack(parts) for parts in zip(*level, strict=True)) for level in levels]
            ready.put((np.stack([picture for picture, _ in drawn]), stacked))

    threading.Thread(target=fill, daemon=True).start()
    while True:
        yield ready.get()


def evaluate(detector, pictures=300, seed=10**6):
    """Recall and false alarms of the NumPy detector on composed pictures of held-back portraits."""
    composer, rng = Composer(validation=True), np.random.default_rng(seed)
    found = total = alarms = 0
    for _ in range(pictures):
        picture, faces = composer.draw(rng)
        seen = runtime.keep_best(runtime.decode(detector.maps(picture)))
        squares = np.array([[*f.centre, f.side] for f in seen]).reshape(-1, 3)
        hit = np.zeros(len(squares), bool)
        for x, y, side in faces:
            gap = np.abs(squares[:, :2] - [x, y]).max(1) if len(squares) else np.zeros(0)
            match = (gap < 0.35 * side) & (np.abs(np.log2(squares[:, 2] / side)) < 0.6)
            found += match.any()
            hit |= match
        total, alarms = total + len(faces), alarms + (~hit).sum()
    return found / total, alarms / pictures


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--pictures", type=int, default=200_000)
    options.add_argument("--batch", type=int, default=32)
    options.add_argument("--rate", type=float, default=3e-3)
    options = options.parse_args()
    keep_memory()
    cv2.setNumThreads(1)
    torch.manual_seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = Network().to(device, memory_format=torch.channels_last)
    average = copy.deepcopy(network)
    optimizer = torch.optim.AdamW(network.parameters(), options.rate, weight_decay=0.01)
    steps = options.pictures // options.batch
    checkpoint = sources.WORK / "detector" / "checkpoint.pt"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    step = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
        print(f"resumed at step {step}", flush=True)
    stream, started = batches(options.batch, step), time.time()
    while step < steps:
        rate = options.rate * min(1.0, (step + 1) / WARM_UP_STEPS, max(0.01, (1 - step / steps) / DECAY_SHARE))
        for group in optimizer.param_groups:
            group["lr"] = rate
        pictures, levels = next(stream)
        x = torch.as_tensor(pictures).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
        wanted = [torch.as_tensor(values).to(device) for values, _ in levels]
        kinds = [torch.as_tensor(kind).to(device) for _, kind in levels]
        with torch.autocast(device.type, torch.bfloat16):
            outputs = network(x.contiguous(memory_format=torch.channels_last))
        score, square = loss_of(outputs, wanted, kinds)
        optimizer.zero_grad(set_to_none=True)
        (score + square).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        step += 1
        blend_in(average, network, step)
        if step % 50 == 0:
            speed = 50 * options.batch / (time.time() - started)
            print(
                f"{step}/{steps} score {score.item():.3f} square {square.item():.3f} {speed:.0f} pictures/s", flush=True
            )
            started = time.time()
        if step % 250 == 0 or step == steps:
            state = {"network": network.state_dict(), "average": average.state_dict()}
            torch.save({**state, "optimizer": optimizer.state_dict(), "step": step}, checkpoint.with_suffix(".partial"))
            checkpoint.with_suffix(".partial").replace(checkpoint)
            arrays = copy.deepcopy(average).cpu().eval().arrays()
            recall, alarms = evaluate(runtime.Detector(arrays), 150)
            print(f"validation {step}: recall {recall:.1%}, {alarms:.3f} false alarms per picture", flush=True)
            assets.save(checkpoint.with_name("detector.npz"), "face detector", arrays)
            if step == steps:
                assets.save(sources.ASSETS / "detector.npz", "face detector", arrays)
            started = time.time()


if __name__ == "__main__":
    main()
