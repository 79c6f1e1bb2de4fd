"""From a photo to a Reconstruction. NumPy and the standard library only."""
