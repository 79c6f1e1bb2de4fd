"""From a picture to one Reconstruction per face."""

from dataclasses import dataclass

import numpy as np

from . import crop, detector, head_model, network, pose

CROP_MARGIN = 1.4  # side of the crop over the side of the square around the landmarks, as in training
LOOKS = 2  # the second crop is cut around the landmarks that the first one found
IDENTITY_LIMIT = 3.0  # sigma


@dataclass(frozen=True)
class Reconstruction:
    """A face as the head model sees it.

    `parameters` (104,) as regressed: 12 pose numbers of the last crop, 40 identity, 52 expression.
    `identity` (40,) in sigma within +-3, `expression` (52,) within 0..1.
    `landmarks` (68, 3) and `vertices` (V, 3) in picture pixels: x right, y down, z towards the viewer, one scale.
    `yaw`, `pitch`, `roll` in degrees, R = Rx(pitch) Ry(yaw) Rz(roll) (300W-LP, AFLW2000-3D).
    `scale` pixels per metre, `rotation` (3, 3) and `centre` (2,), the pixel of the model's origin: the same pose.
    `box` (x0, y0, x1, y1) the square around the landmarks, `confidence` 0..1.
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


def reconstruct(image, boxes=None):
    """Reconstruct the faces in `image` (H, W, 3) uint8 RGB: a list of Reconstruction, largest face first.

    Finds the faces unless `boxes` gives them, each (x0, y0, x1, y1) in pixels around one face.
    Raises ValueError for a picture or a box of another form, assets.AssetError for a missing or damaged file.
    """
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(f"The picture must be RGB, uint8 and (height, width, 3), not {image.dtype} {image.shape}.")
    find, regress, model = detector.load(), network.load(), head_model.load()
    if boxes is None:
        faces = find(image)
    else:
        faces = [_face_in(find, image, box) for box in boxes]
    found = [_look(regress, model, image, face) for face in faces]
    return sorted(found, key=lambda face: face.box[0] - face.box[2])


def _face_in(find, image, box):
    """The box as a Face; its score is what the detector thinks of the picture there."""
    box = np.asarray(box, float)
    height, width = image.shape[:2]
    if box.shape != (4,) or not np.isfinite(box).all() or box[2] - box[0] < 4 or box[3] - box[1] < 4:
        raise ValueError("A box must be X0 Y0 X1 Y1 with X0 < X1 and Y0 < Y1, at least 4 pixels wide and high.")
    if box[0] < 0 or box[1] < 0 or box[2] > width or box[3] > height:
        raise ValueError(f"The box {box.tolist()} reaches outside the picture, which is {width} x {height} pixels.")
    middle, side = (box[:2] + box[2:]) / 2, float((box[2:] - box[:2]).max())
    around = crop.square(image, middle, 2 * side, 128)
    scores = [score for score, *_ in detector.decode(find.maps(around), threshold=0.0)]
    return detector.Face(tuple(middle), side, float(max(scores)))


def _look(regress, model, image, face):
    """Regress a face's parameters, twice, and lay the head on it."""
    middle, side = np.array(face.centre), face.side
    for look in range(LOOKS):
        crop_side = side * CROP_MARGIN
        parameters = regress(crop.square(image, middle, crop_side, network.CROP))
        identity = np.clip(parameters[12:52], -IDENTITY_LIMIT, IDENTITY_LIMIT)
        expression = np.clip(parameters[52:], 0, 1)
        shape = model.vertices(identity, expression)
        landmarks = model.landmarks(shape)
        regressed = parameters[:12].reshape(3, 4).astype(float)
        scale, rotation, _ = pose.decompose(regressed)
        # the nearest rotation, placed where the regressed matrix puts the middle of the landmarks
        middle_shape = landmarks.mean(0)
        shift = regressed[:2] @ [*middle_shape, 1] - scale * rotation[:2] @ middle_shape
        ratio = crop_side / network.CROP
        left, bottom = middle[0] - crop_side / 2, middle[1] + crop_side / 2
        centre = np.array([left + shift[0] * ratio, bottom - shift[1] * ratio])
        scale *= ratio
        points = to_picture(landmarks, scale, rotation, centre)
        low, high = points[:, :2].min(0), points[:, :2].max(0)
        if look < LOOKS - 1 and np.isfinite(points).all():
            # a second look only close by: far away the first one has lost the face
            wanted = (high - low).max()
            side = float(np.clip(wanted, 0.5 * side, 2 * side))
            middle = np.clip((low + high) / 2, middle - side / 2, middle + side / 2)
    yaw, pitch, roll = pose.angles(rotation)
    half = (high - low).max() / 2
    box = tuple(float(v) for v in (*((low + high) / 2 - half), *((low + high) / 2 + half)))
    return Reconstruction(
        parameters=parameters,
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
        box=box,
        confidence=face.score,
    )


def to_picture(points, scale, rotation, centre):
    """Model-frame points (N, 3) in picture pixels under weak perspective: x right, y down, z towards the viewer."""
    turned = points @ (scale * rotation.T) * [1, -1, 1]
    turned[:, :2] += centre
    return turned
