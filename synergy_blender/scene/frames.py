"""The model's frame in Blender's: metres, Z up, the face towards -Y."""

import numpy as np

# model x (subject's left), y (up), z (out of the face) -> Blender x, z, -y
MODEL_TO_BLENDER = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])


def points(model_points):
    """Model-frame points (..., 3) in Blender's frame."""
    return model_points @ MODEL_TO_BLENDER.T


def rotation(model_rotation):
    """A rotation (3, 3) of the model frame as one of Blender's."""
    return MODEL_TO_BLENDER @ model_rotation @ MODEL_TO_BLENDER.T


def linear(srgb):
    """sRGB 0..1 as the linear values that Blender's colour sockets take."""
    srgb = np.asarray(srgb, float)
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def srgb(linear):
    """Linear values 0..1 as sRGB, the other way round."""
    linear = np.asarray(linear, float)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
