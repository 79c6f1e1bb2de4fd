"""From a picture to one Reconstruction per face."""

from dataclasses import dataclass

import numpy as np

from . import crop, detector, faces, fit, head_model, look, network, pose
from .look import Look, fitted
from .pose import to_picture

# Of landmarks that are given, crop pixels: unlike points that are seen, each errs by itself; steps of the fit to them
LANDMARK_ERROR, LANDMARK_ROUNDS = 0.5 / np.sqrt(fit.TOGETHER), 8
# Confidence up to which what was found beside a face is none: usually, and where the detector's own score is low
HARDLY, DOUBTED, LOW_SCORE = 0.13, 0.5, 0.78


@dataclass(frozen=True)
class Reconstruction:
    """A face as the head model sees it.

    `parameters` (104,): 12 pose numbers of the last crop (3x4, metres to crop pixels), 40 identity, 52 expression.
    `identity` (40,) in sigma within +-3, `expression` (52,) within 0..1.
    `landmarks` (68, 3) and `vertices` (V, 3) in picture pixels: x right, y down, z towards the viewer, one scale.
    `yaw`, `pitch`, `roll` in degrees, R = Rx(pitch) Ry(yaw) Rz(roll) (300W-LP, AFLW2000-3D).
    `scale` pixels per metre, `rotation` (3, 3) and `centre` (2,), the pixel of the model's origin: the same pose.
    `box` (x0, y0, x1, y1) the square around the landmarks.
    `confidence` 0..1: how often such a face was right (landmarks within 5 % of the face's size) in calibration, judged
    by its `evidence` (3,): the detector's score 0..1, the mean error expected of the points seen in the crop, pixels,
    and their mean distance from the fitted head over their expected errors.
    """

    parameters: np.ndarray
    identity: np.ndarray
    expression: np.ndarray
    landmarks: np.ndarray
    vertices: np.ndarray
    yaw: float
    pitch: float
    roll: float
    scale: float
    rotation: np.ndarray
    centre: np.ndarray
    box: tuple
    confidence: float
    evidence: np.ndarray


def reconstruct(image, boxes=None, regress=None):
    """Reconstruct the faces in `image` (H, W, 3) uint8 RGB: a list of Reconstruction, largest face first.

    Finds the faces unless `boxes` gives them, each (x0, y0, x1, y1) in pixels around one face; beside a face, what is
    hardly one is left out. `regress` is the network on another engine (`engine.load`).
    Raises ValueError for a picture or a box of another form, assets.AssetError for a missing or damaged file.
    """
    image, shown = _faces(image, boxes)
    looks = [look.closer(image, face, regress or network.load()) for face in shown]
    found = [_lay(seen, fitted([seen]), 0) for seen in looks]
    if boxes is None:
        found = [face for face in found if _is_a_face(face)] or found
    return sorted(found, key=lambda face: face.box[0] - face.box[2])


def _is_a_face(found):
    """Whether what was found is more than hardly a face."""
    return found.confidence > (DOUBTED if found.evidence[0] < LOW_SCORE else HARDLY)


def reconstruct_person(images, boxes=None, regress=None):
    """Reconstruct one person from several pictures: a list of Reconstruction, one for each of `images` in their order,
    with one identity for all and an expression and pose for each.

    Takes the largest face of each picture unless `boxes` gives one (x0, y0, x1, y1) or None for each. `regress`
    as in `reconstruct`.
    Raises what `reconstruct` raises, and ValueError for a picture without a face or no picture at all.
    """
    if not len(images):
        raise ValueError("No picture of the person was given: give at least one.")
    looks = []
    for k, image in enumerate(images):
        box = None if boxes is None else boxes[k]
        image, shown = _faces(image, None if box is None else [box])
        if not shown:
            raise ValueError(f"There is no face in picture {k + 1}: leave it out or give a box around the face.")
        looks.append(look.closer(image, max(shown, key=lambda face: face.side), regress or network.load()))
    together = fitted(looks)
    return [_lay(seen, together, k) for k, seen in enumerate(looks)]


def parameters_from_landmarks(landmarks, identity=None):
    """The face behind 68 iBUG landmarks (68, 2) in picture pixels, corrected by hand for instance: a Reconstruction.

    The reverse module regresses the shape that a fit to the landmarks starts from. A given `identity` (40,) stays.
    Raises ValueError for landmarks of another form, assets.AssetError for a missing or damaged file.
    """
    landmarks = np.asarray(landmarks, float)
    if landmarks.shape != (network.LANDMARKS, 2) or not np.isfinite(landmarks).all():
        raise ValueError(f"Landmarks must be {network.LANDMARKS} pairs of numbers, not {landmarks.shape}.")
    low, high = landmarks.min(0), landmarks.max(0)
    middle, side = (low + high) / 2, (high - low).max() * look.MARGIN
    if (high - low).min() < 1:
        raise ValueError("The landmarks lie on one line: give them over the whole face.")
    regress = network.load()
    points = (landmarks - middle) * [1, -1] * network.CROP / side + network.CROP / 2
    view = network.view_of_landmarks(regress, points, LANDMARK_ERROR)
    points = regress.points_mean, regress.points_basis
    found = fit.fit(*points, [view], LANDMARK_ROUNDS, identity)
    return _lay(Look(view, middle, side, 1.0, points), found, 0)


def _faces(image, boxes):
    """A picture, checked here, as it is looked at, and the faces found or those in `boxes`."""
    image = crop.readable(checked_picture(image))
    find, _, _ = detector.load(), network.load(), head_model.load()  # what is missing is told before a face is sought
    return image, faces.find(image) if boxes is None else [_face_in(find, image, box) for box in boxes]


def checked_picture(image):
    """The picture as an array. Raises ValueError unless it is RGB, uint8 and (H, W, 3)."""
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(f"The picture must be RGB, uint8 and (height, width, 3), not {image.dtype} {image.shape}.")
    return image


def checked_box(box):
    """The box as an array (4,). Raises ValueError unless it is x0, y0, x1, y1 of at least 4 pixels each way."""
    box = np.asarray(box, float)
    if box.shape != (4,) or not np.isfinite(box).all() or (box[2:] - box[:2] < 4).any():
        raise ValueError("A box must be X0 Y0 X1 Y1 with X0 < X1 and Y0 < Y1, at least 4 pixels wide and high.")
    return box


def _face_in(find, image, box):
    """The box as a Face; its score is what the detector thinks of the picture there."""
    box = checked_box(box)
    height, width = image.shape[:2]
    if box[0] < 0 or box[1] < 0 or box[2] > width or box[3] > height:
        raise ValueError(f"The box {box.tolist()} reaches outside the picture, which is {width} x {height} pixels.")
    middle, side = (box[:2] + box[2:]) / 2, float((box[2:] - box[:2]).max())
    return detector.Face(tuple(middle), side, float(find.about(image, middle, side)[:, 0].max()))


def _lay(seen, found, k):
    """View `k` of a fit as the Reconstruction of the face that was looked at."""
    model = head_model.load()
    identity, expression = found.identity, found.expression[k]
    shape = model.vertices(identity, expression)
    scale, rotation, centre = seen.place(found, k)
    points = to_picture(model.landmarks(shape), scale, rotation, centre)
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    half = (high - low).max() / 2
    matrix = np.column_stack([found.scale[k] * rotation, [*found.shift[k], 0]])
    evidence = np.array([seen.score, seen.view.errors.mean(), found.distance[k]])
    yaw, pitch, roll = pose.angles(rotation)
    return Reconstruction(
        parameters=np.concatenate([matrix.ravel(), identity, expression]),
        identity=identity,
        expression=expression,
        landmarks=points,
        vertices=to_picture(shape, scale, rotation, centre),
        yaw=yaw,
        pitch=pitch,
        roll=roll,
        scale=scale,
        rotation=rotation,
        centre=centre,
        box=tuple(float(v) for v in (*((low + high) / 2 - half), *((low + high) / 2 + half))),
        confidence=float(1 / (1 + np.exp(-features_of_confidence(evidence) @ network.load().confidence))),
        evidence=evidence,
    )


def features_of_confidence(evidence):
    """What the confidence is made of (4,): constant, odds of the detector's score, log error, log distance."""
    score, expected, distance = np.clip(evidence, 1e-3, [1 - 1e-3, np.inf, np.inf])
    return np.array([1.0, np.log(score / (1 - score)), np.log(expected), np.log(distance)])
