"""Correcting the landmarks by hand: handles over the photo that the head follows."""

import bpy
from bpy.app.handlers import persistent

from .. import log, scene
from ..face import AssetError, head_model
from ..scene import sliders
from .chosen import of_open_model

_following = False  # while the head follows, its own changes must not call it again


class SYNERGY_OT_refine(bpy.types.Operator):
    """Show the 68 landmarks over the photo: drag them where they belong and the head follows. Again: hide them"""

    bl_idname = "synergy.refine"
    bl_label = "Correct Landmarks"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        if not sliders.is_head(context.object):
            cls.poll_message_set("Select a head that Synergy built")
            return False
        return of_open_model(cls, context.object)

    def execute(self, context):
        head = context.object
        if scene.HANDLES in head:
            scene.hide_handles(head)
            show_lines(context, True)
            return {"FINISHED"}
        try:
            scene.show_handles(head, head_model.load())
        except (ValueError, AssetError) as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        scene.look_through(scene.camera_of(head), context.area)
        show_lines(context, False)
        return {"FINISHED"}


def show_lines(context, shown):
    """Show or hide the lines from children to parents: 68 of them, from the camera to its handles, hide the face."""
    if context.area is not None and context.area.type == "VIEW_3D":
        context.area.spaces.active.overlay.show_relationship_lines = shown


@persistent
def follow(_, graph):
    """After handles were moved, let their head follow."""
    global _following
    if _following:
        return
    moved = {update.id.original for update in graph.updates if update.is_updated_transform}
    for head in [thing for thing in bpy.data.objects if scene.HANDLES in thing and sliders.is_head(thing)]:
        collection = head[scene.HANDLES]
        if collection is None or not moved & set(collection.objects):
            continue
        _following = True
        try:
            scene.refit(head, head_model.load())
        except (ValueError, AssetError) as error:
            print(f"Synergy: {error}")
        except Exception as error:  # a handler has nobody to report to
            print(f"Synergy: {log.unexpected(error)}")
        finally:
            _following = False


CLASSES = [SYNERGY_OT_refine]
