"""Our template: the quads of the head, designed as a grid with rings and laid on the mean surface.

The left half is written as data: columns run from the front midline around to the back, rows from the neck up to a
cap on the crown; blocks of cells are cut out around mouth, eye and ear and filled with concentric rings. It is laid on
the surface through a flat chart of it (Tutte 1963, so nothing folds), relaxed there until edges are even in 3D, and
mirrored. Eyeballs, the thickness of lids and the bag of the mouth are modelled. Every vertex remembers the source
triangle and weights it lies on: that is all that ties the mesh to the statistics.

    python -m training.template        writes work/template.npz
"""

from dataclasses import dataclass

import numpy as np

from training import sources
from training.cage import COLUMNS, EYE, MOUTH, NECK_PLANE, NECK_ROWS, NECK_SLOPE, block_border, boundary_names, cage
from training.lay import lay
from training.parts import rigid_parts
from training.source_half import SourceHalf
from training.template_uv import skin_uv

# Depth behind the lips, opening and narrowing of the rings of the mouth's bag (metres, metres, share of the width)
BAG = [(0.002, 0.0, 1.0), (0.006, 0.0008, 0.98), (0.014, 0.010, 0.92), (0.027, 0.013, 0.8), (0.040, 0.010, 0.55)]
LOOPED = ("eye", "mouth")  # blocks whose rings the sculpted expressions follow
LID_GAP = 0.0004  # metres between the eyeball and the nearest point of the eyelid's edge
LID_RINGS, LIP_RINGS = 6, 5  # rings from the edge outwards that are eyelid and lip
RED_UPPER, RED_LOWER = 5, 4  # rings of lip that are red
LID_FULL_OPENING = 0.006  # metres between the lids from which they have their full thickness
LID_DEPTHS = (0.0022, 0.006)  # how far the rings inside the eyelids' edge lie behind it
# Rings of the eye socket: polar angle from the front, and how evenly their vertices are spread
SOCKET, SOCKET_GAP = ((1.15, 0.3), (1.5, 0.7), (1.95, 1.0), (2.35, 1.0)), 0.0008


@dataclass
class Template:
    """Vertices as places on the source surface.

    `corners` (V, 3) source vertices, `weights` (V, 3), `offset` (V, 3) metres from there on the mean head,
    `follow` (V,) share of the expressions' displacement taken, `part` (V,) names ("skin", or a rigid source part, whose
    displacement is extrapolated as an affine field), `quads` (F, 4), `group` name -> vertices, `material` (F,) name,
    `uv` (F, 4, 2), `loop` name -> (rings, n) vertices of the left half from the outermost ring inwards.
    """

    corners: np.ndarray
    weights: np.ndarray
    offset: np.ndarray
    follow: np.ndarray
    part: np.ndarray
    quads: np.ndarray
    material: np.ndarray
    group: dict
    uv: np.ndarray
    loop: dict


class _Half:
    """The left half of the skin while it grows: places on the surface, and vertices that hang from them."""

    def __init__(self, surface):
        self.source = SourceHalf(surface)
        self.cage = cage()
        self.number, quads, corners, weights = lay(self.cage, self.source)
        self.names = [None] * len(self.number)
        for name, i in self.number.items():
            self.names[i] = name
        places = np.einsum("pc,pcd->pd", weights, self.source.mean[corners])
        self.position, self.anchor = list(places), list(range(len(places)))
        self.corners, self.weights = list(corners), list(weights)
        self.follow = [1.0] * len(places)
        self.quads = [list(q) for q in quads]
        self.groups = {
            "eyelids": [],
            "sockets": [],
            "lips": [],
            "upper_lip": [],
            "lower_lip": [],
            "vermilion": [],
            "mouth_bag": [],
            "neck": [],
        }
        self.loops = {block: [[self.number[n] for n in ring] for ring in self.cage.blocks[block]] for block in LOOPED}

    def hang(self, name, base, position, share):
        """A vertex at `position` that moves with the surface under `base`, `share` of it for expressions."""
        self.names.append(name)
        self.position.append(position)
        self.anchor.append(self.anchor[base])
        self.corners.append(self.corners[base])
        self.weights.append(self.weights[base])
        self.follow.append(share)
        return len(self.names) - 1

    def strip(self, outer, inner, closed):
        for k in range(len(outer) if closed else len(outer) - 1):
            n = (k + 1) % len(outer)
            self.quads.append([outer[k], outer[n], inner[n], inner[k]])

    def grow_neck(self):
        base_row = [self.number["grid", i, 0] for i in range(COLUMNS + 1)]
        previous = base_row
        for r in range(1, NECK_ROWS + 1):
            row = []
            for i, b in enumerate(base_row):
                drop = (self.position[b][1] - NECK_PLANE) * r / NECK_ROWS
                lower = self.position[b] - [0, drop, NECK_SLOPE * drop]
                row.append(self.hang(("neck", i, r), b, lower, 1 - r / NECK_ROWS))
            self.strip(row, previous, False)
            self.groups["neck"] += row
            previous = row

    def grow_lids(self, centre, radius):
        """The thickness of the lids, and behind them a socket that closes around the back of the eyeball."""
        edge = [self.number[name] for name in self.cage.blocks["eye"][-1]]
        previous = edge
        # thinner towards the corners, where upper and lower lid would cut into one another
        _, _, columns, rows, _ = EYE
        opposite = (2 * (2 * columns + rows + rows // 2) - np.arange(len(edge))) % len(edge)
        places = np.array([self.position[i] for i in edge])
        thick = np.clip(0.2 + np.linalg.norm(places - places[opposite], axis=1) / LID_FULL_OPENING, 0, 1)
        self.groups["eyelids"] += [self.number[name] for ring in self.cage.blocks["eye"][-LID_RINGS:] for name in ring]
        for depth, share in zip(LID_DEPTHS, (1.0, 0.6), strict=True):
            ring = []
            for k, b in enumerate(edge):
                deeper = self.position[b] - [0, 0, depth * thick[k]] - centre
                length = np.linalg.norm(deeper)
                deeper *= max(1.0, (radius + 0.0004) / length)
                ring.append(self.hang(("lid", depth, k), b, centre + deeper, share))
            self.strip(previous, ring, True)
            self.groups["eyelids"] += ring
            self.loops["eye"].append(ring)
            previous = ring
        around = np.array([self.position[i] for i in previous]) - centre
        azimuth = np.unwrap(np.arctan2(around[:, 1], around[:, 0]))
        even = azimuth[0] + (azimuth[-1] - azimuth[0]) * np.arange(len(edge)) / (len(edge) - 1)
        for r, (polar, share) in enumerate(SOCKET):
            turn = (1 - share) * azimuth + share * even
            places = np.column_stack([np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn)])
            ring = []
            for k, b in enumerate(edge):
                place = centre + (radius + SOCKET_GAP) * np.array([*places[k], np.cos(polar)])
                ring.append(self.hang(("socket", r, k), b, place, 0.0))
            self.strip(previous, ring, True)
            self.groups["sockets"] += ring
            previous = ring
        wall = {b: previous[k] for k, b in enumerate(block_border(0, 0, columns, rows))}
        inside = [(i, j) for i in range(1, columns) for j in range(1, rows)]
        for i, j in inside:
            below, above = self.position[wall[i, 0]], self.position[wall[i, rows]]
            place = below + (above - below) * j / rows - centre
            place = centre + (radius + SOCKET_GAP) * place / np.linalg.norm(place)
            wall[i, j] = self.hang(("socket", "back", i, j), edge[0], place, 0.0)
            self.groups["sockets"].append(wall[i, j])
        for i in range(columns):
            for j in range(rows):
                self.quads.append([wall[i, j], wall[i + 1, j], wall[i + 1, j + 1], wall[i, j + 1]])

    def grow_mouth(self):
        lips = [self.number[name] for name in self.cage.blocks["mouth"][-1]]
        self.groups["lips"] += [self.number[name] for ring in self.cage.blocks["mouth"][-LIP_RINGS:] for name in ring]
        for ring in self.cage.blocks["mouth"]:  # the lips with their skin, from the nose to the fold above the chin
            numbers = [self.number[name] for name in ring]
            self.groups["lower_lip"] += numbers[: len(ring) // 2 + 1]
            self.groups["upper_lip"] += numbers[len(ring) // 2 :]
        for ring in self.cage.blocks["mouth"][-RED_UPPER:]:
            self.groups["vermilion"] += [self.number[name] for name in ring[len(ring) // 2 :]]
        for ring in self.cage.blocks["mouth"][-RED_LOWER:]:
            self.groups["vermilion"] += [self.number[name] for name in ring[: len(ring) // 2 + 1]]
        for lower, upper in zip(lips[: len(lips) // 2], lips[: len(lips) // 2 : -1], strict=True):
            meeting = (self.position[lower] + self.position[upper]) / 2  # the source's lips stand a little apart
            for lip in (lower, upper):
                self.position[lip] = self.position[lip] + 0.95 * (meeting - self.position[lip])
        middle = (self.position[lips[0]] + self.position[lips[-1]]) / 2
        previous = lips
        for r, (depth, opening, narrow) in enumerate(BAG):
            ring = []
            for k, b in enumerate(lips):
                lip = self.position[b]
                rise = -np.cos(np.pi * k / (len(lips) - 1)) * opening
                inner = np.array([lip[0] * narrow, middle[1] + (lip[1] - middle[1]) * narrow + rise, lip[2] - depth])
                ring.append(self.hang(("bag", r, k), b, inner, 1 - 0.1 * r))
            self.strip(previous, ring, False)
            self.groups["mouth_bag"] += ring
            if r == 0:
                self.groups["vermilion"] += ring
            self.loops["mouth"].append(ring)
            previous = ring
        _, _, columns, rows, _ = MOUTH
        wall = {b: previous[k] for k, b in enumerate(block_border(0, 0, columns, rows)[: len(previous)])}
        for i in range(columns):
            low, high = wall[i, 0], wall[i, rows]
            for j in range(1, rows):
                share = j / rows
                at = (1 - share) * self.position[low] + share * self.position[high]
                wall[i, j] = self.hang(("wall", i, j), low if share < 0.5 else high, at, 0.5)
                self.groups["mouth_bag"].append(wall[i, j])
        for i in range(columns):
            for j in range(rows):
                self.quads.append([wall[i, j], wall[i + 1, j], wall[i + 1, j + 1], wall[i, j + 1]])

    def middle(self):
        """Which vertices lie on the plane of symmetry (V,)."""
        start, lips, upper, crown, back, _ = boundary_names(self.cage)
        on_middle = {*start, lips[0], lips[-1], *upper, *crown, *back}
        last = len(lips) - 1
        return np.array(
            [
                name in on_middle
                or (name[0] == "neck" and name[1] in (0, COLUMNS))
                or (name[0] == "bag" and name[2] in (0, last))
                or (name[0] == "wall" and name[1] == 0)
                for name in self.names
            ]
        )


def eyeball(surface, source):
    """Centre (3,) and radius of the left eyeball: behind the eyelid's edge everywhere."""
    mean = surface["mean"].astype(float)
    centre = mean[surface["part"] == "eye_left"].mean(0)
    radius = np.linalg.norm(mean[source.eye] - centre, axis=1).min() - LID_GAP
    return centre, radius


def build(surface):
    """The Template on a surface (arrays of `work/head_surface.npz`)."""
    half = _Half(surface)
    centre, radius = eyeball(surface, half.source)
    half.grow_neck()
    half.grow_lids(centre, radius)
    half.grow_mouth()
    ear = [half.number[n] for ring in half.cage.blocks["ear"][1:] for n in ring]
    half.groups["ears"] = ear + [i for n, i in half.number.items() if n[:2] == ("ear", "inside")]
    nostril = [half.number[n] for ring in half.cage.blocks["nostril"] for n in ring]
    half.groups["nostrils"] = nostril + [i for n, i in half.number.items() if n[:2] == ("nostril", "inside")]
    middle = half.middle()

    position = np.array(half.position)
    position[middle, 0] = 0
    corners, weights = np.array(half.corners), np.array(half.weights)
    offset = position - np.einsum("pc,pcd->pd", weights, half.source.mean[corners])
    count = len(position)
    twin = np.full(count, -1)  # number of the mirrored vertex
    twin[middle] = np.flatnonzero(middle)
    twin[~middle] = count + np.arange((~middle).sum())
    left_quads = np.array(half.quads)
    quads = np.concatenate([left_quads, twin[left_quads][:, ::-1]])
    flip = np.array([-1.0, 1, 1])
    corners = np.concatenate([corners, surface["mirror"][corners[~middle]]])
    weights = np.concatenate([weights, weights[~middle]])
    offset = np.concatenate([offset, offset[~middle] * flip])
    follow = np.array(half.follow)
    follow = np.concatenate([follow, follow[~middle]])
    skin_count = len(corners)
    groups = {"skin": np.arange(skin_count)}
    for name, members in half.groups.items():
        members = np.array(members)
        if name in ("eyelids", "sockets", "ears", "nostrils"):
            singular = name[:-1]
            groups[f"{singular}_left"], groups[f"{singular}_right"] = members, twin[members]
        else:
            groups[name] = np.unique(np.concatenate([members, twin[members]]))
    bag = np.zeros(skin_count, bool)
    bag[groups["mouth_bag"]] = True
    material = np.where(bag[quads].all(1), "mouth", "skin").astype("<U8")
    red = np.zeros(skin_count, bool)
    red[groups["vermilion"]] = True
    material[red[quads].all(1) & (material == "skin")] = "lips"
    uv = skin_uv(half, left_quads, position)

    template = [corners, weights, offset, follow, np.full(skin_count, "skin", "<U12"), quads, material, uv]
    for part, (points, part_quads, names, part_uv) in rigid_parts(surface, centre, radius).items():
        first = len(template[0])
        anchor = np.flatnonzero(surface["part"] == part)[0]
        places = [
            np.full((len(points), 3), anchor),
            np.tile([1.0, 0, 0], (len(points), 1)),
            points - surface["mean"][anchor],
            np.ones(len(points)),
            np.full(len(points), part, "<U12"),
            part_quads + first,
            names,
            part_uv,
        ]
        template = [np.concatenate([a, b]) for a, b in zip(template, places, strict=True)]
        groups[part] = first + np.arange(len(points))
        for name in {"iris", "gums"} & set(names):
            side = part.split("_")[1]
            groups[f"{name}_{side}"] = first + np.unique(part_quads[np.isin(names, [name, "pupil"])])
    corners, weights, offset, follow, part, quads, material, uv = template
    loops = {name: np.array(rings) for name, rings in half.loops.items()}
    return Template(corners, weights, offset, follow, part, quads, material, groups, uv, loops)


def main():
    surface = dict(np.load(sources.WORK / "head_surface.npz"))
    template = build(surface)
    data = {name: getattr(template, name) for name in template.__dataclass_fields__ if name not in ("group", "loop")}
    data |= {f"group_{name}": members for name, members in template.group.items()}
    data |= {f"loop_{name}": rings for name, rings in template.loop.items()}
    np.savez(sources.WORK / "template.npz", **data)
    valence = np.bincount(
        np.unique(
            np.sort(np.concatenate([template.quads[:, [k, (k + 1) % 4]] for k in range(4)]), axis=1), axis=0
        ).ravel()
    )
    print(
        f"{len(template.corners)} vertices, {len(template.quads)} quads; vertices by valence: "
        f"{dict(enumerate(np.bincount(valence)))}"
    )


if __name__ == "__main__":
    main()
