"""The authors' own SynergyNet: its files read without running what is in them, its networks, its morphable model."""

from .batch import Faces, reconstruct_crops
from .conventions import CONVENTIONS
from .faces import RESIZES, box_of, reconstruct
from .head import head_of, surface_of
from .importing import ImportProblem, import_official
from .model import OfficialModel, load, place

__all__ = [
    "CONVENTIONS",
    "RESIZES",
    "Faces",
    "ImportProblem",
    "OfficialModel",
    "box_of",
    "head_of",
    "import_official",
    "load",
    "place",
    "reconstruct",
    "reconstruct_crops",
    "surface_of",
]
