"""Expressions sculpted on the template, where the source's do not fit its lids, lips and tongue.

All work on the left half or on the middle; `build_head_model` mirrors them. Fields are displacements (V, 3) in metres
at slider 1, changed in place.
"""

import numpy as np
from scipy.spatial import cKDTree

from training.expressions import smooth_step
from training.template import BAG, LID_DEPTHS

SCULPTED = ("eyeBlink", "eyeLookDown", "mouthClose")
SHUT = ("mouthRoll", "mouthPress", "mouthDimple", "mouthFrown", "mouthStretch", "mouthShrug", "mouthLeft", "mouthRight")
SHUT_RINGS = 5
OUT, LIFT, DROP = 0.042, 0.005, 0.020  # metres that the tip of the tongue moves: out, over the lip, and hanging down
LOWER_SHARE = 0.22  # of the way between the lids that the lower one travels in a blink
LID_GAP, UPPER_OVER = 0.00035, 0.00025  # metres that closed lids stand off the eyeball; the upper one further
DEEP_SHARES = (0.9, 0.5)  # of the edge's turn that the rings inside the lids take
STIFF = 0.35  # share of the upper lid, from its edge, that turns with it without stretching
LOOK_DOWN, LOOKED_DOWN = 0.5, 0.38  # of a blink: how far the lids follow the eye, here and in the source
UPPER_TRAVEL = 0.45  # of the gap of an open jaw that the upper lip closes
SEALED_RINGS, LOOSE_RINGS = 2, 9  # rings about the lips that seal with them; where nothing moves any more


def _across(edge):
    """For each point of the lids' edge (n, 3), the place on the other lid that lies as far from the corners, and which
    points are the upper lid's: (n, 3), (n,)."""
    count = len(edge)
    inner, outer = edge[:, 0].argmin(), edge[:, 0].argmax()
    lids = []
    for start, end in ((inner, outer), (outer, inner)):
        rows = np.arange(start, start + (end - start) % count + 1) % count
        arc = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(edge[rows], axis=0), axis=1))])
        lids.append((rows, arc / arc[-1]))
    other, upper = np.empty((count, 3)), np.zeros(count, bool)
    for (rows, arc), (rows_there, arc_there) in (lids, lids[::-1]):
        for axis in range(3):
            other[rows, axis] = np.interp(1 - arc, arc_there, edge[rows_there, axis])
    first, second = (edge[rows, 1].mean() for rows, _ in lids)
    upper[lids[0][0] if first > second else lids[1][0]] = True
    return other, upper


def _turned(points, axis, angle):
    """Points (N, 3) turned about `axis` (3,) by angles (N,) (Rodrigues)."""
    cosine, sine = np.cos(angle)[:, None], np.sin(angle)[:, None]
    along = (points @ axis)[:, None] * axis
    return along + (points - along) * cosine + np.cross(axis, points) * sine


def close_lids(loops, edge, mean, centre, radius, field):
    """The left eye's blink: both lids slide over the eyeball, about its middle, until their edges meet.

    `loops` (R, n) rings about the eye from outside inwards, of which `edge` is the lids' edge and the rest their
    thickness; `field` keeps what it does outside the rings and fades into the new one over them.
    """
    spokes = mean[loops] - centre  # (R, n, 3)
    count = loops.shape[1]
    across, upper = _across(mean[loops[edge]])
    across -= centre
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    length = np.linalg.norm(spokes, axis=2)
    unit = spokes / length[..., None]
    # where the edges meet: between them on the ball, nearer to the lower one
    share = np.where(upper, LOWER_SHARE, 1 - LOWER_SHARE)[:, None]
    meet = unit[edge] * share + across * (1 - share)
    meet /= np.linalg.norm(meet, axis=1, keepdims=True)
    steps = np.linalg.norm(np.diff(mean[loops[: edge + 1]], axis=0), axis=2)  # (edge, n) from outside inwards
    inwards = np.concatenate([np.zeros((1, count)), np.cumsum(steps, axis=0)])
    along = inwards / inwards[-1]  # 0 on the outermost ring, 1 on the edge
    new = np.empty_like(spokes)
    for k in range(count):
        axis = np.cross(unit[edge, k], meet[k])
        size = np.linalg.norm(axis)
        if size < 1e-9:
            new[:, k] = spokes[:, k]
            continue
        angle = np.arctan2(size, unit[edge, k] @ meet[k])
        share = np.concatenate([np.ones(edge + 1), DEEP_SHARES])
        share[: edge + 1] = smooth_step(along[:, k] / (1 - STIFF), -0.35, 1.0)
        turned = _turned(spokes[:, k], axis / size, angle * share)
        # closed lids lie on the ball, with the thickness that they have
        lying = radius + LID_GAP + (UPPER_OVER if upper[k] else 0)
        lift = np.maximum(lying - length[edge, k], 0) * share
        turned *= (1 + lift / length[:, k])[:, None]
        deep = turned[edge + 1 :]
        deep *= np.maximum(1, (radius + LID_GAP) / np.linalg.norm(deep, axis=1))[:, None]
        new[:, k] = turned
    sculpted = new - spokes
    fade = np.ones((len(loops), count, 1))
    fade[: edge + 1] = smooth_step(along, 0.05, 0.45)[..., None]
    field[loops] = fade * sculpted + (1 - fade) * field[loops]


def seal_lips(loops, edge, mean, opened, field):
    """`mouthClose`: with the jaw open the lips meet between where upper and lower lip are, the lower going further.

    `loops` (R, n) rings about the left half of the mouth, of which `edge` are the lips; from lower to upper midline.
    """
    count = loops.shape[1]
    lower = np.minimum(np.arange(count), count - 1 - np.arange(count))
    gap = opened[loops[edge, lower]] - opened[loops[edge, count - 1 - lower]]  # (n, 3) of an open jaw
    rings = np.abs(np.arange(len(loops)) - edge)
    outside = 1 - smooth_step(rings, SEALED_RINGS, LOOSE_RINGS)
    inside = 1 - smooth_step(rings, 1, len(loops) - edge)
    share = np.where(np.arange(len(loops)) <= edge, outside, inside)[:, None, None]
    target = opened[loops[edge, count - 1 - lower]] + UPPER_TRAVEL * gap
    field[:] = 0
    field[loops] = share * (target[None] - opened[loops])


def stick_out(tongue):
    """`tongueOut` (N, 3) of the tongue's points (N, 3): its front slides out over the lower lip and hangs down."""
    front = (tongue[:, 2] - tongue[:, 2].min()) / np.ptp(tongue[:, 2])
    slide = smooth_step(front, 0.05, 0.95)
    over = LIFT * slide - DROP * slide * front**4
    return np.column_stack([0.1 * slide * tongue[:, 0], over, OUT * slide])


def keep_shut(loops, edge, field):
    """Takes out of an expression what would part the lips, half from each lip, fading over the rings about them."""
    count = loops.shape[1]
    number = np.arange(count)
    lower = number < count / 2
    apart = field[loops[edge], 1] - field[loops[edge][::-1], 1]
    parted = np.where(lower, np.minimum(apart, 0), np.maximum(apart, 0))
    rings = np.abs(np.arange(len(loops)) - edge)
    share = (1 - smooth_step(rings, 1, SHUT_RINGS))[:, None]
    field[loops, 1] -= share * parted / 2


def sculpt(template, mean, expression, names, centre, radius):
    """Replaces blinks, what the lids do when the eyes look down, and `mouthClose` of expressions (P, V, 3).

    `centre` (3,) and `radius` of the left eyeball; mean and template are symmetric.
    """
    flip = np.array([-1.0, 1, 1])
    partner = cKDTree(mean).query(mean * flip)[1]
    edge = len(template["loop_eye"]) - len(LID_DEPTHS) - 1
    left = {name: names.index(f"{name}Left") for name in ("eyeBlink", "eyeLookDown")}
    before = expression[left["eyeBlink"]].copy()
    close_lids(template["loop_eye"], edge, mean, centre, radius, expression[left["eyeBlink"]])
    expression[left["eyeLookDown"]] += LOOK_DOWN * expression[left["eyeBlink"]] - LOOKED_DOWN * before
    for name, row in left.items():
        expression[names.index(f"{name}Right")] = expression[row][partner] * flip
    seal, loops = expression[names.index("mouthClose")], template["loop_mouth"]
    seal_lips(loops, len(loops) - len(BAG) - 1, mean, expression[names.index("jawOpen")], seal)
    seal[partner[loops]] = seal[loops] * flip
    tongue = template["part"] == "tongue"
    tongue_out = expression[names.index("tongueOut")]
    tongue_out[tongue] = stick_out(mean[tongue])
    lips = len(loops) - len(BAG) - 1
    for name in names:
        if name.startswith(SHUT):
            keep_shut(loops, lips, expression[names.index(name)])
            keep_shut(partner[loops], lips, expression[names.index(name)])
