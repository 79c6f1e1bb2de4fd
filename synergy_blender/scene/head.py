"""The head as one mesh object with shape keys, vertex groups, UV map and materials."""

import bpy
import numpy as np
from mathutils import Matrix

from . import frames, materials, sliders

IDENTITY_LIMIT = 3.0  # sigma


def identity_name(model, i):
    """Name of the shape key of identity component `i` of 0 to 39: its number from 1 and what it does."""
    return f"{sliders.IDENTITY}{i + 1:02d} {model.identity_names[i]}".rstrip()


def build_head(model, face, skin_colour, name="Head", posed=True, place=(0.0, 0.0, 0.0), unit=1.0, iris=None):
    """Create the head of a Reconstruction `face`: a generator that yields the share that is done, returns its object.

    The Basis is the mean head; identity keys run in sigma from -3 to 3, expression keys from 0 to 1, all set to the
    person's values. `skin_colour` and `iris` are sRGB 0..1. `posed` turns the object as the head is turned in the
    photo; otherwise it stands upright. `place` is where its origin, between the eyes, comes to lie, `unit` a metre.
    """
    mesh = bpy.data.meshes.new(name)
    head = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(head)
    _fill(mesh, model)
    for material in model.material_names:
        mesh.materials.append(materials.part(material, skin_colour, iris))
    for group, rows in model.groups.items():
        head.vertex_groups.new(name=group).add(rows.tolist(), 1.0, "REPLACE")
    yield 0.1
    yield from _shape_keys(head, model, face)
    sliders.remember(head, face, posed, model.name)
    head.scale = (unit, unit, unit)
    turn_head(head, face, posed, place)
    return head


def turn_head(head, face, posed, place):
    """Turn a head as it is turned in the photo, or stand it upright, in the size that it has; its origin comes to lie
    at `place`."""
    turned = Matrix(frames.rotation(face.rotation).tolist()) if posed else Matrix.Identity(3)
    head.matrix_world = Matrix.LocRotScale(place, turned, head.scale)


def _fill(mesh, model):
    faces = model.faces
    mesh.vertices.add(len(model.mean))
    mesh.vertices.foreach_set("co", frames.points(model.mean).astype(np.float32).ravel())
    mesh.loops.add(faces.size)
    mesh.loops.foreach_set("vertex_index", faces.ravel())
    mesh.polygons.add(len(faces))
    mesh.polygons.foreach_set("loop_start", np.arange(0, faces.size, faces.shape[1], dtype=np.int32))
    mesh.polygons.foreach_set("material_index", model.material)
    mesh.polygons.foreach_set("use_smooth", np.ones(len(faces), bool))
    layer = mesh.uv_layers.new(name="UVMap")
    layer.uv.foreach_set("vector", model.uv.ravel())
    mesh.update(calc_edges=True)
    mesh.validate()


def _shape_keys(head, model, face):
    mean = frames.points(model.mean)
    head.shape_key_add(name="Basis", from_mix=False)

    def add(name, displacement, value, low, high):
        key = head.shape_key_add(name=name, from_mix=False)
        key.data.foreach_set("co", (mean + frames.points(displacement)).astype(np.float32).ravel())
        key.slider_min, key.slider_max = min(low, value), max(high, value)
        key.value = float(value)

    total = len(face.identity) + len(face.expression)
    for i, (displacement, value) in enumerate(zip(model.identity, face.identity, strict=True)):
        add(identity_name(model, i), displacement, value, -IDENTITY_LIMIT, IDENTITY_LIMIT)
        yield 0.1 + 0.9 * (i + 1) / total
    expressions = zip(model.expression_names, model.expression, face.expression, strict=True)
    for i, (name, displacement, value) in enumerate(expressions, len(face.identity)):
        add(name, displacement, value, *model.expression_limits)
        yield 0.1 + 0.9 * (i + 1) / total
