"""Build the training and validation crops: `python -m training.make_crops [--count N] [--first K]`.

Every crop is a portrait on the head model, rendered again under known parameters: the fitted ones with a small turn
(realistic), or turned to +-90 degrees, warped in identity and expression (exact truth everywhere). Light, backdrop,
occluders, sharpness, noise and JPEG vary. A shard `work/crops/NAME_KK.npz`-like trio is written when complete, so an
interrupted run goes on where it stopped: `NAME_KK_pictures.npy` (n, 192, 192, 3) uint8 RGB, 120 for `validation`, and
`NAME_KK_labels.npz`: `pose` (n, 3, 4) (pixels of a crop of 120, y up from the lower edge), `identity` (n, 40),
`expression` (n, 52).
"""

import argparse
import concurrent.futures
import multiprocessing
import os

import cv2
import numpy as np

from synergy_blender.face.pose import matrix
from training import sources, spectacles, wear
from training.expressions import NAMES
from training.fit_landmarks import LandmarkModel
from training.portrait_texture import Head, build, render
from training.wrinkles import Wrinkles

SIZE = 120
RENDER_SIZE = 192  # training crops are kept as large as they are rendered: a closer look sees more than 120 pixels
COARSE = 0.5  # share of them that shows no more than a crop of 120, unless said otherwise
SHARD = 3000
# Side of the crop over the longer side of the box around the 68 landmarks; the crop shares the box's centre.
CROP_MARGIN = 1.4
CROPS = sources.WORK / "crops"
VALIDATION = {"validation_00": SIZE, "large_00": RENDER_SIZE}  # sides of crops: of faces far away, and near
WORST_FIT = 0.02  # NME above which a portrait's fit is not believed
WORN = {"glasses": 0.14, "hat": 0.08, "hand": 0.06}  # shares of the crops
CALM = 0.25  # fitted expressions up to which a portrait can be given others: a photographed smile would shine through
_LOUD = ("jawOpen", "mouthSmile", "eyeBlink", "mouthUpperUp", "mouthLowerDown")
_MOUTH = [i for i, name in enumerate(NAMES) if name.startswith(("mouth", "jaw", "cheek", "tongue", "nose"))]
_NAME = {name: i for i, name in enumerate(NAMES)}


def random_expression(rng):
    """A plausible expression (52,): a few units together, left and right mostly alike."""
    expression = np.zeros(len(NAMES))

    def both(name, value):
        lopsided = rng.uniform(0.4, 1) if rng.random() < 0.3 else 1.0
        left_first = rng.random() < 0.5
        expression[_NAME[name + "Left"]] = value * (1 if left_first else lopsided)
        expression[_NAME[name + "Right"]] = value * (lopsided if left_first else 1)

    if rng.random() < 0.45:
        both("mouthSmile", rng.beta(1.5, 1.5))
        both("cheekSquint", rng.uniform(0, 0.6))
    elif rng.random() < 0.3:
        both(rng.choice(["mouthFrown", "mouthStretch", "mouthDimple", "mouthPress"]), rng.beta(1.2, 1.5))
    if rng.random() < 0.25:
        both("mouthUpperUp", rng.beta(1, 2))
    if rng.random() < 0.25:
        both("mouthLowerDown", rng.beta(1, 2))
    if rng.random() < 0.4:
        expression[_NAME["jawOpen"]] = rng.beta(1, 1.8)
    if rng.random() < 0.2:
        expression[_NAME[rng.choice(["mouthPucker", "mouthFunnel"])]] = rng.beta(1.3, 1.3)
    if rng.random() < 0.25:
        for name in rng.choice(_MOUTH, 2):
            expression[name] = max(expression[name], rng.beta(1, 2))
    if rng.random() < 0.35:
        both("eyeBlink", 1.0 if rng.random() < 0.4 else rng.uniform(0, 1))
    elif rng.random() < 0.5:
        both(rng.choice(["eyeWide", "eyeSquint"]), rng.beta(1, 1.5))
    if rng.random() < 0.4:
        expression[_NAME["browInnerUp"]] = rng.beta(1, 1.5)
    if rng.random() < 0.4:
        both(rng.choice(["browDown", "browOuterUp"]), rng.beta(1, 1.5))
    if rng.random() < 0.15:
        both("noseSneer", rng.beta(1, 2))
    # the eyes look one way together
    up, left = rng.normal(0, 0.3, 2)
    both("eyeLookUp" if up > 0 else "eyeLookDown", min(abs(up), 1))
    for side, outwards in (("Left", left > 0), ("Right", left < 0)):
        expression[_NAME[("eyeLookOut" if outwards else "eyeLookIn") + side]] = min(abs(left), 1)
    return expression


def random_rotation(rng):
    """Head rotation: yaw fills +-90 degrees, pitch and roll as people hold their heads, some extreme."""
    yaw = rng.normal(0, 28) if rng.random() < 0.55 else rng.uniform(-92, 92)
    pitch = rng.normal(0, 12) if rng.random() < 0.8 else rng.uniform(-45, 45)
    roll = rng.normal(0, 10) if rng.random() < 0.75 else rng.uniform(-55, 55)
    return matrix(np.clip(yaw, -95, 95), pitch, roll)


def random_light(rng):
    """A function from normals (H, W, 3) to a factor (H, W, 3): ambient and one coloured directional light."""
    strength = rng.choice([0.0, rng.uniform(0.1, 0.65)], p=[0.4, 0.6])
    direction = rng.normal([0, 0.3, 0.5], [1, 0.6, 0.4])
    direction = (direction / np.linalg.norm(direction)).astype(np.float32)
    tint = rng.normal(1, 0.1, 3).astype(np.float32)

    def shade(normals):
        lit = np.clip(normals @ direction, 0, 1)[..., None]
        return (1 + strength * (1.6 * lit * tint - 0.8)).clip(0.3, 1.9).astype(np.float32)

    return shade


def random_backdrop(rng, photos, size):
    """A backdrop (size, size, 3) float32: part of another photo, blurred or not, or a gradient."""
    if rng.random() < 0.7:
        photo = photos[rng.integers(len(photos))]
        side = int(min(photo.shape[:2]) * rng.uniform(0.25, 1))
        y, x = (rng.integers(0, photo.shape[k] - side + 1) for k in (0, 1))
        patch = cv2.resize(photo[y : y + side, x : x + side], (size, size)).astype(np.float32)
        if rng.random() < 0.6:
            patch = cv2.GaussianBlur(patch, (0, 0), rng.uniform(2, 15))
        return patch * rng.uniform(0.3, 1.2)
    a, b = rng.uniform(0, 255, (2, 3))
    ramp = np.linspace(0, 1, size, dtype=np.float32)
    ramp = ramp[:, None, None] if rng.random() < 0.5 else ramp[None, :, None]
    return (a + (b - a) * ramp + np.zeros((size, size, 1))).astype(np.float32)


def occlude(rng, picture, photos):
    """Cover part of a picture (H, W, 3) with one or two blobs: plain, or cut from a photo (hands, hair, objects)."""
    size = len(picture)
    for _ in range(rng.integers(1, 3)):
        angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(4, 9)))
        radius = size * rng.uniform(0.06, 0.24) * rng.uniform(0.6, 1.3, len(angles))
        at = rng.uniform(0.05, 0.95, 2) * size
        stretch = rng.uniform(0.5, 1.5)
        blob = at + np.stack([np.cos(angles) * radius * stretch, np.sin(angles) * radius / stretch], 1)
        mask = np.zeros((size, size), np.uint8)
        cv2.fillPoly(mask, [blob.astype(np.int32)], 255)
        soft = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.5, 2)).astype(np.float32)[..., None] / 255
        if rng.random() < 0.3:
            cover = np.full_like(picture, rng.uniform(0, 255, 3))
        else:
            cover = random_backdrop(rng, photos, size)
        picture = picture + soft * (cover - picture)
    return picture


def degrade(rng, picture):
    """What cameras and files do to a uint8 crop: blur, low resolution, noise, JPEG."""
    if rng.random() < 0.2:
        size = len(picture)
        small = int(size * rng.uniform(0.35, 0.8))
        picture = cv2.resize(cv2.resize(picture, (small, small), interpolation=cv2.INTER_AREA), (size, size))
    elif rng.random() < 0.1:
        length = rng.integers(3, 7)
        kernel = cv2.getRotationMatrix2D((length / 2 - 0.5,) * 2, rng.uniform(0, 180), 1)
        line = np.zeros((length, length), np.float32)
        line[length // 2] = 1 / length
        line = cv2.warpAffine(line, kernel, (length, length))
        picture = cv2.filter2D(picture, -1, line / max(line.sum(), 1e-3))
    if rng.random() < 0.3:
        noise = rng.normal(0, rng.uniform(2, 10), picture.shape)
        picture = np.clip(picture + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 90))])
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return picture


def believed(fits, validation=False):
    """Rows of the portraits that crops show: labelled well and fitted well."""
    wanted = sources.well_labelled(validation)
    rows = enumerate(zip(fits["names"], fits["nme"], strict=True))
    return [i for i, (name, nme) in rows if name in wanted and nme < WORST_FIT]


class CropMaker:
    """Draws crops with their labels from a list of portraits."""

    def __init__(self, validation=False, coarse=COARSE, part=0, parts=1):
        """Of every so many `parts` of the portraits, one `part`."""
        self.coarse = coarse
        self.head = Head.load(sources.WORK / "head_surface.npz")
        self.landmarks = LandmarkModel.load().ibug()
        fits = np.load(sources.WORK / "portrait_fits.npz")
        rows = believed(fits, validation)[part::parts]
        data = {k: fits[k] for k in ("identity", "expression", "scale", "rotation", "centre")}
        residual, points = fits["residual"], np.load(sources.WORK / "head_landmarks.npz")
        self.portraits = []
        for i in rows:
            photo = cv2.cvtColor(cv2.imread(str(sources.DATA / fits["names"][i])), cv2.COLOR_BGR2RGB)
            marks = points["triangle"], points["weights"], residual[i]
            self.portraits.append(build(self.head, photo, marks=marks, **{k: v[i] for k, v in data.items()}))
        self.photos = [p.photo for p in self.portraits]
        loud = [i for i, name in enumerate(NAMES) if name.startswith(_LOUD)]
        self.calm = np.array([np.abs(p.expression[loud]).max() < CALM for p in self.portraits])

    def draw(self, rng, exact=None):
        """One crop (192, 192, 3) uint8 with `pose` (3, 4), `identity`, `expression`.

        `exact`: identity drawn from the model, not from the portrait, and a free pose; then that is the crop's side.
        """
        kind = rng.random() if exact is None else (0.9 if exact else 0.1)
        chosen = rng.choice(np.flatnonzero(self.calm)) if kind >= 0.4 else rng.integers(len(self.portraits))
        portrait = self.portraits[chosen]
        identity, expression, rotation = portrait.identity.copy(), portrait.expression.copy(), portrait.rotation
        if kind < 0.15:  # as photographed, turned a little
            pitch, yaw, roll = rng.normal(0, [5, 8, 8])
            turn = matrix(yaw, pitch, roll)
            rotation = turn @ rotation
        else:
            rotation = random_rotation(rng)
            if kind < 0.4:
                identity = identity + rng.normal(0, 0.5, len(identity))
            else:
                identity = rng.normal(0, 1, len(identity))
            if self.calm[chosen] and rng.random() < 0.9:
                expression = random_expression(rng)
        points = self.landmarks.points(identity[None], expression[None])[0] @ rotation.T
        low, high = points[:, :2].min(0), points[:, :2].max(0)
        side = (high - low).max() * CROP_MARGIN * np.exp(rng.normal(0, 0.09))
        middle = (low + high) / 2 + rng.normal(0, 0.045, 2) * side
        scale = RENDER_SIZE / side
        centre = np.array([RENDER_SIZE / 2 - scale * middle[0], RENDER_SIZE / 2 + scale * middle[1]])
        picture, _ = render(
            self.head,
            portrait,
            identity,
            expression,
            scale,
            rotation,
            centre,
            random_backdrop(rng, self.photos, RENDER_SIZE),
            random_light(rng),
            iris=rng.uniform([20, 15, 10], [110, 110, 120]),
            wrinkles=Wrinkles.drawn(rng),
        )
        picture = self.dress(rng, picture, portrait, identity, expression, scale, rotation, centre)
        if rng.random() < 0.25:
            picture = occlude(rng, picture, self.photos)
        picture = np.clip(picture, 0, 255).astype(np.uint8)
        shown = exact or (SIZE if rng.random() < self.coarse else RENDER_SIZE)
        if shown < RENDER_SIZE:
            picture = cv2.resize(picture, (shown, shown), interpolation=cv2.INTER_AREA)
        ratio = SIZE / RENDER_SIZE
        pose = np.empty((3, 4), np.float32)
        pose[:, :3] = rotation * scale * ratio
        pose[:, 3] = centre[0] * ratio, SIZE - centre[1] * ratio, 0
        picture = degrade(rng, picture)
        if not exact and len(picture) < RENDER_SIZE:
            picture = cv2.resize(picture, (RENDER_SIZE, RENDER_SIZE))
        return picture, pose, identity.astype(np.float32), expression.astype(np.float32)

    def dress(self, rng, picture, portrait, identity, expression, scale, rotation, centre):
        """A rendered picture, sometimes with glasses, a hat or a hand on it; those are drawn in place."""
        worn = rng.random(3)
        if worn[0] < WORN["glasses"]:
            shape = self.head.shape(identity, expression)
            eyes = np.array([shape[self.head.part == eye].mean(0) for eye in ("eye_left", "eye_right")])
            picture, _ = spectacles.draw(rng, picture, eyes, scale, rotation, centre)
        if worn[1] < WORN["hat"]:
            wear.hat(rng, picture, scale, rotation, centre)
        if worn[2] < WORN["hand"]:
            wear.hand(rng, picture, portrait.skin, scale, rotation, centre)
        return picture

    def shard(self, path, count, seed, exact=None):
        """Write one shard, unless it is there."""
        done = path.with_name(path.name + "_labels.npz")
        if done.exists():
            return
        rng = np.random.default_rng(seed)
        size = exact or RENDER_SIZE
        pictures = np.empty((count, size, size, 3), np.uint8)
        labels = {"pose": [], "identity": [], "expression": []}
        for i in range(count):
            pictures[i], pose, identity, expression = self.draw(rng, exact)
            for name, value in (("pose", pose), ("identity", identity), ("expression", expression)):
                labels[name].append(value)
        np.save(path.with_name(path.name + "_pictures.npy"), pictures)
        partial = done.with_suffix(".partial.npz")
        np.savez(partial, **{name: np.array(value) for name, value in labels.items()})
        os.replace(partial, done)
        print(f"{path.name}: {count} crops", flush=True)


def work(jobs, coarse, part, parts):
    """Write shards, (path, count, seed) each, with a part of the portraits."""
    cv2.setNumThreads(1)
    maker = CropMaker(coarse=coarse, part=part, parts=parts)
    for job in jobs:
        maker.shard(*job)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--count", type=int, default=198_000)
    arguments.add_argument("--first", type=int, default=0, help="number, and seed, of the first shard")
    arguments.add_argument("--workers", type=int, default=2, help="processes, each with its share of the portraits")
    arguments.add_argument("--shard", type=int, default=SHARD, help="crops in each")
    arguments.add_argument("--kind", default="train", help="what the shards are called")
    arguments.add_argument("--coarse", type=float, default=COARSE, help="share that shows no more than a crop of 120")
    options = arguments.parse_args()
    CROPS.mkdir(parents=True, exist_ok=True)
    for name, size in VALIDATION.items():
        if not (CROPS / f"{name}_labels.npz").exists():
            CropMaker(validation=True).shard(CROPS / name, 2000, 10**6, exact=size)
    shards = range(options.first, options.first - (-options.count // options.shard))
    jobs = [(CROPS / f"{options.kind}_{k:02d}", options.shard, k) for k in shards]
    each = [(jobs[k :: options.workers], options.coarse, k, options.workers) for k in range(options.workers)]
    with concurrent.futures.ProcessPoolExecutor(options.workers, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(work, *zip(*each, strict=True)))


if __name__ == "__main__":
    main()
