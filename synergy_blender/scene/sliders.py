"""The sliders of a built head: which there are, and what is done to many of them at once.

A head remembers the photo it was built from as JSON in a custom property, so that every step can be taken back to it.
"""

import json
from typing import NamedTuple

import numpy as np

REMEMBERED = "synergy_head"  # custom property of the head's object
VERSION = 3
COMPONENTS = 40
IDENTITY = "Identity "  # what names of identity keys begin with
# Sub-panels of expressions and what the names of their keys begin with
EXPRESSION_GROUPS = {
    "Brows": ("brow",),
    "Eyes": ("eye",),
    "Cheeks and Nose": ("cheek", "nose"),
    "Mouth": ("mouth",),
    "Jaw and Tongue": ("jaw", "tongue"),
    "Whole Face": ("Expression ",),  # of the official model
}
PLAUSIBLE = 0.8  # sigma of a random person: the far ends together look like nobody


class Face(NamedTuple):
    """What a head remembers of its photo: fields of a Reconstruction."""

    identity: np.ndarray
    expression: np.ndarray
    scale: float
    rotation: np.ndarray
    centre: np.ndarray


def remember(head, face, posed, model="open"):
    """Keep what a Reconstruction says of the photo with its head, whether the head is posed as in it or upright, and
    the name of the model that it is of."""
    kept = {name: np.asarray(getattr(face, name)).tolist() for name in Face._fields}
    head[REMEMBERED] = json.dumps({"version": VERSION, "posed": bool(posed), "model": model, **kept})


def is_head(thing):
    """Whether an object (or None) is a head that this add-on built and that still has its sliders."""
    return thing is not None and thing.type == "MESH" and REMEMBERED in thing and thing.data.shape_keys is not None


def identity_keys(head):
    """The identity shape keys in their order."""
    return [key for key in head.data.shape_keys.key_blocks if key.name.startswith(IDENTITY)]


def expression_keys(head, group=None):
    """The expression shape keys, or those of one of EXPRESSION_GROUPS, in their order."""
    starts = sum(EXPRESSION_GROUPS.values(), ()) if group is None else EXPRESSION_GROUPS[group]
    return [key for key in head.data.shape_keys.key_blocks if key.name.startswith(starts)]


def photo_face(head):
    """The Face that a head was built from. Raises ValueError if it cannot be read."""
    kept = _remembered(head)
    return Face(*(np.asarray(kept[name], float) for name in Face._fields))


def is_posed(head):
    """Whether a head was built posed as in the photo. Raises ValueError as photo_face."""
    return bool(_remembered(head)["posed"])


def model_of(head):
    """The name of the model that a head is of."""
    try:
        return str(json.loads(head[REMEMBERED]).get("model", "open"))
    except (TypeError, ValueError, KeyError, AttributeError):
        return "open"


def _remembered(head):
    try:
        kept = json.loads(head[REMEMBERED])
        for name, shape in (("identity", (40,)), ("rotation", (3, 3)), ("centre", (2,))):
            if np.shape(np.asarray(kept[name], float)) != shape:
                raise ValueError(name)
        if np.shape(np.asarray(kept["expression"], float)) not in ((52,), (10,)):
            raise ValueError("expression")
        float(kept["scale"]), kept["posed"]
    except (TypeError, ValueError, KeyError):
        raise ValueError(f"{head.name} no longer knows its photo: build it again from the photo.") from None
    return kept


def _set(keys, values):
    for key, value in zip(keys, values, strict=True):
        key.value = float(np.clip(value, key.slider_min, key.slider_max))


def set_identity(head, values):
    """Set the identity sliders to values (40,) in sigma."""
    _set(identity_keys(head), values)


def set_expression(head, values):
    """Set the expression sliders to values (52,)."""
    _set(expression_keys(head), values)


def reset(keys):
    """Set sliders to 0."""
    for key in keys:
        key.value = 0.0


def random_person(head, rng):
    """Set the identity sliders to those of a plausible person."""
    set_identity(head, PLAUSIBLE * rng.normal(size=len(identity_keys(head))))


def copy_identity(source, target):
    """Give one head the identity of another."""
    set_identity(target, [key.value for key in identity_keys(source)])


def symmetrise_identity(head, mirror):
    """Make a person the same on both sides: the mean of the person and the mirror image; mirror (40, 40)."""
    values = np.array([key.value for key in identity_keys(head)])
    set_identity(head, (values + mirror @ values) / 2)


def symmetrise_expression(head):
    """Give both sides of the face the mean of their expressions."""
    keys = {key.name: key for key in expression_keys(head)}
    values = {name: (key.value + keys[_swapped(name)].value) / 2 for name, key in keys.items()}
    for name, key in keys.items():
        key.value = values[name]


def freeze_identity(head):
    """Make the person that the identity sliders show the new Basis: those sliders go to 0, the head looks the same, and
    every other key moves what it moved before."""
    keys = head.data.shape_keys.key_blocks
    basis = places(keys[0])
    moved = sum((key.value * (places(key) - basis) for key in identity_keys(head)), np.zeros_like(basis))
    for key in keys:
        key.data.foreach_set("co", (places(key) + moved).ravel())
    head.data.vertices.foreach_set("co", (basis + moved).ravel())
    reset(identity_keys(head))
    head.data.update()


def places(key):
    """The points (V, 3) of a shape key."""
    points = np.empty(3 * len(key.data), np.float32)
    key.data.foreach_get("co", points)
    return points.reshape(-1, 3)


def other_side(name):
    """The name of the expression of the other side, or the same where there is none."""
    if name in ("jawLeft", "jawRight", "mouthLeft", "mouthRight"):
        return name  # ways that the middle of the face can go, not sides of it
    return _swapped(name)


def _swapped(name):
    """The name of an expression with left and right exchanged."""
    if name.endswith("Left"):
        return name[:-4] + "Right"
    return name[:-5] + "Left" if name.endswith("Right") else name


def is_mirrored(head):
    """Whether the right side's expressions follow the left side's."""
    animated = head.data.shape_keys.animation_data
    return animated is not None and any('Right"].value' in driver.data_path for driver in animated.drivers)


def mirror(head, follow):
    """Let the right side's expressions follow the left side's by drivers, which work without the add-on, or set them
    free with the values that they have."""
    keys = head.data.shape_keys
    for key in expression_keys(head):
        if not key.name.endswith("Right") or other_side(key.name) == key.name:
            continue
        value = key.value
        key.driver_remove("value")
        key.value = value
        if follow:
            driver = key.driver_add("value").driver
            driver.type = "AVERAGE"
            left = driver.variables.new()
            left.targets[0].id_type, left.targets[0].id = "KEY", keys
            left.targets[0].data_path = f'key_blocks["{other_side(key.name)}"].value'
