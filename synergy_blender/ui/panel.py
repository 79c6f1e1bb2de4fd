"""The Synergy tab in the 3D view's sidebar."""

import bpy

from .create import SYNERGY_OT_create_head


class SYNERGY_PT_main(bpy.types.Panel):
    bl_idname = "SYNERGY_PT_main"
    bl_label = "Synergy"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Synergy"

    def draw(self, context):
        self.layout.operator(SYNERGY_OT_create_head.bl_idname, icon="USER")


CLASSES = [SYNERGY_PT_main]
