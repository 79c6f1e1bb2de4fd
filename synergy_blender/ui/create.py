"""The operator that turns a photo into heads, and dropping a photo on to the 3D view."""

import threading
import time
from pathlib import Path

import bpy
from bpy.app.translations import pgettext_iface as iface
from bpy.props import BoolProperty, EnumProperty, StringProperty
from bpy_extras.io_utils import ImportHelper

from .. import engine, log, models, photo, scene
from ..bake import bake
from ..face import DELIT, AssetError
from ..face.eyes import iris_colour
from ..scene import sliders
from . import chosen, preferences

EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")
TICK, SLICE = 0.02, 0.08  # seconds between two looks at the work; of building at a time
NO_FACE = "No face was found: draw a box around it, or choose another photo, larger or less covered."


class _Looking(threading.Thread):
    """Reconstructs the faces in a picture beside the window, then synthesises their skin.

    `faces` is set when the heads can be built, `textures` when their skin is there; `error` is a sentence for the user,
    or "".
    """

    def __init__(self, picture, boxes, size, delit, model, runs_on):
        super().__init__(daemon=True)
        self.picture, self.boxes, self.size, self.delit = picture, boxes, size, delit
        self.chosen, self.model, self.runs_on = model, None, runs_on
        self.faces, self.textures, self.error, self.cancelled = None, None, "", False

    def run(self):
        try:
            self.model = models.load(*self.chosen)
            faces = self.model.reconstruct(self.picture, self.boxes, engine.load(self.runs_on))
            if not faces:
                self.error = NO_FACE
                return
            self.faces = faces
            textures = []
            for face in faces if self.size else ():
                if self.cancelled:
                    return
                views, iris = [(self.picture, face.vertices)], iris_colour(self.picture, face)
                textures.append(bake(views, self.size, self.delit, self.model.surface(), iris))
            self.textures = textures
        except (AssetError, ValueError, engine.EngineError) as error:
            self.error = str(error)
        except Exception as error:  # of a thread nobody else would see it
            self.error = log.unexpected(error)


class SYNERGY_OT_create_head(bpy.types.Operator, ImportHelper):
    """Build an editable head from each chosen face in the photo; without a photo, choose its file"""

    bl_idname = "synergy.create_head"
    bl_label = "Create Head"
    bl_options = {"REGISTER", "UNDO"}

    filter_glob: StringProperty(default="*" + ";*".join(EXTENSIONS), options={"HIDDEN"})
    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
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
    model: StringProperty(name="Model", description="Which of the models the head is made of", default="open")
    light: EnumProperty(
        name="Light", description="Whether the photo's light stays on the skin", items=chosen.LIGHTS, default="albedo"
    )

    def invoke(self, context, event):
        if self.filepath or context.scene.synergy_photo is not None:  # dropped on to the view, or chosen in the panel
            return self.execute(context)
        return super().invoke(context, event)

    def execute(self, context):
        self._preferences, self._folder = preferences.of(context), chosen.folder(context.scene)
        try:
            if self.filepath:  # Blender's reader must not run beside the window
                picture, boxes, self._name = scene.reduced(photo.read(self.filepath)), None, Path(self.filepath).name
                self._image, self._lens = None, photo.focal_length(self.filepath)
            elif context.scene.synergy_photo is not None:
                self._image = context.scene.synergy_photo
                self._name = self._image.name
                picture, boxes = chosen.picture_of(self._image), chosen.picked_boxes(context.scene)
                path = chosen.file_of(self._image)
                self._lens = None if path is None else photo.focal_length(path)
                if not boxes:
                    self.report({"ERROR"}, iface(NO_FACE))
                    return {"CANCELLED"}
            else:
                self.report({"ERROR"}, iface("Choose a photo first."))
                return {"CANCELLED"}
        except (photo.PhotoError, OSError) as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        size, model = int(self.size) if self.texture else 0, (self.model, self._preferences.convention)
        self._looking = _Looking(picture, boxes, size, DELIT[self.light], model, self._preferences.engine)
        self._building = self._made = None
        if bpy.app.background or context.window is None:
            self._looking.run()
            while not self._looking.error and self._build() is not None:
                pass
            return self._end(context)
        self._looking.start()
        self._timer = context.window_manager.event_timer_add(TICK, window=context.window)
        context.window_manager.progress_begin(0, 100)
        self._say(context, 0.0, iface("Synergy looks at the face"))
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context, event):
        if event.type == "ESC":
            self._looking.cancelled = True
            if self._building is not None:
                self._building.close()
            self._tidy(context)
            self.report({"INFO"}, iface("Cancelled: nothing was changed"))
            return {"CANCELLED"}
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        if self._looking.faces is None and self._looking.is_alive():
            return {"RUNNING_MODAL"}
        until = time.perf_counter() + SLICE
        while not self._looking.error:
            done = self._build()
            if done is None:
                break
            if done >= 1 and self._looking.is_alive():
                self._say(context, 0.9, iface("Synergy paints the skin"))
                return {"RUNNING_MODAL"}
            if time.perf_counter() > until:
                self._say(context, 0.8 * done, iface("Synergy builds the head"))
                return {"RUNNING_MODAL"}
        self._tidy(context)
        return self._end(context)

    def _build(self):
        """One step of building: the share that is done, 1 while the skin is awaited, or None at the end.

        The heads are there and can be looked at while their skin is still on its way.
        """
        if self._building is None:
            self._building = scene.add_heads_in_steps(
                self._looking.model.head,
                self._looking.faces,
                self._looking.picture,
                self._name,
                posed=not self.upright,
                textures=lambda: self._looking.textures,
                image=self._image,
                unit=self._preferences.unit,
                smooth=int(self._preferences.density),
                photo_lens=self._lens,
                folder=self._folder,
            )
        try:
            return next(self._building, None)
        except Exception as error:  # the building has taken back what it made
            self._looking.error = log.unexpected(error)
            return None

    def _end(self, context):
        if self._looking.error:
            if self._building is not None:
                self._building.close()
            self.report({"ERROR"}, iface(self._looking.error))
            return {"CANCELLED"}
        faces = self._looking.faces
        if self._image is None:
            behind = scene.camera_of(context.view_layer.objects.active).data.background_images[0].image
            chosen.settle(context.scene, behind, [self._in_image(face.box, behind) for face in faces])
        self.report({"INFO"}, iface("Built %d heads") % len(faces) if len(faces) > 1 else iface("Built a head"))
        return {"FINISHED"}

    def _in_image(self, box, image):
        """A box in the pixels of the image that is kept, within it."""
        height, width = self._looking.picture.shape[:2]
        ratio = image.size[0] / width
        return [min(max(v * ratio, 0), limit * ratio) for v, limit in zip(box, (width, height) * 2, strict=True)]

    def _say(self, context, done, what):
        context.window_manager.progress_update(int(100 * done))
        context.workspace.status_text_set(f"{what}: {done:.0%}.  " + iface("Esc: cancel"))

    def _tidy(self, context):
        context.window_manager.event_timer_remove(self._timer)
        context.window_manager.progress_end()
        context.workspace.status_text_set(None)


class SYNERGY_OT_paste_photo(bpy.types.Operator):
    """Take the picture on the clipboard as the photo"""

    bl_idname = "synergy.paste_photo"
    bl_label = "Paste Photo"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        if context.area is None or not hasattr(bpy.ops.image, "clipboard_paste"):
            cls.poll_message_set("This Blender cannot paste pictures: open the photo's file instead")
            return False
        return True

    def execute(self, context):
        before, kind = set(bpy.data.images), context.area.type
        context.area.type = "IMAGE_EDITOR"  # Blender pastes pictures nowhere else
        try:
            bpy.ops.image.clipboard_paste()
        except RuntimeError:
            pass
        finally:
            context.area.type = kind
        new = set(bpy.data.images) - before
        if not new:
            self.report({"ERROR"}, iface("There is no picture on the clipboard: copy one, or open the photo's file."))
            return {"CANCELLED"}
        context.scene.synergy_photo = new.pop()
        return {"FINISHED"}


class SYNERGY_OT_use_image(bpy.types.Operator):
    """Take the picture that was dropped into the scene as the photo"""

    bl_idname = "synergy.use_image"
    bl_label = "Use the Dropped Image"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        thing = context.object
        if thing is None or thing.type != "EMPTY" or not isinstance(thing.data, bpy.types.Image):
            cls.poll_message_set("Select an image that was dropped into the scene")
            return False
        return True

    def execute(self, context):
        context.scene.synergy_photo = context.object.data
        return {"FINISHED"}


class SYNERGY_OT_look_through(bpy.types.Operator):
    """Look at the head through the camera that sees it exactly as the photo does"""

    bl_idname = "synergy.look_through"
    bl_label = "Look through the Photo"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        if not sliders.is_head(context.object):
            cls.poll_message_set("Select a head that Synergy built")
            return False
        if scene.camera_of(context.object) is None:
            cls.poll_message_set("The camera of this head was deleted: build the head again")
            return False
        return True

    def execute(self, context):
        scene.look_through(scene.camera_of(context.object), context.area)
        return {"FINISHED"}


class SYNERGY_FH_photo(bpy.types.FileHandler):
    """A photo that is dropped on to the 3D view: on its sidebar at least, for in the view itself Blender's own drop of
    images comes first, and use_image goes on from there."""

    bl_idname = "SYNERGY_FH_photo"
    bl_label = "Synergy: Create Head from Photo"
    bl_import_operator = "synergy.create_head"
    bl_file_extensions = ";".join(EXTENSIONS)

    @classmethod
    def poll_drop(cls, context):
        return context.area is not None and context.area.type == "VIEW_3D"


CLASSES = [
    SYNERGY_OT_create_head,
    SYNERGY_OT_paste_photo,
    SYNERGY_OT_use_image,
    SYNERGY_OT_look_through,
    SYNERGY_FH_photo,
]
