"""The 68 landmarks as handles over the photo: moved by the artist, followed by the head."""

import bpy
import numpy as np

from ..face import parameters_from_landmarks
from . import frames, sliders
from .head import turn_head
from .photograph import DISTANCE, camera_of, place_camera

HANDLES = "synergy_handles"  # custom property of a head: the collection of its handles
HANDLE_SIZE, BEFORE_HEAD = 0.0015, 0.3  # metres: radius of a handle; from the head's origin towards the camera


def show_handles(head, model):
    """Put a handle on every landmark of a head, before the photo; returns them. Raises ValueError without a camera."""
    camera = _camera(head)
    hide_handles(head)
    collection = bpy.data.collections.new(f"{head.name} landmarks")
    bpy.context.scene.collection.children.link(collection)
    head[HANDLES] = collection
    handles = []
    for i in range(len(model.landmark_vertices)):
        handle = bpy.data.objects.new(f"Landmark {i + 1:02d}", None)
        handle.empty_display_type, handle.empty_display_size = "SPHERE", HANDLE_SIZE
        handle.show_in_front = True
        handle.lock_location[2] = True
        handle.lock_rotation = handle.lock_scale = (True, True, True)
        handle.parent = camera
        collection.objects.link(handle)
        handles.append(handle)
    _put(handles, camera, landmarks_in_photo(head, model))
    return handles


def hide_handles(head):
    """Take a head's handles away, if it has any."""
    collection = head.get(HANDLES)
    if collection is not None:
        for handle in list(collection.objects):
            bpy.data.objects.remove(handle)
        bpy.data.collections.remove(collection)
    if HANDLES in head:
        del head[HANDLES]


def refit(head):
    """Solve identity, expression and pose again from where a head's handles are, and let head and camera follow.

    Returns the Reconstruction. Raises ValueError where handles or camera are missing.
    """
    camera, collection = _camera(head), head.get(HANDLES)
    handles = [] if collection is None else sorted(collection.objects, key=lambda handle: handle.name)
    points = _photo_points(camera, np.array([handle.location[:2] for handle in handles]).reshape(-1, 2))
    face = parameters_from_landmarks(points)
    posed = sliders.is_posed(head)
    sliders.set_identity(head, face.identity)
    sliders.set_expression(head, face.expression)
    turn_head(head, face, posed, head.location.copy())
    place_camera(camera, face, _size(camera), posed, head.location.copy())
    _put(handles, camera, points)
    return face


def landmarks_in_photo(head, model):
    """Where a head's sliders put the 68 landmarks, in pixels of its photo (68, 2)."""
    camera = _camera(head)
    identity, expression = (
        np.array([key.value for key in keys]) for keys in (sliders.identity_keys(head), sliders.expression_keys(head))
    )
    points = frames.points(model.landmarks(model.vertices(identity, expression)))
    seen = np.array(camera.matrix_world.inverted() @ head.matrix_world)
    return _photo_points(camera, (points @ seen[:3, :3].T + seen[:3, 3])[:, :2])


def _camera(head):
    camera = camera_of(head)
    if camera is None or not camera.data.background_images or camera.data.background_images[0].image is None:
        raise ValueError("The head's camera or its photo was deleted: build the head again.")
    return camera


def _size(camera):
    return tuple(camera.data.background_images[0].image.size)


def _photo_points(camera, places):
    """Photo pixels (N, 2) of places (N, 2) in the camera's plane, metres."""
    width, height = _size(camera)
    return places * [1, -1] * (max(width, height) / camera.data.ortho_scale) + [width / 2, height / 2]


def _put(handles, camera, points):
    """Move handles to photo pixels (N, 2)."""
    width, height = _size(camera)
    places = (points - [width / 2, height / 2]) * [1, -1] * (camera.data.ortho_scale / max(width, height))
    for handle, place in zip(handles, places, strict=True):
        handle.location = (*place, BEFORE_HEAD - DISTANCE)
