"""What is found at each rule for faces that the detector doubts: `python -m training.doubtful_faces [--pictures 900]`.

Prints recall and false alarms per picture on composed pictures of training portraits, and false alarms on pictures
without faces, so that `face.faces` can be given the least score that is looked at, the error up to which the network
recognises a face, and that of both its looks up to which one is seen, without looking at what validates it.
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
ERRORS = (3.2, 3.6, 4.0, 4.5, 5.0)
FIRST = ERRORS[2:]  # beside the power in use
BOTH = (3.8, 4.2, 4.6, 5.0, 5.5)  # errors of both looks together
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
    """For each of some pictures the squares (n, 3) of its faces, and those found in it: rows (m, 7) of the detector's
    score, that of both its looks (the same where nothing is doubted), the error that the network expects (0 there),
    that of the closer look (0 where none is taken), and the square."""
    find, seen = detector.load(), []
    for picture, truth in pictures_and_faces(half, pictures):
        rows = []
        for face in find(picture, LEAST):
            if face.score >= faces.CERTAIN:
                rows.append([face.score, face.score, 0.0, 0.0, *face.centre, face.side])
                continue
            score = faces.considered(picture, face, find)
            once = faces.doubted(picture, face, network.load(), score)
            error, square, closer = once.view.errors.mean(), faces.square_of(once), 0.0
            if face.score >= faces.PROPOSED <= score and error < faces.enough(score, max(ERRORS)):
                closer = faces.closer(picture, face, square).view.errors.mean()
            rows.append([face.score, score, error, closer, *square])
        seen.append((truth, np.array(rows).reshape(-1, 7)))
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

    def found_by(least, rule=(faces.RECOGNISED,), together=(faces.SEEN,)):
        for truth, rows in seen + bare:
            first, both, error, closer = rows[:, :4].T
            kept = (first >= least) & (both >= faces.PROPOSED) & (error < faces.enough(both, *rule))
            kept &= np.sqrt(error * closer) < faces.enough(both, *together)
            yield hits(squares_of(detector.keep_best(rows[kept][:, [0, 4, 5, 6]])), truth)

    def figures(*rule, **more):
        found, wrong = np.array(list(found_by(*rule, **more))).T
        alarms, free = wrong[: len(seen)].mean(), wrong[len(seen) :].mean()
        return f"{found.sum() / sum(len(truth) for truth, _ in seen):16.1%} {alarms:8.3f} {free:8.3f}"

    print("score, power  " + "  ".join(f"error {error}: recall, false, face-free" for error in ERRORS))
    for score, power in itertools.product(SCORES, POWERS):
        text = "  ".join(figures(score, (error, power)) for error in ERRORS)
        print(f"{score:5.2f} {power:6.1f}{text}", flush=True)
    print("both looks   " + "  ".join(f"first error {error}: recall, false, face-free" for error in FIRST))
    for together in itertools.product(BOTH, POWERS):
        text = "  ".join(figures(faces.PROPOSED, (error,), together=together) for error in FIRST)
        print(f"{together[0]:5.2f} {together[1]:6.1f}{text}", flush=True)


if __name__ == "__main__":
    main()
