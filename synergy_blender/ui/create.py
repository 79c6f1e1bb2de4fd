"""The operator that turns a photo file into heads."""

from pathlib import Path

import bpy
from bpy.props import BoolProperty, StringProperty
from bpy_extras.io_utils import ImportHelper

from .. import photo, scene
from ..face import AssetError, head_model, reconstruct


class SYNERGY_OT_create_head(bpy.types.Operator, ImportHelper):
    """Choose a photo and build an editable head from each face in it"""

    bl_idname = "synergy.create_head"
    bl_label = "Create Head from Photo"
    bl_options = {"REGISTER", "UNDO"}

    filter_glob: StringProperty(default="*.jpg;*.jpeg;*.png;*.webp;*.tif;*.tiff;*.bmp", options={"HIDDEN"})
    upright: BoolProperty(
        name="Upright",
        description="Stand the head upright and turn the camera, instead of posing the head as in the photo",
        default=False,
    )

    def execute(self, context):
        try:
            picture = photo.read(self.filepath)
            faces = reconstruct(picture)
        except (photo.PhotoError, AssetError, ValueError) as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if not faces:
            self.report({"ERROR"}, "No face was found: choose another photo, larger or less covered.")
            return {"CANCELLED"}
        scene.add_heads(head_model.load(), faces, picture, Path(self.filepath).name, posed=not self.upright)
        self.report({"INFO"}, f"Built {len(faces)} head{'s' if len(faces) > 1 else ''}")
        return {"FINISHED"}


CLASSES = [SYNERGY_OT_create_head]
