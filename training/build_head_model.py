"""Carry the statistics over to our template: `python -m training.build_head_model`.

Reads `work/head_surface.npz` (how heads vary), `work/head_landmarks.npz` and `work/template.npz`, writes
`addon_assets/head_model.npz`. Only this step ties template and statistics: a new template needs no new training.
"""

import numpy as np

from synergy_blender.face import assets
from training import sources
from training.embed_landmarks import IBUG_68, closest_on_surface
from training.rasterize import vertex_normals
from training.template import NECK_PLANE

PHONG = 0.6  # share of Phong tessellation (Boubekeur & Alexa 2008), which rounds the source's facets
EAR_SMOOTHING = 2  # rounds
MATERIALS = ("skin", "mouth", "sclera", "iris", "pupil", "teeth", "tongue")


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
    # the eyes' parts must not be sheared by identity: an eyeball only moves
    for eye in ("eye_left", "eye_right"):
        rows = template["part"] == eye
        identity[:, rows] = identity[:, rows].mean(1, keepdims=True)

    end = template["group_neck"][template["follow"][template["group_neck"]] == 0]
    mean[end, 1] = NECK_PLANE

    # what the flat chart crams together about the ear is evened out again, alike for shape and displacements
    about_ear = np.concatenate([template["group_ear_left"], template["group_ear_right"]])
    stacked = np.concatenate([mean[None], identity, expression]).transpose(1, 0, 2)
    stacked = smooth(stacked, template["quads"], grow(about_ear, template["quads"], 2), EAR_SMOOTHING)
    mean, identity, expression = np.split(stacked.transpose(1, 0, 2), [1, 1 + len(identity)])
    mean = mean[0]

    embedding = np.load(sources.WORK / "head_landmarks.npz")
    rows = surface["triangles"][embedding["triangle"][IBUG_68]]
    points = np.einsum("kc,kcd->kd", embedding["weights"][IBUG_68].astype(float), source[rows])
    outer = template["material"] == "skin"
    quads = template["quads"][outer]
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    index, landmark_weights = closest_on_surface(mean, triangles, points)
    landmark_vertices = triangles[index]

    def at_landmarks(field):
        return np.einsum("kc,...kcd->...kd", landmark_weights, field[..., landmark_vertices, :])

    gap = np.linalg.norm(at_landmarks(mean) - points, axis=1)
    trained = np.einsum(
        "kc,pkcd->pkd",
        embedding["weights"][IBUG_68],
        np.concatenate([surface["identity"], surface["expression"]])[:, rows],
    )
    carried = np.concatenate([at_landmarks(identity), at_landmarks(expression)])
    off = np.linalg.norm(carried - trained, axis=2)
    print(
        f"landmarks lie {1000 * gap.mean():.2f} mm (worst {1000 * gap.max():.2f}) from where they were trained; "
        f"their displacements differ by {1000 * off.mean():.3f} mm on average, {1000 * off.max():.2f} at worst"
    )

    groups = {name: rows.astype(np.int32) for name, rows in template.items() if name.startswith("group_")}
    assets.save(
        sources.ASSETS / "head_model.npz",
        "head model",
        {
            "mean": mean.astype(np.float32),
            "identity": identity.astype(np.float16),
            "expression": expression.astype(np.float16),
            "expression_names": surface["expression_names"].astype("U"),
            "quads": template["quads"].astype(np.int32),
            "uv": template["uv"].astype(np.float32),
            "material": np.array([MATERIALS.index(name) for name in template["material"]], np.int32),
            "material_names": np.array(MATERIALS),
            "landmark_vertices": landmark_vertices.astype(np.int32),
            "landmark_weights": landmark_weights.astype(np.float32),
            **groups,
        },
    )
    size = (sources.ASSETS / "head_model.npz").stat().st_size
    print(f"head_model.npz: {len(mean)} vertices, {len(template['quads'])} quads, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
