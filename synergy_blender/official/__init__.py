"""The authors' own SynergyNet: its files read without running what is in them, its networks, its morphable model."""

from .faces import CONVENTIONS, RESIZES, box_of, reconstruct
from .head import head_of, surface_of
from .importing import ImportProblem, import_official
from .model import OfficialModel, load, place

__all__ = [
    "CONVENTIONS",
    "RESIZES",
    "ImportProblem",
    "OfficialModel",
    "box_of",
    "head_of",
    "import_official",
    "load",
    "place",
    "reconstruct",
    "surface_of",
]
