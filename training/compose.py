"""Pictures composed for the face detector: portraits and profile crops pasted at many scales, rotations and lights on
backgrounds without faces, none to eight to a picture."""

import cv2
import numpy as np

from training import face_free, sources
from training.embed_landmarks import IBUG_68
from training.fit_landmarks import LandmarkModel
from training.train import Crops

PROFILES = 24_000  # rendered crops used beside the portraits
FACE_FREE = 0.5  # share of the backgrounds that are face-free pictures, once these were fetched
PHOTO_SIZE = 320  # longer side of a portrait in memory
TURNED = 0.15  # share of the faces that lie any way up
DARKEST = 0.55  # light of a face, times its portrait's
COUNTS = {0: 0.15, 1: 0.4, 2: 0.15, 3: 0.12, 5: 0.1, 8: 0.08}  # shares of pictures with so many faces


class Composer:
    """Draws pictures (height, width, 3) with the squares (n, 3) x, y, side of their faces, `smallest` to `largest`
    pixels; a share of them, `turned`, lies any way up."""

    def __init__(self, height, width, smallest, largest, validation=False, turned=TURNED):
        self.height, self.width, self.smallest, self.largest = height, width, smallest, largest
        self.turned = turned
        fits = np.load(sources.WORK / "portrait_fits.npz")
        labels = np.load(sources.WORK / "landmarks.npz")
        wanted = sources.well_labelled(validation)
        self.photos, self.points = [], []
        for name, landmarks, nme in zip(labels["names"], labels["landmarks"], fits["nme"], strict=True):
            if name not in wanted or nme > 0.03:
                continue
            photo = cv2.cvtColor(cv2.imread(str(sources.DATA / name)), cv2.COLOR_BGR2RGB)
            shrink = min(1.0, PHOTO_SIZE / max(photo.shape[:2]))
            self.photos.append(cv2.resize(photo, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA))
            self.points.append(landmarks[IBUG_68, :2] * shrink)
        crops = Crops("validation" if validation else "train")
        chosen = np.linspace(0, len(crops) - 1, 800 if validation else PROFILES).astype(int)
        pictures, data = crops.batch(chosen)
        model = LandmarkModel.load().ibug()
        shapes = model.points(data["identity"], data["expression"])
        places = np.einsum("bde,bke->bkd", data["pose"][:, :2, :3], shapes) + data["pose"][:, None, :2, 3]
        places[..., 1] = pictures.shape[1] - places[..., 1]
        self.crops, self.crop_points = pictures, places
        self.face_free = [] if validation else face_free.load(validation=False)

    def draw(self, rng):
        """A picture (height, width, 3) uint8 and its faces (n, 3): x, y, side."""
        canvas, faces = self.background(rng), []
        count = rng.choice(list(COUNTS), p=list(COUNTS.values()))
        for turn in range(count):
            canvas = self.paste(rng, canvas, faces, self.largest if turn == 0 else self.largest / 2)
        return photographed(rng, canvas), np.array(faces).reshape(-1, 3)

    def background(self, rng):
        """A picture without faces: one that never had any, part of a photo beside its face, a photo whose face is
        painted over, or a ramp."""
        shape = self.height, self.width
        if self.face_free and rng.random() < FACE_FREE:
            return cv2.resize(self.without_face(rng), shape[::-1], interpolation=cv2.INTER_LINEAR)
        kind = rng.random()
        if kind < 0.45:
            canvas = cv2.resize(self.beside(rng), shape[::-1], interpolation=cv2.INTER_LINEAR)
        elif kind < 0.85:
            canvas = cv2.resize(self.painted_over(rng), shape[::-1], interpolation=cv2.INTER_LINEAR)
        else:
            a, b = rng.uniform(0, 255, (2, 3))
            ramp = np.linspace(0, 1, self.height)[:, None, None] * np.ones((1, self.width, 1))
            canvas = a + (b - a) * ramp + rng.normal(0, rng.uniform(0, 20), (*shape, 3))
            canvas = np.clip(canvas, 0, 255).astype(np.uint8)
        if rng.random() < 0.25:  # blocks in disorder: texture without structure
            n = int(rng.choice([4, 8]))
            blocks = canvas.reshape(n, self.height // n, n, self.width // n, 3)
            mixed = blocks.transpose(0, 2, 1, 3, 4).reshape(n * n, -1)[rng.permutation(n * n)]
            canvas = mixed.reshape(n, n, self.height // n, self.width // n, 3).transpose(0, 2, 1, 3, 4)
            canvas = np.ascontiguousarray(canvas.reshape(*shape, 3))
        return canvas

    def without_face(self, rng):
        """A part of a face-free picture, mirrored or on its side."""
        picture = self.face_free[rng.integers(len(self.face_free))]
        height, width = (int(n * rng.uniform(0.4, 1)) for n in picture.shape[:2])
        y, x = (rng.integers(0, n - m + 1) for n, m in zip(picture.shape[:2], (height, width), strict=True))
        part = np.rot90(picture[y : y + height, x : x + width], rng.choice([0, 0, 0, 1, 2, 3]))
        return np.ascontiguousarray(part[:, ::-1] if rng.random() < 0.5 else part)

    def beside(self, rng):
        """A part of a photo that its face does not reach."""
        i = rng.integers(len(self.photos))
        photo, points = self.photos[i], self.points[i]
        low, high = points.min(0), points.max(0)
        height, width = photo.shape[:2]
        gaps = {"left": low[0], "right": width - high[0], "bottom": height - high[1], "top": low[1] * 0.7}
        side = max(gaps, key=lambda k: gaps[k] * rng.uniform(0.5, 1))
        size = int(max(12, gaps[side] * 0.85))
        x = 0 if side == "left" else width - size if side == "right" else rng.integers(0, max(1, width - size))
        y = 0 if side == "top" else height - size if side == "bottom" else rng.integers(0, max(1, height - size))
        return photo[y : y + size, x : x + size]

    def painted_over(self, rng):
        """A photo with something else in its face's place: body, hair and room, but no face."""
        i, j = rng.integers(len(self.photos), size=2)
        canvas, points = self.photos[i].copy(), self.points[i]
        low, high = points.min(0), points.max(0)
        middle, axes = (low + high) / 2, (high - low) * [0.62, 0.72]
        mask = np.zeros(canvas.shape[:2], np.uint8)
        cv2.ellipse(mask, (middle.astype(int).tolist()), axes.astype(int).tolist(), 0, 0, 360, 255, -1)
        other = cv2.resize(self.photos[j][-self.photos[j].shape[0] // 4 :], canvas.shape[1::-1])
        fill = np.full_like(canvas, canvas[mask > 0].mean(0)) if rng.random() < 0.4 else other
        canvas[mask > 0] = fill[mask > 0]
        return np.rot90(canvas, rng.integers(1, 4)) if rng.random() < 0.5 else canvas

    def paste(self, rng, canvas, faces, largest):
        """The canvas with one more face, which joins `faces`; none where it would cover another or leave the canvas."""
        from_crop = rng.random() < 0.35
        photos, places = (self.crops, self.crop_points) if from_crop else (self.photos, self.points)
        i = rng.integers(len(photos))
        photo, points = photos[i], places[i]
        low, high = points.min(0), points.max(0)
        side = (high - low).max()
        wanted = min(np.exp(rng.uniform(np.log(self.smallest), np.log(largest))), 1.6 * side)
        size = np.array([self.width, self.height])
        place = (rng.uniform(0.1, 0.9, 2) if wanted < size.min() / 2 else rng.uniform(0.35, 0.65, 2)) * size
        angle = rng.normal(0, 14) if rng.random() < 1 - self.turned else rng.uniform(-180, 180)
        matrix = cv2.getRotationMatrix2D(tuple(((low + high) / 2).tolist()), angle, wanted / side)
        matrix[:, 2] += place - (low + high) / 2
        if rng.random() < 0.5:
            matrix[0] *= -1
            matrix[0, 2] += 2 * place[0]
        there = points @ matrix[:, :2].T + matrix[:, 2]
        a, b = there.min(0), there.max(0)
        square = np.array([*(a + b) / 2, (b - a).max()])
        if square[2] < self.smallest or any(
            np.abs(square[:2] - f[:2]).max() < 0.75 * (square[2] + f[2]) for f in faces
        ):
            return canvas
        if not ((0.04 * size < square[:2]) & (square[:2] < 0.96 * size)).all():
            return canvas
        ratio = 1.0
        if wanted < 0.5 * side:  # area averaging before the warp, as a camera does
            shrink = 1.5 * wanted / side
            source = cv2.resize(photo, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
            ratio = source.shape[1] / photo.shape[1]
            photo, matrix = source, np.column_stack([matrix[:, :2] / ratio, matrix[:, 2]])
        mask = np.full(photo.shape[:2], 255, np.uint8)
        if not from_crop and rng.random() < 0.5:
            middle = ((low + high) / 2 * ratio + [0, -0.1 * side * ratio]).astype(int).tolist()
            axes = ((high - low) * ratio * rng.uniform([0.75, 0.85], [1.6, 1.5])).astype(int).tolist()
            mask[:] = 0
            cv2.ellipse(mask, middle, axes, 0, 0, 360, 255, -1)
        warped = cv2.warpAffine(photo, matrix, (self.width, self.height), flags=cv2.INTER_LINEAR)
        alpha = cv2.warpAffine(mask, matrix, (self.width, self.height), flags=cv2.INTER_LINEAR)
        alpha = alpha[..., None] / np.float32(255)
        light = rng.uniform(DARKEST, 1.3) * rng.uniform(0.9, 1.1, 3) if rng.random() < 0.5 else 1.0
        if any(covered(alpha, face) > 0.3 for face in faces):  # what is left of a face must be a face
            return canvas
        faces.append(square)
        return (canvas + alpha * (np.clip(warped * light, 0, 255) - canvas)).astype(np.uint8)


def covered(alpha, face):
    """Which share of a face (x, y, side) something of an opacity (H, W, 1) hides."""
    (left, right), (top, bottom) = ((max(0, int(v - face[2] / 2)), int(v + face[2] / 2) + 1) for v in face[:2])
    return alpha[top:bottom, left:right].mean()


def photographed(rng, canvas):
    """What cameras and files do to a picture: grey, light, noise, blur, JPEG."""
    canvas = canvas.astype(np.float32)
    if rng.random() < 0.15:
        canvas[:] = canvas.mean(2, keepdims=True)
    canvas = (canvas - 128) * rng.uniform(0.6, 1.25) + 128 * rng.uniform(0.6, 1.35)
    if rng.random() < 0.3:
        canvas += rng.normal(0, rng.uniform(2, 12), canvas.shape)
    canvas = np.clip(canvas, 0, 255).astype(np.uint8)
    if rng.random() < 0.2:
        canvas = cv2.GaussianBlur(canvas, (0, 0), rng.uniform(0.4, 1.2))
    if rng.random() < 0.4:
        _, data = cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 90))])
        canvas = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return canvas
