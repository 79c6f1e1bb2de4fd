"""The models that heads can be of: the open one, and the authors' SynergyNet where the user has imported it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from . import official
from .face import AssetError, detector, head_model, reconstruct, surface
from .face.head_model import HeadModel
from .face.reconstruct import checked_box

NAMES = {
    "open": "Open head (bundled)",
    "official": "SynergyNet official (BFM)",
    "official_face": "SynergyNet official, trimmed face",
}


@dataclass(frozen=True)
class Model:
    """`head` its HeadModel; `reconstruct(image, boxes, regress)` as of face.reconstruct, with squares about landmarks
    as boxes; `surface()` its Surface to texture."""

    head: HeadModel
    reconstruct: Callable
    surface: Callable


def available():
    """Names of the models that can be chosen now."""
    return list(NAMES) if official.place().exists() else ["open"]


@lru_cache(maxsize=4)
def load(name="open", convention="corrected"):
    """The Model of a name. Raises AssetError if it was not imported or is damaged."""
    if name == "open":
        return Model(head_model.load(), reconstruct, surface.bundled)
    if name not in NAMES:
        raise AssetError(f"There is no model {name}: choose one of {', '.join(NAMES)}.")
    model = official.load()
    model = model.trimmed() if name == "official_face" else model

    def with_authors(image, boxes=None, regress=None):
        if boxes is not None:
            boxes = [official.box_of(_square(box)) for box in boxes]
        return official.reconstruct(image, boxes, model, convention)

    return Model(official.head_of(model), with_authors, lambda: official.surface_of(model))


def _square(box):
    box = checked_box(box)
    return detector.Face(tuple((box[:2] + box[2:]) / 2), float((box[2:] - box[:2]).max()), 1.0)
