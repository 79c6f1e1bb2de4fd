"""Many crops at once through the authors' network, on NumPy or PyTorch."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from ..engine import NAMES, EngineError, torch_device
from . import network
from .conventions import CONVENTIONS, DOWN, angles
from .network import CROP
from .weights import PARAMETERS, POSE

WORKERS = 2  # threads on NumPy


@dataclass(frozen=True)
class Faces:
    """What B crops show: `whitened` (B, 62) parameters, `landmarks` (B, 3, 68) and `vertices` (B, 3, V), None where
    they were not asked for, in crop pixels with y down, and `angles` (B, 3) yaw, pitch, roll in degrees."""

    whitened: np.ndarray
    landmarks: np.ndarray
    vertices: np.ndarray
    angles: np.ndarray


def reconstruct_crops(crops, model, engine="numpy", dense=True, convention="corrected"):
    """The Faces in crops (B, 120, 120, 3) uint8 BGR, as faces.crop_of cuts them, of an OfficialModel.

    `engine` "numpy" or "torch", which takes the graphics card where there is one (in half precision).
    Raises ValueError for crops of another form, engine.EngineError without that engine.
    """
    crops = np.asarray(crops)
    if crops.dtype != np.uint8 or crops.shape[1:] != (CROP, CROP, 3):
        raise ValueError(f"Crops must be uint8 and (B, {CROP}, {CROP}, 3), not {crops.dtype} {crops.shape}.")
    if engine not in NAMES:
        raise EngineError(f"There is no engine {engine!r}: choose one of {', '.join(NAMES)}.")
    run = on_torch(model).parts if engine == "torch" else partial(_on_numpy, model)
    whitened, landmarks, vertices = run(crops, dense, CONVENTIONS[convention])
    return Faces(whitened, landmarks, vertices, angles(model.pose(whitened), convention))


def _on_numpy(model, crops, dense, shift):
    with ThreadPoolExecutor(WORKERS) as pool:
        found = list(pool.map(lambda crop: network.parameters_of(model.weights, crop)[0], crops))
    whitened = np.array(found, np.float32).reshape(len(crops), PARAMETERS)
    matrices = model.pose(whitened) * DOWN[:, None]
    matrices[..., 3] += [*shift, 0]
    turn, move = matrices[..., :3].astype(np.float32), matrices[..., 3:].astype(np.float32)

    def placed(centre, basis):
        shape = whitened[:, POSE:] @ basis
        shape += centre
        points = turn @ shape.reshape(len(crops), 3, len(centre) // 3)
        points += move
        return points

    marks, whole = model.planes
    return whitened, placed(*marks), placed(*whole) if dense else None


@lru_cache(maxsize=2)
def on_torch(model, device=None):
    """The model on PyTorch, kept on its device. Raises EngineError."""
    device = device or torch_device()
    from .torch_batch import OnTorch

    return OnTorch(model, device)
