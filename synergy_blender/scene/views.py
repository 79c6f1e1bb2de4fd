"""The photos that a head's skin comes from, and the head as each of them shows it."""

import json

import numpy as np

from .. import photo
from ..face.pose import to_picture
from . import frames, sliders
from .head import turn_head
from .photograph import camera_of, lens_of, place_camera, size_of_photo

MORE = "synergy_more_photos"  # custom property of a head: other photos of the person, each with its Face as JSON


def settle(head, model, face):
    """Set a head's sliders, turn and camera to another Reconstruction `face` on its photo, and remember it."""
    posed = sliders.is_posed(head)
    sliders.remember(head, face, posed, model.name)
    sliders.set_identity(head, face.identity)
    sliders.set_expression(head, face.expression)
    turn_head(head, face, posed, head.location.copy())
    camera = camera_of(head)
    if camera is not None:
        place_camera(camera, head, model, face, size_of_photo(camera), lens_of(camera))


def remember_photos(head, images, faces):
    """Let a head remember other photos of the person than its own: bpy images, and a Reconstruction on each."""
    kept = {}
    for image, face in zip(images, faces, strict=True):
        words = json.dumps({name: np.asarray(getattr(face, name)).tolist() for name in sliders.Face._fields})
        kept[str(len(kept))] = {"image": image, "face": words}
    head[MORE] = kept


def photos_of(head):
    """The bpy images of all photos of a head, its own first. Raises ValueError if that is gone."""
    return [image for image, _ in _photos(head)]


def views_of(head, model):
    """What face.skin_texture takes: for every photo of a head its picture and the head's vertices in it, as the head's
    person is now, with the expression that the photo shows. Raises ValueError where that cannot be told."""
    found = []
    for image, face in _photos(head):
        picture = photo.from_blender(image)
        if picture is None:
            raise ValueError(f"The photo {image.name} has no pixels: find its file again (File > External Data).")
        shape = _shape(head, model, face.expression)
        found.append((picture, to_picture(shape, float(face.scale), face.rotation, face.centre)))
    return found


def box_in_photo(head, model):
    """The square (x0, y0, x1, y1) about a head's landmarks in its photo, inside of that."""
    face = sliders.photo_face(head)
    points = to_picture(model.landmarks(model.vertices(face.identity, face.expression)), *face[2:])[:, :2]
    low, high = points.min(0), points.max(0)
    middle, half = (low + high) / 2, (high - low).max() / 2
    size = size_of_photo(camera_of(head))
    return (*np.clip(middle - half, 0, size), *np.clip(middle + half, 0, size))


def _photos(head):
    camera = camera_of(head)
    if camera is None:
        raise ValueError("The camera of this head was deleted: build the head again.")
    size_of_photo(camera)
    own = camera.data.background_images[0].image
    more = []
    for entry in head[MORE].values() if MORE in head else ():
        kept = json.loads(entry["face"])
        if entry["image"] is not None:
            more.append(
                (entry["image"], sliders.Face(*(np.asarray(kept[name], float) for name in sliders.Face._fields)))
            )
    return [(own, sliders.photo_face(head)), *more]


def _shape(head, model, expression):
    """The head's person (V, 3) in the model's frame, sculpted or not, with an expression."""
    keys = head.data.shape_keys.key_blocks
    basis = sliders.places(keys[0])
    if len(basis) != len(model.mean):
        raise ValueError(f"The mesh of {head.name} was divided or cut: its skin can no longer be taken from the photo.")
    shape = basis.copy()
    for key in sliders.identity_keys(head):
        if key.value:
            shape += key.value * (sliders.places(key) - basis)
    for name, value in zip(model.expression_names, expression, strict=True):
        if value and name in keys:
            shape += value * (sliders.places(keys[name]) - basis)
    return shape @ frames.MODEL_TO_BLENDER
