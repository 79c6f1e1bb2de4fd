"""MICC Florence and NoW: the neutral shape against a scan of the person, aligned by marks, then by closest points."""

import xml.etree.ElementTree as xml
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.spatial import cKDTree

from synergy_blender import photo
from synergy_blender.face.pose import similarity
from synergy_blender.face.surface import in_triangles
from training import benchmark_sheet

# outer and inner corner of the right eye, inner and outer of the left, under the nose, corners of the mouth
SEVEN = [36, 39, 42, 45, 33, 48, 54]
NOSE_TIP = 30
FLORENCE_RADIUS = 95.0  # millimetres about the tip of the nose
ROUNDS = 30
MILLIMETRES = 1000.0
PICTURES = (".jpg", ".jpeg", ".png")


def run(name, folder, model, figure=None):
    """The figures by name: NME in percent of the distance of the outer eye corners, or millimetres."""
    cases = list(florence(folder) if name == "florence" else now(folder))
    if not cases:
        raise FileNotFoundError(f"{folder} holds no picture with a scan: docs/official.md says how it must look.")
    results, errors = [], []
    for path, scan, marks in cases:
        picture = photo.read(path)
        faces = model.reconstruct(picture)
        if not faces:
            print(f"no face was found in {path}")
            continue
        off = shape_error(model.head, faces[0], scan, marks, name == "florence")
        results.append((picture, faces[0], off.mean()))
        errors.append(off)
    if not errors:
        raise ValueError("No face was found in any of the pictures.")
    if figure:
        benchmark_sheet.draw(figure, [error for *_, error in results], lambda k: _case(*results[k]))
    if name == "florence":
        return {"NME": 100 * float(np.mean([off.mean() for off in errors])), "pictures": len(errors)}
    every = np.concatenate(errors)
    figures = {"median mm": float(np.median(every)), "mean mm": float(every.mean()), "std mm": float(every.std())}
    return figures | {"pictures": len(errors)}


def _case(picture, face, error):
    """What `benchmark_sheet.draw` shows of one picture: the face with its landmarks."""
    x0, y0, x1, y1 = face.box
    middle, half = np.array([x0 + x1, y0 + y1]) / 2, 0.7 * (x1 - x0)
    marks = [(face.landmarks[:, :2], benchmark_sheet.FOUND)]
    return Image.fromarray(picture), (*(middle - half), *(middle + half)), marks, f"{error:.3f}"


def shape_error(head, face, scan, marks, as_florence):
    """Distances of a scan's points (n, 3) from the person's neutral shape, millimetres, or of the shape's from the scan
    over the distance of the outer eye corners; `marks` (7, 3) on the scan, or None where it is upright."""
    shape = head.vertices(face.identity, np.zeros(len(face.expression))).astype(float) * MILLIMETRES
    own = head.landmarks(shape)
    skin = np.unique(head.faces[np.isin(head.faces, head.groups["skin"]).all(1)])
    tip = scan[np.argmax(scan[:, 2])] if marks is None else nose_tip(marks)
    start = (1.0, np.eye(3), tip - own[NOSE_TIP]) if marks is None else similarity(own[SEVEN], marks)
    shape, own = (moved(points, *start) for points in (shape, own))
    inside = scan[np.linalg.norm(scan - tip, axis=1) < (FLORENCE_RADIUS if as_florence else reach(marks))]
    triangles = in_triangles(head.faces)
    triangles = triangles[np.isin(triangles, skin).all(1)]
    for _ in range(ROUNDS):
        # from the scan, which keeps its size, to the shape: the other way a shape that shrinks would always be nearer
        step = similarity(closest(inside, shape, triangles), inside)
        shape, own = (moved(points, *step) for points in (shape, own))
    if not as_florence:
        return np.linalg.norm(closest(inside, shape, triangles) - inside, axis=1)
    near = skin[np.linalg.norm(shape[skin] - own[NOSE_TIP], axis=1) < 0.95 * FLORENCE_RADIUS]
    return cKDTree(scan).query(shape[near])[0] / np.linalg.norm(own[36] - own[45])


def moved(points, scale, rotation, shift):
    return scale * points @ rotation.T + shift


def nose_tip(marks):
    bridge = (marks[1] + marks[2]) / 2
    return marks[4] + 0.3 * (marks[4] - bridge)


def reach(marks):
    """How far about the nose's tip NoW looks, from seven marks."""
    bridge = (marks[1] + marks[2]) / 2
    return 0.7 * (np.linalg.norm(marks[0] - marks[3]) + np.linalg.norm(bridge - nose_tip(marks)))


def closest(points, vertices, triangles):
    """The points (n, 3) of a surface closest to others, among the triangles about each one's two nearest vertices."""
    used = np.unique(triangles)
    order = np.argsort(triangles.ravel(), kind="stable")
    owner = triangles.ravel()[order]
    first, last = np.searchsorted(owner, used), np.searchsorted(owner, used, side="right")
    most = (last - first).max()
    slots = np.minimum(first[:, None] + np.arange(most), last[:, None] - 1)
    about = order[slots] // 3  # (used, most) triangles, the last repeated
    _, near = cKDTree(vertices[used]).query(points, k=2)
    candidates = triangles[about[near].reshape(len(points), -1)]
    best, distance = np.zeros_like(points), np.full(len(points), np.inf)
    for k in range(candidates.shape[1]):
        place = on_triangles(points, *vertices[candidates[:, k]].transpose(1, 0, 2))
        off = ((place - points) ** 2).sum(1)
        better = off < distance
        best[better], distance[better] = place[better], off[better]
    return best


def on_triangles(points, a, b, c):
    """The nearest points (n, 3) of triangles a, b, c (n, 3) to points, one each."""
    ab, ac, ap = b - a, c - a, points - a
    dot = lambda x, y: np.einsum("nc,nc->n", x, y)  # noqa: E731
    aa, bb, cc = dot(ab, ab), dot(ab, ac), dot(ac, ac)
    d, e = dot(ap, ab), dot(ap, ac)
    whole = np.maximum(aa * cc - bb**2, 1e-18)
    v, w = (cc * d - bb * e) / whole, (aa * e - bb * d) / whole
    best = a + v[:, None] * ab + w[:, None] * ac
    inside = (v >= 0) & (w >= 0) & (v + w <= 1)
    distance = np.where(inside, dot(best - points, best - points), np.inf)
    for start, end in ((a, b), (b, c), (c, a)):
        side = end - start
        t = np.clip(dot(points - start, side) / np.maximum(dot(side, side), 1e-18), 0, 1)
        place = start + t[:, None] * side
        off = dot(place - points, place - points)
        better = off < distance
        best[better], distance[better] = place[better], off[better]
    return best


def florence(folder):
    """Pictures, scans in millimetres and marks: `subject_*/` with pictures, one `.obj`, and `landmarks.txt` with seven
    rows of x y z, or none where the scan stands upright and looks along z."""
    for person in sorted(Path(folder).glob("subject_*")):
        scans = sorted(person.rglob("*.obj"))
        pictures = sorted(path for path in person.rglob("*") if path.suffix.lower() in PICTURES)
        pictures = [path for path in pictures if not any(path.parent == scan.parent for scan in scans)] or pictures
        if scans and pictures:
            marks = person / "landmarks.txt"
            seven = np.loadtxt(marks).reshape(7, 3) if marks.exists() else None
            scan = points_of(scans[0])
            for path in pictures:
                yield path, scan, seven


def now(folder):
    """The same of NoW's validation: `imagepathsvalidation.txt`, `iphone_pictures`, `scans`, `scans_lmks_onlypp`."""
    folder = Path(folder)
    pictures = next((path for path in sorted(folder.rglob("iphone_pictures")) if path.is_dir()), folder)
    for line in (folder / "imagepathsvalidation.txt").read_text().split():
        person = line.split("/")[0]
        scans = sorted((folder / "scans" / person).glob("*.obj"))
        marks = sorted((folder / "scans_lmks_onlypp" / person).glob("*.pp"))
        if not scans or not marks:
            raise FileNotFoundError(f"{folder} holds no scan with landmarks of {person}.")
        yield pictures / line, points_of(scans[0]), picked(marks[0])


def points_of(path):
    """The vertices (n, 3) of an OBJ file."""
    rows = [line.split()[1:4] for line in Path(path).read_text(errors="replace").splitlines() if line.startswith("v ")]
    if not rows:
        raise ValueError(f"{path} holds no points.")
    return np.array(rows, float)


def picked(path):
    """The points (7, 3) in a file of MeshLab's picked points."""
    try:
        points = xml.parse(path).getroot().findall("point")
    except xml.ParseError as error:
        raise ValueError(f"{path} is not a file of picked points ({error}).") from None
    if len(points) != 7:
        raise ValueError(f"{path} holds {len(points)} points, not seven.")
    return np.array([[float(point.get(axis)) for axis in "xyz"] for point in points])
