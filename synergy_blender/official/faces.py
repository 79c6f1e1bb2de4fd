"""From a picture to faces with the authors' networks."""

import numpy as np

from ..face import pose
from ..face.faces import find as find_faces
from ..face.reconstruct import Reconstruction, checked_box, checked_picture
from . import crops, network
from .conventions import angles, in_crop, in_picture
from .model import METRE, load
from .network import CROP

RESIZES = ("lanczos", "bilinear")  # of the authors' one-call API, and of their demo
BOX = 1.1785  # height of the authors' detections over the side of the square about the landmarks


def reconstruct(image, boxes=None, model=None, convention="corrected", resize="lanczos"):
    """The faces in `image` (H, W, 3) uint8 RGB by the authors' networks: a list of Reconstruction, largest first.

    Finds the faces with our detector unless `boxes` gives them as the authors' detector does: (x0, y0, x1, y1).
    `identity` (40,) and `expression` (10,) are whitened; `vertices` (V, 3) and `landmarks` (68, 3) are those of the
    regressed affine pose, `scale`, `rotation` and `centre` the nearest pose without shear, of the head that `head_of`
    makes of the model; `confidence` is our detector's score. Raises ValueError for a picture of another form,
    assets.AssetError without an imported model.
    """
    image = checked_picture(image)
    model = model or load()
    if boxes is None:
        found = [(box_of(face), face.score) for face in find_faces(image)]
    else:
        found = [(checked_box(np.atleast_1d(box)[:4]), 1.0) for box in boxes]  # a fifth number is a score
    faces = [_face(image, box, score, model, convention, resize) for box, score in found]
    return sorted(faces, key=lambda face: face.box[0] - face.box[2])


def box_of(face):
    """A box (x0, y0, x1, y1) as the authors' detector would draw it about one of our detector's Faces."""
    (x, y), half = face.centre, face.side * BOX / 2
    return x - half, y - half, x + half, y + half


def crop_of(image, region, resize="lanczos"):
    """What the authors' network sees (120, 120, 3) uint8 BGR of a region of a picture RGB, and the region's edges in
    whole pixels. Raises ValueError for a region without pixels."""
    part, edges = crops.cut(image, region)
    if 0 in part.shape:
        raise ValueError("The face is less than a pixel wide: give a larger box.")
    return crops.resized(part, CROP, resize)[..., ::-1], edges


def _face(image, box, score, model, convention, resize):
    region = crops.region_of(box)
    crop, edges = crop_of(image, region, resize)
    whitened, _ = network.parameters_of(model.weights, crop)
    matrix = model.pose(whitened)
    seen = region if convention == "parity" else edges
    shapes = model.landmarks(whitened), model.shape(whitened)
    place = [in_picture(in_crop(points, matrix, convention), seen) for points in shapes]
    # the pose of the head in metres, whose origin lies between the eyes
    size, rotation, _ = pose.decompose(matrix)
    centre = in_picture(in_crop(model.origin[None], matrix, convention), seen)[0]
    scale = size * METRE * float(seen[2] - seen[0] + seen[3] - seen[1]) / (2 * CROP)
    low, high = place[0][:, :2].min(0), place[0][:, :2].max(0)
    middle, half = (low + high) / 2, (high - low).max() / 2
    [(yaw, pitch, roll)] = angles(matrix[None], convention)
    return Reconstruction(
        parameters=whitened,
        identity=whitened[12:52].astype(float),
        expression=whitened[52:].astype(float),
        landmarks=place[0],
        vertices=place[1],
        yaw=float(yaw),
        pitch=float(pitch),
        roll=float(roll),
        scale=scale,
        rotation=rotation,
        centre=centre[:2],
        box=tuple(float(v) for v in (*(middle - half), *(middle + half))),
        confidence=float(score),
        evidence=np.array([score, 0.0, 0.0]),
    )
