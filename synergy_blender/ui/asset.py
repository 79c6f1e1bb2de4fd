"""Marking a head as an asset, with a rendered picture of it."""

import bpy

from .. import scene
from ..scene import sliders


class SYNERGY_OT_mark_asset(bpy.types.Operator):
    """Put the head into the Asset Browser, with a rendered picture of it"""

    bl_idname = "synergy.mark_asset"
    bl_label = "Mark as Asset"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        if not sliders.is_head(context.object):
            cls.poll_message_set("Select a head that Synergy built")
            return False
        return True

    def execute(self, context):
        scene.mark_asset(context.object)
        return {"FINISHED"}


CLASSES = [SYNERGY_OT_mark_asset]
