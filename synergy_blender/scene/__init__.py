"""From Reconstructions to Blender data. The only room that writes bpy.data."""

from .handles import HANDLES, hide_handles, refit, show_handles
from .heads import PHOTO_LENS, add_heads, add_heads_in_steps, add_skin
from .materials import iris_of
from .photograph import camera_of, image_of, lens_of, look_through, match_camera, reduced, set_lens
from .studio import mark_asset
from .upgrade import upgrade_heads
from .views import box_in_photo, photos_of, remember_photos, settle, views_of

__all__ = [
    "HANDLES",
    "PHOTO_LENS",
    "add_heads",
    "add_heads_in_steps",
    "add_skin",
    "box_in_photo",
    "camera_of",
    "hide_handles",
    "image_of",
    "iris_of",
    "lens_of",
    "look_through",
    "mark_asset",
    "match_camera",
    "photos_of",
    "reduced",
    "refit",
    "remember_photos",
    "set_lens",
    "settle",
    "show_handles",
    "upgrade_heads",
    "views_of",
]
