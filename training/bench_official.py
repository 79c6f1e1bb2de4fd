"""Speed of the authors' network here beside a straightforward PyTorch one, as they run theirs, on a model of its size
with random numbers: `python -m training.bench_official` prints milliseconds and faces per second."""

import time

import numpy as np
import torch
from torch import nn

from synergy_blender.face.network import BLOCKS, FEATURES, STEM
from synergy_blender.official import OfficialModel, reconstruct_crops, weights
from synergy_blender.official.batch import on_torch

VERTICES, CROPS, ROUNDS = 53_215, 64, 5
GOALS = {"landmarks": 50_000, "dense": 20_000}  # faces per second on a data-centre GPU


class Straightforward(nn.Module):
    """MobileNetV2 with its batch norms, as torchvision and the authors have it, and three heads."""

    def __init__(self):
        super().__init__()

        def layers(inputs, outputs, size=1, stride=1, groups=1, ends=True):
            convolution = nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False)
            return [convolution, nn.BatchNorm2d(outputs)] + [nn.ReLU6()] * ends

        self.first = nn.Sequential(*layers(3, STEM, 3, 2))
        self.blocks, self.skips, inputs = nn.ModuleList(), [], STEM
        for expansion, outputs, repeats, first in BLOCKS:
            for repeat in range(repeats):
                hidden, stride = inputs * expansion, first if repeat == 0 else 1
                parts = layers(inputs, hidden) if expansion > 1 else []
                parts += [*layers(hidden, hidden, 3, stride, hidden), *layers(hidden, outputs, ends=False)]
                self.blocks.append(nn.Sequential(*parts))
                self.skips.append(stride == 1 and inputs == outputs)
                inputs = outputs
        self.last = nn.Sequential(*layers(inputs, FEATURES))
        self.heads = nn.ModuleList(nn.Linear(FEATURES, n) for n in (12, 40, 10))

    def forward(self, x):
        x = self.first(x)
        for block, skip in zip(self.blocks, self.skips, strict=True):
            x = x + block(x) if skip else block(x)
        x = self.last(x).mean((2, 3))
        return torch.cat([head(x) for head in self.heads], 1)


def made_up(rng):
    """An OfficialModel of the authors' size with random numbers."""
    arrays = {name: rng.normal(0, 0.05, shape).astype(np.float32) for name, shape in weights.shapes().items()}
    return OfficialModel(
        weights=arrays,
        param_mean=rng.normal(0, 1, 62).astype(np.float32),
        param_std=np.ones(62, np.float32),
        mean=rng.normal(0, 5e4, (VERTICES, 3)).astype(np.float32),
        identity=rng.normal(0, 1, (40, VERTICES, 3)).astype(np.float32),
        expression=rng.normal(0, 1, (10, VERTICES, 3)).astype(np.float32),
        triangles=np.zeros((1, 3), np.int32),
        keypoints=rng.choice(VERTICES, 68, replace=False).astype(np.int32),
    )


def as_the_authors(network, crops, model):
    """Landmarks, vertices and pose of every crop, one after the other, as their one-call API goes about it."""
    basis = {}
    for name, rows in (("base", model.keypoints), ("all", slice(None))):
        shapes = [part[:, rows].reshape(len(part), -1).T.copy() for part in (model.identity, model.expression)]
        basis[name] = (model.mean[rows].reshape(-1, 1), *shapes)

    def one(crop):
        with torch.no_grad():
            x = torch.from_numpy(((crop.transpose(2, 0, 1) - 127.5) / 128).astype(np.float32))[None]
            p = network(x)[0].numpy() * model.param_std + model.param_mean
        pose = p[:12].reshape(3, 4)
        found = []
        for mean, identity, expression in basis.values():
            flat = mean + identity @ p[12:52, None] + expression @ p[52:, None]
            points = pose[:, :3] @ flat.reshape(3, -1, order="F") + pose[:, 3:]
            points[1] = 121 - points[1]
            found.append(points)
        return found

    return lambda: [one(crop) for crop in crops]


def fastest(runs):
    """Seconds that each of some functions takes at best, tried in turns."""
    best = {name: np.inf for name in runs}
    for _ in range(ROUNDS + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def cpu_speeds():
    """Milliseconds per face from crop to vertices on the processor: the straightforward way, and by each engine."""
    torch.set_num_threads(2)
    rng = np.random.default_rng(0)
    model, network = made_up(rng), Straightforward().eval()
    crops = rng.integers(0, 256, (CROPS, 120, 120, 3)).astype(np.uint8)
    torch_kept = on_torch(model, "cpu")
    runs = {
        "straightforward PyTorch": as_the_authors(network, crops, model),
        "numpy": lambda: reconstruct_crops(crops, model, "numpy"),
        "torch": lambda: torch_kept.parts(crops, True, (0.0, 0.0)),
        "torch, landmarks alone": lambda: torch_kept.parts(crops, False, (0.0, 0.0)),
    }
    return {name: 1000 * seconds / CROPS for name, seconds in fastest(runs).items()}


def gpu_speeds():
    """Faces per second on the graphics card, landmarks alone and dense, for crops that lie there already."""
    model = made_up(np.random.default_rng(0))
    kept, found = on_torch(model, "cuda"), {}
    for name, count in (("landmarks", 2048), ("dense", 512)):
        crops = np.zeros((count, 120, 120, 3), np.uint8)

        def run(crops=crops, name=name):
            kept.some(crops, name == "dense", (0.0, 0.0))
            torch.cuda.synchronize()

        found[name] = len(crops) / fastest({name: run})[name]
    return found


def main():
    speeds = cpu_speeds()
    for name, milliseconds in speeds.items():
        ratio = speeds["straightforward PyTorch"] / milliseconds
        print(f"{name:26s} {milliseconds:6.2f} ms per face, {ratio:4.1f} times as fast")
    if torch.cuda.is_available():
        for name, speed in gpu_speeds().items():
            print(f"GPU, {name:20s} {speed:8.0f} faces/s (goal {GOALS[name]})")
    else:
        print("GPU: there is none here, so the goals of 50,000 and 20,000 faces/s were not measured")


if __name__ == "__main__":
    main()
