"""Crops laid flat by what was fitted to them, and what is wrong with that: what the refinement learns from.

The state of heads, true or fitted, is tensors by name: `identity` (B, 40), `expression` (B, 52), `scale` (B,) in pixels
of a crop of 120 per metre, `rotation` (B, 3, 3), `shift` (B, 2) in its pixels, y up.
"""

import torch
import torch.nn.functional as F

from synergy_blender.face import chart, network
from synergy_blender.face.fit import IDENTITY_LIMIT
from training import linear_fit
from training.expressions import NAMES
from training.losses import CROP

JITTER = (0.012, 0.006, 0.25)  # of a pose beside another: turn in radians, log of the scale, shift in pixels
FLIP = tuple(network.FLIP.tolist())


def turns(vectors):
    """Rotations (B, 3, 3) about vectors (B, 3) by their lengths in radians (Rodrigues)."""
    angle = vectors.norm(dim=1).clamp(min=1e-12)[:, None, None]
    x, y, z = (vectors / angle[:, 0]).unbind(1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], 1).view(-1, 3, 3)
    return torch.eye(3, device=vectors.device) + torch.sin(angle) * cross + (1 - torch.cos(angle)) * cross @ cross


def vectors_of(rotations):
    """The turns (B, 3) in radians that rotations (B, 3, 3) are."""
    r = rotations
    twice = torch.stack([r[:, 2, 1] - r[:, 1, 2], r[:, 0, 2] - r[:, 2, 0], r[:, 1, 0] - r[:, 0, 1]], 1)
    sine = twice.norm(dim=1) / 2
    angle = torch.atan2(sine, (r.diagonal(dim1=1, dim2=2).sum(1) - 1) / 2)
    return twice / 2 * torch.where(sine < 1e-6, 1, angle / sine.clamp(min=1e-6))[:, None]


def between(truth, fits, share, generator=None):
    """Fits with a `share` (B,) of their errors left, and with a `generator` a pose a little beside that."""
    jitter = share.new_zeros(len(share), 6)
    if generator is not None:
        jitter.normal_(generator=generator)
        jitter = jitter * jitter.new_tensor(JITTER).repeat_interleave(torch.tensor((3, 1, 2), device=jitter.device))
    wrong = vectors_of(fits["rotation"] @ truth["rotation"].transpose(1, 2))
    mixed = {k: truth[k] + share[:, None] * (fits[k] - truth[k]) for k in ("identity", "expression", "shift")}
    return {
        "identity": mixed["identity"],
        "expression": mixed["expression"].clamp(0, 1),
        "scale": truth["scale"] * (fits["scale"] / truth["scale"]) ** share * torch.exp(jitter[:, 3]),
        "rotation": turns(share[:, None] * wrong + jitter[:, :3]) @ truth["rotation"],
        "shift": mixed["shift"] + jitter[:, 4:],
    }


def mirrored(state, mirror):
    """What is true of or fitted to crops, for their mirror images."""
    split = state["identity"].shape[1]
    flip = state["scale"].new_tensor(FLIP)
    return {
        "identity": state["identity"] @ mirror[:split, :split].T,
        "expression": state["expression"] @ mirror[split:, split:].T,
        "scale": state["scale"],
        "rotation": state["rotation"] * flip * flip[:, None],
        "shift": flip.new_tensor([CROP, 0]) + state["shift"] * flip[:2],
    }


def state_rows(state):
    """What the refinement is told of fits (B, 95)."""
    return torch.cat([state["identity"], state["expression"], state["rotation"][:, 2]], 1)


def changes(truth, state):
    """How the shape must change, and the rotation, in the head's frame, and the log of the scale (B, 96)."""
    turn = vectors_of(state["rotation"].transpose(1, 2) @ truth["rotation"])
    scale = torch.log(truth["scale"] / state["scale"])[:, None]
    parts = [truth[name] - state[name] for name in ("identity", "expression")]
    return torch.cat([*parts, turn, scale], 1)


def wrong_by(truth, unknowns):
    """Fits that are wrong by unknowns (B, 98) of `training.linear_fit`."""
    shape, pose_step = linear_fit.shape_of(unknowns)
    split = shape.shape[1] - len(NAMES)
    return {
        "identity": (truth["identity"] + shape[:, :split]).clamp(-IDENTITY_LIMIT, IDENTITY_LIMIT),
        "expression": (truth["expression"] + shape[:, split:]).clamp(0, 1),
        "scale": truth["scale"] * torch.exp(pose_step[:, 3].clamp(-0.3, 0.3)),
        "rotation": turns(pose_step[:, :3]) @ truth["rotation"],
        "shift": truth["shift"] + pose_step[:, 4:],
    }


class Flattener:
    """Lays batches of crops flat by what was fitted to them, as `face.refinement` does one."""

    def __init__(self, spreading, device="cpu"):
        """`spreading`: the FacePoints that do."""
        regress, count = network.load(), network.POINTS
        spread = chart.filled_in(chart.spread(spreading.chart.astype(float)))
        arrays = {
            "mean": spreading.mean,
            "basis": spreading.basis,
            "spread": spread.reshape(chart.CELLS**2, -1),
            "mirror": regress.mirror,
            "seen_mean": regress.points_mean[:count],
            "seen_basis": regress.points_basis[:, :count],
        }
        for name, values in arrays.items():
            setattr(self, name, torch.as_tensor(values, device=device, dtype=torch.float32))

    def posed(self, state, mean, basis):
        """Points (B, K, 3) in crop pixels, y up."""
        shape = torch.cat([state["identity"], state["expression"]], 1)
        points = mean + (shape @ basis.flatten(1)).view(len(shape), -1, 3)
        points = points @ (state["scale"][:, None, None] * state["rotation"]).transpose(1, 2)
        return torch.cat([points[..., :2] + state["shift"][:, None], points[..., 2:]], 2)

    def __call__(self, pictures, state):
        """Of pictures (B, H, H, 3) uint8: colours (B, 3, CELLS, CELLS) 0..255, how squarely cells are seen
        (B, CELLS, CELLS), and where cells lie in the crop (B, 2, CELLS, CELLS), pixels, y up."""
        points = self.posed(state, self.mean, self.basis)[..., :2]
        where = (self.spread @ points.transpose(0, 1).flatten(1)).view(chart.CELLS, chart.CELLS, -1, 2)
        where = where.permute(2, 0, 1, 3).contiguous()
        at = (where * (2 / CROP) - 1) * where.new_tensor([1, -1])
        pictures = pictures.permute(0, 3, 1, 2).float()
        colours = F.grid_sample(pictures, at, padding_mode="border", align_corners=False)
        return colours, facing(where, state["scale"]), where.permute(0, 3, 1, 2).contiguous()


def facing(where, scale):
    """`chart.facing` of many: where (B, CELLS, CELLS, 2) cells lie, scales (B,) -> (B, CELLS, CELLS)."""
    across, down = where[:, 1:-1, 2:] - where[:, 1:-1, :-2], where[:, 2:, 1:-1] - where[:, :-2, 1:-1]
    area = across[..., 1] * down[..., 0] - across[..., 0] * down[..., 1]
    area = F.pad(area[:, None], (1, 1, 1, 1), mode="replicate")[:, 0] / 4
    return (area / (scale[:, None, None] * chart.CELL) ** 2).clamp(-0.5, 1.5)


def example(flattener, pictures, truth, state):
    """Everything the refinement is shown of pictures and has to say of them: tensors by name."""
    colours, square, where = flattener(pictures, state)
    points = flattener.seen_mean, flattener.seen_basis
    return {
        "colours": colours,
        "square": square,
        "where": where,
        "before": flattener.posed(state, *points)[..., :2],
        "target": flattener.posed(truth, *points)[..., :2],
        "rows": state["scale"][:, None, None] * state["rotation"][:, :2],
        "state": state_rows(state),
        "changes": changes(truth, state),
    }
