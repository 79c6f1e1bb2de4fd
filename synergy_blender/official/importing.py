"""Turning the authors' files into one model of plain arrays: nothing in them is run, nothing is left half-written."""

from pathlib import Path

import numpy as np

from ..face import assets
from . import array_file, pickled, torch_file
from .model import KIND
from .weights import EXPRESSION, IDENTITY, LANDMARKS, PARAMETERS, of_checkpoint

AUTHORS = "the authors keep it in 3dmm_data.zip, linked from github.com/choyingw/SynergyNet"
# of the morphable model: name in the checkpoint, file in 3dmm_data, width
BASES = (("w_shp", "w_shp_sim.npy", IDENTITY), ("w_exp", "w_exp_sim.npy", EXPRESSION))
MEANS = ("u_shp.npy", "u_exp.npy")


class ImportProblem(Exception):
    """The files cannot be made a model; the message is one sentence for the user."""


def import_official(checkpoint, folder, target):
    """Write the authors' `checkpoint` (best.pth.tar) and `folder` (3dmm_data, or None for the checkpoint's own) as a
    model of plain arrays to `target`, whole or not at all. Raises ImportProblem."""
    checkpoint, target = Path(checkpoint), Path(target)
    folder = checkpoint.parent / "3dmm_data" if folder is None else Path(folder)
    triangles, points = folder / "tri.mat", folder / "keypoints_sim.npy"
    tri = _checked(triangles, lambda: array_file.read_mat(triangles).get("tri"))  # the small ones first
    keypoints = _checked(points, lambda: array_file.read_npy(points))
    arrays = _checked(checkpoint, lambda: _state(torch_file.read(checkpoint)))
    parts = _checked(checkpoint, lambda: of_checkpoint(arrays))
    arrays = {name.removeprefix("module."): values for name, values in arrays.items()}
    parts |= _whitening(checkpoint, folder, arrays)
    parts |= _shape(checkpoint, folder, arrays)
    count = len(parts["mean"])
    parts["triangles"] = _within(triangles, tri, (3, None), count, 1)
    rows = _within(points, keypoints, (3 * LANDMARKS,), 3 * count, 0)
    if (rows.reshape(-1, 3) % 3 != np.arange(3)).any():
        raise ImportProblem(f"{points} does not name x, y and z of 68 points: {AUTHORS}.")
    parts["keypoints"] = rows[::3] // 3
    parts |= _more(folder, count)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        assets.save(target, KIND, parts)
    except OSError as error:
        target.with_suffix(".partial").unlink(missing_ok=True)
        words = f"{target} cannot be written ({error.strerror}): make room or choose another place."
        raise ImportProblem(words) from None


def _checked(path, read):
    """What `read` returns, its troubles as a sentence about the file."""
    try:
        return read()
    except pickled.UnsafeFile as error:
        words = " ".join(str(error).split())[:300]
        raise ImportProblem(f"{path} {words}: download it again from the authors.") from None
    except FileNotFoundError:
        raise ImportProblem(f"There is no file {path}: {AUTHORS}.") from None
    except OSError as error:
        raise ImportProblem(f"{path} cannot be read ({error.strerror}): check the path and its permissions.") from None


def _state(value):
    state = value.get("state_dict", value) if isinstance(value, dict) else None
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        raise pickled.UnsafeFile("does not hold the weights of a network")
    return state


def _whitening(checkpoint, folder, arrays):
    path, found = folder / "param_whitening.pkl", {}
    source = arrays
    if not {"param_mean", "param_std"} <= set(arrays):
        checkpoint = path

        def read():
            with path.open("rb") as file:
                value = pickled.read(file, pickled.NUMPY)
            return value if isinstance(value, dict) else {}

        source = _checked(path, read)
    for name in ("param_mean", "param_std"):
        values = source.get(name)
        if not isinstance(values, np.ndarray) or values.ndim != 1 or len(values) < PARAMETERS:
            raise ImportProblem(f"{checkpoint} does not hold {name} of at least {PARAMETERS} numbers: {AUTHORS}.")
        found[name] = _finite(checkpoint, name, values[:PARAMETERS])
    if (found["param_std"] <= 0).any():
        raise ImportProblem(f"{checkpoint} holds param_std that is not above zero: {AUTHORS}.")
    return found


def _shape(checkpoint, folder, arrays):
    """Mean (V, 3), identity (40, V, 3) and expression (10, V, 3) in the model's own unit."""
    found, source = {}, checkpoint
    for (name, file, width), short in zip(BASES, ("identity", "expression"), strict=True):
        values = arrays.get(name)
        if values is None:
            source = folder / file
            values = _checked(source, lambda: array_file.read_npy(source))  # noqa: B023 - is read at once
        if values.ndim != 2 or values.shape[1] != width or len(values) % 3 or len(values) < 3 * LANDMARKS:
            raise ImportProblem(f"{source} holds {name} with the shape {values.shape}, not (3 N, {width}): {AUTHORS}.")
        found[short] = _finite(source, name, values).T.reshape(width, -1, 3)
    mean = arrays.get("u")
    if mean is None:
        both = [_checked(folder / file, lambda: array_file.read_npy(folder / file)) for file in MEANS]  # noqa: B023
        if both[0].shape != both[1].shape:
            raise ImportProblem(f"{folder / MEANS[0]} and {MEANS[1]} differ in size: {AUTHORS}.")
        mean = both[0] + both[1]
    count = found["identity"].shape[1]
    if mean.size != 3 * count or found["expression"].shape[1] != count:
        raise ImportProblem(f"{checkpoint} holds u, w_shp and w_exp of different sizes: {AUTHORS}.")
    return found | {"mean": _finite(checkpoint, "u", mean).reshape(-1, 3)}


def _within(path, values, shape, count, first):
    """The indices that a file holds, counted from 0 instead of `first`: triangles as rows. Raises ImportProblem."""
    fits = values is not None and values.ndim == len(shape) and values.size > 0 and values.dtype.kind in "iuf"
    if not fits or any(want not in (None, got) for want, got in zip(shape, values.shape, strict=True)):
        raise ImportProblem(f"{path} does not hold what it should, of shape {shape}: {AUTHORS}.")
    if not (np.isfinite(values).all() and values.min() >= first and values.max() < count + first):
        raise ImportProblem(f"{path} names points that the model does not have: {AUTHORS}.")
    return np.ascontiguousarray(values.T).astype(np.int32) - np.int32(first)


def _more(folder, count):
    """What the authors offer beside: the trimmed face, where both of its files are there, and texture coordinates."""
    found = {}
    paths = {name: folder / f"{name}.npy" for name in ("keptInd", "deletedTri", "BFM_UV")}
    if paths["keptInd"].exists() and paths["deletedTri"].exists():
        # which points the trimmed face keeps, and its triangles, counted from 1 among those
        kept = _checked(paths["keptInd"], lambda: array_file.read_npy(paths["keptInd"])).reshape(1, -1)
        found["kept"] = _within(paths["keptInd"], kept, (1, None), count, 0).ravel()
        triangles = _checked(paths["deletedTri"], lambda: array_file.read_npy(paths["deletedTri"]))
        found["kept_triangles"] = _within(paths["deletedTri"], triangles, (3, None), kept.size, 1)
    if paths["BFM_UV"].exists():
        values = _checked(paths["BFM_UV"], lambda: array_file.read_npy(paths["BFM_UV"]))
        if values.shape != (count, 2):
            raise ImportProblem(f"{paths['BFM_UV']} does not hold two numbers for each of {count} points: {AUTHORS}.")
        found["uv"] = _finite(paths["BFM_UV"], "BFM_UV", values)
    return found


def _finite(path, name, values):
    values = np.asarray(values, np.float32)
    if not np.isfinite(values).all():
        raise ImportProblem(f"{path} holds {name} with numbers that are not finite: download it again.")
    return values
