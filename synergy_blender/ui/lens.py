"""The lens of the camera that sees a head as its photo does."""

import bpy
from bpy.props import FloatProperty

from .. import models, scene
from ..face import AssetError
from ..scene import sliders

_failed = ""  # why the last change of a lens failed, for whoever asked for it


def _change(head, context):
    global _failed
    _failed = ""
    if not sliders.is_head(head):
        return
    try:
        scene.set_lens(head, models.load(sliders.model_of(head)).head, head.synergy_lens)
    except (ValueError, AssetError) as error:
        _failed = str(error)


class SYNERGY_OT_photo_lens(bpy.types.Operator):
    """Take the focal length that the photo's file tells"""

    bl_idname = "synergy.photo_lens"
    bl_label = "Lens of the Photo"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        if not sliders.is_head(context.object):
            cls.poll_message_set("Select a head that Synergy built")
            return False
        if scene.PHOTO_LENS not in context.object:
            cls.poll_message_set("The photo's file does not say with which lens it was taken: set it by hand")
            return False
        return True

    def execute(self, context):
        context.object.synergy_lens = context.object[scene.PHOTO_LENS]
        if _failed:
            self.report({"ERROR"}, _failed)
            return {"CANCELLED"}
        return {"FINISHED"}


CLASSES = [SYNERGY_OT_photo_lens]


def register_properties():
    bpy.types.Object.synergy_lens = FloatProperty(
        name="Lens",
        description="Focal length on 35 mm film of the camera that looks at the head as the photo does: short lenses "
        "show it from near, with a large nose; 0 is without perspective, as the face was read",
        default=0.0,
        min=0.0,
        soft_max=200.0,
        max=2000.0,
        update=_change,
    )


def unregister_properties():
    del bpy.types.Object.synergy_lens
