"""Operators on the sliders of the active head."""

import bpy
import numpy as np
from bpy.props import EnumProperty, IntProperty

from ..face import AssetError, network
from ..scene import sliders

NO_HEAD = "Select a head that Synergy built"


class _OnHead:
    """What all of these share: they need an active head and are undone in one step."""

    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        if sliders.is_head(context.object):
            return True
        cls.poll_message_set(NO_HEAD)
        return False


class SYNERGY_OT_expression(_OnHead, bpy.types.Operator):
    """Set all expression sliders at once"""

    bl_idname = "synergy.expression"
    bl_label = "Set Expression"

    to: EnumProperty(
        name="To",
        items=[
            ("NEUTRAL", "Neutral", "Relax the face: set every expression to 0"),
            ("PHOTO", "As in the Photo", "Give the face the expression that it has in the photo"),
            ("SYMMETRIC", "Symmetrise", "Give both sides of the face the mean of their expressions"),
        ],
    )

    def execute(self, context):
        head = context.object
        if self.to == "NEUTRAL":
            sliders.reset(sliders.expression_keys(head))
            return {"FINISHED"}
        if self.to == "SYMMETRIC":
            sliders.symmetrise_expression(head)
            return {"FINISHED"}
        try:
            expression = sliders.photo_face(head).expression
        except ValueError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        sliders.set_expression(head, expression)
        return {"FINISHED"}


class SYNERGY_OT_reset_group(_OnHead, bpy.types.Operator):
    """Set the expressions of this part of the face to 0"""

    bl_idname = "synergy.reset_group"
    bl_label = "Reset"

    group: EnumProperty(items=[(name, name, f"Expressions of {name.lower()}") for name in sliders.EXPRESSION_GROUPS])

    def execute(self, context):
        sliders.reset(sliders.expression_keys(context.object, self.group))
        return {"FINISHED"}


class SYNERGY_OT_identity(_OnHead, bpy.types.Operator):
    """Set all identity sliders at once"""

    bl_idname = "synergy.identity"
    bl_label = "Set Identity"

    to: EnumProperty(
        name="To",
        items=[
            ("PHOTO", "As in the Photo", "Give the head the identity of the person in the photo"),
            ("AVERAGE", "Average Person", "Set every identity slider to 0"),
            ("RANDOM", "Random Person", "Make up a plausible person"),
            ("SELECTED", "From Other Selected Head", "Copy the identity of the other selected head"),
            ("SYMMETRIC", "Symmetrise", "Make the person the same on both sides"),
        ],
    )
    seed: IntProperty(name="Seed", description="Another number makes up another person", default=0, min=0)

    def execute(self, context):
        head = context.object
        if self.to == "AVERAGE":
            sliders.reset(sliders.identity_keys(head))
        elif self.to == "RANDOM":
            sliders.random_person(head, np.random.default_rng(self.seed))
        elif self.to == "SYMMETRIC":
            if sliders.model_of(head) != "open":
                self.report({"ERROR"}, "Only heads of the open model can be made symmetric.")
                return {"CANCELLED"}
            try:
                mirror = network.load().mirror
            except AssetError as error:
                self.report({"ERROR"}, str(error))
                return {"CANCELLED"}
            sliders.symmetrise_identity(head, mirror[: sliders.COMPONENTS, : sliders.COMPONENTS])
        elif self.to == "SELECTED":
            others = [thing for thing in context.selected_objects if thing != head and sliders.is_head(thing)]
            if len(others) != 1:
                self.report({"ERROR"}, "Select exactly one other head beside the active one.")
                return {"CANCELLED"}
            sliders.copy_identity(others[0], head)
        else:
            try:
                identity = sliders.photo_face(head).identity
            except ValueError as error:
                self.report({"ERROR"}, str(error))
                return {"CANCELLED"}
            sliders.set_identity(head, identity)
        return {"FINISHED"}


class SYNERGY_OT_freeze_identity(_OnHead, bpy.types.Operator):
    """Make this person the head's base shape: the identity sliders go back to 0 and can be moved on from here"""

    bl_idname = "synergy.freeze_identity"
    bl_label = "Freeze into the Base"

    def execute(self, context):
        sliders.freeze_identity(context.object)
        return {"FINISHED"}


class SYNERGY_OT_mirror(_OnHead, bpy.types.Operator):
    """Let the right side of the face follow the left side's expressions, or set it free again"""

    bl_idname = "synergy.mirror"
    bl_label = "Mirror Expressions"

    def execute(self, context):
        head = context.object
        sliders.mirror(head, not sliders.is_mirrored(head))
        return {"FINISHED"}


CLASSES = [
    SYNERGY_OT_expression,
    SYNERGY_OT_reset_group,
    SYNERGY_OT_identity,
    SYNERGY_OT_freeze_identity,
    SYNERGY_OT_mirror,
]
