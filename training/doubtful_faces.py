"""What is found at each rule for faces that the detector doubts: `python -m training.doubtful_faces [--pictures 900]`.

Prints recall and false alarms per picture on composed pictures of training portraits, so that `face.faces` can be given
the least score that is looked at, and the error up to which the network recognises a face, without looking at what
validates it.
"""

import argparse
import multiprocessing

import numpy as np

from synergy_blender.face import detector, faces, network
from training.compose import Composer
from training.train_detector import hits

LEAST = 0.3  # score that is looked at here
SCORES, ERRORS, POWERS = (0.65, 0.5, 0.4, 0.3), (2.7, 3.2, 4.0, 5.0, 6.0, 7.0), (0.5, 0.8)
SEED = 3 * 10**6


def looked_at(seed, pictures):
    """For each of some pictures the squares (n, 3) of its faces, and those found in it: rows (m, 5) of the detector's
    score, the error that the network expects (0 where nothing is doubted), and the square."""
    composer, rng = Composer(480, 640, 24, 400), np.random.default_rng(seed)
    find, seen = detector.load(), []
    for _ in range(pictures):
        picture, truth = composer.draw(rng)
        rows = []
        for face in find(picture, LEAST):
            if face.score >= faces.CERTAIN:
                rows.append([face.score, 0.0, *face.centre, face.side])
            else:
                closer = faces.doubted(picture, face, network.load())
                rows.append([face.score, closer.view.errors.mean(), *faces.square_of(closer)])
        seen.append((truth, np.array(rows).reshape(-1, 5)))
    return seen


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--pictures", type=int, default=900)
    options = options.parse_args()
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        halves = pool.starmap(looked_at, [(SEED + k, options.pictures // 2) for k in range(2)])
    seen = [one for half in halves for one in half]
    total = sum(len(truth) for truth, _ in seen)
    print("score, power  " + "  ".join(f"error {error}: recall, false" for error in ERRORS))
    for score in SCORES:
        for power in POWERS:
            text = []
            for error in ERRORS:
                found = alarms = 0
                for truth, rows in seen:
                    rows = rows[(rows[:, 0] >= score) & (rows[:, 1] < faces.enough(rows[:, 0], error, power))]
                    kept = detector.keep_best(np.delete(rows, 1, 1))
                    right, wrong = hits(np.array([[*f.centre, f.side] for f in kept]).reshape(-1, 3), truth)
                    found, alarms = found + right, alarms + wrong
                text.append(f"{found / total:15.1%} {alarms / len(seen):12.3f}")
            print(f"{score:5.2f} {power:6.1f}" + "  ".join(text), flush=True)


if __name__ == "__main__":
    main()
