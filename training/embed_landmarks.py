"""Where MediaPipe's 468 points lie on the head: `python -m training.embed_landmarks`.

1. Renders of the mean head from several sides, painted with lips, brows and irises, are shown to MediaPipe; each point
   is cast back on to the surface it was seen on (no clicking).
2. On renders of random heads with known shape the points' mean offset is measured and the embedding is moved by it.

Writes `work/landmarks_embedding.npz`: `triangle` (470,), `weights` (470, 3) and `mirror` (470,); the last two points
are the poles of the right and left iris (MediaPipe's 468 and 473). The 68 iBUG points follow by the map IBUG_68.
"""

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment

from synergy_blender.face import pose
from training import label_landmarks, sources
from training.rasterize import interpolate, rasterize, to_picture, vertex_normals

IBUG_68 = np.array(
    [162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389]  # jaw
    + [71, 63, 105, 66, 107, 336, 296, 334, 293, 301]  # brows
    + [168, 197, 5, 4, 75, 97, 2, 326, 305]  # nose
    + [33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380]  # eyes
    + [61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181]  # outer lips
    + [78, 82, 13, 312, 308, 317, 14, 87]  # inner lips
)
LOWER_LIP = np.array([95, 88, 178, 87, 14, 317, 402, 318, 324])  # its inner edge
FALLS = 0.01  # metres that the lower lip falls at least when the jaw opens
PICTURE, SCALE = 512, 1900.0  # pixels, pixels per metre
VIEWS = [(yaw, pitch) for yaw in (-50, -30, -12, 0, 12, 30, 50) for pitch in (-12, 0, 12)]
CALIBRATION_HEADS = 160


class PaintedHead:
    """The source surface with vertex colours (linear RGB) that let MediaPipe recognise lips, brows and eyes."""

    def __init__(self, surface, head):
        self.triangles = surface["triangles"]
        self.part = surface["part"]
        self.expression = dict(zip(surface["expression_names"], surface["expression"], strict=True))

        def moved(name, share):
            size = np.linalg.norm(head.target(name), axis=1)
            return np.clip(size / size.max() / share - 1, 0, 1)

        self.brows = moved("eyebrows/eyebrows-trans-up", 0.55)
        self.lips = np.maximum(
            moved("mouth/mouth-upperlip-volume-incr", 0.3), moved("mouth/mouth-lowerlip-volume-incr", 0.3)
        )

    def colours(self, vertices, rng=None):
        skin, brow, lip, iris = (0.55, 0.36, 0.28), (0.08, 0.05, 0.04), (0.45, 0.16, 0.14), (0.05, 0.04, 0.03)
        strength = 0.7
        if rng is not None:
            skin = np.array(skin) * rng.uniform(0.35, 1.3)
            lip = skin * rng.uniform([0.7, 0.35, 0.4], [0.95, 0.7, 0.7])
            strength = rng.uniform(0.2, 0.9)
        colour = np.tile(np.asarray(skin, float), (len(vertices), 1))
        colour += strength * self.brows[:, None] * (np.array(brow) - colour)
        colour += 0.9 * self.lips[:, None] * (np.array(lip) - colour)
        for eye in ("eye_left", "eye_right"):
            ball = self.part == eye
            offset = vertices[ball] - vertices[ball].mean(0)
            forward = offset[:, 2] / np.linalg.norm(offset, axis=1)
            # the source's ball has few vertices; the cornea's ring and pole make iris and pupil
            colour[ball] = np.where((forward > 0.86)[:, None], iris, (0.75, 0.72, 0.7))
        colour[np.isin(self.part, ["teeth_upper", "teeth_lower"])] = (0.7, 0.66, 0.58)
        colour[self.part == "tongue"] = (0.4, 0.12, 0.12)
        return colour

    def render(self, vertices, rotation, rng=None, background=0.5):
        """An RGB picture (PICTURE, PICTURE, 3) uint8 with its triangle index, weights and picture-frame points."""
        points = to_picture(vertices, SCALE, rotation, (PICTURE / 2, PICTURE * 0.45))
        index, weights, _ = rasterize(points, self.triangles, PICTURE, PICTURE)
        normals = interpolate(vertex_normals(vertices, self.triangles) @ rotation.T, self.triangles, index, weights)
        normals /= np.maximum(np.linalg.norm(normals, axis=2, keepdims=True), 1e-9)
        light = np.array([-0.3, 0.4, 0.85]) if rng is None else rng.normal([0, 0.4, 1.0], [0.5, 0.3, 0.1])
        shading = 0.45 + 0.65 * np.clip(normals @ (light / np.linalg.norm(light)), 0, 1)
        colour = interpolate(self.colours(vertices, rng), self.triangles, index, weights) * shading[..., None]
        colour[index < 0] = background**2.2
        picture = (np.clip(colour, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8)
        return cv2.GaussianBlur(picture, (0, 0), 0.8), index, weights, points


def visible(index, triangle):
    """Whether each of `triangle` (K,) shows in a picture with triangle index `index`."""
    return np.isin(triangle, index)


def closest_on_surface(vertices, triangles, points):
    """The triangle (K,) and barycentric weights (K, 3) nearest to `points` (K, 3)."""
    import trimesh

    mesh = trimesh.Trimesh(vertices, triangles, process=False)
    near, _, index = trimesh.proximity.closest_point(mesh, points)
    return index, trimesh.triangles.points_to_barycentric(vertices[triangles[index]], near)


def place(surface, points):
    """Where MediaPipe's points (468, 3) lie on the skin: triangles (468,), weights (468, 3). On a closed mouth the
    inner edges of the lips coincide; the lower one's points go to triangles that the jaw takes along."""
    mean, triangles = surface["mean"].astype(float), surface["triangles"]
    skin = np.flatnonzero((surface["part"] == "skin")[triangles].all(1))
    index, weights = closest_on_surface(mean, triangles[skin], points)
    triangle = skin[index]
    opened = surface["expression"][surface["expression_names"].tolist().index("jawOpen")]
    lower = skin[(opened[triangles[skin], 1] < -FALLS).all(1)]
    index, weights[LOWER_LIP] = closest_on_surface(mean, triangles[lower], points[LOWER_LIP])
    triangle[LOWER_LIP] = lower[index]
    return triangle, weights


def cast(painted, vertices, face_mesh):
    """Model-frame positions (468, 3) seen for each landmark on `vertices`, and how many views each was seen in."""
    total, count = np.zeros((468, 3)), np.zeros(468)
    for yaw, pitch in VIEWS:
        picture, index, weights, _ = painted.render(vertices, pose.matrix(yaw, pitch, 0))
        found = label_landmarks.mesh_landmarks(face_mesh, picture)
        if found is None:
            continue
        column, row = np.clip(found[:468, :2].astype(int), 0, PICTURE - 1).T
        hit = index[row, column]
        # the surface that turns away is where MediaPipe guesses
        normals = vertex_normals(vertices, painted.triangles) @ pose.matrix(yaw, pitch, 0).T
        facing = interpolate(normals, painted.triangles, index, weights)[row, column, 2]
        skin = (painted.part == "skin")[painted.triangles[np.maximum(hit, 0), 0]]
        seen = (hit >= 0) & (facing > 0.35) & skin
        where = np.einsum("kc,kcd->kd", weights[row, column], vertices[painted.triangles[hit]])
        total[seen] += where[seen] * facing[seen, None] ** 2
        count[seen] += facing[seen] ** 2
    return total / np.maximum(count, 1e-9)[:, None], count


def fit_pose(points, target, weights=None):
    """Weak perspective (scale, rotation, centre) that carries model points (K, 3) to picture points (K, 2 or 3)."""
    w = np.ones(len(points)) if weights is None else weights
    w = w / w.sum()
    flipped = target[:, :2] * [1, -1]
    mean_p, mean_t = w @ points, w @ flipped
    a, b = points - mean_p, flipped - mean_t
    affine = np.linalg.solve((a * w[:, None]).T @ a, (a * w[:, None]).T @ b).T  # (2, 3)
    u, s, vt = np.linalg.svd(affine, full_matrices=False)
    rows = u @ vt
    scale = s.mean()
    rotation = np.vstack([rows, np.cross(rows[0], rows[1])])
    centre = (mean_t - scale * rows @ mean_p) * [1, -1]
    return scale, rotation, centre


def symmetric_landmarks(positions):
    """Pairs (468,) of MediaPipe's points: the index of each one's mirror image, from mean positions."""
    cost = np.linalg.norm(positions[:, None] - positions[None] * [-1, 1, 1], axis=2)
    return linear_sum_assignment((cost + cost.T) ** 2)[1]


def main():
    from training import source_heads

    surface = dict(np.load(sources.WORK / "surface.npz"))
    head = source_heads.load()
    painted = PaintedHead(surface, head)
    mean = surface["mean"].astype(float)
    triangles = surface["triangles"]
    face_mesh = label_landmarks.labeller()

    # 1. raw: closed mouth everywhere, slightly open mouth for the inner lips
    positions, count = cast(painted, mean, face_mesh)
    print(f"cast: {np.sum(count > 0)} of 468 points seen")
    labels = np.load(sources.WORK / "landmarks.npz")
    names = labels["names"]
    allowed = {str(p.relative_to(sources.DATA)) for p in sources.training_portraits()}
    real = labels["landmarks"][[n in allowed and "london_neutral" in n for n in names]][:, :468]
    template = real.mean(0)  # the London set is taken from one place, so its pictures can be averaged as they are
    template = (template - template.mean(0)) * [1, -1, 1]
    template /= np.abs(template).max()
    mirror = symmetric_landmarks(template)
    assert (mirror[mirror] == np.arange(468)).all(), "MediaPipe's points do not pair up"
    flip = np.array([-1.0, 1, 1])
    known = count > 0
    known &= known[mirror]
    positions = np.where(known[:, None], (positions + positions[mirror] * flip) / 2, positions)

    def on(vertices, embedding):
        return np.einsum("kc,kcd->kd", embedding[1], vertices[triangles[embedding[0]]])

    embedding = place(surface, positions)

    # 2. calibration: the mean offset of MediaPipe from the embedding on heads of known shape
    rng = np.random.default_rng(2)
    for turn in range(3):
        offsets, used, errors = np.zeros((468, 3)), np.zeros(468), []
        for _ in range(CALIBRATION_HEADS):
            shape = mean + np.tensordot(rng.normal(0, 0.9, 40), surface["identity"], 1)
            shape += rng.uniform(0, 0.5) * (rng.random() < 0.4) * painted.expression["jawOpen"]
            pitch, yaw, roll = rng.normal(0, 7), rng.uniform(-25, 25), rng.normal(0, 4)
            rotation = pose.matrix(yaw, pitch, roll)
            picture, _, _, _ = painted.render(shape, rotation, rng)
            found = label_landmarks.mesh_landmarks(face_mesh, picture)
            if found is None:
                continue
            points = on(shape, embedding)
            scale, turned, centre = fit_pose(points[known], found[:468][known])
            # offset in the picture plane, carried back to the model frame
            predicted = to_picture(points, scale, turned, centre)
            gap = (found[:468, :2] - predicted[:, :2]) * [1, -1] / scale
            errors.append(np.linalg.norm(gap[IBUG_68], axis=1).mean())
            offsets += np.column_stack([gap, np.zeros(468)]) @ turned
            used += 1
        offsets /= used[:, None]
        offsets = (offsets + offsets[mirror] * flip) / 2
        print(
            f"calibration {turn}: {1000 * np.mean(errors):.2f} mm from pose alone, on {int(used[0])} heads", flush=True
        )
        positions = on(mean, embedding) + 0.9 * offsets
        embedding = place(surface, positions)

    eyes = [surface["part"] == eye for eye in ("eye_right", "eye_left")]
    ahead = np.array([mean[ball].mean(0) + [0, 0, np.ptp(mean[ball][:, 1]) / 2] for ball in eyes])
    poles = closest_on_surface(mean, triangles, ahead)
    np.savez(
        sources.WORK / "landmarks_embedding.npz",
        triangle=np.concatenate([embedding[0], poles[0]]),
        weights=np.concatenate([embedding[1], poles[1]]).astype(np.float32),
        mirror=np.concatenate([mirror, [469, 468]]),
    )


if __name__ == "__main__":
    main()
