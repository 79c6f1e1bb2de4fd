"""The photo that the panel works on, the faces found in it, and how they are shown."""

from pathlib import Path

import bpy
import bpy.utils.previews
import numpy as np
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatVectorProperty,
    PointerProperty,
    StringProperty,
)

from .. import models, photo
from .. import scene as room
from ..face import AssetError, crop, faces
from ..scene import sliders

PREVIEW = 256  # pixels of the photo in the panel
MARK, PICKED = (255, 255, 255), (255, 150, 40)  # colours of the faces' squares
ALL = "ALL"
LIGHTS = [
    ("albedo", "Without the Photo's Light", "Take the photo's light out of the skin, for a head that will be lit anew"),
    ("half", "Half", "Take half of the photo's light out of the skin"),
    ("photo", "As Photographed", "Leave the photo's light and shadows on the skin"),
]
_previews = {}  # "photo": the collection of previews, while the add-on is on
_items, _models = [], []  # Blender keeps no reference to the words of a menu
WORDS = {
    "open": "Our own head with 40 identity and 52 expression sliders, eyes, teeth and tongue; free for all work",
    "official": "The authors' face with 40 identity and 10 expression sliders; the Basel Face Model's licence holds",
    "official_face": "The same face without ears and neck, where the authors' files for that were imported",
}
_settled = False  # while the photo is set together with its faces, it is not searched again


def _models_to_choose(scene, context):
    _models[:] = [(name, models.NAMES[name], WORDS[name]) for name in models.available()]
    return _models


class SYNERGY_PG_face(bpy.types.PropertyGroup):
    box: FloatVectorProperty(size=4)  # x0, y0, x1, y1 in pixels of the photo


def _faces_to_pick(scene, context):
    count = len(scene.synergy.faces)
    several = [(ALL, f"All {count} Faces", "Build a head from every face in the photo")] if count > 1 else []
    _items[:] = several + [(str(i), f"Face {i + 1}", "Build a head from this face alone") for i in range(count)]
    return _items or [("NONE", "No Face", "There is no face in the photo")]


def _look_again(scene, context):
    if not _settled:
        search(scene)


def _draw_again(scene, context):
    show(scene)


class SYNERGY_PG_settings(bpy.types.PropertyGroup):
    """Kept in the scene, so that a saved file goes on where it was."""

    faces: CollectionProperty(type=SYNERGY_PG_face)
    trouble: StringProperty()
    upright: BoolProperty(
        name="Upright",
        description="Stand the head upright and turn the camera, instead of posing the head as in the photo",
        default=False,
    )
    texture: BoolProperty(
        name="Texture",
        description="Put the photo's skin on the head; what the photo does not show is filled in",
        default=True,
    )
    size: EnumProperty(
        name="Size",
        description="Width and height of the texture in pixels",
        items=[(str(n), str(n), f"{n} x {n} pixels") for n in (512, 1024, 2048, 4096)],
        default="1024",
    )
    model: EnumProperty(name="Model", description="Which of the models heads are made of", items=_models_to_choose)
    light: EnumProperty(
        name="Light",
        description="Whether the photo's light stays on the skin",
        items=LIGHTS,
        default="albedo",
    )
    keep: EnumProperty(
        name="Keep",
        description="Where the pictures of the skin are kept",
        items=[
            ("PACKED", "In the File", "The skin's pictures are packed into the Blender file"),
            (
                "BESIDE",
                "Beside the File",
                "The skin's pictures are saved in a folder beside the Blender file, once that is saved",
            ),
        ],
    )


def of_open_model(operator, head):
    """Whether a head is one of the open model; says so in the operator's poll message where it is not."""
    if sliders.model_of(head) == "open":
        return True
    operator.poll_message_set("Only heads of the open model can do this: the official one has no part for it")
    return False


def picture_of(image):
    """The pixels of a bpy image as (H, W, 3) uint8. Raises photo.PhotoError."""
    picture = photo.from_blender(image)
    if picture is None or min(picture.shape[:2]) < photo.SMALLEST_SIDE:
        raise photo.PhotoError(f"{image.name} has no pixels, or too few: choose another photo.")
    return picture


def folder(scene):
    """The folder in which pictures of skin are saved, or None where they are packed."""
    if scene.synergy.keep == "PACKED" or not bpy.data.filepath:
        return None
    file = Path(bpy.data.filepath)
    return file.with_name(f"{file.stem}_textures")


def file_of(image):
    """The file that an image is read from, or None."""
    if image.source != "FILE" or image.packed_file is not None or not image.filepath:
        return None
    path = Path(bpy.path.abspath(image.filepath, library=image.library))
    return path if path.is_file() else None


def upright(image):
    """The image, or a packed copy that stands upright where the camera was turned. Raises photo.PhotoError, OSError."""
    path = file_of(image)
    orientation = 1 if path is None else photo.exif(path).get(photo.ORIENTATION, 1)
    if not 2 <= orientation <= 8:
        return image
    return room.image_of(photo.turned(picture_of(image), orientation), image.name)


def search(scene):
    """Find the faces in the chosen photo and show them."""
    boxes, trouble, image = [], "", scene.synergy_photo
    if image is not None:
        try:
            image = upright(image)
            picture = picture_of(image)
            size = [*picture.shape[1::-1]] * 2
            for face in faces.find(picture):
                middle = np.array([*face.centre, *face.centre])
                boxes.append(np.clip(middle + np.array([-1, -1, 1, 1]) * face.side / 2, 0, size))
            if not boxes:
                trouble = "No face was found: draw a box around it, or choose another photo."
        except (photo.PhotoError, AssetError, OSError) as error:
            trouble = str(error)
    settle(scene, image, boxes, trouble)


def settle(scene, image, boxes, trouble=""):
    """Show an image whose faces are known, or why none are."""
    global _settled
    _settled = True
    try:
        scene.synergy_photo = image
    finally:
        _settled = False
    scene.synergy.faces.clear()
    for box in boxes:
        scene.synergy.faces.add().box = box
    scene.synergy.trouble = trouble
    scene.synergy_pick = _faces_to_pick(scene, None)[0][0]  # also draws the picture for the panel


def picked_boxes(scene):
    """The boxes (x0, y0, x1, y1) of the faces to build."""
    boxes = [tuple(face.box) for face in scene.synergy.faces]
    return boxes if scene.synergy_pick == ALL else [boxes[int(scene.synergy_pick)]] if boxes else []


def show(scene):
    """Draw the photo with its faces as the picture that the panel shows."""
    previews = _previews.get("photo")
    if previews is None or scene.synergy_photo is None:
        return
    try:
        picture = picture_of(scene.synergy_photo)
    except photo.PhotoError:
        return
    height, width = picture.shape[:2]
    scale = PREVIEW / max(height, width)
    small = crop.resample(picture, 0, 0, width, height, max(1, round(width * scale)), max(1, round(height * scale)))
    canvas = np.zeros((PREVIEW, PREVIEW, 4), np.uint8)
    top, left = (PREVIEW - small.shape[0]) // 2, (PREVIEW - small.shape[1]) // 2
    canvas[top : top + small.shape[0], left : left + small.shape[1]] = np.dstack(
        [small, np.full(small.shape[:2], 255, np.uint8)]
    )
    for i, face in enumerate(scene.synergy.faces):
        picked = scene.synergy_pick in (ALL, str(i))
        x0, y0, x1, y1 = (np.array(face.box) * scale + [left, top, left, top]).round().astype(int)
        for inner in range(2):
            frame(canvas, x0 + inner, y0 + inner, x1 - inner, y1 - inner, PICKED if picked else MARK)
    name = scene.synergy_photo.name_full
    preview = previews.get(name) or previews.new(name)
    preview.image_size = (PREVIEW, PREVIEW)
    preview.image_pixels_float.foreach_set((canvas[::-1].astype(np.float32) / 255).ravel())


def frame(canvas, x0, y0, x1, y1, colour):
    """Draw a rectangle's outline on to a canvas (H, W, 4) uint8, in place."""
    height, width = canvas.shape[:2]
    x0, x1 = np.clip([x0, x1], 0, width - 1)
    y0, y1 = np.clip([y0, y1], 0, height - 1)
    for rows, columns in ((y0, slice(x0, x1 + 1)), (y1, slice(x0, x1 + 1)), (slice(y0, y1 + 1), [x0, x1])):
        canvas[rows, columns] = (*colour, 255)


def icon(scene):
    """The number of the icon that shows the chosen photo, or 0 while it is still to be drawn."""
    previews = _previews.get("photo")
    if previews is None or scene.synergy_photo is None:
        return 0
    if scene.synergy_photo.name_full in previews:
        return previews[scene.synergy_photo.name_full].icon_id
    if not bpy.app.timers.is_registered(_draw_later):  # after a file was opened
        bpy.app.timers.register(_draw_later, first_interval=0.0)
    return 0


def _draw_later():
    if _previews:
        show(bpy.context.scene)
        for window in bpy.context.window_manager.windows:
            for area in window.screen.areas:
                area.tag_redraw()


CLASSES = [SYNERGY_PG_face, SYNERGY_PG_settings]


def register_properties():
    _previews["photo"] = bpy.utils.previews.new()
    bpy.types.Scene.synergy = PointerProperty(type=SYNERGY_PG_settings)
    # those with functions of their own are to be taken away one by one: else the bpy module of 4.2 crashes at its end
    bpy.types.Scene.synergy_photo = PointerProperty(
        type=bpy.types.Image,
        name="Photo",
        description="The picture that the head is built from: one that is in this file, or open another",
        update=_look_again,
    )
    bpy.types.Scene.synergy_pick = EnumProperty(
        name="Face", description="Which of the faces in the photo to build", items=_faces_to_pick, update=_draw_again
    )


def unregister_properties():
    del bpy.types.Scene.synergy_pick
    del bpy.types.Scene.synergy_photo
    del bpy.types.Scene.synergy
    bpy.utils.previews.remove(_previews.pop("photo"))
