"""The operator that turns a photo file into heads, and dropping a photo on to the 3D view."""

import threading
import time
from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty
from bpy_extras.io_utils import ImportHelper

from .. import photo, scene
from ..face import AssetError, head_model, reconstruct, skin_texture
from ..scene import sliders

EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")
TICK, SLICE = 0.02, 0.03  # seconds between two looks at the work; of building at a time
NO_FACE = "No face was found: choose another photo, larger or less covered."


class _Looking(threading.Thread):
    """Reconstructs the faces in a picture beside the window; `error` is a sentence for the user, or ""."""

    def __init__(self, picture, texture):
        super().__init__(daemon=True)
        self.picture, self.texture, self.faces, self.textures, self.error = picture, texture, [], None, ""

    def run(self):
        try:
            self.faces = reconstruct(self.picture)
            if not self.faces:
                self.error = NO_FACE
            elif self.texture:
                self.textures = [skin_texture(self.picture, face, self.texture) for face in self.faces]
        except (AssetError, ValueError) as error:
            self.error = str(error)


class SYNERGY_OT_create_head(bpy.types.Operator, ImportHelper):
    """Choose a photo and build an editable head from each face in it"""

    bl_idname = "synergy.create_head"
    bl_label = "Create Head from Photo"
    bl_options = {"REGISTER", "UNDO"}

    filter_glob: StringProperty(default="*" + ";*".join(EXTENSIONS), options={"HIDDEN"})
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

    def invoke(self, context, event):
        if self.filepath and Path(self.filepath).is_file():  # dropped on to the view
            return self.execute(context)
        return super().invoke(context, event)

    def execute(self, context):
        try:
            size = int(self.size) if self.texture else 0
            self._looking = _Looking(photo.read(self.filepath), size)  # Blender's reader must not run beside the window
        except photo.PhotoError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self._building = None
        if bpy.app.background or context.window is None:
            self._looking.run()
            while not self._looking.error and self._build() is not None:
                pass
            return self._end(context)
        self._looking.start()
        self._timer = context.window_manager.event_timer_add(TICK, window=context.window)
        context.window_manager.progress_begin(0, 100)
        context.workspace.status_text_set("Synergy looks for faces.  Esc: cancel")
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context, event):
        if event.type == "ESC":
            if self._building is not None:
                self._building.close()
            self._tidy(context)
            self.report({"INFO"}, "Cancelled: nothing was changed")
            return {"CANCELLED"}
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        if self._looking.is_alive():
            return {"RUNNING_MODAL"}
        until = time.perf_counter() + SLICE
        while not self._looking.error:
            done = self._build()
            if done is None:
                break
            if time.perf_counter() > until:
                context.window_manager.progress_update(int(100 * done))
                context.workspace.status_text_set(f"Synergy builds the head: {done:.0%}.  Esc: cancel")
                return {"RUNNING_MODAL"}
        self._tidy(context)
        return self._end(context)

    def _build(self):
        """One step of building: the share that is done, or None at the end."""
        if self._building is None:
            name = Path(self.filepath).name
            self._building = scene.add_heads_in_steps(
                head_model.load(),
                self._looking.faces,
                self._looking.picture,
                name,
                posed=not self.upright,
                textures=self._looking.textures,
            )
        return next(self._building, None)

    def _end(self, context):
        if self._looking.error:
            self.report({"ERROR"}, self._looking.error)
            return {"CANCELLED"}
        count = len(self._looking.faces)
        self.report({"INFO"}, f"Built {count} head{'s' if count > 1 else ''}")
        return {"FINISHED"}

    def _tidy(self, context):
        context.window_manager.event_timer_remove(self._timer)
        context.window_manager.progress_end()
        context.workspace.status_text_set(None)


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
    """A photo that is dropped on to the 3D view"""

    bl_idname = "SYNERGY_FH_photo"
    bl_label = "Synergy: Create Head from Photo"
    bl_import_operator = "synergy.create_head"
    bl_file_extensions = ";".join(EXTENSIONS)

    @classmethod
    def poll_drop(cls, context):
        return context.area is not None and context.area.type == "VIEW_3D"


CLASSES = [SYNERGY_OT_create_head, SYNERGY_OT_look_through, SYNERGY_FH_photo]
