"""Check the head model against the bars of an artist: `make check-head` (or `python -m training.check_head`).

Needs the bundled model and Blender's module, no data: it is part of the tests.
"""

import bpy  # noqa: F401 - mathutils comes with it
import numpy as np
from mathutils.bvhtree import BVHTree

from synergy_blender.face import head_model
from synergy_blender.face.surface import in_triangles

SYMMETRY = 1e-6  # metres
PENETRATION = 0.5e-3  # metres of an eyelid into an eyeball
STRETCH = 4.0
INCISOR, LIP = 0.004, (0.010, 0.014)  # metres: half the width that is looked at; how thick lips are
# metres, the mean of both sexes (ANSUR II, 2012): between the pupils, over the cheekbones, and the skull's length and
# breadth; how far the skull may be off beside a face of such a size
PUPILS, CHEEKBONES, SKULL, SKULL_OFF = 0.0629, 0.1373, (0.1938, 0.1502), 0.03
ABOVE_EARS = 0.012  # height from which a head's breadth is measured
INSIDE_LIDS = 2  # loops of the lids' thickness
FACE = (-0.055, -0.125, 0.09)  # before the ears (depth), from under the chin to the hairline (heights), metres
TOUCHING = ("mouth_bag", "lips", "eyelid_left", "eyelid_right")  # parts of the skin that may touch one another
OPPOSED = ("upper_lip", "lower_lip")  # with the mouth's bag: these may touch each other, but neither itself
COMBINATIONS = (
    {"mouthSmileLeft": 1, "mouthSmileRight": 1, "jawOpen": 0.6},
    {"eyeBlinkLeft": 1, "eyeBlinkRight": 1, "eyeSquintLeft": 1, "eyeSquintRight": 1},
    {"jawOpen": 1, "mouthClose": 1},
    {"jawOpen": 1, "mouthFunnel": 1},
    {"jawOpen": 0.5, "mouthPucker": 1},
    {"mouthSmileLeft": 1, "mouthSmileRight": 1, "cheekSquintLeft": 1, "cheekSquintRight": 1},
    {"browInnerUp": 1, "browOuterUpLeft": 1, "browOuterUpRight": 1, "eyeWideLeft": 1, "eyeWideRight": 1},
    {"browDownLeft": 1, "browDownRight": 1, "noseSneerLeft": 1, "noseSneerRight": 1},
    {"mouthFrownLeft": 1, "mouthFrownRight": 1, "browInnerUp": 1},
    {"jawLeft": 1, "mouthLeft": 1},
    {"jawRight": 1, "jawOpen": 0.7},
    {"jawForward": 1, "mouthShrugLower": 1},
    {"mouthStretchLeft": 1, "mouthStretchRight": 1, "jawOpen": 0.8},
    {"mouthUpperUpLeft": 1, "mouthUpperUpRight": 1, "mouthLowerDownLeft": 1, "mouthLowerDownRight": 1},
    {"mouthRollUpper": 1, "mouthRollLower": 1, "mouthPressLeft": 1, "mouthPressRight": 1},
    {"cheekPuff": 1, "mouthPucker": 0.7},
    {"eyeLookDownLeft": 1, "eyeLookDownRight": 1, "eyeBlinkLeft": 0.4, "eyeBlinkRight": 0.4},
    {"eyeLookUpLeft": 1, "eyeLookUpRight": 1, "eyeWideLeft": 1, "eyeWideRight": 1},
    {"mouthDimpleLeft": 1, "mouthDimpleRight": 1, "mouthSmileLeft": 0.5, "mouthSmileRight": 0.5},
    {"jawOpen": 1, "tongueOut": 1},
)


def edges_of(quads):
    """Undirected edges (E, 2) and how many quads share each (E,)."""
    edges = np.sort(np.concatenate([quads[:, [k, (k + 1) % 4]] for k in range(4)]), axis=1)
    return np.unique(edges, axis=0, return_counts=True)


def mirror_of(model):
    """For every vertex its partner on the other side, and how far it is from the mirrored place (metres)."""
    from scipy.spatial import cKDTree

    distance, partner = cKDTree(model.mean).query(model.mean * [-1, 1, 1])
    return partner, distance


def shapes(model):
    """Every shape to be free of self-intersection, by name."""
    rest = np.zeros(head_model.IDENTITY), np.zeros(head_model.EXPRESSION)
    yield "mean", model.vertices(*rest)
    for k in range(head_model.IDENTITY):
        for sigma in (-3, 3):
            identity = rest[0].copy()
            identity[k] = sigma
            yield f"identity {k + 1} at {sigma:+d}", model.vertices(identity, rest[1])
    for k, name in enumerate(model.expression_names):
        yield name, model.vertices(rest[0], np.eye(head_model.EXPRESSION)[k])
    for parts in COMBINATIONS:
        expression = rest[1].copy()
        for name, value in parts.items():
            expression[model.expression_names.index(name)] = value
        yield " + ".join(parts), model.vertices(rest[0], expression)


def crossings(quads, groups, vertices):
    """Pairs (n, 2) of the skin's quads that cut into one another, contact of lips and lids apart."""
    skin = np.zeros(len(vertices), bool)
    skin[groups["skin"]] = True
    touching = np.zeros(len(vertices), bool)
    for name in TOUCHING:
        touching[groups[name]] = True
    rows = np.flatnonzero(skin[quads].all(1))
    quads = quads[rows]
    triangles = in_triangles(quads)
    tree = BVHTree.FromPolygons(vertices.tolist(), triangles.tolist(), all_triangles=True, epsilon=0.0)
    pairs = np.array(tree.overlap(tree), int).reshape(-1, 2) % len(quads)
    pairs = np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), axis=0)
    corners = quads[pairs]
    shared = (corners[:, 0, :, None] == corners[:, 1, None, :]).any((1, 2))
    contact = touching[corners].all(2).all(1)
    upper, lower = (np.isin(corners, [*groups[name], *groups["mouth_bag"]]).all(2) for name in OPPOSED)
    contact |= (upper[:, 0] & lower[:, 1]) | (lower[:, 0] & upper[:, 1])
    return rows[pairs[~shared & ~contact]]


def sphere(points):
    """Centre (3,) and radius of the sphere that fits points (N, 3) best."""
    solution = np.linalg.lstsq(np.column_stack([2 * points, np.ones(len(points))]), (points**2).sum(1), rcond=None)[0]
    return solution[:3], np.sqrt(solution[3] + solution[:3] @ solution[:3])


def penetration(model, vertices):
    """How deep an eyelid's vertex is inside its eyeball, metres: the worst of both sides, negative if none is."""
    worst = -np.inf
    for side in ("left", "right"):
        centre, radius = sphere(vertices[model.groups[f"eye_{side}"]].astype(np.float64))
        lids = vertices[model.groups[f"eyelid_{side}"]]
        worst = max(worst, radius - np.linalg.norm(lids - centre, axis=1).min())
    return worst


def areas(model):
    """Area of every quad in UV, signed, and on the mean head (square metres)."""
    a, b = model.uv[:, 2] - model.uv[:, 0], model.uv[:, 3] - model.uv[:, 1]
    corners = model.mean[model.faces].astype(np.float64)
    space = np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
    return (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / 2, np.linalg.norm(space, axis=1) / 2


def uv_overlap(model, size=1024):
    """Share of the covered texels of a texture of `size` that lie in more than one triangle."""
    seen = np.zeros((size, size), np.uint8)
    triangles = in_triangles(model.uv).astype(np.float64) * size
    for a, b, c in triangles:
        low = np.maximum(np.floor(np.minimum(np.minimum(a, b), c)), 0).astype(int)
        high = np.minimum(np.ceil(np.maximum(np.maximum(a, b), c)), size).astype(int)
        x, y = np.arange(low[0], high[0]) + 0.5, np.arange(low[1], high[1])[:, None] + 0.5
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if abs(area) < 1e-12:
            continue
        u = ((b[0] - x) * (c[1] - y) - (c[0] - x) * (b[1] - y)) / area
        v = ((c[0] - x) * (a[1] - y) - (a[0] - x) * (c[1] - y)) / area
        seen[low[1] : high[1], low[0] : high[0]] += (u > 1e-9) & (v > 1e-9) & (1 - u - v > 1e-9)
    return (seen > 1).sum() / (seen > 0).sum()


def in_region(name, points):
    """Which points (V, 3) of the mean head an expression may move: boxes (x outwards, y) by the part that it names."""
    boxes = {
        "eye": ((-0.002, 0.065), (-0.04, 0.04)),
        "brow": ((-0.02, 0.075), (-0.02, 0.085)),
        "nose": ((-0.015, 0.05), (-0.065, 0.03)),
        "cheekS": ((0.0, 0.075), (-0.065, 0.03)),
        "cheekP": ((-0.09, 0.09), (-0.12, 0.0)),
        "mouth": ((-0.03, 0.08), (-0.125, -0.02)),
        "jaw": ((-0.09, 0.09), (-0.2, -0.01)),
        "tongue": ((-0.06, 0.06), (-0.12, -0.03)),
    }
    (low, high), heights = next(box for prefix, box in boxes.items() if name.startswith(prefix))
    outwards = points[:, 0] * (-1 if name.endswith("Right") else 1)
    if not name.endswith(("Left", "Right")) or name in ("jawLeft", "jawRight", "mouthLeft", "mouthRight"):
        low = -high
    inside = (outwards > low) & (outwards < high) & (points[:, 1] > heights[0]) & (points[:, 1] < heights[1])
    return inside


def motion_inside(model, k):
    """Share of the motion energy of expression `k` that is inside its region."""
    energy = (model.expression[k].astype(np.float64) ** 2).sum(1)
    return energy[in_region(model.expression_names[k], model.mean)].sum() / energy.sum()


def loops_around(model, inner):
    """How many closed loops without a pole lie around the vertices `inner`, each directly outside the last."""
    edges, _ = edges_of(model.faces)
    valence = np.bincount(edges.ravel(), minlength=len(model.mean))
    seen, count = np.asarray(inner), 0
    while True:
        loop = np.setdiff1d(np.unique(model.faces[np.isin(model.faces, seen).any(1)]), seen)
        within = edges[np.isin(edges, loop).all(1)]
        neighbours = np.bincount(within.ravel(), minlength=len(model.mean))[loop]
        if not len(loop) or (neighbours != 2).any() or (valence[loop] != 4).any():
            return count
        seen, count = np.concatenate([seen, loop]), count + 1


def skull_over_peoples(model):
    """Length and breadth of the mean's skull beside its face over those of people."""
    groups, mean = model.groups, model.mean
    skin = mean[np.setdiff1d(groups["skin"], np.concatenate([groups["ear_left"], groups["ear_right"]]))]
    pupils = np.ptp([mean[groups[f"eye_{side}"]].mean(0)[0] for side in ("left", "right")])
    cheekbones = np.ptp(model.landmarks(mean)[[1, 15], 0])
    size = (pupils / PUPILS + cheekbones / CHEEKBONES) / 2
    forehead = skin[(skin[:, 1] > ABOVE_EARS) & (np.abs(skin[:, 0]) < 0.01), 2].max()
    above = skin[skin[:, 1] > ABOVE_EARS]
    return (forehead - above[:, 2].min()) / SKULL[0] / size, np.ptp(above[:, 0]) / SKULL[1] / size


def sidedness(model, partner):
    """How far, in metres, the left expressions are from the mirror images of the right ones."""
    names = list(model.expression_names)
    other = [names.index(n.replace("Left", "#").replace("Right", "Left").replace("#", "Right")) for n in names]
    return np.abs(model.expression - model.expression[other][:, partner] * [-1, 1, 1]).max()


def through_teeth(model, vertices):
    """Whether the teeth come through the skin outside of the mouth, whose bag begins a quad behind where lips meet."""
    teeth = np.concatenate([model.groups["teeth_upper"], model.groups["teeth_lower"]])
    within = np.isin(model.faces, model.groups["mouth_bag"]).any(1) & np.isin(model.faces, model.groups["skin"]).all(1)
    outer = np.setdiff1d(model.groups["skin"], model.faces[within])

    def tree(rows):
        quads = model.faces[np.isin(model.faces, rows).all(1)]
        triangles = in_triangles(quads)
        return BVHTree.FromPolygons(vertices.tolist(), triangles.tolist(), all_triangles=True, epsilon=0.0)

    return len(tree(teeth).overlap(tree(outer)))


def lips_before_teeth(model):
    """How far, in metres, the upper and the lower lip reach before the incisors."""
    middle = np.abs(model.mean[:, 0]) < INCISOR

    def front(part):
        rows = model.groups[part]
        return model.mean[rows[middle[rows]], 2].max()

    return front("upper_lip") - front("teeth_upper"), front("lower_lip") - front("teeth_lower")


def measure(model):
    """Every figure by name: (value, bar, whether it is met)."""
    figures = {}

    def figure(name, value, bar, good):
        figures[name] = (value, bar, bool(good))

    edges, count = edges_of(model.faces)
    open_edges = edges[count != 2]
    neck = np.unique(open_edges)
    height = np.ptp(model.mean[neck, 1])
    valence = np.bincount(edges.ravel(), minlength=len(model.mean))
    valence[neck] += 1
    figure("quads", f"{len(model.faces)} of {len(model.mean)} vertices", "all", model.faces.shape[1] == 4)
    loop = (np.bincount(open_edges.ravel())[neck] == 2).all() and (count <= 2).all()
    alone = f"{len(open_edges)} in one loop" if loop and height < 1e-5 else f"{len(open_edges)} ({height:.4f} m high)"
    figure("edges of one quad, on the neck's end", alone, "no other", loop and height < 1e-5)
    poles = {int(v): int(n) for v, n in zip(*np.unique(valence, return_counts=True), strict=True) if v != 4}
    figure("poles by valence", poles, "3 and 5 only", set(poles) <= {3, 5})
    long, broad = skull_over_peoples(model)
    text = f"{long:.2f} and {broad:.2f}"
    good = max(abs(long - 1), abs(broad - 1)) <= SKULL_OFF
    figure("length and breadth of the skull over people's", text, f"1, within {SKULL_OFF:.0%}", good)
    flip = np.array([-1.0, 1, 1])
    partner = mirror_of(model)[0]
    asymmetry = np.abs(model.mean - model.mean[partner] * flip).max()
    figure("asymmetry of the mean", f"{asymmetry:.1e} m", "<= 1e-6 m", asymmetry <= SYMMETRY)
    apart = sidedness(model, partner)
    figure("left expressions from mirrored right ones", f"{apart:.1e} m", "<= 1e-6 m", apart <= SYMMETRY)
    for name, inner, least in (("eye", "socket_left", 5 + INSIDE_LIDS), ("mouth", "mouth_bag", 5)):
        count = loops_around(model, model.groups[inner])
        figure(f"loops without a pole about the {name}", count, f">= {least}", count >= least)
    cut, deep, bitten = {}, {}, []
    for name, vertices in shapes(model):
        pairs = crossings(model.faces, model.groups, vertices)
        if len(pairs):
            cut[name] = len(pairs)
        deep[name] = penetration(model, vertices)
        if through_teeth(model, vertices):
            bitten.append(name)
    total = 1 + 2 * head_model.IDENTITY + head_model.EXPRESSION + len(COMBINATIONS)
    worst = sorted(cut, key=cut.get, reverse=True)[:4]
    text = f"{len(cut)} of {total}" + "".join(f", {name} {cut[name]}" for name in worst)
    figure("shapes whose skin cuts into itself", text, "0", not cut)
    text = f"{len(bitten)}" + "".join(f", {name}" for name in bitten[:4])
    figure("shapes whose teeth come through the skin", text, "0", not bitten)
    upper, lower = lips_before_teeth(model)
    close = LIP[0] <= min(upper, lower) and max(upper, lower) <= LIP[1]
    figure("lips before the teeth", f"{1000 * upper:.1f} and {1000 * lower:.1f} mm", "10 to 14 mm", close)
    name = max(deep, key=deep.get)
    figure("eyelid inside eyeball", f"{1000 * deep[name]:.2f} mm ({name})", "<= 0.5 mm", deep[name] <= PENETRATION)
    overlap = uv_overlap(model)
    figure("UV overlap", f"{overlap:.2%}", "0", overlap == 0)
    flat, space = areas(model)
    skin = np.zeros(len(model.mean), bool)
    skin[model.groups["skin"]] = True
    outside = [model.material_names.index(name) for name in ("skin", "lips")]
    on_skin = skin[model.faces].all(1) & np.isin(model.material, outside)
    low, high = np.percentile(np.abs(flat[on_skin]) / space[on_skin], [5, 95])
    figure("UV stretch, 5th to 95th percentile", f"{high / low:.2f}", "<= 4", high / low <= STRETCH)
    middle = model.mean[model.faces].mean(1)
    front = on_skin & (middle[:, 2] > FACE[0]) & (middle[:, 1] > FACE[1]) & (middle[:, 1] < FACE[2])
    share = np.abs(flat[front]).sum() / np.abs(flat).sum()
    figure("share of UV on the face", f"{share:.0%}", ">= 50 %", share >= 0.5)
    inside = {name: motion_inside(model, k) for k, name in enumerate(model.expression_names)}
    name = min(inside, key=inside.get)
    figure("motion inside an expression's region", f"{inside[name]:.1%} ({name})", ">= 95 %", inside[name] >= 0.95)
    return figures


def main():
    for name, (value, bar, good) in measure(head_model.load()).items():
        print(f"{'ok ' if good else 'NOT'}  {name:<40} {value!s:<60} bar {bar}")


if __name__ == "__main__":
    main()
