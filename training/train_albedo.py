"""Learns to take the photo's light out of skin: `python -m training.train_albedo [--samples 130000]`.

Portraits in even light (`training.even_skins`) are lit anew in every way (`training.relight`), and a small U-Net over
the head laid round a cylinder (`face.albedo`; Ronneberger et al., 2015) learns to say what they were, a little also
where nothing is seen. Writes `addon_assets/albedo.npz`; resumes from `work/runs/NAME`.
"""

import numpy as np
import torch

from synergy_blender.face import albedo
from synergy_blender.face.surface import bundled
from training import relight, sources
from training.run import keep_memory
from training.unet import UNet, begun, learn, options_of

BATCH, RATE = 16, 2e-3
WORKERS, CHECKED = 2, 96  # processes that draw; samples of held-back portraits that are looked at on the way
PHOTOS = 2  # of different people under every light
EVENEST = 0.6  # share of the portraits whose light is even enough
SEEN_LEAST, UNSEEN = 0.5, 0.25  # of a portrait's skin, to be learned from; weight of what was filled in there
HIDDEN = 0.2  # weight of what the photo does not show
STEEP = 1.0  # weight of how colours change from cell to cell
MIXED = 0.5  # share of the samples that are two people's mean
PAINTED = 0.5  # share of those whose lips are
TONE, TINT = 0.12, 0.04  # spread of the tones that portraits are given, logarithms


class Skins(torch.utils.data.IterableDataset):
    """Samples (inputs, seen log colours and level's weights (4, ...), truth and its weight (4, ...)) without end."""

    def __init__(self, held_back, seed):
        data = np.load(sources.WORK / "even_skins.npz")
        uneven = data["uneven"]
        even = np.flatnonzero(uneven <= np.quantile(uneven, EVENEST))
        chosen = even[(even % sources.HELD_BACK_EVERY == 0) == held_back]
        self.log, self.seen = (data[name][chosen] for name in ("log", "seen"))
        self.seed, self.heads = seed, relight.Heads(np.random.default_rng(seed))

    def sample(self, rng, head):
        """Of a portrait on a head that is Lit."""
        surface = bundled()
        laid = albedo.laid(surface)
        k, other = rng.integers(len(self.log), size=2)
        log, seen = self.log[k].astype(np.float32), self.seen[k].astype(np.float32)
        if rng.random() < MIXED:
            log += np.float32(rng.uniform(0, 0.5)) * (self.log[other] - log)
            seen = np.minimum(seen, self.seen[other])
        if rng.random() < 0.5:
            log, seen = log[surface.partner], seen[surface.partner]
        log = log + np.float32(rng.normal(0, TONE)) + rng.normal(0, TINT, 3).astype(np.float32)
        if rng.random() < PAINTED:
            paint = rng.normal(0, 0.3) * np.array([0.5, -1, -0.6]) + rng.normal(0, 0.1, 3)
            log += (albedo.lips(surface)[:, None] * paint).astype(np.float32)
        skin = np.exp(log).clip(4, 250)
        colour, trust = relight.photograph(rng, head, skin, self.heads.places)
        inputs, log_seen, weights, _ = albedo.inputs_of(np.log(colour), trust, head.fitted, surface)
        truth = laid.lay(np.column_stack([np.log(skin), np.where(seen > SEEN_LEAST, 1, UNSEEN)]))
        truth[..., :3] -= albedo.mean_of(truth[..., :3] - log_seen, weights)
        truth[..., :3] *= truth[..., 3:] > 0
        truth[..., 3:] *= HIDDEN + (1 - HIDDEN) * inputs[..., 3:4]
        parts = inputs, np.concatenate([log_seen, weights], 2), truth
        return tuple(np.ascontiguousarray(part.transpose(2, 0, 1), np.float32) for part in parts)

    def __iter__(self):
        worker = torch.utils.data.get_worker_info()
        rng = np.random.default_rng([self.seed, worker.id if worker else 0])
        while True:
            head = relight.light_up(rng, self.heads)
            for _ in range(PHOTOS):
                yield self.sample(rng, head)


def levelled(network, inputs, seen):
    """The network's log albedo, as bright as what is seen in the mean."""
    made = seen[:, :3] + network(inputs)
    weights = seen[:, 3:]
    return made - ((made - seen[:, :3]) * weights).sum((2, 3), True) / weights.sum((2, 3), True).clamp(min=1e-6)


def gaps(made, truth):
    """Mean absolute difference of logarithms, and of how they change from cell to cell."""
    off, weight = made - truth[:, :3], truth[:, 3:]
    least = (torch.minimum(weight[:, :, 1:], weight[:, :, :-1]), torch.minimum(weight[..., 1:], weight[..., :-1]))
    steep = sum((off.diff(dim=k).abs() * both).sum() for k, both in zip((2, 3), least, strict=True))
    return (off.abs() * weight).sum() / (3 * weight.sum()), steep / (3 * weight.sum())


@torch.no_grad()
def validate(network, checked):
    """`gaps` of the averaged network on held-back portraits, by name."""
    network.eval()
    inputs, seen, truth = checked
    made = [levelled(network, a, b) for a, b in zip(inputs.split(BATCH), seen.split(BATCH), strict=True)]
    return dict(zip(("colour", "steep"), (one.item() for one in gaps(torch.cat(made), truth)), strict=True))


def lesson_of(network):
    def lesson(inputs, seen, truth):
        with torch.autocast("cpu", torch.bfloat16):
            made = levelled(network, inputs, seen)
        colour, steep = gaps(made.float(), truth)
        return colour + STEEP * steep, {"colour": colour, "steep": steep}, None

    return lesson


def main():
    options = options_of(__doc__.splitlines()[0], "albedo", 130_000, RATE)
    keep_memory()
    torch.manual_seed(0)
    held, rng = Skins(True, 1), np.random.default_rng(7)
    checked = [held.sample(rng, relight.light_up(rng, held.heads)) for _ in range(CHECKED)]
    checked = torch.utils.data.default_collate(checked)
    as_lit = [one.item() for one in gaps(checked[1][:, :3], checked[2])]
    network = UNet(albedo.INPUTS, albedo.WIDTHS, albedo.FINE, 3)
    run = begun(options, network, BATCH)
    skins = Skins(False, run.step)
    print(f"{len(skins.log)} portraits, {len(held.log)} held back, as lit {as_lit[0]:.4f} {as_lit[1]:.4f}", flush=True)
    learn(run, lesson_of(network), skins, WORKERS, lambda average: validate(average, checked), "albedo")


if __name__ == "__main__":
    main()
