"""Carry the statistics over to our template: `python -m training.build_head_model`.

Reads `work/head_surface.npz` (how heads vary), `work/head_landmarks.npz` and `work/template.npz`, writes
`addon_assets/head_model.npz`. Only this step ties template and statistics: a new template needs no new training.
"""

import numpy as np
from scipy.spatial import cKDTree

from synergy_blender.face import assets
from synergy_blender.face.surface import in_triangles
from training import cranium, sources
from training.cage import NECK_PLANE
from training.check_head import COMBINATIONS, crossings, sphere
from training.embed_landmarks import IBUG_68
from training.identity_names import identity_names
from training.lay import closest_of
from training.rasterize import vertex_normals
from training.sculpt import SCULPTED, sculpt

PHONG = 0.6  # share of Phong tessellation (Boubekeur & Alexa 2008), which rounds the source's facets
LID_CLEARANCE, LID_ALLOWANCE = 0.0002, 0.0004  # metres between lid and eyeball in expressions; cut at 3 sigma
LID_SMOOTHING, NOSTRIL_SMOOTHING = 3, 1  # rounds
EAR_SMOOTHING = 2  # rounds
UNCROSS_ROUNDS, UNCROSS_WIDENS = 60, 12  # rounds, and after how many the smoothed patch grows by a quad
FURTHEST_BESIDE, BESIDE_COST = 2.0, 0.0002  # of a triangle's size; metres that such a place must be nearer by
NEAR_TRIANGLES, MOVES_COUNT = 60, 3.0  # where a landmark is looked for; weight of how it moves against where it lies
MATERIALS = ("skin", "mouth", "sclera", "iris", "pupil", "teeth", "gums", "tongue", "lips")


def round_surface(surface, corners, weights):
    """Points (V, 3) on the source surface, rounded between its vertices."""
    mean = surface["mean"].astype(float)
    normals = vertex_normals(mean, surface["triangles"])
    flat = np.einsum("pc,pcd->pd", weights, mean[corners])
    apart = ((flat[:, None] - mean[corners]) * normals[corners]).sum(2, keepdims=True)
    on_planes = flat[:, None] - apart * normals[corners]
    return flat + PHONG * (np.einsum("pc,pcd->pd", weights, on_planes) - flat)


def smooth(values, quads, rows, rounds, share=0.5):
    """Average values (V, ...) with their neighbours at `rows` only."""
    edges = np.unique(np.sort(np.concatenate([quads[:, [k, (k + 1) % 4]] for k in range(4)]), axis=1), axis=0)
    count = np.bincount(edges.ravel(), minlength=len(values)).astype(values.dtype)
    values = values.copy()
    shape = (-1,) + (1,) * (values.ndim - 1)
    for _ in range(rounds):
        total = np.zeros_like(values)
        np.add.at(total, edges[:, 0], values[edges[:, 1]])
        np.add.at(total, edges[:, 1], values[edges[:, 0]])
        mean = total / np.maximum(count, 1).reshape(shape)
        values[rows] += share * (mean[rows] - values[rows])
    return values


def grow(rows, quads, rings):
    """The vertices `rows` and those up to `rings` quads around them."""
    for _ in range(rings):
        rows = np.unique(quads[np.isin(quads, rows).any(1)])
    return rows


def affine_field(points, shift):
    """The affine displacement (4, 3) that best explains `shift` (N, 3) at `points` (N, 3)."""
    return np.linalg.lstsq(np.column_stack([points, np.ones(len(points))]), shift, rcond=None)[0]


def in_plane_of(points, triangles):
    """Barycentric weights (P, K, 3) of points (P, 3) in the planes of triangles (P, K, 3, 3), and distances from there:
    infinite where a point is further beside than FURTHEST_BESIDE of the triangle's size."""
    a, b, c = (triangles[:, :, k] for k in range(3))
    p = points[:, None]
    normal = np.cross(b - a, c - a)
    size = (normal**2).sum(-1)
    v = (np.cross(p - a, c - a) * normal).sum(-1) / size
    w = (np.cross(b - a, p - a) * normal).sum(-1) / size
    weights = np.stack([1 - v - w, v, w], -1)
    far = ((weights < -FURTHEST_BESIDE) | (weights > 1 + FURTHEST_BESIDE)).any(-1)
    return weights, np.where(far, np.inf, np.abs(((p - a) * normal).sum(-1)) / np.sqrt(size))


def seat_eyes(template, mean, identity, expression):
    """Eyeballs that sit in their lids, in place: they move with the lids' edge, turn without growing, and no lid cuts
    into them."""
    for side in ("left", "right"):
        ball = template["part"] == f"eye_{side}"
        lids, socket = template[f"group_eyelid_{side}"], template[f"group_socket_{side}"]
        shift = identity[:, lids].mean(1, keepdims=True)
        identity[:, ball] = shift
        identity[:, socket] = shift
        centre, radius = sphere(mean[ball])
        # at +-3 sigma a lid may come as near as it is now and cut in by an allowance
        out = mean[lids] - centre
        gap = np.linalg.norm(out, axis=1, keepdims=True)
        out /= gap
        along = ((identity[:, lids] - shift) * out).sum(2, keepdims=True)
        most = (np.maximum(gap - radius, 0) + LID_ALLOWANCE) / 3
        identity[:, lids] += (np.clip(along, -most, most) - along) * out
        for field in expression:
            linear = affine_field(mean[ball] - centre, field[ball])
            u, _, v = np.linalg.svd(np.eye(3) + linear[:3])
            field[ball] = (mean[ball] - centre) @ (u @ v) + linear[3] - (mean[ball] - centre)
            # the deeper lid rings too are pushed out along the ray from the eyeball's middle
            ray = mean[lids] + field[lids] - centre - linear[3]
            length = np.linalg.norm(ray, axis=1, keepdims=True)
            moved = np.linalg.norm(field[lids], axis=1, keepdims=True) > 1e-5
            field[lids] += np.where(moved, ray / length * np.maximum(radius + LID_CLEARANCE - length, 0), 0)


def symmetrise(mean, expression, names):
    """The mean and the expressions (P, V, 3) made exactly mirror images of themselves or of their partners."""
    flip = np.array([-1.0, 1, 1])
    partner = cKDTree(mean).query(mean * flip)[1]
    assert (partner[partner] == np.arange(len(mean))).all(), "a vertex has no partner on the other side"
    other = [names.index(other_side(name)) for name in names]
    return (mean + mean[partner] * flip) / 2, (expression + expression[other][:, partner] * flip) / 2


def uncross(template, mean, identity, expression, names):
    """Smooths the displacements, in place, where a component at +-3 sigma, an expression or a combination lets the skin
    cut into itself."""
    groups = {name.removeprefix("group_"): rows for name, rows in template.items() if name.startswith("group_")}
    partner = cKDTree(mean).query(mean * [-1, 1, 1])[1]
    quads = template["quads"]

    def moves(parts):
        """Fields and their amounts that make a shape, and those fields' partners on the other side."""
        if isinstance(parts, tuple):
            return identity, [parts[0]], [parts[1]], [parts[0]]
        rows = [names.index(name) for name in parts]
        both = np.unique([names.index(n) for name in parts for n in (name, other_side(name))])
        return expression, rows, list(parts.values()), both

    shapes = [{name: 1.0} for name in names] + list(COMBINATIONS)
    shapes += [(k, sigma) for k in range(len(identity)) for sigma in (-3.0, 3.0)]
    for turn in range(UNCROSS_ROUNDS):
        left = []
        for parts in shapes:
            fields, chosen, amounts, both = moves(parts)
            pairs = crossings(quads, groups, mean + np.tensordot(amounts, fields[chosen], 1))
            if len(pairs):
                left.append(parts)
                rows = np.unique(quads[pairs])
                rows = grow(np.union1d(rows, partner[rows]), quads, 1 + turn // UNCROSS_WIDENS)
                rows = rows[np.isin(rows, groups["skin"])]
                fields[both] = smooth(fields[both].transpose(1, 0, 2), quads, rows, 1).transpose(1, 0, 2)
        shapes = left
    print(f"the skin still cuts into itself in {shapes}")


def at_landmarks(field, vertices, weights):
    """A field (..., V, 3) at points that are weights (K, 3) of vertices (K, 3): (..., K, 3)."""
    return np.einsum("kc,...kcd->...kd", weights, field[..., vertices, :])


def place_landmarks(surface, template, mean, identity, expression, names):
    """Vertices (68, 3) and their weights (68, 3): the landmarks on the template, where they move as was trained."""
    embedding = np.load(sources.WORK / "head_landmarks.npz")
    rows = surface["triangles"][embedding["triangle"][IBUG_68]]
    points = np.einsum("kc,kcd->kd", embedding["weights"][IBUG_68].astype(float), surface["mean"].astype(float)[rows])
    outer = np.isin(template["material"], ("skin", "lips", "mouth"))
    quads = template["quads"][outer]
    triangles = in_triangles(quads)
    trained = np.einsum(
        "kc,pkcd->pkd",
        embedding["weights"][IBUG_68],
        np.concatenate([surface["identity"], surface["expression"]])[:, rows],
    )
    # a lip's landmark lies on that lip: of the triangles near by the one that moves as was trained
    near = cKDTree(mean[triangles].mean(1)).query(points, NEAR_TRIANGLES)[1]
    bary, distance = closest_of(points, mean[triangles[near]])
    # or beside a triangle but in its plane: the corners of the mouth lie between the template's vertices
    beside, apart = in_plane_of(points, mean[triangles[near]])
    near = np.concatenate([near, near], 1)
    distance = np.concatenate([distance, apart + BESIDE_COST * np.abs(beside - bary).sum(2)], 1)
    bary = np.concatenate([bary, beside], 1)
    alike = np.r_[np.full(len(identity), True), [not name.startswith(SCULPTED) for name in names]]
    moves = np.concatenate([identity, expression])[alike][:, triangles[near]]  # (P, 68, near, 3, 3)
    off = np.linalg.norm(np.einsum("knc,pkncd->pknd", bary, moves) - trained[alike][:, :, None], axis=3).mean(0)
    best = (distance + MOVES_COUNT * off).argmin(1)
    index, landmark_weights = near[np.arange(len(points)), best], bary[np.arange(len(points)), best]
    landmarks = triangles[index], landmark_weights
    gap = np.linalg.norm(at_landmarks(mean, *landmarks) - points, axis=1)
    carried = at_landmarks(np.concatenate([identity, expression]), *landmarks)
    off = np.linalg.norm(carried - trained, axis=2)[alike]
    print(
        f"landmarks lie {1000 * gap.mean():.2f} mm (worst {1000 * gap.max():.2f}) from where they were trained; "
        f"their displacements differ by {1000 * off.mean():.3f} mm on average, {1000 * off.max():.2f} at worst"
    )
    return landmarks


def other_side(name):
    return name.replace("Left", "#").replace("Right", "Left").replace("#", "Right")


def main():
    surface = dict(np.load(sources.WORK / "head_surface.npz"))
    template = dict(np.load(sources.WORK / "template.npz"))
    corners, weights, follow = template["corners"], template["weights"], template["follow"][:, None]
    source = surface["mean"].astype(float)
    skin = template["part"] == "skin"
    mean = round_surface(surface, corners, weights)
    mean[~skin] = source[corners[~skin, 0]]
    mean += template["offset"]

    def carry(field, share):
        moved = np.einsum("pc,pcd->pd", weights, field[corners].astype(float)) * share
        for part in np.unique(template["part"][~skin]):
            here, there = template["part"] == part, surface["part"] == part
            affine = affine_field(source[there], field[there].astype(float))
            moved[here] = np.column_stack([mean[here], np.ones(here.sum())]) @ affine
        return moved

    identity = np.array([carry(field, 1.0) for field in surface["identity"]])
    expression = np.array([carry(field, follow) for field in surface["expression"]])
    end = template["group_neck"][template["follow"][template["group_neck"]] == 0]
    mean[end, 1] = NECK_PLANE
    neck = template["group_neck"]
    identity[:, neck, 1] *= follow[neck, 0]  # the end stays a horizontal loop

    # what the flat chart crams together about the ear is evened out again, alike for shape and displacements
    about_ear = np.concatenate([template["group_ear_left"], template["group_ear_right"]])
    stacked = np.concatenate([mean[None], identity, expression]).transpose(1, 0, 2)
    stacked = smooth(stacked, template["quads"], grow(about_ear, template["quads"], 2), EAR_SMOOTHING)
    # and the folds of the tear duct, which the lids' outer rings cannot follow, are smoothed out
    nostrils = np.concatenate([template["group_nostril_left"], template["group_nostril_right"]])
    stacked = smooth(stacked, template["quads"], grow(nostrils, template["quads"], 1), NOSTRIL_SMOOTHING)
    lids = np.concatenate([template["group_eyelid_left"], template["group_eyelid_right"]])
    hanging = np.linalg.norm(template["offset"], axis=1) > 1e-7
    edge = np.unique(template["quads"][hanging[template["quads"]].any(1)])
    stacked = smooth(stacked, template["quads"], np.setdiff1d(lids, edge), LID_SMOOTHING)
    mean, identity, expression = np.split(stacked.transpose(1, 0, 2), [1, 1 + len(identity)])
    names = surface["expression_names"].astype("U").tolist()
    mean, expression = symmetrise(mean[0], expression, names)
    sculpt(template, mean, expression, names, *sphere(mean[template["part"] == "eye_left"]))
    uncross(template, mean, identity, expression, names)
    seat_eyes(template, mean, identity, expression)
    uncross(template, mean, identity, expression, names)
    mean, expression = symmetrise(mean, expression, names)

    landmarks = place_landmarks(surface, template, mean, identity, expression, names)
    mean, identity = cranium.shrunk(mean), cranium.steadied(identity, mean)
    groups = {name: rows.astype(np.int32) for name, rows in template.items() if name.startswith("group_")}
    assets.save(
        sources.ASSETS / "head_model.npz",
        "head model",
        {
            "mean": mean.astype(np.float32),
            "identity": identity.astype(np.float16),
            "expression": expression.astype(np.float16),
            "identity_names": np.array(identity_names(*(at_landmarks(one, *landmarks) for one in (mean, identity)))),
            "expression_names": surface["expression_names"].astype("U"),
            "quads": template["quads"].astype(np.int32),
            "uv": template["uv"].astype(np.float32),
            "material": np.array([MATERIALS.index(name) for name in template["material"]], np.int32),
            "material_names": np.array(MATERIALS),
            "landmark_vertices": landmarks[0].astype(np.int32),
            "landmark_weights": landmarks[1].astype(np.float32),
            **groups,
        },
    )
    size = (sources.ASSETS / "head_model.npz").stat().st_size
    print(f"head_model.npz: {len(mean)} vertices, {len(template['quads'])} quads, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
