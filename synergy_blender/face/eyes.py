"""The eyes: the colour of the irises in a photo, and eyes of that colour on the head's map."""

import numpy as np

from . import head_model, skin

SMALLEST = 2.0  # pixels of an iris' radius from which its colour can be seen
CLOSED = 0.45  # of eyeBlink, from which an eye shows too little
ASIDE = 0.45  # cosine to the viewer below which an iris is not looked at
KEPT = (0.25, 0.6)  # shares of pixels by brightness: pupils are darker, glints and white brighter
BRIGHTEN = 1.25  # lids and lashes shade the eye
BROWN, WHITE, BLACK = (0.36, 0.25, 0.16), (0.84, 0.80, 0.77), (0.02, 0.02, 0.02)  # sRGB: usual iris, sclera, pupil
# Of an iris' radius: the pupil's edge, the collarette, where the dark rim begins, where the iris has passed into white
PUPIL, COLLARETTE, RIM, LIMBUS = 0.35, 0.53, 0.76, (0.95, 1.06)
FIBRES = (140, 0.13), (34, 0.10), (9, 0.06)  # about the iris, and how much brighter or darker they are
SHADED = 0.72  # the irises, which lie under a cornea
BESIDE = 0.004  # of the map around an eye, for filters that look there
CORNERS = np.array([0.98, 0.93, 0.92])  # the white is redder away from the iris


def iris_colour(image, face):
    """The irises' colour, sRGB 0..1 (3,), of a Reconstruction `face` on its photo `image` (H, W, 3) uint8, or None
    where no eye is seen well enough, or the head is another than the bundled one."""
    model, found = head_model.load(), []
    if len(face.vertices) != len(model.mean):
        return None
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


def paint(texture, surface, iris=None):
    """Paint the eyes into a skin (S, S, 3) uint8 of a Surface, in place: their white as bright as the skin beside it
    lets it be, irises of an sRGB colour 0..1 (3,), brown where none is given, with fibres, collarette and dark rim."""
    if not surface.eyes:
        return
    size = len(texture)
    white = np.array(WHITE) * skin.whites(_tone(texture, surface)) ** (1 / 2.2)
    for k, eye in enumerate(surface.eyes):
        left, low, right, high = size * (np.array(eye.box) + [-BESIDE, -BESIDE, BESIDE, BESIDE])
        rows, columns = slice(int(size - high), int(size - low) + 1), slice(int(left), int(right) + 1)
        y, x = np.mgrid[rows, columns] + 0.5
        x, y = (x - eye.middle[0] * size) / (eye.radius * size), (size - y - eye.middle[1] * size) / (eye.radius * size)
        out, about = np.hypot(x, y), np.arctan2(y, x)
        ball = white * (1 + skin.ramp(out, 1.05, 1.6)[..., None] * (CORNERS - 1))
        colour = _iris(out, about, BROWN if iris is None else iris, np.random.default_rng(k))
        colour += skin.ramp(out, *LIMBUS)[..., None] * (ball - colour)
        colour += (1 - skin.ramp(out, PUPIL - 0.03, PUPIL + 0.03)[..., None]) * (BLACK - colour)
        texture[rows, columns] = np.clip(255 * colour + 0.5, 0, 255)


def _iris(out, about, colour, rng):
    """Colours (..., 3) of an iris at distances from its middle over its radius and at angles (...)."""
    turn, bright = about / (2 * np.pi), np.zeros_like(out)
    for count, strength in FIBRES:
        waves = rng.normal(0, 1, count)
        # fibres run outwards, not quite straight
        at = (turn + rng.normal(0, 0.006) * np.sin(7 * out + 5 * about)) * count
        first = np.floor(at).astype(int)
        share = at - first
        share *= share * (3 - 2 * share)
        bright += strength * ((1 - share) * waves[first % count] + share * waves[(first + 1) % count])
    ring = np.exp(-np.square((out - COLLARETTE - 0.02 * bright) / 0.07))
    bright = bright * skin.ramp(out, PUPIL, COLLARETTE) + 0.16 * ring
    bright -= 0.25 * (1 - skin.ramp(out, PUPIL, COLLARETTE)) + 0.62 * skin.ramp(out, RIM, 1.0)
    warm = 1 + 0.07 * (1 - skin.ramp(out, PUPIL, 0.75))[..., None] * np.array([1.0, 0.2, -0.8])
    return SHADED * np.asarray(colour) * warm * np.exp(bright)[..., None]


def _tone(texture, surface):
    """The sRGB colour 0..1 (3,) of the skin's patches on the map."""
    middle = surface.mean[surface.triangles[surface.skin]].mean(1)
    chosen = np.any([((middle > low) & (middle < high)).all(1) for low, high in skin.PATCHES], axis=0)
    column, row = np.floor(surface.uv[chosen].mean(1) * len(texture) * [1, -1] + [0, len(texture)]).astype(int).T
    return np.median(texture[row, column], axis=0) / 255
