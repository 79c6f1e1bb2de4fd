"""The camera that sees the head exactly as the photo does, with the photo behind it."""

from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

from ..face import crop, perspective
from ..face.pose import to_picture
from . import frames, sliders

DISTANCE = 1.0  # metres from the head: an orthographic camera sees the same from anywhere
CAMERA = "synergy_camera"  # custom property of a head: the camera that sees it as the photo does
LARGEST_IMAGE = 4096  # pixels along the longer side of the photo kept in the file


def image_of(picture, name):
    """A packed bpy image of a photo (H, W, 3) uint8, as upright as the picture is, made smaller where it is huge."""
    picture = reduced(picture)
    height, width = picture.shape[:2]
    image = bpy.data.images.new(name, width, height, alpha=False)
    pixels = np.ones((height, width, 4), np.float32)
    pixels[..., :3] = np.asarray(picture[::-1], np.float32) / 255
    image.pixels.foreach_set(pixels.ravel())
    image.pack()
    return image


def reduced(picture):
    """A photo (H, W, 3) uint8, made smaller where it is too large to keep in the file."""
    height, width = picture.shape[:2]
    shrink = min(1.0, LARGEST_IMAGE / max(height, width))
    if shrink == 1:
        return picture
    return crop.resample(picture, 0, 0, width, height, round(width * shrink), round(height * shrink))


def image_file(file, name, folder=None):
    """A bpy image of a picture file given as its bytes: packed, or saved in a `folder`. Raises OSError."""
    if folder is not None:
        path = Path(folder) / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file)
        image = bpy.data.images.load(str(path))
        image.name = name
        return image
    image = bpy.data.images.new(name, 4, 4)
    image.pack(data=file, data_len=len(file))
    image.source = "FILE"
    return image


def match_camera(head, model, face, size, image=None, name="Photo camera", lens=0.0):
    """Create a camera that lays the head of `face` over its photo, and return the camera's object.

    `size` (width, height) of the photo in pixels; `image` a bpy image shown behind the head; `lens` as in place_camera.
    Also sets the scene's resolution to the photo's and makes the camera the scene's.
    """
    width, height = size
    data = bpy.data.cameras.new(name)
    camera = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(camera)
    head[CAMERA] = camera
    place_camera(camera, head, model, face, size, lens)
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


def place_camera(camera, head, model, face, size, lens=0.0):
    """Lay a camera so that it sees a head object, wherever that stands, as the photo of `size` shows the `face`.

    `face`: a Reconstruction, or its identity, expression, scale, rotation and centre. `lens` 0 is orthographic, as the
    face was read; otherwise the focal length in millimetres on 35 mm film of a perspective camera, which shows the
    landmarks where the orthographic one does.
    """
    width, height = size
    data, unit = camera.data, head.matrix_world.median_scale
    data.sensor_fit, data.sensor_width = "AUTO", perspective.FILM
    middle = np.array([width / 2, height / 2])
    if lens:
        points = model.landmarks(model.vertices(face.identity, face.expression))
        start = face.scale, face.rotation, face.centre
        pixels = to_picture(points, *start)[:, :2]
        focal = perspective.focal_pixels(lens, size)
        rotation, shift = perspective.perspective_pose(points, pixels, start, focal, middle)
        data.type, data.lens = "PERSP", lens
    else:
        rotation = face.rotation
        shift = np.array([*(face.centre - middle) * [1, -1] / face.scale, -DISTANCE])
        data.type, data.ortho_scale = "ORTHO", unit * max(width, height) / face.scale
    data.clip_start, data.clip_end = 0.01 * unit, 100 * unit
    there = np.eye(4)
    there[:3, :3] = frames.MODEL_TO_BLENDER @ rotation.T
    there[:3, 3] = frames.points(-shift @ rotation)
    place, turn, _ = (head.matrix_world @ Matrix(there.tolist())).decompose()
    camera.matrix_world = Matrix.LocRotScale(place, turn, None)


def lens_of(camera):
    """The focal length of a photo's camera in millimetres on 35 mm film, 0 for an orthographic one."""
    return camera.data.lens if camera.data.type == "PERSP" else 0.0


def metres_per_pixel(camera, depth):
    """How large a pixel of the photo is `depth` before its camera."""
    size = size_of_photo(camera)
    if camera.data.type == "PERSP":
        return depth / perspective.focal_pixels(camera.data.lens, size)
    return camera.data.ortho_scale / max(size)


def size_of_photo(camera):
    """Width and height of the photo behind the head. Raises ValueError if it is gone."""
    if not camera.data.background_images or camera.data.background_images[0].image is None:
        raise ValueError("The photo behind the head was deleted: build the head again.")
    return tuple(camera.data.background_images[0].image.size)


def set_lens(head, model, lens):
    """Look at a head through another lens (`place_camera`). Raises ValueError where its camera or photo is gone."""
    camera = camera_of(head)
    if camera is None:
        raise ValueError("The camera of this head was deleted: build the head again.")
    place_camera(camera, head, model, sliders.photo_face(head), size_of_photo(camera), lens)


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
