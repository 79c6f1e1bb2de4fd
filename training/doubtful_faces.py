"""What is found at each rule for faces that the detector doubts: `python -m training.doubtful_faces [--pictures 900]`.

Prints recall and false alarms per picture on composed pictures of training portraits, and false alarms on pictures
without faces, so that `face.faces` can be given the least score that is looked at, and the error up to which the
network recognises a face, without looking at what validates it.
"""

import argparse
import itertools
import multiprocessing

import numpy as np

from synergy_blender.face import detector, faces, network
from training import face_free
from training.compose import Composer
from training.train_detector import hits, squares_of

LEAST = 0.3  # score that is looked at here
SCORES, POWERS = (0.65, 0.6, 0.5, 0.4, 0.3), (0.5, 0.8)
ERRORS = (3.2, 4.0, 4.5, 5.0, 6.0)
FACE_FREE = 600  # pictures without faces, of those that the detector has seen as such
SEED = 3 * 10**6


def pictures_and_faces(half, pictures):
    """Composed pictures with the squares (n, 3) of their faces, and pictures without faces: every second."""
    composer, rng = Composer(480, 640, 24, 400), np.random.default_rng(SEED + half)
    for _ in range(pictures // 2):
        yield composer.draw(rng)
    for picture in face_free.load(validation=False)[half : FACE_FREE + half : 2]:
        yield picture, np.zeros((0, 3))


def looked_at(half, pictures):
    """For each of some pictures the squares (n, 3) of its faces, and those found in it: rows (m, 6) of the detector's
    score, that of both its looks (the same where nothing is doubted), the error that the network expects (0 there),
    and the square."""
    find, seen = detector.load(), []
    for picture, truth in pictures_and_faces(half, pictures):
        rows = []
        for face in find(picture, LEAST):
            if face.score >= faces.CERTAIN:
                rows.append([face.score, face.score, 0.0, *face.centre, face.side])
            else:
                closer = faces.doubted(picture, face, network.load())
                score = faces.considered(picture, face, find)
                rows.append([face.score, score, closer.view.errors.mean(), *faces.square_of(closer)])
        seen.append((truth, np.array(rows).reshape(-1, 6)))
    return seen


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--pictures", type=int, default=900)
    options = options.parse_args()
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        seen, bare = [], []
        for half in pool.starmap(looked_at, [(k, options.pictures) for k in range(2)]):
            seen += half[: options.pictures // 2]
            bare += half[options.pictures // 2 :]

    def found_by(score, *rule):
        for truth, rows in seen + bare:
            first, both, error = rows[:, :3].T
            kept = (first >= score) & (both >= faces.PROPOSED) & (error < faces.enough(both, *rule))
            yield hits(squares_of(detector.keep_best(rows[kept][:, [0, 3, 4, 5]])), truth)

    total = sum(len(truth) for truth, _ in seen)
    print("score, power  " + "  ".join(f"error {error}: recall, false, face-free" for error in ERRORS))
    for score, power in itertools.product(SCORES, POWERS):
        text = []
        for error in ERRORS:
            found, wrong = np.array(list(found_by(score, error, power))).T
            alarms, free = wrong[: len(seen)].mean(), wrong[len(seen) :].mean()
            text.append(f"{found.sum() / total:16.1%} {alarms:8.3f} {free:8.3f}")
        print(f"{score:5.2f} {power:6.1f}" + "  ".join(text), flush=True)


if __name__ == "__main__":
    main()
