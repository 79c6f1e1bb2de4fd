"""The source shapes: MakeHuman's CC0 head, read as a surface whose variation teaches ours.

Model frame everywhere: metres, +x the subject's left, +y up, +z out of the face. The origin lies between the eyes'
centres, so that rotations turn the head about a point near the face.
"""

import json
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from synergy_blender.face.surface import in_triangles
from training import sources

MAKEHUMAN = sources.DATA / "makehuman"
METRES_PER_UNIT = 0.1
NECK_HEIGHT, SHOULDER_WIDTH = 5.8, 1.3  # decimetres: what lies above and between is the head
PARTS = {
    "eye_left": "helper-l-eye",
    "eye_right": "helper-r-eye",
    "teeth_upper": "helper-upper-teeth",
    "teeth_lower": "helper-lower-teeth",
    "tongue": "helper-tongue",
}
RACES = ("african", "asian", "caucasian")
# Slider spread at which sampled faces differ as much as real people do (measured; see docs/head_model.md).
SLIDER_SIGMA = 0.19
ASYMMETRY_SIGMA = 0.07


@dataclass(frozen=True)
class SourceHead:
    """MakeHuman's head: `vertices` (N, 3) in the model frame, `quads` (F, 4), `part` (N,) names of parts."""

    vertices: np.ndarray
    quads: np.ndarray
    part: np.ndarray
    joints: dict
    _rows: np.ndarray  # row of each vertex of base.obj here, or -1
    _skin: np.ndarray

    @cached_property
    def triangles(self):
        return in_triangles(self.quads)

    def target(self, name):
        """Displacement (N, 3) in metres of one target at slider 1, `name` like `nose/nose-hump-incr`."""
        shift = np.zeros_like(self.vertices)
        path = MAKEHUMAN / "targets" / f"{name}.target"
        with path.open() as lines:
            table = [line.split() for line in lines if line.strip() and not line.startswith("#")]
        if table:
            table = np.array(table, float)
            rows = self._rows[table[:, 0].astype(int)]
            here = rows >= 0
            shift[rows[here]] = table[here, 1:4] * METRES_PER_UNIT
        return shift

    def rigid_eyes(self, shift):
        """The displacement with each eyeball moved as one rigid body."""
        shift = shift.copy()
        for eye in ("eye_left", "eye_right"):
            shift[self.part == eye] = shift[self.part == eye].mean(0)
        return shift

    @cached_property
    def side(self):
        """Smooth share (N,) of each vertex that belongs to the subject's left: 0 right, 0.5 middle, 1 left."""
        return 0.5 * (1 + np.tanh(self.vertices[:, 0] / 0.009))


def _read_obj(path):
    vertices, faces, group = [], {}, None
    with path.open() as lines:
        for line in lines:
            words = line.split()
            if line.startswith("v "):
                vertices.append([float(w) for w in words[1:4]])
            elif line.startswith("g "):
                group = words[1]
            elif line.startswith("f "):
                faces.setdefault(group, []).append([int(w.split("/")[0]) - 1 for w in words[1:]])
    return np.array(vertices), {name: np.array(quads) for name, quads in faces.items()}


def load():
    """Read the head, its eyeballs, teeth and tongue out of MakeHuman's base mesh."""
    positions, groups = _read_obj(MAKEHUMAN / "3dobjs" / "base.obj")
    inside = (positions[:, 1] > NECK_HEIGHT) & (np.abs(positions[:, 0]) < SHOULDER_WIDTH)
    quads = [groups["body"][inside[groups["body"]].all(1)]]
    labels = np.full(len(positions), "skin", dtype="<U12")
    for part, group in PARTS.items():
        quads.append(groups[group])
        labels[np.unique(groups[group])] = part
    quads = np.concatenate(quads)
    used = np.unique(quads)
    rows = np.full(len(positions), -1)
    rows[used] = np.arange(len(used))
    eyes = [positions[np.unique(groups[PARTS[eye]])].mean(0) for eye in ("eye_left", "eye_right")]
    origin = np.mean(eyes, axis=0)
    joints = {
        name.removeprefix("joint-"): (positions[np.unique(quad)].mean(0) - origin) * METRES_PER_UNIT
        for name, quad in groups.items()
        if name.startswith("joint-")
    }
    return SourceHead(
        vertices=(positions[used] - origin) * METRES_PER_UNIT,
        quads=rows[quads],
        part=labels[used],
        joints=joints,
        _rows=rows,
        _skin=labels[used] == "skin",
    )


def mean_over_races(head, pattern):
    """Mean displacement (N, 3) of one target over the three ethnicities, `pattern` with `{race}` in it."""
    return np.mean([head.target(pattern.format(race=race)) for race in RACES], axis=0)


def _detail_sliders():
    """Names of the facial detail sliders as (minus target or None, plus target) pairs."""
    groups = json.loads((MAKEHUMAN / "modifiers" / "modeling_modifiers.json").read_text())
    facial = ("head", "forehead", "eyebrows", "neck", "eyes", "nose", "mouth", "ears", "chin", "cheek")
    sliders = []
    for group in groups:
        if group["group"] not in facial:
            continue
        for slider in group["modifiers"]:
            name = f"{group['group']}/{slider['target']}"
            pair = (f"{name}-{slider['min']}", f"{name}-{slider['max']}") if "min" in slider else (None, name)
            if all(p is None or (MAKEHUMAN / "targets" / f"{p}.target").exists() for p in pair):
                sliders.append(pair)
    return sliders


class HeadSampler:
    """Draws plausible heads: a mixture of ethnicity, gender, age, muscle and weight, then detail sliders."""

    def __init__(self, head):
        self.head = head
        self.by_race = {
            (race, gender, age): head.target(f"macrodetails/{race}-{gender}-{age}")
            for race in RACES
            for gender in ("female", "male")
            for age in ("young", "old")
        }
        self.by_build = {
            (gender, age, muscle, weight): head.target(
                f"macrodetails/universal-{gender}-{age}-{muscle}muscle-{weight}weight"
            )
            for gender in ("female", "male")
            for age in ("young", "old")
            for muscle in ("min", "average", "max")
            for weight in ("min", "average", "max")
        }
        self.sliders = [
            (None if minus is None else head.target(minus), head.target(plus), plus)
            for minus, plus in _detail_sliders()
        ]
        asym = sorted((MAKEHUMAN / "targets" / "asym").glob("asym-*.target"))
        self.asymmetry = [head.target(f"asym/{path.stem}") for path in asym]

    def macro(self, race, female, old, muscle, weight):
        """A head (N, 3) from shares of ethnicity (3,), femininity, age, muscle and weight, each 0..1."""

        def thirds(x):
            return {"min": max(0.0, 1 - 2 * x), "average": 1 - abs(2 * x - 1), "max": max(0.0, 2 * x - 1)}

        shape = self.head.vertices.copy()
        for gender, g in (("female", female), ("male", 1 - female)):
            for age, a in (("young", 1 - old), ("old", old)):
                for name, r in zip(RACES, race, strict=True):
                    shape += g * a * r * self.by_race[name, gender, age]
                for m, wm in thirds(muscle).items():
                    for w, ww in thirds(weight).items():
                        if g * a * wm * ww:
                            shape += g * a * wm * ww * self.by_build[gender, age, m, w]
        return shape

    def sample(self, rng):
        """One random head (N, 3) in the model frame, not yet aligned."""
        shape = self.macro(
            race=rng.dirichlet([0.6, 0.6, 0.6]),
            female=np.clip(rng.normal(0.5, 0.35), 0, 1),
            old=rng.beta(1.1, 1.8),
            muscle=np.clip(rng.normal(0.5, 0.2), 0, 1),
            weight=np.clip(rng.normal(0.5, 0.2), 0, 1),
        )
        paired = {}
        for minus, plus, name in self.sliders:
            stem = name.split("/")[1]
            if stem[:2] in ("l-", "r-"):
                common = paired.setdefault(stem[2:], rng.normal(0, SLIDER_SIGMA))
                value = common + rng.normal(0, ASYMMETRY_SIGMA)
            else:
                value = rng.normal(0, SLIDER_SIGMA)
            if value >= 0:
                shape += value * plus
            elif minus is not None:
                shape -= value * minus
        for shift in self.asymmetry:
            shape += abs(rng.normal(0, ASYMMETRY_SIGMA)) * shift
        return shape
