"""Calibrate the confidence: `python -m training.calibrate` writes it into `addon_assets/synergynet.npz`.

A reconstruction is right when its landmarks are within RIGHT of MediaPipe's. How often that is so is learned (logistic
regression, Platt 1999) from what the detector thinks of the face, the errors the network expects of its points and how
well the fit explains them: on press portraits as they are, spoiled by blur, darkness, noise and covers, and on boxes
put beside faces. Every second portrait is kept out and tells how well the confidence is calibrated.
"""

import cv2
import numpy as np

from synergy_blender.face import assets, network, reconstruct
from synergy_blender.face.reconstruct import features_of_confidence
from training import sources
from training.embed_landmarks import IBUG_68
from training.fit_landmarks import nme
from training.make_crops import occlude

RIGHT = 0.05
STEPS, RIDGE = 60, 1e-2


def spoil(rng, picture, box):
    """A picture made hard to read about a face's box: one or two of blur, darkness, noise, covers."""
    spoiled = picture.astype(np.float32)
    side = box[2] - box[0]
    for way in rng.choice(["blur", "dark", "noise", "cover"], rng.integers(1, 3), replace=False):
        if way == "blur":
            spoiled = cv2.GaussianBlur(spoiled, (0, 0), side * rng.uniform(0.02, 0.15))
        elif way == "dark":
            spoiled = spoiled * rng.uniform(0.02, 0.2)
        elif way == "noise":
            spoiled = spoiled + rng.normal(0, rng.uniform(20, 80), spoiled.shape)
        else:
            x, y = (max(0, int(v)) for v in box[:2])
            window = spoiled[y : y + int(side), x : x + int(side)]
            size = min(window.shape[:2])
            if size > 20:
                window[:size, :size] = occlude(rng, window[:size, :size], [picture])
    return spoiled.clip(0, 255).astype(np.uint8)


def collect(count, rng):
    """Features (N, 4), whether each was right (N,), and the portrait it came from (N,)."""
    labels = np.load(sources.WORK / "landmarks.npz")
    rows = [i for i, name in enumerate(labels["names"]) if "/portraits/" in name]
    features, right, source = [], [], []
    for i in rng.permutation(rows)[:count]:
        picture = cv2.cvtColor(cv2.imread(str(sources.DATA / labels["names"][i])), cv2.COLOR_BGR2RGB)
        truth = labels["landmarks"][i][IBUG_68, :2]
        low, high = truth.min(0), truth.max(0)
        middle, side = (low + high) / 2, (high - low).max()
        boxes = []
        for off in (0.1, 0.7, 1.5):
            centre = middle + rng.normal(0, off, 2) * side
            half = side / 2 * np.exp(rng.normal(0, 0.3))
            box = np.clip([*(centre - half), *(centre + half)], 0, [*picture.shape[1::-1]] * 2)
            if (box[2:] - box[:2]).min() > 8:
                boxes.append(box)
        tries = [(picture, None), (picture, boxes), (spoil(rng, picture, [*low, *high]), boxes[:1])]
        for shown, where in tries:
            for face in reconstruct(shown, where):
                features.append(features_of_confidence(face.evidence))
                right.append(nme(face.landmarks[None, :, :2], truth[None])[0] < RIGHT)
                source.append(i)
    return np.array(features), np.array(right), np.array(source)


def logistic(features, right):
    """Weights (4,) of a logistic regression by Newton's method."""
    weights = np.zeros(features.shape[1])
    for _ in range(STEPS):
        share = 1 / (1 + np.exp(-features @ weights))
        slope = features.T @ (right - share) - RIDGE * weights
        curve = (features * (share * (1 - share))[:, None]).T @ features + RIDGE * np.eye(len(weights))
        weights = weights + np.linalg.solve(curve, slope)
    return weights


def main():
    features, right, source = collect(400, np.random.default_rng(5))
    kept_out = source % 2 == 0
    weights = logistic(features[~kept_out], right[~kept_out])
    share = 1 / (1 + np.exp(-features[kept_out] @ weights))
    for low, high in ((0, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 0.95), (0.95, 1.01)):
        chosen = (share >= low) & (share < high)
        if chosen.any():
            print(
                f"confidence {low:.2f}-{min(high, 1):.2f}: said {share[chosen].mean():.2f}, right "
                f"{right[kept_out][chosen].mean():.2f} of {chosen.sum()}"
            )
    path = assets.FOLDER / "synergynet.npz"
    arrays = assets.load(path, "SynergyNet")
    arrays["confidence"] = logistic(features, right).astype(np.float32)
    assets.save(path, "SynergyNet", arrays)
    network.load.cache_clear()
    print(f"weights {np.round(arrays['confidence'], 2)}; {right.mean():.0%} of {len(right)} were right")


if __name__ == "__main__":
    main()
