"""A learned synthesiser of hidden skin, to compare with the statistical one: `python -m training.train_synthesiser
[--adversarial 0.02] [--samples 40000]`.

A small U-Net over the UV map (SynergyNet's supplement fills textures with a UV-space GAN; Ronneberger et al., 2015;
patch discriminator after Isola et al., CVPR 2017, hinge loss) sees what a view shows, what `face.texture` filled in and
where, and says how the filled part must change. It learns from `training.skin_maps` and is measured as `make bench`
measures: the hidden halves of London people, whom neither was learned from.
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from synergy_blender.face.texels import texels_of
from training import bench_texture, skin_maps, sources
from training.skin_maps import SIZE

WIDTHS = (24, 48, 64, 64)
INPUTS = 8  # seen log colours and their trust, filled log colours, where texels are
DARK = -3.0  # of log colours over the cheeks: darker is not told apart
KNOWN = 0.5  # trust from which the photo's colour is the truth
HELD = 120  # maps held back that are looked at on the way
WEIGHTS = sources.WORK / "synthesiser.pt"
BATCH, RATE, TINT = 16, 2e-3, 0.08


def block(inputs, outputs, stride=1):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1),
        nn.GroupNorm(8, outputs),
        nn.LeakyReLU(0.2),
        nn.Conv2d(outputs, outputs, 3, 1, 1),
        nn.LeakyReLU(0.2),
    )


class Synthesiser(nn.Module):
    """Maps (B, 8, SIZE, SIZE) and their mirror images -> changes (B, 3, SIZE, SIZE) of the log colours."""

    def __init__(self):
        super().__init__()
        steps = zip((2 * INPUTS, *WIDTHS), WIDTHS, strict=False)
        self.down = nn.ModuleList(block(a, b, 2) for a, b in steps)
        self.up = nn.ModuleList(block(a + b, b) for a, b in zip(WIDTHS[:0:-1], WIDTHS[-2::-1], strict=True))
        self.last = nn.Conv2d(WIDTHS[0], 3, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, maps):
        x, kept = torch.cat([maps, maps.flip(3)], 1), []
        for layer in self.down:
            x = layer(x)
            kept.append(x)
        for layer, fine in zip(self.up, kept[-2::-1], strict=True):
            x = layer(torch.cat([F.interpolate(x, scale_factor=2, mode="bilinear"), fine], 1))
        return F.interpolate(self.last(x), scale_factor=2, mode="bilinear")


def judge():
    """A discriminator of patches of log colours and of where they are hidden (B, 4, SIZE, SIZE)."""
    layers, inputs = [], 4
    for outputs in (32, 64, 64):
        layers += [nn.utils.spectral_norm(nn.Conv2d(inputs, outputs, 4, 2, 1)), nn.LeakyReLU(0.2)]
        inputs = outputs
    return nn.Sequential(*layers, nn.utils.spectral_norm(nn.Conv2d(inputs, 1, 3, 1, 1)))


class Maps:
    """Batches of `training.skin_maps`, as photographed and delit; every twelfth portrait is held back.

    `training` and `held_back` are samples (S, 3): file, portrait and turn.
    """

    def __init__(self):
        self.files, samples = [], []
        for path in filter(Path.exists, skin_maps.PATHS.values()):
            data = np.load(path)
            self.at = data["at"]
            self.files.append({name: data[name] for name in ("colour", "trust", "shown", "filled")})
            count, turns = self.files[-1]["shown"].shape[:2]
            rows = np.stack(np.meshgrid([len(self.files) - 1], range(count), range(turns), indexing="ij"), -1)
            samples.append(rows.reshape(-1, 3))
        samples = np.concatenate(samples)
        self.training, self.held_back = (samples[(samples[:, 1] % 12 == 0) == held] for held in (False, True))

    def draw(self, samples, rng=None):
        """Inputs (B, 8, SIZE, SIZE), true log colours (B, 3, ...), hidden (B, 1, ...) and judged (B, 1, ...) texels."""
        colour, trust = (
            np.stack([self.files[f][name][i] for f, i, _ in samples]).astype(np.float32) for name in ("colour", "trust")
        )
        shown, filled = (
            np.stack([self.files[f][name][i, k] for f, i, k in samples]).astype(np.float32)
            for name in ("shown", "filled")
        )
        seen = np.minimum(trust, shown)
        maps = laid_out(np.concatenate([inputs_of(colour, seen, filled), colour, trust[..., None]], 2), self.at)
        if rng is not None:
            flip = rng.random(len(samples)) < 0.5
            maps[flip] = maps[flip][..., ::-1]
            tint = rng.normal(0, TINT, (len(samples), 3, 1, 1)).astype(np.float32)
            maps[:, :3] += tint * maps[:, 3:4]
            for part in (slice(4, 7), slice(8, 11)):
                maps[:, part] += tint * maps[:, 7:8]
        maps = torch.as_tensor(np.ascontiguousarray(maps))
        hidden = (1 - maps[:, 3:4]) * maps[:, 7:8]
        return maps[:, :INPUTS], maps[:, 8:11], hidden, (maps[:, 11:12] > KNOWN) * hidden


def laid_out(values, at):
    """Values (B, n, k) of the texels as maps (B, k, SIZE, SIZE)."""
    maps = np.zeros((len(values), values.shape[2], SIZE * SIZE), np.float32)
    maps[:, :, at] = values.transpose(0, 2, 1)
    return maps.reshape(len(values), -1, SIZE, SIZE)


def inputs_of(colour, seen, filled):
    """What the synthesiser is told of the texels (B, n, 8), of log colours (B, n, 3) and how far they are seen."""
    seen = seen[..., None]
    return np.concatenate([colour.clip(DARK) * seen, seen, filled, np.ones_like(seen)], -1)


def gap(made, truth, judged):
    """Mean absolute difference of log colours (B, 3, ...) over the judged texels (B, 1, ...)."""
    return ((made - truth).abs() * judged).sum() / (3 * judged.sum() + 1)


def on_benchmark(network):
    """Print 1 - SSIM and colour difference at each of the benchmark's turns, without and with the network on top."""
    at, people = texels_of(SIZE).at, list(bench_texture.london())

    def learned(texture, seen, cheeks):
        small = cv2.resize(texture, (SIZE, SIZE), interpolation=cv2.INTER_AREA).reshape(-1, 3)[at]
        trust = cv2.resize(seen, (SIZE, SIZE), interpolation=cv2.INTER_AREA).ravel()[at]
        log = np.log(np.maximum(small, skin_maps.DARKEST) / cheeks)
        with torch.no_grad():
            change = network(torch.as_tensor(laid_out(inputs_of(log[None], trust[None], log[None]), at)))[0]
        change = cv2.resize(change.permute(1, 2, 0).numpy(), texture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        return texture * np.exp(change * (1 - seen)[..., None])

    for turn in bench_texture.TURNS:
        found = bench_texture.hidden_half(turn, people, learned)
        print(f"{turn} degrees: " + ", ".join(f"{k} {v[0]:.3f} {v[1]:.2f} dE" for k, v in found.items()), flush=True)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--samples", type=int, default=40_000)
    options.add_argument("--adversarial", type=float, default=0.0, help="weight of the discriminator's loss")
    options.add_argument("--go-on", action="store_true", help="from work/synthesiser.pt")
    options = options.parse_args()
    torch.manual_seed(0)
    rng, maps, network, critic = np.random.default_rng(0), Maps(), Synthesiser(), judge()
    if options.go_on:
        network.load_state_dict(torch.load(WEIGHTS, weights_only=True))
    steps = options.samples // BATCH
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=0.02)
    other = torch.optim.AdamW(critic.parameters(), RATE / 4, betas=(0.5, 0.99))
    started = time.time()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 100, 1.02 - step / steps)
        inputs, truth, hidden, judged = maps.draw(rng.choice(maps.training, BATCH, replace=False), rng)
        filled = inputs[:, 4:7]
        made = filled + network(inputs) * hidden
        loss, plain = (gap(one, truth, judged) for one in (made, filled))
        if options.adversarial:
            fake = torch.cat([torch.where(judged > 0, made, truth), hidden], 1)
            real = torch.cat([truth, hidden], 1)
            told = F.relu(1 - critic(real)).mean() + F.relu(1 + critic(fake.detach())).mean()
            other.zero_grad(set_to_none=True)
            told.backward()
            other.step()
            loss = loss - options.adversarial * critic(fake).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        if (step + 1) % 100 == 0:
            network.eval()
            with torch.no_grad():
                inputs, truth, hidden, judged = maps.draw(maps.held_back[:: len(maps.held_back) // HELD])
                made = inputs[:, 4:7] + network(inputs) * hidden
                ours, before = (gap(one, truth, judged).item() for one in (made, inputs[:, 4:7]))
            network.train()
            speed = (step + 1) * BATCH / (time.time() - started)
            print(
                f"{step + 1}/{steps} loss {loss.item():.4f}, filled {plain.item():.4f}; held back {ours:.4f}, "
                f"filled {before:.4f}; {speed:.0f} maps/s",
                flush=True,
            )
    torch.save(network.state_dict(), WEIGHTS)
    on_benchmark(network.eval())


if __name__ == "__main__":
    main()
