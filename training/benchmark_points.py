"""AFLW2000-3D and AFLW: landmarks and angles on the ready crops that came with 3DDFA, by the papers' protocol.

The mean error of the points is divided by the root of the area of the box about the true 68 ones; "the mean" is that of
the three bins of yaw, not of all pictures.
"""

import numpy as np
from PIL import Image

from synergy_blender import engine, models, official
from synergy_blender.official import array_file
from synergy_blender.official.crops import ABOUT, resized
from synergy_blender.official.faces import BOX
from synergy_blender.official.network import CROP
from synergy_blender.official.pickled import UnsafeFile
from training import benchmark_sheet

BORDER = 5  # black pixels about every crop, as in the authors' training
PLACES = (".", "eval", "test.data", "test.configs", "configs")  # where in a dataset's folder its files may lie
LARGEST_ANGLE = 99
BATCH = 256
FACE_IN_CROP = 1 / ABOUT / BOX  # side of the square about the landmarks over that of a ready crop
SETS = {
    "aflw2000": ("AFLW2000-3D_crop", "AFLW2000-3D_crop.roi_box.npy", "AFLW2000-3D.pose.npy", "AFLW2000-3D.pts68.npy"),
    "aflw": ("AFLW_GT_crop", "AFLW_GT_crop_roi_box.npy", "AFLW_GT_crop_yaws.npy", "AFLW_GT_pts68.npy"),
}
SETS["aflw2000-reannotated"] = (*SETS["aflw2000"][:3], "AFLW2000-3D-Reannotated.pts68.npy")
ANGLES, LEFT_OUT = "ALFW2000-3D_pose_3ANG_excl.npy", "ALFW2000-3D_pose_3ANG_skip.npy"
# which of the 68 landmarks are, on average, each of AFLW's 21
AFLW_POINTS = [
    [17], [19], [21], [22], [24], [26], [36], range(36, 42), [39], [42], range(42, 48),
    [45], [2], [31], [30], [35], [14], [48], range(60, 68), [54], [8],
]  # fmt: skip


def run(name, folder, model, convention, figure=None):
    """The figures by name, NME in percent and angles in degrees. Raises FileNotFoundError and ValueError."""
    crops, rois, yaws, points = SETS[name]
    files = listed(folder, crops)
    rois, yaws, truth = (_array(folder, file, len(files)) for file in (rois, yaws, points))
    found, angles = landmarks_of(files, rois, model, convention)
    if name == "aflw":
        found = np.stack([found[:, :, list(group)].mean(2) for group in AFLW_POINTS], 2)
        wanted = _array(folder, "AFLW_GT_pts21.npy", len(files))[:, :2]
        known = (wanted != -1).all(1)
    else:
        wanted, known = truth[:, :2], np.ones((len(files), 68), bool)
    sides = np.sqrt(np.ptp(truth[:, :2], axis=2).prod(1))
    gaps = np.linalg.norm(found - wanted, axis=1)
    errors = 100 * np.where(known, gaps, 0).sum(1) / np.maximum(known.sum(1), 1) / sides
    if figure:
        wanted = np.where(known[:, None], wanted, np.nan)

        def case(k):
            picture = Image.open(files[k])
            corner, scale = rois[k, :2], np.array(picture.size) / (rois[k, 2:] - rois[k, :2])
            both = ((wanted[k], benchmark_sheet.WANTED), (found[k], benchmark_sheet.FOUND))
            marks = [((points.T - corner) * scale, colour) for points, colour in both]
            return picture, (0, 0, *picture.size), marks, f"{errors[k]:.2f} %"

        benchmark_sheet.draw(figure, errors, case)
    return by_yaw(errors, np.abs(yaws)) | (of_angles(folder, angles) if name != "aflw" else {})


def by_yaw(errors, yaws):
    """The mean errors of the bins of yaw, and of those."""
    bins = {"0-30": yaws <= 30, "30-60": (yaws > 30) & (yaws <= 60), "60-90": yaws > 60}
    found = {f"NME {name}": float(errors[inside].mean()) for name, inside in bins.items() if inside.any()}
    return found | {"NME mean of bins": float(np.mean(list(found.values())))}


def of_angles(folder, angles):
    """Mean absolute errors of yaw, pitch and roll over the pictures without angles beyond 99 degrees (Hopenet's subset
    of 1,969), and their mean; nothing where the dataset has no such files."""
    try:
        truth, out = (array_file.read_npy(find(folder, name)) for name in (ANGLES, LEFT_OUT))
    except FileNotFoundError:
        return {}
    kept = np.setdiff1d(np.arange(len(angles)), out.astype(int).ravel())
    if truth.shape != (len(kept), 3) or np.abs(truth).max() > LARGEST_ANGLE:
        raise ValueError(f"{ANGLES} must hold pitch, yaw and roll of the {len(kept)} pictures that are not left out.")
    pitch, yaw, roll = np.abs(angles[kept][:, [1, 0, 2]] - truth).mean(0)
    return {"yaw": float(yaw), "pitch": float(pitch), "roll": float(roll), "MAE": float((yaw + pitch + roll) / 3)}


def landmarks_of(files, rois, model, convention):
    """Landmarks (N, 2, 68) in the whole pictures, and yaw, pitch, roll (N, 3), of ready crops."""
    points, angles = [], []
    for first in range(0, len(files), BATCH):
        pictures = [np.asarray(Image.open(file).convert("RGB")) for file in files[first : first + BATCH]]
        some = _of_open if model == "open" else _of_official
        place, turn = some(pictures, model, convention)
        points.append(place)
        angles.append(turn)
    scale = np.stack([rois[:, 2] - rois[:, 0], rois[:, 3] - rois[:, 1]], 1) / CROP
    place = np.concatenate(points) * scale[..., None] + rois[:, :2, None]
    # the datasets' points count pixels from 1; the authors do not turn theirs into that
    return place + (0.5 if convention == "corrected" else 0), np.concatenate(angles)


def _of_official(pictures, model, convention):
    crops = []
    for picture in pictures:
        crop = resized(picture, CROP, "bilinear").copy()
        for edge in (slice(0, BORDER), slice(CROP - BORDER, CROP)):
            crop[edge] = crop[:, edge] = 0
        crops.append(crop[..., ::-1])
    kept = official.load() if model == "official" else official.load().trimmed()
    runs_on = "torch" if engine.torch_is_there() else "numpy"
    faces = official.reconstruct_crops(np.stack(crops), kept, runs_on, dense=False, convention=convention)
    return faces.landmarks[:, :2], faces.angles


def _of_open(pictures, model, convention):
    points, angles = [], []
    for picture in pictures:
        height, width = picture.shape[:2]
        half = np.array([width, height]) * FACE_IN_CROP / 2
        middle = np.array([width, height]) / 2
        [face] = models.load(model).reconstruct(picture, [(*(middle - half), *(middle + half))])
        points.append(face.landmarks[:, :2].T * (CROP / np.array([[width], [height]])))
        angles.append((face.yaw, face.pitch, face.roll))
    return np.array(points), np.array(angles)


def find(folder, name):
    """A file or folder of a dataset. Raises FileNotFoundError."""
    for place in PLACES:
        if (folder / place / name).exists():
            return folder / place / name
    raise FileNotFoundError(f"{folder} does not hold {name}: docs/official.md says how the dataset's folder must look.")


def listed(folder, crops):
    """The crops' files in their list's order."""
    inside = find(folder, crops)
    names = find(folder, f"{crops}.list").read_text().split()
    files = [inside / name.rsplit("/", 1)[-1] for name in names]
    missing = [file for file in files if not file.exists()]
    if missing or not files:
        raise FileNotFoundError(f"{crops}.list names {len(missing)} pictures that are not in {inside}.")
    return files


def _array(folder, name, count):
    path = find(folder, name)
    try:
        values = array_file.read_npy(path)
    except UnsafeFile as error:
        raise ValueError(f"{path} {error}.") from None
    if len(values) != count:
        raise ValueError(f"{path} holds {len(values)} rows, not one for each of {count} pictures.")
    return values.astype(float)
