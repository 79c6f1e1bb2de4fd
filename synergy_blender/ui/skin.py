"""A built head's skin: taken from its photos anew, and from more of them."""

from pathlib import Path

import bpy
from bpy.app.translations import pgettext_iface as iface
from bpy.props import CollectionProperty, StringProperty
from bpy_extras.io_utils import ImportHelper

from .. import engine, models, photo, scene
from ..bake import bake
from ..face import DELIT, AssetError, reconstruct_person
from ..scene import sliders
from . import chosen, preferences
from .behind import Behind
from .chosen import of_open_model
from .create import EXTENSIONS


class _OfHead(Behind):
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

    def head(self):
        """The head that the work began with. Raises ValueError if it is gone."""
        head = bpy.data.objects.get(self._name)
        if not sliders.is_head(head):
            raise ValueError("The head is gone: nothing was changed.")
        return head


class SYNERGY_OT_bake_skin(_OfHead, bpy.types.Operator):
    """Take the skin from the head's photos again, after its shape was changed, in the size and light chosen above"""

    bl_idname = "synergy.bake_skin"
    bl_label = "Bake Skin Again"

    def execute(self, context):
        self._name, settings = context.object.name, context.scene.synergy
        try:
            model = models.load(sliders.model_of(context.object))
            views = scene.views_of(context.object, model.head)
        except (ValueError, AssetError) as error:
            self.report({"ERROR"}, iface(str(error)))
            return {"CANCELLED"}
        size, delit, iris = int(settings.size), DELIT[settings.light], scene.iris_of(context.object)
        return self.begin(context, lambda: bake(views, size, delit, model.surface(), iris), "Synergy paints the skin")

    def finish(self, context, baked):
        scene.add_skin(self.head(), baked, chosen.folder(context.scene))


class SYNERGY_OT_add_photos(_OfHead, bpy.types.Operator, ImportHelper):
    """Open more photos of the same person, from other sides: the likeness is read from all of them together, and what
    one of them hides of the skin is taken from the others"""

    bl_idname = "synergy.add_photos"
    bl_label = "Add Photos of This Person"

    @classmethod
    def poll(cls, context):
        return super().poll(context) and of_open_model(cls, context.object)

    filter_glob: StringProperty(default="*" + ";*".join(EXTENSIONS), options={"HIDDEN"})
    files: CollectionProperty(type=bpy.types.OperatorFileListElement, options={"HIDDEN", "SKIP_SAVE"})
    directory: StringProperty(subtype="DIR_PATH", options={"HIDDEN", "SKIP_SAVE"})

    def execute(self, context):
        head = context.object
        self._name, settings, model = head.name, context.scene.synergy, models.load().head
        paths = [Path(self.directory) / file.name for file in self.files if file.name] or [Path(self.filepath)]
        try:
            known = scene.views_of(head, model)
            self._pictures = [scene.reduced(photo.read(path)) for path in paths]
            box = scene.box_in_photo(head, model)
        except (photo.PhotoError, ValueError, OSError, AssetError) as error:
            self.report({"ERROR"}, iface(str(error)))
            return {"CANCELLED"}
        self._names = [path.name for path in paths]
        pictures = [picture for picture, _ in known] + self._pictures
        size, delit, textured = int(settings.size), DELIT[settings.light], settings.texture
        runs_on, iris = preferences.of(context).engine, scene.iris_of(head)

        def work():
            faces = reconstruct_person(pictures, [box] + [None] * (len(pictures) - 1), engine.load(runs_on))
            views = [(picture, face.vertices) for picture, face in zip(pictures, faces, strict=True)]
            return faces, bake(views, size, delit, iris=iris) if textured else None

        return self.begin(context, work, "Synergy looks at the photos")

    def finish(self, context, result):
        faces, baked = result
        head = self.head()
        scene.settle(head, models.load().head, faces[0])
        images = [scene.image_of(*pair) for pair in zip(self._pictures, self._names, strict=True)]
        scene.remember_photos(head, scene.photos_of(head)[1:] + images, faces[1:])
        if baked is not None:
            scene.add_skin(head, baked, chosen.folder(context.scene))
        self.report({"INFO"}, iface("The head comes from %d photos") % len(faces))


CLASSES = [SYNERGY_OT_bake_skin, SYNERGY_OT_add_photos]
