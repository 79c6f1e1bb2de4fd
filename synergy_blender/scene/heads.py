"""All heads of a photo, side by side, each with the camera that lays it over the photo."""

import bpy

from ..face import skin
from .head import build_head
from .photograph import CAMERA, image_of, match_camera

BETWEEN_HEADS = 0.4  # metres
KEPT = (
    "objects",
    "meshes",
    "cameras",
    "images",
    "materials",
    "shape_keys",
)  # collections of bpy.data that are added to


def add_heads(model, faces, picture, photo_name, posed=True, textures=None):
    """Build a head and a camera for every Reconstruction in `faces`; returns [(head, camera)], the first one active.

    `picture` (H, W, 3) uint8 is the photo they come from, `photo_name` the name of the image kept in the file,
    `textures` a skin (N, N, 3) uint8 for every face, or None.
    """
    steps = add_heads_in_steps(model, faces, picture, photo_name, posed, textures)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def add_heads_in_steps(model, faces, picture, photo_name, posed=True, textures=None):
    """`add_heads` as a generator, for a window that goes on drawing: yields the share that is done, returns the heads.

    A generator that is closed or fails takes away what it has made and puts the scene's camera and resolution back.
    """
    scene = bpy.context.scene
    before = {name: set(getattr(bpy.data, name)) for name in KEPT}
    render = scene.render
    settings = {name: getattr(render, name) for name in ("resolution_x", "resolution_y", "resolution_percentage")}
    settings |= {name: getattr(render, name) for name in ("pixel_aspect_x", "pixel_aspect_y")}
    camera = scene.camera
    try:
        image = image_of(picture, photo_name)
        yield 0.1
        size = picture.shape[1], picture.shape[0]
        made = []
        for i, face in enumerate(faces):
            name = "Head" if len(faces) == 1 else f"Head {i + 1}"
            standing = {"posed": posed, "place": (BETWEEN_HEADS * i, 0.0, 0.0)}
            colour = skin.mean_colour(picture, face, model)
            if textures is not None:
                standing["skin_image"] = image_of(textures[i], f"{name} skin")
                yield 0.1 + 0.9 * i / len(faces)
            head = yield from _scaled(
                build_head(model, face, colour, name=name, **standing),
                0.1 + 0.9 * i / len(faces),
                0.9 / len(faces),
            )
            standing.pop("skin_image", None)
            seen_by = match_camera(face, size, image, name=f"{name} camera", **standing)
            head[CAMERA] = seen_by
            made.append((head, seen_by))
        scene.camera = made[0][1]
        bpy.context.view_layer.objects.active = made[0][0]
        bpy.context.view_layer.update()
        return made
    except BaseException:
        for name in KEPT[:-1]:  # shape keys go with their meshes
            collection = getattr(bpy.data, name)
            for thing in set(collection) - before[name]:
                collection.remove(thing)
        for name, value in settings.items():
            setattr(render, name, value)
        scene.camera = camera
        raise


def _scaled(steps, start, share):
    """Pass on a generator's progress as a part of a larger one, and its result."""
    while True:
        try:
            yield start + share * next(steps)
        except StopIteration as end:
            return end.value
