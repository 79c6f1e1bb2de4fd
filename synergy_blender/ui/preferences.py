"""The add-on's preferences: what it runs on, under which licence, and how new heads are made."""

from functools import partial

import bpy
from bpy.props import EnumProperty, FloatProperty

from .. import engine, log, official
from ..face import AssetError, albedo, assets, cells, detector, head_model, network, refinement, skin
from . import imports

# the add-on's module: this package, or the extension around it
PACKAGE = __package__.rsplit(".", 1)[0]
EXTENSION = PACKAGE.rsplit(".", 1)[0] if PACKAGE.startswith("bl_ext.") else PACKAGE
FINDERS = ("Glasses", "glasses"), ("Beards", "beard"), ("Hair and Hats", "cover")
PARTS = (
    ("Head model", "head_model.npz", head_model.load),
    ("SynergyNet", "synergynet.npz", network.load),
    ("Refinement", "refinement.npz", refinement.load),
    ("Face detector", "detector.npz", detector.load),
    ("Skin", "skin.npz", skin.usual),
    ("Light", "albedo.npz", albedo.load),
    *((name, f"{file}.npz", partial(cells.weights, file)) for name, file in FINDERS),
)


class _Defaults:
    """What holds where the add-on was registered without preferences, as in a script."""

    density, unit, engine, convention = "0", 1.0, "numpy", "corrected"


class SYNERGY_AP_preferences(bpy.types.AddonPreferences):
    bl_idname = EXTENSION

    density: EnumProperty(
        name="Density",
        description="How finely new heads are divided; the sliders work on all of them",
        items=[
            ("0", "8,520 quads", "The mesh that all sliders are made on"),
            ("1", "34,000 quads", "Divided once by a Subdivision modifier"),
            ("2", "136,000 quads", "Divided twice by a Subdivision modifier"),
        ],
    )
    unit: FloatProperty(
        name="Size of a Metre",
        description="How many Blender units a metre is: 1 for metres, 100 for centimetres",
        default=1.0,
        min=0.001,
        soft_max=1000.0,
    )
    engine: EnumProperty(
        name="Engine",
        description="What the networks that look at the photo run on",
        items=[
            ("numpy", "NumPy", "On the processor; always there"),
            ("torch", "PyTorch", "On the graphics card, or the processor; only where PyTorch is installed for Blender"),
        ],
    )

    convention: EnumProperty(
        name="Official Model's Pixels",
        description="How the official SynergyNet cuts the photo and places what it finds",
        items=[
            ("corrected", "Corrected", "Points lie where the photo shows them, and yaw is right"),
            ("parity", "As the Authors Do", "Every number is the authors' own, with their shift of a pixel"),
        ],
    )

    def draw(self, context):
        column = self.layout.column()
        column.prop(self, "density")
        column.prop(self, "unit")
        column.prop(self, "engine")
        if self.engine == "torch":
            column.label(**_torch())
        box = self.layout.box().column()
        for name, file, load in PARTS:
            try:
                load()
            except AssetError as error:
                box.label(text=f"{name}: {error}", icon="ERROR")
            else:
                box.label(text=f"{name}: ready, version {assets.VERSION}, {file}", icon="CHECKMARK")
        row = box.row()
        there = official.place().exists()
        text = f"SynergyNet official: imported, {official.place()}" if there else "SynergyNet official: not imported"
        row.label(text=text, icon="CHECKMARK" if there else "BLANK1")
        row.operator(imports.SYNERGY_OT_import_official.bl_idname, text="Import...")
        if there:
            column.prop(self, "convention")
        box.label(text="Licence: GPL-3.0-or-later; the heads you make are yours, for commercial work too")
        box.label(text="All is computed on this machine; nothing is sent over the network")
        box.label(text=f"Log of what should not happen: {log.FILE}")


def _torch():
    """What the preferences say of PyTorch."""
    if not engine.torch_is_there():
        return {"text": "PyTorch is not installed for this Blender: choose NumPy", "icon": "ERROR"}
    try:
        return {"text": f"PyTorch is used on the device {engine.torch_device()}", "icon": "CHECKMARK"}
    except engine.EngineError as error:
        return {"text": str(error), "icon": "ERROR"}


def of(context):
    """The add-on's preferences."""
    addon = context.preferences.addons.get(EXTENSION)
    return _Defaults if addon is None or addon.preferences is None else addon.preferences


CLASSES = [SYNERGY_AP_preferences]
