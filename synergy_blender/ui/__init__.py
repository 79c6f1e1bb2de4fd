"""Operators and the sidebar panel. Thin: it calls face, then scene."""

import bpy

from . import create, panel

CLASSES = [*create.CLASSES, *panel.CLASSES]


def register():
    for cls in CLASSES:
        bpy.utils.register_class(cls)


def unregister():
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
