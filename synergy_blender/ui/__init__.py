"""Operators and the sidebar panel. Thin: it calls face, then scene."""

import bpy

from . import asset, box, chosen, create, imports, lens, panel, preferences, refine, skin, sliders

ROOMS = (chosen, create, box, lens, sliders, refine, skin, asset, panel, imports, preferences)
WITH_PROPERTIES = (chosen, lens, panel)


def register():
    for room in ROOMS:
        for cls in room.CLASSES:
            bpy.utils.register_class(cls)
    for room in WITH_PROPERTIES:
        room.register_properties()
    bpy.app.handlers.depsgraph_update_post.append(refine.follow)
    bpy.app.handlers.load_post.append(panel.upgrade)


def unregister():
    bpy.app.handlers.load_post.remove(panel.upgrade)
    bpy.app.handlers.depsgraph_update_post.remove(refine.follow)
    for room in WITH_PROPERTIES:
        room.unregister_properties()
    for room in reversed(ROOMS):
        for cls in reversed(room.CLASSES):
            bpy.utils.unregister_class(cls)
