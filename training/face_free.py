"""Photographs and drawings without faces, for the detector to learn what is none: `python -m training.face_free`.

They come out of Debian packages of freely licensed pictures: wallpapers, stamps, textures of games and simulators.
`work/face_free/` gets them as `NNNN.png`, 320 pixels at most; none of them is committed. What MediaPipe takes for a
face is left out, and so is what is filed under people. Every fourth is held back for validation.
"""

import argparse
import subprocess
import tempfile
from pathlib import Path

import cv2
import numpy as np

from training import sources

PACKAGES = (
    "desktop-base flightgear-data-base gcompris-qt-data gnome-backgrounds gnome-user-docs hugin-data lincity-ng-data "
    "lomiri-wallpapers-16.04 lomiri-wallpapers-20.04 mate-backgrounds plasma-workspace-wallpapers supertuxkart-data "
    "sway-backgrounds tuxpaint-stamps-default ukui-wallpapers"
)
KINDS = (".jpg", ".jpeg", ".png", ".webp")
LEFT_OUT = ("/people/", "/icons/", "thumbnail", "screenshot", "normal", "spec", "stkflag")  # faces; no pictures
SIZE, SMALLEST, FLATTEST = 320, 128, 12  # pixels; standard deviation of the values
FOLDER = sources.WORK / "face_free"
DOUBT = 0.3  # MediaPipe's score from which a picture may show a face


def unpack(package, folder):
    """Download a Debian package and unpack its pictures."""
    subprocess.run(["apt-get", "download", "-q", package], cwd=folder, check=True, capture_output=True)
    archive = next(folder.glob(f"{package}_*.deb"))
    tar = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", archive], stdout=subprocess.PIPE)
    patterns = [f"*{kind}" for kind in KINDS]
    # tar says 2 where a pattern matches nothing
    subprocess.run(
        ["tar", "x", "--wildcards", *patterns], stdin=tar.stdout, cwd=folder, check=False, capture_output=True
    )
    archive.unlink()


def read(path):
    """A picture as BGR uint8 of at most SIZE pixels, on grey where it is transparent; None if it is of no use."""
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if picture is None or picture.ndim < 3 or picture.dtype != np.uint8 or min(picture.shape[:2]) < SMALLEST:
        return None
    shrink = min(1.0, SIZE / max(picture.shape[:2]))
    picture = cv2.resize(picture, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    if picture.shape[2] == 4:
        alpha = picture[..., 3:] / 255.0
        picture = (picture[..., :3] * alpha + 127 * (1 - alpha)).astype(np.uint8)
    return picture if picture.std() > FLATTEST else None


def held_back(path):
    return int(path.stem) % 4 == 0


def load(validation):
    """The face-free pictures as RGB uint8; an empty list before they were fetched."""
    paths = [path for path in sorted(FOLDER.glob("*.png")) if held_back(path) == validation]
    return [cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in paths]


def main():
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    import mediapipe

    faces = mediapipe.solutions.face_detection.FaceDetection(model_selection=1, min_detection_confidence=DOUBT)
    FOLDER.mkdir(parents=True, exist_ok=True)
    known, doubted = set(), 0
    for package in PACKAGES.split():
        with tempfile.TemporaryDirectory() as folder:
            unpack(package, Path(folder))
            for path in sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in KINDS and p.is_file()):
                if any(word in str(path).lower() for word in LEFT_OUT):
                    continue
                picture = read(path)
                if picture is None:
                    continue
                small = (cv2.resize(picture, (8, 8), interpolation=cv2.INTER_AREA) // 16).tobytes()
                if small in known:
                    continue
                known.add(small)
                if faces.process(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)).detections:
                    doubted += 1
                    continue
                cv2.imwrite(str(FOLDER / f"{len(known):04d}.png"), picture)
        print(f"{package}: {len(list(FOLDER.glob('*.png')))} pictures so far", flush=True)
    print(f"{doubted} left out, because MediaPipe sees a face in them")


if __name__ == "__main__":
    main()
