"""From a photo to a Reconstruction. NumPy and the standard library only."""

from .assets import AssetError
from .reconstruct import Reconstruction, parameters_from_landmarks, reconstruct, reconstruct_person
from .relief import relief
from .texture import DELIT, skin_texture

__all__ = [
    "DELIT",
    "AssetError",
    "Reconstruction",
    "parameters_from_landmarks",
    "reconstruct",
    "reconstruct_person",
    "relief",
    "skin_texture",
]
