"""Rendering the head beside its photo, with Cycles on the CPU."""

import math
import tempfile
from pathlib import Path

import bpy
import numpy as np
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Matrix, Vector

from ..face import crop

HEIGHT = 512  # pixels of each picture on the sheet
SAMPLES = 16
AROUND = 1.25  # the photo is shown around the head, so many times its size
GAP = 12
BACKDROP = 0.23  # sRGB grey around the head
VIEWS = (-38.0, -90.0)  # degrees that the camera goes around the head, after the photo's own view
# azimuth and elevation in degrees, watts, size in metres
LIGHTS = [(-40, 35, 10.0, 0.5), (16, -10, 8.0, 0.5), (70, 15, 4.0, 0.7), (160, 45, 8.0, 0.4)]

PREVIEW, PREVIEW_TURN = 256, -25.0  # pixels and view of an asset's picture

CHANGED = (  # render settings that are put back afterwards
    "engine",
    "film_transparent",
    "resolution_x",
    "resolution_y",
    "resolution_percentage",
    "filepath",
    "use_border",
    "use_crop_to_border",
    "border_min_x",
    "border_max_x",
    "border_min_y",
    "border_max_y",
)


def render_sheet(head, camera, photo, path):
    """Render the head as the photo sees it and from the side, and save both beside the photo as a PNG at `path`.

    `photo` (H, W, 3) uint8; `head` and `camera` as made by build_head and match_camera. Lights and cameras made for
    it are removed again.
    """
    scene = bpy.context.scene
    kept = _settings(scene)
    made = []
    try:
        _prepare(scene)
        centre = _middle(head)
        made += [_light(centre, *light) for light in LIGHTS]
        x0, y0, side = _square_around(head, camera, photo)
        height, width = photo.shape[:2]
        scene.render.resolution_x, scene.render.resolution_y = (round(HEIGHT * v / side) for v in (width, height))
        scene.render.use_border = scene.render.use_crop_to_border = True
        scene.render.border_min_x, scene.render.border_max_x = x0 / width, (x0 + side) / width
        scene.render.border_min_y, scene.render.border_max_y = 1 - (y0 + side) / height, 1 - y0 / height
        seen = _render(scene)
        part = crop.resample(photo, x0, y0, side, side, seen.shape[1], seen.shape[0])
        panels = [_tile(part / 255), _tile(_over(seen, part))]
        scene.render.use_border = False
        for turn in VIEWS:
            around = _camera_around(head, centre, turn)
            made.append(around)
            scene.camera = around
            scene.render.resolution_x = scene.render.resolution_y = HEIGHT
            panels.append(_over(_render(scene), np.full((HEIGHT, HEIGHT, 3), BACKDROP * 255)))
        gap = np.full((HEIGHT, GAP, 3), BACKDROP)
        row = [part for panel in panels for part in (panel, gap)][:-1]
        _save(np.concatenate(row, axis=1), Path(path))
    finally:
        _remove(made)
        _restore(scene, kept, camera)


def mark_asset(head):
    """Mark a head as an asset whose preview is a rendering of it alone."""
    scene = bpy.context.scene
    kept, camera = _settings(scene), scene.camera
    others = [thing for thing in scene.objects if thing != head and not thing.hide_render]
    made = []
    try:
        for thing in others:
            thing.hide_render = True
        _prepare(scene)
        centre, size = _middle(head), head.matrix_world.median_scale
        made += [_light(centre, *light, unit=size) for light in LIGHTS]
        scene.camera = _camera_around(head, centre, PREVIEW_TURN)
        made.append(scene.camera)
        scene.render.use_border = False
        scene.render.resolution_x = scene.render.resolution_y = PREVIEW
        pixels = _render(scene)
    finally:
        for thing in others:
            thing.hide_render = False
        _remove(made)
        _restore(scene, kept, camera)
    head.asset_mark()
    preview = head.preview_ensure()
    preview.image_size = (PREVIEW, PREVIEW)
    preview.image_pixels_float.foreach_set(np.ascontiguousarray(pixels[::-1], np.float32).ravel())


def _remove(made):
    for thing in made:
        data = thing.data
        bpy.data.objects.remove(thing)
        (bpy.data.lights if isinstance(data, bpy.types.Light) else bpy.data.cameras).remove(data)


def _settings(scene):
    return {(scene.render, name): getattr(scene.render, name) for name in CHANGED} | {
        (scene.view_settings, "view_transform"): scene.view_settings.view_transform
    }


def _restore(scene, kept, camera):
    for (owner, name), value in kept.items():
        setattr(owner, name, value)
    scene.camera = camera


def _prepare(scene):
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = SAMPLES
    scene.cycles.use_denoising = True
    scene.cycles.max_bounces = 4
    scene.render.film_transparent = True
    scene.render.resolution_percentage = 100
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGBA"
    scene.view_settings.view_transform = "Standard"


def _middle(head):
    bounds = [head.matrix_world @ Vector(corner) for corner in head.bound_box]
    return sum(bounds, Vector()) / 8


def _direction(azimuth, elevation):
    """From the head towards the viewer's side: azimuth 0 in front, positive to the viewer's right."""
    a, e = math.radians(azimuth), math.radians(elevation)
    return Vector((math.sin(a) * math.cos(e), -math.cos(a) * math.cos(e), math.sin(e)))


def _aim(thing, position, target):
    thing.matrix_world = (
        Matrix.Translation(position) @ (target - position).to_track_quat("-Z", "Y").to_matrix().to_4x4()
    )


def _light(target, azimuth, elevation, watts, size, unit=1.0):
    data = bpy.data.lights.new("Studio", "AREA")
    data.shape, data.energy, data.size = "DISK", watts * unit**2, size * unit
    light = bpy.data.objects.new("Studio", data)
    bpy.context.scene.collection.objects.link(light)
    _aim(light, target + _direction(azimuth, elevation) * 1.1 * unit, target)
    return light


def _camera_around(head, target, turn):
    """An orthographic camera at `turn` degrees around the head, measured from where the face looks."""
    data = bpy.data.cameras.new("Studio")
    unit = head.matrix_world.median_scale
    data.type, data.ortho_scale, data.clip_end = "ORTHO", 0.34 * unit, 1000 * unit
    camera = bpy.data.objects.new("Studio", data)
    bpy.context.scene.collection.objects.link(camera)
    upright = head.matrix_world.to_3x3()  # as large as the head's metre
    _aim(camera, target + upright @ _direction(turn, 0), target)
    return camera


def _render(scene):
    """The scene as (H, W, 4) sRGB 0..1, alpha not multiplied in."""
    with tempfile.TemporaryDirectory() as folder:
        scene.render.filepath = str(Path(folder) / "view.png")
        bpy.ops.render.render(write_still=True)
        image = bpy.data.images.load(scene.render.filepath)
        width, height = image.size
        pixels = np.empty(width * height * 4, np.float32)
        image.pixels.foreach_get(pixels)
        bpy.data.images.remove(image)
    return pixels.reshape(height, width, 4)[::-1]


def _over(picture, background):
    alpha = picture[..., 3:]
    return picture[..., :3] * alpha + background / 255.0 * (1 - alpha)


def _tile(picture):
    """A part of the photo as (HEIGHT, HEIGHT, 3): rendering rounds its size by a pixel."""
    rows, columns = np.linspace(0, len(picture) - 1, HEIGHT), np.linspace(0, picture.shape[1] - 1, HEIGHT)
    return picture[np.round(rows).astype(int)[:, None], np.round(columns).astype(int)]


def _square_around(head, camera, photo):
    """Left, top and side in photo pixels of the square around the head, inside the photo."""
    height, width = photo.shape[:2]
    graph = bpy.context.evaluated_depsgraph_get()
    corners = [head.matrix_world @ Vector(corner) for corner in head.evaluated_get(graph).bound_box]
    flat = np.array([world_to_camera_view(bpy.context.scene, camera, corner)[:2] for corner in corners])
    flat = flat * [width, -height] + [0, height]
    low, high = flat.min(0), flat.max(0)
    side = float(min((high - low).max() * AROUND, width, height))
    x0, y0 = np.clip((low + high - side) / 2, 0, [width - side, height - side])
    return float(x0), float(y0), side


def _save(picture, path):
    height, width = picture.shape[:2]
    image = bpy.data.images.new("Sheet", width, height, alpha=False)
    try:
        pixels = np.ones((height, width, 4), np.float32)
        pixels[..., :3] = np.clip(picture, 0, 1)[::-1]
        image.pixels.foreach_set(pixels.ravel())
        image.file_format = "PNG"
        image.save(filepath=str(path))
    finally:
        bpy.data.images.remove(image)
