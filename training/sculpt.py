"""Expressions sculpted on the template, where the source's do not fit its lids, lips and tongue.

All work on the left half or on the middle; `build_head_model` mirrors them. Fields are displacements (V, 3) in metres
at slider 1, changed in place.
"""

import numpy as np
from scipy.spatial import cKDTree

from training.expressions import smooth_step
from training.template import BAG, LID_DEPTHS

SCULPTED = ("eyeBlink", "eyeLookDown")
SHUT = ("mouthRoll", "mouthPress", "mouthDimple", "mouthFrown", "mouthStretch", "mouthShrug", "mouthLeft", "mouthRight")
SHUT_RINGS = 5
UPPER_TRAVEL = 0.12  # of the gap of an open jaw that the upper lip closes
OUT, LIFT, DROP = 0.042, 0.005, 0.020  # metres that the tip of the tongue moves: out, over the lip, and hanging down
LOWER_SHARE = 0.22  # of the way between the lids that the lower one travels in a blink
LID_GAP, UPPER_OVER = 0.00035, 0.00025  # metres that closed lids stand off the eyeball; the upper one further
DEEP_SHARES = (0.9, 0.5)  # of the edge's turn that the rings inside the lids take
STIFF = 0.35  # share of the upper lid, from its edge, that turns with it without stretching
LOOK_DOWN, LOOKED_DOWN = 0.5, 0.38  # of a blink: how far the lids follow the eye, here and in the source


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


def stick_out(tongue):
    """`tongueOut` (N, 3) of the tongue's points (N, 3): its front slides out over the lower lip and hangs down."""
    front = (tongue[:, 2] - tongue[:, 2].min()) / np.ptp(tongue[:, 2])
    slide = smooth_step(front, 0.05, 0.95)
    over = LIFT * slide - DROP * slide * front**4
    return np.column_stack([0.1 * slide * tongue[:, 0], over, OUT * slide])


def keep_shut(loops, edge, field, beside=0.0, only_parted=True):
    """Takes out of an expression what parts the lips, half from each lip, fading over the rings about them.

    `loops` (R, n) rings about one half of the mouth, of which `edge` are the lips, from lower to upper midline.
    `beside` is an expression that moves with this one; without `only_parted` the lips are to meet exactly.
    """
    lower = np.arange(loops.shape[1]) < loops.shape[1] / 2
    both = field + beside
    apart = both[loops[edge]] - both[loops[edge][::-1]]
    if only_parted:
        apart[:, [0, 2]] = 0
        apart[:, 1] = np.where(lower, np.minimum(apart[:, 1], 0), np.maximum(apart[:, 1], 0))
    rings = np.abs(np.arange(len(loops)) - edge)
    share = (1 - smooth_step(rings, 1, SHUT_RINGS))[:, None, None]
    field[loops] -= share * apart / 2


def lower_seal(loops, edge, opened, field):
    """Lets `mouthClose` seal the lips a little below where the upper one was: `opened` is the open jaw's expression."""
    gap = opened[loops[edge]] - opened[loops[edge][::-1]]
    gap = np.where((np.arange(len(gap)) < len(gap) / 2)[:, None], gap, -gap)
    rings = np.abs(np.arange(len(loops)) - edge)
    field[loops] += UPPER_TRAVEL * (1 - smooth_step(rings, 1, edge))[:, None, None] * gap


def sculpt(template, mean, expression, names, centre, radius):
    """Blinks, lids that follow the eyes down, a shut mouth and the tongue, in place in expressions (P, V, 3).

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
    tongue = template["part"] == "tongue"
    tongue_out = expression[names.index("tongueOut")]
    tongue_out[tongue] = stick_out(mean[tongue])
    loops = template["loop_mouth"]
    lips = len(loops) - len(BAG) - 1
    jaw, seal = (names.index(name) for name in ("jawOpen", "mouthClose"))
    for half in (loops, partner[loops][:, 1:-1]):  # the midline once
        for name in names:
            if name.startswith(SHUT):
                keep_shut(half, lips, expression[names.index(name)])
        keep_shut(half, lips, expression[seal], expression[jaw], only_parted=False)
        lower_seal(half, lips, expression[jaw], expression[seal])
