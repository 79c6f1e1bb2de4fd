"""The add-on's preferences: what it runs on and under which licence."""

import bpy

from ..face import AssetError, detector, head_model, network

# the add-on's module: this package, or the extension around it
PACKAGE = __package__.rsplit(".", 1)[0]
EXTENSION = PACKAGE.rsplit(".", 1)[0] if PACKAGE.startswith("bl_ext.") else PACKAGE
PARTS = (("Head model", head_model.load), ("Face network", network.load), ("Face detector", detector.load))


class SYNERGY_AP_preferences(bpy.types.AddonPreferences):
    bl_idname = EXTENSION

    def draw(self, context):
        column = self.layout.column()
        for name, load in PARTS:
            try:
                load()
            except AssetError as error:
                column.label(text=f"{name}: {error}", icon="ERROR")
            else:
                column.label(text=f"{name}: ready", icon="CHECKMARK")
        column.label(text="Runs in Blender's own NumPy: nothing to install, nothing sent over the network")
        column.label(text="Open head model and weights, GPL-3.0-or-later; heads made with them are yours")


CLASSES = [SYNERGY_AP_preferences]
