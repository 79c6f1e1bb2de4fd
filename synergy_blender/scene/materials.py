"""Simple materials for the head's parts."""

import bpy
import numpy as np

from ..face import eyes, skin
from . import frames

# sRGB colour and roughness; the skin's colour comes from the photo, and the lips' from it
PARTS = {
    "skin": (None, 0.5),
    "lips": (None, 0.4),
    "mouth": ((0.45, 0.18, 0.17), 0.4),
    "sclera": (eyes.WHITE, 0.15),
    "iris": (eyes.BROWN, 0.1),
    "pupil": (eyes.BLACK, 0.05),
    "teeth": ((0.96, 0.93, 0.87), 0.2),
    "gums": ((0.62, 0.28, 0.28), 0.3),
    "tongue": ((0.66, 0.33, 0.32), 0.35),
}
WHITE = ("sclera", "teeth")  # as bright as the photo's light lets them be
# how much of the light goes under the surface, and how far, red, green and blue
_FLESH = 0.12, (0.01, 0.004, 0.002)
UNDER = {"skin": _FLESH, "lips": _FLESH, "teeth": (0.4, (0.01, 0.009, 0.007))}
ON_MAP = ("Head skin", "Head lips", "Head iris", "Head sclera")  # materials that the baked colours are for
EYES = ON_MAP[2:]  # which have no skin's bumps and gloss
# what is known finely of the skin: name of its node, and whether it is a colour
SKIN = {"skin": ("Skin", True), "bumps": ("Skin bumps", False), "gloss": ("Skin gloss", False)}
BUMPS = "Skin bump"  # name of the node that turns them into normals
DEEP = 0.6  # strength of the bumps
LIP_TINT = np.array([0.92, 0.68, 0.68])


def part(name, skin_colour, iris_colour=None):
    """A new Principled material for a part of the head; colours are sRGB 0..1, irises brown where none is given."""
    colour, roughness = PARTS[name]
    if name == "iris" and iris_colour is not None:
        colour = iris_colour
    material = bpy.data.materials.new(f"Head {name}")
    if material.node_tree is None:
        material.use_nodes = True
    shader = _shader(material)
    tint = LIP_TINT if name == "lips" else np.ones(3)
    rgb = frames.linear(skin_colour * tint if colour is None else colour)
    rgb = rgb * (skin.whites(skin_colour) if name in WHITE else 1.0)
    shader.inputs["Base Color"].default_value = (*rgb, 1.0)
    shader.inputs["Roughness"].default_value = roughness
    if name in UNDER:
        weight, radius = UNDER[name]
        shader.inputs["Subsurface Weight"].default_value = weight
        shader.inputs["Subsurface Radius"].default_value = radius
        shader.inputs["Subsurface Scale"].default_value = 0.3
    material.diffuse_color = (*rgb, 1.0)
    return material


def put_skin(head, images):
    """Put bpy images for the UV map, by the names in SKIN, on a head's skin and lips: its colour, bumps and gloss; the
    colour is the eyes', too."""
    for slot in head.material_slots:
        material = slot.material
        if material is None or not material.name.startswith(ON_MAP):
            continue
        nodes, links, shader = material.node_tree.nodes, material.node_tree.links, _shader(material)
        for k, (kind, image) in enumerate(images.items()):
            if kind != "skin" and material.name.startswith(EYES):
                continue
            name, coloured = SKIN[kind]
            image.colorspace_settings.name = "sRGB" if coloured else "Non-Color"
            texture = nodes.get(name) or nodes.new("ShaderNodeTexImage")
            texture.name = texture.label = name
            texture.image, texture.location = image, (-620, 300 - 300 * k)
            if kind == "bumps":
                bump = nodes.get(BUMPS) or nodes.new("ShaderNodeNormalMap")
                bump.name, bump.location = BUMPS, (-280, 0)
                bump.inputs["Strength"].default_value = DEEP
                links.new(texture.outputs["Color"], bump.inputs["Color"])
                links.new(bump.outputs["Normal"], shader.inputs["Normal"])
            else:
                links.new(texture.outputs["Color"], shader.inputs["Base Color" if kind == "skin" else "Roughness"])
        nodes.active = nodes[SKIN["skin"][0]]  # what is painted on, and shown without light


def iris_of(head):
    """The sRGB colour 0..1 (3,) of a head's irises as its material has it, or None without one."""
    for slot in head.material_slots:
        if slot.material is not None and slot.material.name.startswith("Head iris"):
            return frames.srgb(slot.material.diffuse_color[:3])
    return None


def skin_images(head):
    """The bpy images that put_skin has put on a head."""
    found = []
    for slot in head.material_slots:
        tree = None if slot.material is None else slot.material.node_tree
        for name, _ in SKIN.values():
            node = None if tree is None else tree.nodes.get(name)
            if node is not None and node.image is not None and node.image not in found:
                found.append(node.image)
    return found


def _shader(material):
    return next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
