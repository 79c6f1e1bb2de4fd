"""From Reconstructions to Blender data. The only room that writes bpy.data."""

from .handles import HANDLES, hide_handles, refit, show_handles
from .heads import add_heads, add_heads_in_steps
from .photograph import camera_of, image_of, look_through, match_camera

__all__ = [
    "HANDLES",
    "add_heads",
    "add_heads_in_steps",
    "camera_of",
    "hide_handles",
    "image_of",
    "look_through",
    "match_camera",
    "refit",
    "show_handles",
]
