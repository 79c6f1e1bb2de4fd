"""The colour of the irises in a photo."""

import numpy as np

from . import head_model

SMALLEST = 2.0  # pixels of an iris' radius from which its colour can be seen
CLOSED = 0.45  # of eyeBlink, from which an eye shows too little
ASIDE = 0.45  # cosine to the viewer below which an iris is not looked at
KEPT = (0.25, 0.6)  # shares of pixels by brightness: pupils are darker, glints and white brighter
BRIGHTEN = 1.25  # lids and lashes shade the eye


def iris_colour(image, face):
    """The irises' colour, sRGB 0..1 (3,), of a Reconstruction `face` on its photo `image` (H, W, 3) uint8, or None
    where no eye is seen well enough."""
    model, found = head_model.load(), []
    for side in ("left", "right"):
        blink = face.expression[model.expression_names.index(f"eyeBlink{side.title()}")]
        points = np.asarray(face.vertices)[model.groups[f"iris_{side}"]]
        ball = np.asarray(face.vertices)[model.groups[f"eye_{side}"]].mean(0)
        middle = points.mean(0)
        ahead = (middle - ball) / max(np.linalg.norm(middle - ball), 1e-9)
        radius = np.linalg.norm(points - middle, axis=1).max() * 0.9
        if blink > CLOSED or ahead[2] < ASIDE or radius < SMALLEST:
            continue
        height, width = image.shape[:2]
        low = np.floor(np.clip(middle[:2] - radius, 0, [width - 1, height - 1])).astype(int)
        high = np.ceil(np.clip(middle[:2] + radius, 1, [width, height])).astype(int)
        x, y = np.meshgrid(np.arange(low[0], high[0]) + 0.5, np.arange(low[1], high[1]) + 0.5)
        # as wide as it is seen; the upper third is under the lid
        across = max(abs(ahead[2]), 0.3)
        inside = ((x - middle[0]) / across) ** 2 + (y - middle[1]) ** 2 < radius**2
        inside &= y > middle[1] - 0.4 * radius
        pixels = image[low[1] : high[1], low[0] : high[0]][inside].astype(float)
        if len(pixels) >= 6:
            order = np.argsort(pixels.sum(1))
            first, last = (round(share * len(order)) for share in KEPT)
            found.append(np.median(pixels[order[first : last + 1]], axis=0))
    if not found:
        return None
    return np.clip(BRIGHTEN * np.mean(found, axis=0) / 255, 0.03, 0.9)
