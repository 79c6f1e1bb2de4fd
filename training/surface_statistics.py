"""How heads vary: `python -m training.surface_statistics` writes `work/surface.npz`.

The statistics are those of a surface (the source head's), so that any template can sample them:
`mean` (N, 3), `identity` (40, N, 3) in sigma, `expression` (52, N, 3), all in metres in the model frame, with
`triangles`, `part` and the share of variance that the 40 components explain.
"""

import numpy as np

from synergy_blender.face.pose import similarity
from training import expressions, source_heads, sources

SAMPLES = 3000
COMPONENTS = 40
FACE_WEIGHT, OTHER_WEIGHT = 1.0, 0.25


def face_region(vertices, part):
    """Share (N,) of each vertex in the face that a photo shows from the front: 1 face, 0 skull, ears and neck."""
    front = expressions.smooth_step(vertices[:, 2], -0.055, -0.025)
    height = expressions.smooth_step(vertices[:, 1], -0.115, -0.095) * expressions.smooth_step(
        -vertices[:, 1], -0.075, -0.055
    )
    return front * height * (part == "skin")


def align(shapes, weights, rounds=3):
    """Similarity-align shapes (S, N, 3) to their mean (generalised Procrustes), keeping the mean size and place."""
    mean = shapes.mean(0)
    for _ in range(rounds):
        for i, shape in enumerate(shapes):
            scale, rotation, shift = similarity(shape, mean, weights)
            shapes[i] = scale * shape @ rotation.T + shift
        mean = shapes.mean(0)
    return shapes, mean


def main():
    head = source_heads.load()
    sampler = source_heads.HeadSampler(head)
    rng = np.random.default_rng(1)
    shapes = np.empty((SAMPLES, *head.vertices.shape), np.float32)
    for i in range(SAMPLES):
        sample = sampler.sample(rng)
        for eye in ("eye_left", "eye_right"):
            ball = head.part == eye
            sample[ball] = head.vertices[ball] - head.vertices[ball].mean(0) + sample[ball].mean(0)
        shapes[i] = sample
    region = face_region(head.vertices, head.part)
    shapes, mean = align(shapes, region)

    mirror = expressions.mirror_rows(head.vertices, head.part)
    flip = np.array([-1.0, 1.0, 1.0], np.float32)
    mean = (mean + mean[mirror] * flip) / 2
    origin = np.mean([mean[head.part == eye].mean(0) for eye in ("eye_left", "eye_right")], axis=0)

    weights = np.sqrt(OTHER_WEIGHT + (FACE_WEIGHT - OTHER_WEIGHT) * region).astype(np.float32)
    # Every head and its mirror image are equally likely, so components come out symmetric or antisymmetric.
    deviations = shapes - mean
    deviations = np.concatenate([deviations, deviations[:, mirror] * flip])
    flat = (deviations * weights[:, None]).reshape(len(deviations), -1)
    gram = flat @ flat.T / len(flat)
    values, vectors = np.linalg.eigh(gram.astype(float))
    order = np.argsort(values)[::-1][:COMPONENTS]
    explained = values[order].sum() / values.sum()
    scores = vectors[:, order] * np.sqrt(len(flat))  # unit variance
    identity = np.einsum("sk,snd->knd", scores, deviations, optimize=True) / len(flat)
    expression = expressions.build(head, mean)

    spread = np.sqrt((identity[:, region > 0.5] ** 2).sum((0, 2)).mean())
    print(f"{COMPONENTS} components explain {explained:.1%}; faces vary by {spread * 1000:.2f} mm (RMS)")
    sources.WORK.mkdir(exist_ok=True)
    np.savez(
        sources.WORK / "surface.npz",
        mean=(mean - origin).astype(np.float32),
        identity=identity.astype(np.float32),
        expression=expression.astype(np.float32),
        expression_names=np.array(expressions.NAMES),
        triangles=head.triangles,
        quads=head.quads,
        part=head.part,
        region=region.astype(np.float32),
        mirror=mirror,
        explained=explained,
    )


if __name__ == "__main__":
    main()
