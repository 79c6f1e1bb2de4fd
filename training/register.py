"""Lay a portrait's picture exactly on the head that was fitted to it.

A fit with a strong prior leaves 1 to 2 mm between the head's points and those of the photo: lids, lips and brows drawn
on the head would not lie where its vertices are, and crops rendered from it would not show what their labels say. The
offsets are spread over the photo by Gaussian-process regression at two reaches.
"""

import cv2
import numpy as np

REACHES = (0.020, 0.005)  # metres: of the face as a whole, of lids and lips
SHARES = (1.0, 0.5)  # of the offsets' variance at each reach
NOISE = 0.05  # of MediaPipe's points, as a share of the variance
AVERTED, TURNED = 8.0, 0.35  # such points are guessed: as much noisier; cosine towards the camera below which they are
CELL = 4  # photo pixels per cell of the field


def noise(normals):
    """Relative noise (K,) of points whose normals (K, 3) are turned to the camera's frame."""
    return np.where(normals[:, 2] > TURNED, NOISE, AVERTED * NOISE)


class Offsets:
    """A smooth field over a photo of `size` (width, height): from where a fitted head lies to where its picture is.

    at, offset (K, 2): the head's points and the way from them to the photo's, pixels, y down; `noise` (K,); `scale` in
    pixels per metre.
    """

    def __init__(self, at, offset, noise, scale, size):
        square = ((at[:, None] - at[None]) ** 2).sum(2)
        covariance = np.diag(noise)
        for reach, share in zip(REACHES, SHARES, strict=True):
            covariance += share * np.exp(-0.5 * square / (reach * scale) ** 2)
        weights = np.linalg.solve(covariance, offset)
        columns, rows = ((np.arange(length // CELL + 2)) * CELL for length in size)
        field = 0
        for reach, share in zip(REACHES, SHARES, strict=True):
            across, down = (
                np.exp(-0.5 * ((line[:, None] - at[:, k]) / (reach * scale)) ** 2)
                for k, line in enumerate((columns, rows))
            )  # a Gaussian over the plane is a product of two over lines
            field = field + share * np.stack([(down * weights[:, k]) @ across.T for k in (0, 1)], -1)
        self.field = field.astype(np.float32)

    def __call__(self, points):
        """The offsets (..., 2) at points (..., 2) of the photo."""
        where = (points.reshape(-1, 1, 2) / CELL).astype(np.float32)
        rows = [
            cv2.remap(self.field, where[start : start + 30000], None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            for start in range(0, len(where), 30000)  # remap takes pictures of less than 32768 rows
        ]
        return np.concatenate(rows).reshape(points.shape)
