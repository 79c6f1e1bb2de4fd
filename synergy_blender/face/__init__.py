"""From a photo to a Reconstruction. NumPy and the standard library only."""

from .assets import AssetError
from .reconstruct import Reconstruction, reconstruct

__all__ = ["AssetError", "Reconstruction", "reconstruct"]
