"""Synergy for Blender: from a photo to an editable, animatable head.

Importing this package needs neither Blender nor anything beyond the standard library; `register` needs Blender.
"""


def register():
    """Called by Blender when the extension is switched on."""
    from . import ui

    ui.register()


def unregister():
    """Called by Blender when the extension is switched off."""
    from . import ui

    ui.unregister()
