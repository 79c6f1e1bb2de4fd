"""Importing the authors' own SynergyNet, for those who hold its licence."""

from pathlib import Path

import bpy
from bpy.props import StringProperty
from bpy_extras.io_utils import ImportHelper

from .. import models, official
from .behind import Behind


class SYNERGY_OT_import_official(Behind, bpy.types.Operator, ImportHelper):
    """Turn the authors' best.pth.tar, with their 3dmm_data folder beside it, into a model that heads can be made of"""

    bl_idname = "synergy.import_official"
    bl_label = "Import the Official SynergyNet"

    filter_glob: StringProperty(default="*.tar;*.pth;*.pt", options={"HIDDEN"})
    folder: StringProperty(
        name="3dmm_data",
        description="The folder with tri.mat and keypoints_sim.npy, where it does not lie beside the checkpoint",
        subtype="DIR_PATH",
    )

    def execute(self, context):
        path, folder = Path(bpy.path.abspath(self.filepath)), bpy.path.abspath(self.folder) or None
        words = "Synergy imports the official model"
        return self.begin(context, lambda: official.import_official(path, folder, official.place()), words)

    def finish(self, context, _):
        official.load.cache_clear()
        models.load.cache_clear()
        self.report({"INFO"}, f"The official SynergyNet is in {official.place()}: choose it in the panel")


CLASSES = [SYNERGY_OT_import_official]
