"""What the detector finds at each score it may ask for: `python -m training.detector_threshold`.

Prints recall and false alarms per picture on composed pictures (others than the benchmark's), false alarms on face-free
pictures held back, and how many faces each picture of scikit-image gets, so that `THRESHOLD` can be chosen.
"""

import argparse

import numpy as np
from skimage import data

from synergy_blender.face import detector
from training import face_free
from training.train_detector import composed, hits, squares_of

THRESHOLDS = np.round(np.arange(0.3, 0.86, 0.05), 2)
SEED = 2 * 10**6
SHOWN = ("astronaut", "chelsea", "rocket", "brick", "grass", "camera", "coffee")


def found_at(candidates, thresholds=THRESHOLDS):
    """For each threshold the faces (n, 3) as centre and side, out of candidates (m, 4)."""
    for threshold in thresholds:
        yield squares_of(detector.keep_best(candidates[candidates[:, 0] > threshold]))


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--pictures", type=int, default=300)
    options = options.parse_args()
    find, lowest = detector.load(), float(THRESHOLDS[0])
    found, alarms, bare, total = np.zeros(len(THRESHOLDS)), np.zeros(len(THRESHOLDS)), np.zeros(len(THRESHOLDS)), 0
    for picture, faces in composed(options.pictures, SEED):
        total += len(faces)
        for k, squares in enumerate(found_at(find.looks(picture, lowest))):
            right, wrong = hits(squares, faces)
            found[k] += right
            alarms[k] += wrong
    pictures = face_free.load(validation=True)
    for picture in pictures:
        bare += [len(squares) for squares in found_at(find.looks(picture, lowest))]
    shown = []
    for name in SHOWN:
        picture = getattr(data, name)()
        picture = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, 2)
        shown.append([len(squares) for squares in found_at(find.looks(np.ascontiguousarray(picture), lowest))])
    print("score  recall  false alarms  on face-free  " + "  ".join(SHOWN))
    for k, threshold in enumerate(THRESHOLDS):
        counts = "  ".join(f"{row[k]:{len(name)}d}" for name, row in zip(SHOWN, shown, strict=True))
        share, free = alarms[k] / options.pictures, bare[k] / max(1, len(pictures))
        print(f"{threshold:5.2f}  {found[k] / total:6.1%}  {share:12.3f}  {free:12.3f}  {counts}")


if __name__ == "__main__":
    main()
