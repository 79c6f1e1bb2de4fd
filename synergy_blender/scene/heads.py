"""All heads of a photo, side by side, each with the camera that lays it over the photo."""

import bpy

from ..face import skin
from ..face.eyes import iris_colour
from .head import build_head
from .materials import put_skin, skin_images
from .photograph import image_file, image_of, match_camera

BETWEEN_HEADS = 0.4  # metres
PHOTO_LENS = "synergy_photo_lens"  # custom property of a head: the photo's focal length on 35 mm film, where known
# collections of bpy.data that are added to; shape keys go with their meshes
KEPT = ("objects", "meshes", "cameras", "images", "materials")
RESOLUTION = ("resolution_x", "resolution_y", "resolution_percentage", "pixel_aspect_x", "pixel_aspect_y")


def add_heads(*arguments, **more):
    """Build a head and a camera for every face, as add_heads_in_steps, at once; returns [(head, camera)]."""
    steps = add_heads_in_steps(*arguments, **more)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def add_heads_in_steps(
    model,
    faces,
    picture,
    photo_name,
    posed=True,
    textures=None,
    image=None,
    unit=1.0,
    smooth=0,
    photo_lens=None,
    folder=None,
):
    """Build a head and a camera for every Reconstruction in `faces`, the first one active: a generator, for a window
    that goes on drawing, that yields the share that is done and returns [(head, camera)].

    `picture` (H, W, 3) uint8 is the photo they come from; `image` the bpy image of it, or None for a new one called
    `photo_name`. `textures` are baked skins (bake.bake) for every face, or a function that gives them or None while
    they are not there yet (the generator then yields 1); they are saved in `folder` or packed. `unit` is the size of a
    metre, `smooth` how often a modifier subdivides the heads, `photo_lens` the photo's focal length in millimetres on
    35 mm film, if it is known.
    A generator that is closed or fails takes away what it has made and puts the scene's camera and resolution back.
    """
    scene = bpy.context.scene
    undo = _Undo(scene)
    try:
        image = image or image_of(picture, photo_name)
        yield 0.1
        size = picture.shape[1], picture.shape[0]
        made = []
        for i, face in enumerate(faces):
            name = "Head" if len(faces) == 1 else f"Head {i + 1}"
            colour = skin.mean_colour(picture, face, model)
            place = (BETWEEN_HEADS * unit * i, 0.0, 0.0)
            head = yield from _scaled(
                build_head(model, face, colour, name, posed, place, unit, iris_colour(picture, face)),
                0.1 + 0.8 * i / len(faces),
                0.8 / len(faces),
            )
            if photo_lens:
                head[PHOTO_LENS] = photo_lens
            if smooth:
                modifier = head.modifiers.new("Subdivision", "SUBSURF")
                modifier.levels = modifier.render_levels = smooth
            made.append((head, match_camera(head, model, face, size, image, f"{name} camera")))
        scene.camera = made[0][1]
        for thing in bpy.context.selected_objects:
            thing.select_set(False)
        bpy.context.view_layer.objects.active = made[0][0]
        made[0][0].select_set(True)
        bpy.context.view_layer.update()
        while callable(textures):
            ready = textures()
            if ready is None:
                yield 1.0
            else:
                textures = ready
        for (head, _), texture in zip(made, textures or (), strict=False):
            add_skin(head, texture, folder)
            yield 1.0
        return made
    except BaseException:
        undo()
        raise


def add_skin(head, baked, folder=None):
    """Put a baked skin (bake.bake) on a head: images of its own, packed or saved in a `folder`, in the place of those
    that it had. Raises OSError if they cannot be saved."""
    before = skin_images(head)
    names = {kind: f"{head.name} {kind}" for kind in baked}
    images = {kind: image_file(file, names[kind], folder) for kind, file in baked.items()}
    put_skin(head, images)
    for image in before:
        if not image.users:
            bpy.data.images.remove(image)
    for kind, image in images.items():
        image.name = names[kind]  # which is free again


class _Undo:
    """Takes away what was added to the file since it was made, and puts the scene's camera and resolution back."""

    def __init__(self, scene):
        self.scene, self.camera = scene, scene.camera
        self.before = {name: set(getattr(bpy.data, name)) for name in KEPT}
        self.settings = {name: getattr(scene.render, name) for name in RESOLUTION}

    def __call__(self):
        for name in KEPT:
            collection = getattr(bpy.data, name)
            for thing in set(collection) - self.before[name]:
                collection.remove(thing)
        for name, value in self.settings.items():
            setattr(self.scene.render, name, value)
        self.scene.camera = self.camera


def _scaled(steps, start, share):
    """Pass on a generator's progress as a part of a larger one, and its result."""
    while True:
        try:
            yield start + share * next(steps)
        except StopIteration as end:
            return end.value
