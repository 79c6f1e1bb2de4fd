"""Heads from files of an older version, made editable again."""

import json

import bpy
import numpy as np

from ..face import head_model
from . import frames, sliders
from .photograph import CAMERA, camera_of, size_of_photo


def upgrade_heads():
    """Bring every head in the file to this version; returns those that were changed.

    Version 0 remembered nothing: its sliders stand for the photo. Version 1 did not know the pose: its camera tells.
    Before version 3 the eyes lay elsewhere on the UV map.
    """
    changed = []
    old = [thing for thing in bpy.data.objects if thing.type == "MESH" and thing.data.shape_keys and _is_old(thing)]
    if old:
        bpy.context.view_layer.update()  # just opened, nothing stands where it belongs yet
    for head in old:
        _lay_eyes(head)
        if _kept(head).get("version", 0) == 2:
            head[sliders.REMEMBERED] = json.dumps({**_kept(head), "version": sliders.VERSION})
            changed.append(head)
            continue
        by_name = bpy.data.objects.get(f"{head.name} camera")
        if CAMERA not in head and by_name is not None:
            head[CAMERA] = by_name
        face = _face_of(head)
        if face is not None:
            turned = np.array(head.matrix_world.to_quaternion().to_matrix())
            sliders.remember(head, face, _kept(head).get("posed", not np.allclose(turned, np.eye(3), atol=1e-4)))
            changed.append(head)
    return changed


def _lay_eyes(head):
    """Lay a bundled head's eyes where today's map has them, unless its mesh was changed."""
    model, mesh = head_model.load(), head.data
    corners = np.empty(len(mesh.loops), np.int32)
    mesh.loops.foreach_get("vertex_index", corners)
    layer = mesh.uv_layers.get("UVMap")
    if layer is None or len(layer.uv) != model.faces.size or not np.array_equal(corners, model.faces.ravel()):
        return
    uv = np.empty(2 * len(corners), np.float32)
    layer.uv.foreach_get("vector", uv)
    ball = np.concatenate([model.groups["eye_left"], model.groups["eye_right"]])
    chosen = np.isin(model.faces, ball).all(1)
    uv = uv.reshape(-1, 4, 2)
    uv[chosen] = model.uv[chosen]
    layer.uv.foreach_set("vector", uv.ravel())
    mesh.update()


def _is_old(head):
    if sliders.REMEMBERED in head:
        return _kept(head).get("version", sliders.VERSION) < sliders.VERSION
    keys = head.data.shape_keys.key_blocks
    return "jawOpen" in keys and len(sliders.identity_keys(head)) == 40 and len(sliders.expression_keys(head)) == 52


def _kept(head):
    try:
        kept = json.loads(head.get(sliders.REMEMBERED, "{}"))
    except (TypeError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _face_of(head):
    """What a head would remember of its photo, or None where its camera or the photo is gone."""
    camera = camera_of(head)
    if camera is None or camera.data.type != "ORTHO":
        return None
    try:
        width, height = size_of_photo(camera)
    except ValueError:
        return None
    kept = _kept(head)
    identity, expression = (
        np.array(kept.get(name, [key.value for key in keys]), float)
        for name, keys in (("identity", sliders.identity_keys(head)), ("expression", sliders.expression_keys(head)))
    )
    seen = np.array(camera.matrix_world.normalized().inverted() @ head.matrix_world)
    scale = max(width, height) / camera.data.ortho_scale
    centre = np.array([width / 2, height / 2]) + scale * seen[:2, 3] * [1, -1]
    unit = head.matrix_world.median_scale
    return sliders.Face(identity, expression, scale * unit, seen[:3, :3] @ frames.MODEL_TO_BLENDER / unit, centre)
