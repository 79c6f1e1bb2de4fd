"""Doubt wrong labels: `python -m training.doubt_labels` writes `training/doubted_labels.txt`.

MediaPipe sometimes takes an ear, a hand or half of a profile for a face. Portraits on which the bundled network, shown
where the label is, is off by more than FAR are listed, looked at as a sheet (`work/doubted.png`), and left out of what
crops and the detector's pictures are made of. The list is kept, so that the next network is made of the same pictures.
"""

import cv2
import numpy as np

from synergy_blender.face import reconstruct
from training import sources
from training.embed_landmarks import IBUG_68
from training.fit_landmarks import nme

FAR = 0.085  # NME
TILE, COLUMNS = 200, 10


def tile(picture, landmarks, text):
    """A small picture of a portrait with its labels."""
    shown = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    for at in landmarks:
        cv2.circle(shown, tuple(map(int, at)), 2, (0, 255, 0), -1)
    shown = cv2.resize(shown, (TILE, TILE))
    return cv2.putText(shown, text, (4, TILE - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 255, 255))


def main():
    labels = np.load(sources.WORK / "landmarks.npz")
    doubted = []
    for name, marks in zip(labels["names"], labels["landmarks"], strict=True):
        if "/t2i/" not in name and "/sfhq/" not in name:
            continue
        picture = cv2.cvtColor(cv2.imread(str(sources.DATA / name)), cv2.COLOR_BGR2RGB)
        truth = marks[IBUG_68, :2]
        low, high = truth.min(0), truth.max(0)
        middle, half = (low + high) / 2, max((high - low).max() / 2, 2)
        box = np.clip([*(middle - half), *(middle + half)], 0, [*picture.shape[1::-1]] * 2)
        [face] = reconstruct(picture, [box])
        error = nme(face.landmarks[None, :, :2], truth[None])[0]
        if error > FAR:
            doubted.append((str(name), tile(picture, truth, f"{name[-8:-4]} {error:.2f}")))
    sources.DOUBTED.write_text("".join(f"{name}\n" for name, _ in doubted))
    tiles = [shown for _, shown in doubted]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % COLUMNS)
    rows = [np.hstack(tiles[k : k + COLUMNS]) for k in range(0, len(tiles), COLUMNS)]
    cv2.imwrite(str(sources.WORK / "doubted.png"), np.vstack(rows))
    print(f"{len(doubted)} labels are doubted: look at {sources.WORK / 'doubted.png'}")


if __name__ == "__main__":
    main()
