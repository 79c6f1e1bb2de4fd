"""The camera that sees the head exactly as the photo does, with the photo behind it."""

import bpy
import numpy as np
from mathutils import Matrix

from ..face import crop
from . import frames

DISTANCE = 1.0  # metres from the head: an orthographic camera sees the same from anywhere
# the camera's axes (right, up, backwards) in Blender's frame, for a camera in front of the face
_FRONT = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
CAMERA = "synergy_camera"  # custom property of a head: the camera that sees it as the photo does
LARGEST_IMAGE = 4096  # pixels along the longer side of the photo kept in the file


def image_of(picture, name):
    """A packed bpy image of a photo (H, W, 3) uint8, as upright as the picture is, made smaller where it is huge."""
    height, width = picture.shape[:2]
    shrink = min(1.0, LARGEST_IMAGE / max(height, width))
    if shrink < 1:
        height, width = round(height * shrink), round(width * shrink)
        picture = crop.resample(picture, 0, 0, picture.shape[1], picture.shape[0], width, height)
    image = bpy.data.images.new(name, width, height, alpha=False)
    pixels = np.ones((height, width, 4), np.float32)
    pixels[..., :3] = np.asarray(picture[::-1], np.float32) / 255
    image.pixels.foreach_set(pixels.ravel())
    image.pack()
    return image


def match_camera(face, size, image=None, posed=True, name="Photo camera", place=(0.0, 0.0, 0.0)):
    """Create an orthographic camera that lays the head of `face` over its photo, and return the camera's object.

    `size` (width, height) of the photo in pixels; `image` a bpy image shown behind the head; `posed` and `place` as in
    build_head.
    Also sets the scene's resolution to the photo's and makes the camera the scene's.
    """
    width, height = size
    data = bpy.data.cameras.new(name)
    data.type = "ORTHO"
    data.sensor_fit = "AUTO"
    data.clip_start, data.clip_end = 0.01, 10 * DISTANCE
    camera = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(camera)
    place_camera(camera, face, size, posed, place)
    if image is not None:
        data.show_background_images = True
        behind = data.background_images.new()
        behind.image = image
        behind.alpha = 1.0
        behind.display_depth = "BACK"
        behind.frame_method = "FIT"
    scene = bpy.context.scene
    scene.camera = camera
    scene.render.resolution_x, scene.render.resolution_y = int(width), int(height)
    scene.render.resolution_percentage = 100
    scene.render.pixel_aspect_x = scene.render.pixel_aspect_y = 1.0
    return camera


def place_camera(camera, face, size, posed, place):
    """Lay an orthographic camera so that the head of `face` is where the photo of `size` shows it."""
    width, height = size
    camera.data.ortho_scale = max(width, height) / face.scale
    aside = (width / 2 - face.centre[0]) / face.scale
    above = -(height / 2 - face.centre[1]) / face.scale
    world = np.eye(4)
    world[:3, :3] = _FRONT
    world[:3, 3] = frames.points(np.array([aside, above, DISTANCE]))
    if not posed:  # the head stands upright, so the camera turns about it instead
        back = np.eye(4)
        back[:3, :3] = frames.rotation(face.rotation).T
        world = back @ world
    camera.matrix_world = Matrix.Translation(place) @ Matrix(world.tolist())


def camera_of(head):
    """The camera that sees a head as its photo does, or None if it is gone."""
    camera = head.get(CAMERA)
    return camera if camera is not None and camera.type == "CAMERA" else None


def look_through(camera, area):
    """Make a camera the scene's, with the resolution of its photo, and look through it in a 3D view's area."""
    scene = bpy.context.scene
    scene.camera = camera
    if camera.data.background_images and camera.data.background_images[0].image is not None:
        scene.render.resolution_x, scene.render.resolution_y = camera.data.background_images[0].image.size
    if area is not None and area.type == "VIEW_3D":
        area.spaces.active.region_3d.view_perspective = "CAMERA"
