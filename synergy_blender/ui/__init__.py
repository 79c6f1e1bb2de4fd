"""Operators and the sidebar panel. Thin: it calls face, then scene."""

import bpy

from . import create, panel, preferences, refine, sliders

CLASSES = [*create.CLASSES, *sliders.CLASSES, *refine.CLASSES, *panel.CLASSES, *preferences.CLASSES]


def register():
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    panel.register_properties()
    bpy.app.handlers.depsgraph_update_post.append(refine.follow)


def unregister():
    bpy.app.handlers.depsgraph_update_post.remove(refine.follow)
    panel.unregister_properties()
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
