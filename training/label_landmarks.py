"""Label every portrait with MediaPipe's 478 landmarks: `python -m training.label_landmarks`.

Writes `work/landmarks.npz`: `names` (N,) paths relative to the data folder, `landmarks` (N, 478, 3) float32 in
pixels (x right, y down, z towards the viewer, same scale), `size` (N, 2) width and height. Pictures in which
MediaPipe finds no face are left out.
"""

import cv2
import numpy as np

from training import sources

# MediaPipe's FaceMesh expects a face that fills a good part of the picture; tiny pictures are enlarged first.
SHORTEST_SIDE = 480


def labeller():
    """MediaPipe's FaceMesh; where crops are only made and learned from, it need not be there."""
    import mediapipe

    return mediapipe.solutions.face_mesh.FaceMesh(
        static_image_mode=True, refine_landmarks=True, min_detection_confidence=0.3
    )


def mesh_landmarks(face_mesh, rgb):
    """MediaPipe's landmarks (478, 3) of the largest face in an RGB picture, in its pixels, or None."""
    height, width = rgb.shape[:2]
    scale = max(1.0, SHORTEST_SIDE / min(height, width))
    enlarged = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC) if scale > 1 else rgb
    found = face_mesh.process(enlarged).multi_face_landmarks
    if not found:
        return None
    points = np.array([(p.x * width, p.y * height, -p.z * width) for p in found[0].landmark], np.float32)
    return points


def main():
    pictures = sources.training_portraits() + sources.synthetic_portraits(validation=True) + sources.press_portraits()
    for folder in ("london_neutral", "london_smiling"):
        pictures += sources.london_pictures(folder, validation=True)
    face_mesh = labeller()
    names, landmarks, sizes = [], [], []
    for i, path in enumerate(pictures):
        rgb = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        points = mesh_landmarks(face_mesh, rgb)
        if points is not None:
            names.append(str(path.relative_to(sources.DATA)))
            landmarks.append(points)
            sizes.append(rgb.shape[1::-1])
        if i % 200 == 0:
            print(f"{i}/{len(pictures)} pictures, {len(names)} with a face", flush=True)
    sources.WORK.mkdir(exist_ok=True)
    np.savez_compressed(
        sources.WORK / "landmarks.npz", names=np.array(names), landmarks=np.array(landmarks), size=np.array(sizes)
    )
    print(f"{len(names)} of {len(pictures)} pictures labelled")


if __name__ == "__main__":
    main()
