"""The Synergy tab in the 3D view's sidebar."""

import textwrap

import bpy
from bpy.app.handlers import persistent
from bpy.app.translations import pgettext_iface as iface
from bpy.props import StringProperty

from .. import models, scene
from ..scene import HANDLES, camera_of
from ..scene import sliders as heads
from . import asset, box, chosen, create, lens, refine, skin, sliders


class SYNERGY_PT_main(bpy.types.Panel):
    bl_idname = "SYNERGY_PT_main"
    bl_label = "Synergy"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Synergy"

    def draw(self, context):
        layout, settings = self.layout, context.scene.synergy
        row = layout.row(align=True)
        row.template_ID(context.scene, "synergy_photo", open="image.open")
        row.operator(create.SYNERGY_OT_paste_photo.bl_idname, text="", icon="PASTEDOWN")
        if create.SYNERGY_OT_use_image.poll(context):
            layout.operator(create.SYNERGY_OT_use_image.bl_idname, icon="IMAGE_REFERENCE")
        if context.scene.synergy_photo is not None:
            shown = chosen.icon(context.scene)
            if shown:
                layout.template_icon(shown, scale=9.0)
            tell(layout, settings.trouble)
            row = layout.row(align=True)
            if len(settings.faces) > 1:
                row.prop(context.scene, "synergy_pick", text="")
            row.operator(box.SYNERGY_OT_draw_box.bl_idname, icon="SELECT_SET")
        if len(models.available()) > 1:
            layout.prop(settings, "model", text="")
        row = layout.row(align=True)
        row.prop(settings, "texture")
        size = row.row(align=True)
        size.enabled = settings.texture
        size.prop(settings, "size", text="")
        if settings.texture:
            layout.prop(settings, "light", text="")
            layout.prop(settings, "keep", text="")
        layout.prop(settings, "upright")
        button = layout.row()
        button.scale_y = 1.6
        button.enabled = context.scene.synergy_photo is None or len(settings.faces) > 0
        text = "Create Head" if context.scene.synergy_photo is not None else "Create Head from Photo..."
        build = button.operator(create.SYNERGY_OT_create_head.bl_idname, text=text, icon="USER")
        build.texture, build.size, build.light = settings.texture, settings.size, settings.light
        build.upright, build.model = settings.upright, settings.model
        if heads.is_head(context.object):
            layout.prop(context.window_manager, "synergy_search", text="", icon="VIEWZOOM")


def tell(layout, sentence):
    """A sentence in lines as short as the sidebar is narrow."""
    column = layout.column(align=True)
    for i, words in enumerate(textwrap.wrap(iface(sentence), 34)):
        column.label(text=words, icon="INFO" if i == 0 else "BLANK1")


class _OfHead:
    """A sub-panel that shows while a head is active."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Synergy"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context):
        return heads.is_head(context.object)

    def sliders(self, context, keys):
        """One row for every key that the search finds."""
        wanted = context.window_manager.synergy_search.lower()
        column = self.layout.column(align=True)
        for key in keys:
            if wanted in spoken(key.name).lower() or wanted in key.name.lower():
                column.prop(key, "value", text=spoken(key.name), slider=True)


class SYNERGY_PT_photo(_OfHead, bpy.types.Panel):
    bl_idname = "SYNERGY_PT_photo"
    bl_label = "Photo"
    bl_parent_id = "SYNERGY_PT_main"

    def draw(self, context):
        self.layout.operator(create.SYNERGY_OT_look_through.bl_idname, icon="CAMERA_DATA")
        shown = HANDLES in context.object
        self.layout.operator(refine.SYNERGY_OT_refine.bl_idname, icon="EMPTY_AXIS", depress=shown)
        self.layout.operator(skin.SYNERGY_OT_add_photos.bl_idname, icon="IMAGE_DATA")
        self.layout.operator(skin.SYNERGY_OT_bake_skin.bl_idname, icon="RENDER_STILL")
        camera = camera_of(context.object)
        if camera is None:
            return
        row = self.layout.row(align=True)
        row.prop(context.object, "synergy_lens")
        row.operator(lens.SYNERGY_OT_photo_lens.bl_idname, text="", icon="FILE_IMAGE")
        if camera.data.background_images:
            behind = camera.data.background_images[0]
            self.layout.prop(behind, "alpha", text="Photo Opacity", slider=True)
            self.layout.prop(behind, "display_depth", expand=True)


class SYNERGY_PT_identity(_OfHead, bpy.types.Panel):
    bl_idname = "SYNERGY_PT_identity"
    bl_label = "Identity"
    bl_parent_id = "SYNERGY_PT_main"

    def draw(self, context):
        buttons = self.layout.grid_flow(columns=2, even_columns=True, align=True)
        for to, text in (
            ("PHOTO", "As in the Photo"),
            ("AVERAGE", "Average"),
            ("RANDOM", "Random"),
            ("SELECTED", "From Selected"),
            ("SYMMETRIC", "Symmetrise"),
        ):
            buttons.operator(sliders.SYNERGY_OT_identity.bl_idname, text=text).to = to
        self.layout.operator(sliders.SYNERGY_OT_freeze_identity.bl_idname, icon="FREEZE")
        self.layout.operator(asset.SYNERGY_OT_mark_asset.bl_idname, icon="ASSET_MANAGER")
        self.sliders(context, heads.identity_keys(context.object))


class SYNERGY_PT_expression(_OfHead, bpy.types.Panel):
    bl_idname = "SYNERGY_PT_expression"
    bl_label = "Expression"
    bl_parent_id = "SYNERGY_PT_main"

    def draw(self, context):
        row = self.layout.row(align=True)
        row.operator(sliders.SYNERGY_OT_expression.bl_idname, text="As in the Photo").to = "PHOTO"
        row.operator(sliders.SYNERGY_OT_expression.bl_idname, text="Neutral").to = "NEUTRAL"
        row.operator(sliders.SYNERGY_OT_expression.bl_idname, text="Symmetrise").to = "SYMMETRIC"
        mirrored = heads.is_mirrored(context.object)
        self.layout.operator(sliders.SYNERGY_OT_mirror.bl_idname, icon="MOD_MIRROR", depress=mirrored)


def _group_panel(group):
    """The sub-panel of one group of expressions."""

    def draw(self, context):
        self.layout.operator(sliders.SYNERGY_OT_reset_group.bl_idname, icon="LOOP_BACK").group = group
        self.sliders(context, heads.expression_keys(context.object, group))

    def poll(cls, context):
        return heads.is_head(context.object) and bool(heads.expression_keys(context.object, group))

    name = "SYNERGY_PT_" + group.lower().replace(" ", "_")
    body = {"bl_idname": name, "bl_label": group, "bl_parent_id": "SYNERGY_PT_expression", "draw": draw}
    return type(name, (_OfHead, bpy.types.Panel), body | {"poll": classmethod(poll)})


def spoken(name):
    """A key's name as an artist reads it: "mouthSmileLeft" is "Mouth Smile Left"."""
    if name.startswith(heads.IDENTITY):
        return name.removeprefix(heads.IDENTITY)
    return "".join(f" {letter}" if letter.isupper() else letter for letter in name).title()


CLASSES = [
    SYNERGY_PT_main,
    SYNERGY_PT_photo,
    SYNERGY_PT_identity,
    SYNERGY_PT_expression,
    *map(_group_panel, heads.EXPRESSION_GROUPS),
]


@persistent
def upgrade(_):
    """After a file was opened: heads of an older version become editable again."""
    scene.upgrade_heads()


def register_properties():
    bpy.types.WindowManager.synergy_search = StringProperty(
        name="Search", description="Show only sliders whose name has this in it", options={"TEXTEDIT_UPDATE"}
    )


def unregister_properties():
    del bpy.types.WindowManager.synergy_search
