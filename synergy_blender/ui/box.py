"""Drawing a box around a face by hand, over the photo in the 3D view."""

import bpy
import gpu
import numpy as np
from gpu_extras.batch import batch_for_shader

from . import chosen

FILL = 0.9  # of the view that the photo fills
SMALLEST = 8  # pixels of the photo
# textures of images hold linear light from 4.5 on, and a shader for that
SHOWN = "IMAGE_SCENE_LINEAR_TO_REC709_SRGB" if bpy.app.version >= (4, 5) else "IMAGE"
CORNERS = ((0, 0), (1, 0), (1, 1), (0, 1))


class SYNERGY_OT_draw_box(bpy.types.Operator):
    """Draw a box around the face by hand: drag from one corner of the face to the other. Esc: cancel"""

    bl_idname = "synergy.draw_box"
    bl_label = "Draw a Box"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        if context.scene.synergy_photo is None:
            cls.poll_message_set("Choose a photo first")
            return False
        return context.area is not None and context.area.type == "VIEW_3D"

    def invoke(self, context, event):
        image = context.scene.synergy_photo
        self._region = next(region for region in context.area.regions if region.type == "WINDOW")
        self._size = chosen.picture_of(image).shape[1::-1]
        self._texture = gpu.texture.from_image(image)
        self._start = self._end = None
        self._handle = bpy.types.SpaceView3D.draw_handler_add(self._draw, (), "WINDOW", "POST_PIXEL")
        context.workspace.status_text_set("Drag a box around the face.  Esc: cancel")
        context.window_manager.modal_handler_add(self)
        context.area.tag_redraw()
        return {"RUNNING_MODAL"}

    def modal(self, context, event):
        context.area.tag_redraw()
        at = event.mouse_x - self._region.x, event.mouse_y - self._region.y
        if event.type in {"ESC", "RIGHTMOUSE"}:
            self._tidy(context)
            return {"CANCELLED"}
        if event.type == "LEFTMOUSE" and event.value == "PRESS":
            self._start = self._end = at
        elif event.type == "MOUSEMOVE" and self._start is not None:
            self._end = at
        elif event.type == "LEFTMOUSE" and event.value == "RELEASE" and self._start is not None:
            self._end = at
            self._tidy(context)
            return self._keep(context)
        return {"RUNNING_MODAL"}

    def _keep(self, context):
        x0, y0, scale = photo_in_region(self._region.width, self._region.height, *self._size)
        box = box_in_photo(self._start, self._end, x0, y0, scale, *self._size)
        if box is None:
            self.report({"WARNING"}, "The box is too small or beside the photo: drag it around the whole face.")
            return {"CANCELLED"}
        chosen.settle(context.scene, context.scene.synergy_photo, [box])
        return {"FINISHED"}

    def _draw(self):
        x0, y0, scale = photo_in_region(self._region.width, self._region.height, *self._size)
        width, height = np.array(self._size) * scale
        places = [(x0 + x * width, y0 + y * height) for x, y in CORNERS]
        shader = gpu.shader.from_builtin(SHOWN)
        batch = batch_for_shader(shader, "TRI_FAN", {"pos": places, "texCoord": CORNERS})
        shader.bind()
        shader.uniform_sampler("image", self._texture)
        batch.draw(shader)
        if self._start is not None:
            (ax, ay), (bx, by) = self._start, self._end
            outline = gpu.shader.from_builtin("UNIFORM_COLOR")
            outline.bind()
            outline.uniform_float("color", (1.0, 0.6, 0.15, 1.0))
            corners = [(ax, ay), (bx, ay), (bx, by), (ax, by), (ax, ay)]
            batch_for_shader(outline, "LINE_STRIP", {"pos": corners}).draw(outline)

    def _tidy(self, context):
        bpy.types.SpaceView3D.draw_handler_remove(self._handle, "WINDOW")
        context.workspace.status_text_set(None)
        context.area.tag_redraw()


def photo_in_region(region_width, region_height, width, height):
    """Left, bottom and scale of a photo shown in the middle of a region."""
    scale = FILL * min(region_width / width, region_height / height)
    return (region_width - scale * width) / 2, (region_height - scale * height) / 2, scale


def box_in_photo(start, end, left, bottom, scale, width, height):
    """The square (x0, y0, x1, y1) in photo pixels, y down, of a box drawn from one place to another in a region, or
    None where too little of it is on the photo."""
    corners = (np.array([start, end], float) - [left, bottom]) / scale * [1, -1] + [0, height]
    low, high = np.clip(corners.min(0), 0, [width, height]), np.clip(corners.max(0), 0, [width, height])
    if (high - low).min() < SMALLEST:
        return None
    return (*low.tolist(), *high.tolist())


CLASSES = [SYNERGY_OT_draw_box]
