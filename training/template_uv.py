"""The UV map of the template's skin: islands as rigid as possible."""

import numpy as np

from synergy_blender.face.surface import in_triangles
from training.cage import COLUMNS, EYE, MOUTH, NECK_ROWS, boundary_names
from training.expressions import smooth_step
from training.parts import fit_into
from training.unwrap import ARAP_ROUNDS, as_rigid_as_possible, signed_area, tutte, untangled

# UV: how much larger the face is than the back of the head; where it ends (depth) and below the chin (height), metres
FACE_SCALE, FACE_DEPTHS, FACE_HEIGHTS = 1.98, (-0.085, -0.05), (-0.15, -0.11)
MOUTH_OPEN, EYE_OPEN = 0.008, 0.006  # metres that lips and lids are further apart in UV
# boxes (left, low, width, height) of the islands; ears and sockets are mirrored to the other side
MAIN_BOX, EAR_BOX, SOCKET_BOX, BAG_BOX = (
    (0.005, 0.2, 0.99, 0.795), (0.88, 0.01, 0.115, 0.17), (0.77, 0.01, 0.1, 0.17), (0.44, 0.01, 0.12, 0.12),
)  # fmt: skip


def _island(points, quads, boundary, scale, straight=0, membrane=(), rounds=ARAP_ROUNDS):
    """A flat map (N, 2) of the vertices in `quads` (zeros elsewhere): `boundary` goes around it, its first `straight`
    vertices lie on u = 0 at first, those in the middle of the head for good; `scale` (N,) is the size wanted at each
    vertex; `membrane` is a list of (triangle, its corners in space) that keep a slit open."""
    triangles = in_triangles(quads)
    used, packed = np.unique(triangles, return_inverse=True)
    packed = packed.reshape(triangles.shape)
    number = np.full(len(points), -1)
    number[used] = np.arange(len(used))
    places = points[used]
    # holes are closed by a vertex in their middle, for the first map only
    edges = {(t[k], t[(k + 1) % 3]) for t in packed.tolist() for k in range(3)}
    following = {b: a for a, b in edges if (b, a) not in edges}
    around = number[boundary]
    fans, hubs = [], []
    open_edges = set(following) - set(around.tolist())
    while open_edges:
        loop = [open_edges.pop()]
        while (after := following[loop[-1]]) != loop[0]:
            loop.append(after)
            open_edges.discard(after)
        hub = len(used) + len(hubs)
        hubs.append(places[loop].mean(0))
        fans += [[loop[k], loop[(k + 1) % len(loop)], hub] for k in range(len(loop))]
    length = np.linalg.norm(places[around] - places[np.roll(around, -1)], axis=1)
    arc = np.concatenate([[0], np.cumsum(length)[:-1]])
    border = np.empty((len(around), 2))
    if straight:
        top = arc[straight - 1]
        border[:straight] = np.column_stack([np.zeros(straight), -1 + 2 * arc[:straight] / top])
        angle = np.pi / 2 - np.pi * (arc[straight:] - top) / (length.sum() - top)
    else:
        angle = -2 * np.pi * arc / length.sum()
    border[straight:] = np.column_stack([np.cos(angle), np.sin(angle)])
    whole = np.vstack([places, *([hubs] if hubs else [])])
    flat = tutte(whole, np.concatenate([packed, np.array(fans, int).reshape(-1, 3)]), around, border)[: len(used)]
    a, b, c = (places[packed[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2
    flat *= np.sqrt(area / np.abs(signed_area(flat, packed)).sum())
    size = scale[used][packed].mean(1)
    on_axis = around[:straight][np.abs(places[around[:straight], 0]) < 1e-6]
    films = number[np.array([triangle for triangle, _ in membrane], int).reshape(-1, 3)]
    shapes = np.concatenate([places[packed], np.array([shape for _, shape in membrane]).reshape(-1, 3, 3)])
    size = np.append(size, scale[used][films].mean(1))
    flat = as_rigid_as_possible(shapes, np.concatenate([packed, films]), flat, size, on_axis, rounds)
    if signed_area(flat, packed).sum() < 0:
        flat[:, 1] *= -1
    both = number[np.concatenate([quads[:, corners] for corners in ((0, 1, 2), (0, 2, 3), (0, 1, 3), (1, 2, 3))])]
    flat = untangled(flat, both, on_axis)  # whichever way a quad is halved
    print(f"island of {len(quads)} quads: {(signed_area(flat, packed) <= 0).sum()} triangles turned over")
    out = np.zeros((len(points), 2))
    out[used] = flat
    return out


def _film(position, low, up, across, opening):
    """Triangles between the lower and the upper edge of a slit, with the shapes they had if it were an ellipse of
    height `opening`: the flat map is to keep it open. `across`: 0 in the slit's middle, +-1 in its corners."""
    away = np.sqrt(np.maximum(1 - np.square(across), 0))[:, None] * [0, opening / 2, 0]
    lower, upper = position[low] - away, position[up] + away
    film = []
    for k in range(len(low) - 1):
        corners = [(low[k], lower[k]), (low[k + 1], lower[k + 1]), (up[k + 1], upper[k + 1]), (up[k], upper[k])]
        for triangle in (corners[:3], [corners[0], *corners[2:]]):
            if len({i for i, _ in triangle}) == 3:
                film.append(([i for i, _ in triangle], [p for _, p in triangle]))
    return film


def skin_uv(half, left_quads, position):
    """UV (F, 4, 2) of the left and then the right half of the skin, every island as rigid as possible.

    Seams: up the back and over the crown, around the ears' base, inside the lips and inside the lids' edge.
    """
    names = half.names
    number = {name: i for i, name in enumerate(names)}
    ear_ring = {i for ring in half.cage.blocks["ear"] for i in (number[n] for n in ring)}
    ear = {i for i, n in enumerate(names) if n[:2] == ("ear", "inside")} | ear_ring
    inner = {kind: {i for i, n in enumerate(names) if n[0] in kind} for kind in (("bag", "wall"), ("lid", "socket"))}
    bag, socket = inner.values()
    kind = np.array(
        [
            "bag" if bag & {*q} else "socket" if socket & {*q} else "ear" if {*q} <= ear else "face"
            for q in left_quads.tolist()
        ]
    )
    start, lips, upper, crown, back, _ = boundary_names(half.cage)
    front = [("neck", 0, r) for r in range(NECK_ROWS, 0, -1)] + start + lips + upper
    rest = crown + back + [("neck", COLUMNS, r) for r in range(1, NECK_ROWS + 1)]
    rest += [("neck", i, NECK_ROWS) for i in range(COLUMNS - 1, 0, -1)]
    boundary = np.array([number[n] for n in front + rest])
    uv = np.zeros((len(left_quads), 4, 2))

    def place(name, flat, box):
        chosen = kind == name
        uv[chosen] = fit_into(flat, np.unique(left_quads[chosen]), box)[left_quads[chosen]]

    quads = {name: left_quads[kind == name] for name in ("face", "ear", "bag", "socket")}
    before = smooth_step(position[:, 2], *FACE_DEPTHS) * smooth_step(position[:, 1], *FACE_HEIGHTS)
    scale = 1 + (FACE_SCALE - 1) * before
    lip = [number[n] for n in lips]
    half_way = len(lip) // 2 + 1
    film = _film(position, lip[:half_way], lip[: -half_way - 1 : -1], np.linspace(0, 1, half_way), MOUTH_OPEN)
    _, _, columns, rows, _ = EYE
    lid = np.roll([number[n] for n in half.cage.blocks["eye"][-1]], -(2 * columns + rows + rows // 2))
    half_way = len(lid) // 2 + 1
    film += _film(position, lid[:half_way], np.roll(lid, -1)[::-1][:half_way], np.linspace(-1, 1, half_way), EYE_OPEN)
    flat = _island(position, quads["face"], boundary, scale, len(front), film)
    used = np.unique(quads["face"])
    box = MAIN_BOX
    size = min(box[2] / 2 / flat[used, 0].max(), box[3] / np.ptp(flat[used, 1]))
    flat = flat * size + [0.5, box[1] + box[3] / 2 - size * (flat[used, 1].min() + flat[used, 1].max()) / 2]
    uv[kind == "face"] = flat[quads["face"]]
    even = np.ones(len(position))
    ring = np.array([number[n] for n in half.cage.blocks["ear"][0]])
    place("ear", _island(position, quads["ear"], ring, even), EAR_BOX)
    ring = np.array([number[n] for n in half.cage.blocks["eye"][-1]])
    place("socket", _island(position, quads["socket"], ring, even), SOCKET_BOX)
    count = len(lips)
    depth = 1 + max(name[1] for name in names if name[0] == "bag")
    axis = [lips[-1]] + [("bag", r, count - 1) for r in range(depth)]
    axis += [("wall", 0, j) for j in range(MOUTH[3] - 1, 0, -1)] + [("bag", r, 0) for r in range(depth - 1, -1, -1)]
    ring = np.array([number[n] for n in [*axis, *lips[:-1]]])
    flat = _island(position, quads["bag"], ring, even, len(axis) + 1, rounds=0)
    used = np.unique(quads["bag"])
    left, low, width, height = BAG_BOX
    size = min(width / 2 / flat[used, 0].max(), height / np.ptp(flat[used, 1]))
    flat = (flat - [0, flat[used, 1].min()]) * size + [left + width / 2, low]
    uv[kind == "bag"] = flat[quads["bag"]]
    # the right half mirrors the left; what is not symmetric about the middle of the map has a place of its own
    other = uv[:, ::-1].copy()
    middle = np.where(kind == "bag", left + width / 2, 0.5)[:, None]
    other[..., 0] = 2 * middle - other[..., 0]
    return np.concatenate([uv, other])
