"""The 68 landmarks as handles over the photo: moved by the artist, followed by the head."""

import bpy
import numpy as np

from ..face import parameters_from_landmarks
from . import frames, sliders
from .photograph import camera_of, metres_per_pixel, size_of_photo
from .views import settle

HANDLES = "synergy_handles"  # custom property of a head: the collection of its handles
HANDLE_SIZE, DEPTH = 3.0, 0.7  # radius of a handle in pixels of the photo; metres from the camera


def show_handles(head, model):
    """Put a handle on every landmark of a head, before the photo; returns them. Raises ValueError without a camera."""
    camera = _camera(head)
    points = landmarks_in_photo(head, model)
    radius = HANDLE_SIZE * metres_per_pixel(camera, DEPTH) * max(1.0, max(size_of_photo(camera)) / 1000)
    hide_handles(head)
    collection = bpy.data.collections.new(f"{head.name} landmarks")
    bpy.context.scene.collection.children.link(collection)
    head[HANDLES] = collection
    handles = []
    for i in range(len(model.landmark_vertices)):
        handle = bpy.data.objects.new(f"Landmark {i + 1:02d}", None)
        handle.empty_display_type, handle.empty_display_size = "SPHERE", radius
        handle.show_in_front = True
        handle.lock_location[2] = True
        handle.lock_rotation = handle.lock_scale = (True, True, True)
        handle.parent = camera
        collection.objects.link(handle)
        handles.append(handle)
    _put(handles, camera, points)
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


def refit(head, model):
    """Solve identity, expression and pose again from where a head's handles are, and let head and camera follow.

    Returns the Reconstruction. Raises ValueError where handles or camera are missing.
    """
    camera, collection = _camera(head), head.get(HANDLES)
    handles = [] if collection is None else sorted(collection.objects, key=lambda handle: handle.name)
    size = size_of_photo(camera)
    places = np.array([handle.location[:2] for handle in handles]).reshape(-1, 2)
    points = places / metres_per_pixel(camera, DEPTH) * [1, -1] + np.array(size) / 2
    face = parameters_from_landmarks(points)
    settle(head, model, face)
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
    x, y, z = (points @ seen[:3, :3].T + seen[:3, 3]).T
    pixel = metres_per_pixel(camera, -z)
    return np.stack([x, -y], 1) / np.reshape(pixel, (-1, 1)) + np.array(size_of_photo(camera)) / 2


def _camera(head):
    camera = camera_of(head)
    if camera is None:
        raise ValueError("The camera of this head was deleted: build the head again.")
    size_of_photo(camera)
    return camera


def _put(handles, camera, points):
    """Move handles to photo pixels (N, 2)."""
    middle = np.array(size_of_photo(camera)) / 2
    places = (points - middle) * [1, -1] * metres_per_pixel(camera, DEPTH)
    for handle, place in zip(handles, places, strict=True):
        handle.location = (*place, -DEPTH)
