"""From Reconstructions to Blender data. The only room that writes bpy.data."""

from .head import build_head
from .heads import add_heads
from .photograph import image_of, match_camera

__all__ = ["add_heads", "build_head", "image_of", "match_camera"]
