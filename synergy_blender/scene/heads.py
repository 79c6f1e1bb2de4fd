"""All heads of a photo, side by side, each with the camera that lays it over the photo."""

import bpy

from ..face import skin
from .head import build_head
from .photograph import image_of, match_camera

BETWEEN_HEADS = 0.4  # metres


def add_heads(model, faces, picture, photo_name, posed=True):
    """Build a head and a camera for every Reconstruction in `faces`; returns [(head, camera)], the first one active.

    `picture` (H, W, 3) uint8 is the photo they come from, `photo_name` the name of the image kept in the file.
    """
    image = image_of(picture, photo_name)
    size = picture.shape[1], picture.shape[0]
    made = []
    for i, face in enumerate(faces):
        name = "Head" if len(faces) == 1 else f"Head {i + 1}"
        standing = {"posed": posed, "place": (BETWEEN_HEADS * i, 0.0, 0.0)}
        colour = skin.mean_colour(picture, face, model)
        head = build_head(model, face, colour, name=name, **standing)
        made.append((head, match_camera(face, size, image, name=f"{name} camera", **standing)))
    bpy.context.scene.camera = made[0][1]
    bpy.context.view_layer.objects.active = made[0][0]
    bpy.context.view_layer.update()
    return made
