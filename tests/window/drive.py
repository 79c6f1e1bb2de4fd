"""Runs inside a Blender with a window, started by `run.py`: does what an artist does, and looks at the screen.

SYNERGY_ZIP, SYNERGY_PHOTO and SYNERGY_OUT name the extension, a photo with one face and a folder. Installs the zip,
drops the photo on to the 3D view, builds a head from the panel while the window goes on drawing, moves a slider,
undoes, saves and opens again. Writes a picture of the screen for the steps that show something, and `steps.json`: for
each step whether it went well, and what was measured.
"""

import json
import os
import shutil
import subprocess
import time
import traceback
from pathlib import Path

import bpy
import gpu
import numpy as np

TICK = 0.01
ZIP, PHOTO, OUT = (os.environ[name] for name in ("SYNERGY_ZIP", "SYNERGY_PHOTO", "SYNERGY_OUT"))
steps, state = [], {}


def note(name, good, **measured):
    steps.append({"step": name, "good": bool(good), **measured})
    print("ok    " if good else "FAILED", name, measured, flush=True)
    (Path(OUT) / "steps.json").write_text(json.dumps(steps))


def window():
    return bpy.context.window_manager.windows[0]


def view():
    """The window, 3D view and its main region, to call operators in."""
    area = next(area for area in window().screen.areas if area.type == "VIEW_3D")
    region = next(region for region in area.regions if region.type == "WINDOW")
    return {"window": window(), "area": area, "region": region}


def sidebar():
    return next(region for region in view()["area"].regions if region.type == "UI")


def screen(name):
    """A picture of the window (H, W, 3) 0..1, kept as a file."""
    path = str(Path(OUT) / f"{name}.png")
    if shutil.which("import"):  # ImageMagick's: Blender's own pictures of a software-rendered window are black
        subprocess.run(["import", "-window", "root", path], check=True)
    else:
        with bpy.context.temp_override(window=window()):
            bpy.ops.screen.screenshot(filepath=path)
    image = bpy.data.images.load(path)
    width, height = image.size
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    return pixels.reshape(height, width, 4)[..., :3]


def part(picture, region):
    return picture[region.y : region.y + region.height, region.x : region.x + region.width]


def skin_share(picture):
    """Share of the pixels whose colour could be skin."""
    red, green, blue = np.moveaxis(picture, -1, 0)
    return float(((red > 0.25) & (red > 1.15 * green) & (green > 1.02 * blue)).mean())


def blocks():
    """How many things of each kind are in the file."""
    return [len(getattr(bpy.data, kind)) for kind in ("objects", "meshes", "cameras", "materials", "images")]


def heads():
    return [thing for thing in bpy.data.objects if "synergy_head" in thing]


def install():
    result = bpy.ops.extensions.package_install_files(filepath=ZIP, repo="user_default", enable_on_install=True)
    note("install", result == {"FINISHED"} and hasattr(bpy.types, "SYNERGY_PT_main"), blender=bpy.app.version_string)
    for thing in list(bpy.data.objects):
        bpy.data.objects.remove(thing)
    space = view()["area"].spaces.active
    space.show_region_ui, space.shading.color_type = True, "TEXTURE"
    bpy.ops.ed.undo_push(message="empty scene")
    return look_at_panel, 1.0


def look_at_panel():
    sidebar().active_panel_category = "Synergy"
    sidebar().tag_redraw()
    return drop, 1.0


def drop():
    state["blocks"] = blocks()
    state["empty"] = skin_share(part(screen("1_empty"), view()["region"]))
    with bpy.context.temp_override(**view()):  # what Blender calls when a file is dropped
        result = bpy.ops.synergy.create_head("INVOKE_DEFAULT", filepath=PHOTO)
    note("drop", result == {"RUNNING_MODAL"})
    return wait_from(after_drop)


def wait_from(following):
    """Watch the window's clock until the operator is done."""
    state.update(started=time.perf_counter(), last=time.perf_counter(), stall=0.0, shown=None, following=following)
    state["before"] = len(heads())
    return wait, TICK


def wait():
    now = time.perf_counter()
    state["stall"] = max(state["stall"], now - state["last"])
    state["last"] = now
    if state["shown"] is None and len(heads()) > state["before"] and bpy.context.object in heads():
        state["shown"] = now - state["started"]
    busy = any("synergy" in operator.bl_idname.lower() for operator in window().modal_operators)
    if busy and now - state["started"] < 30:
        return wait, TICK
    state["done"] = now - state["started"]
    return state["following"], 0.5


def measured():
    return {name: round(state[name], 3) for name in ("shown", "done", "stall") if state[name] is not None}


def after_drop():
    note("head after the drop, cold", len(heads()) == 1 and state["shown"] is not None, **measured())
    with bpy.context.temp_override(**view()):
        bpy.ops.ed.undo()
    note("one undo takes the head away", blocks() == state["blocks"], left=blocks(), before=state["blocks"])
    return choose, 0.5


def choose():
    bpy.context.scene.synergy_photo = bpy.data.images.load(PHOTO)
    sidebar().tag_redraw()
    return create, 1.0


def create():
    with bpy.context.temp_override(**view()):
        result = bpy.ops.synergy.draw_box("INVOKE_DEFAULT")
    note("draw a box", result == {"RUNNING_MODAL"})
    return drag, 0.5


def mouse(kind, value, corner):
    """A corner of the face in the photo, 0..1 from the left and the top, under the mouse."""
    region = view()["region"]
    size = bpy.context.scene.synergy_photo.size
    scale = 0.9 * min(region.width / size[0], region.height / size[1])
    x = region.x + region.width / 2 + scale * size[0] * (corner[0] - 0.5)
    y = region.y + region.height / 2 - scale * size[1] * (corner[1] - 0.5)
    window().event_simulate(kind, value, x=round(x), y=round(y))


def drag(at=[0]):  # noqa: B006 - how far the drag has come is kept between the timer's calls
    low, high = (0.33, 0.14), (0.55, 0.37)
    moves = [("MOUSEMOVE", "NOTHING", low), ("LEFTMOUSE", "PRESS", low), ("MOUSEMOVE", "NOTHING", high)]
    if at[0] < len(moves):
        mouse(*moves[at[0]])
        at[0] += 1
        return drag, 0.4
    screen("1_box")
    mouse("LEFTMOUSE", "RELEASE", high)
    return drawn, 1.0


def drawn():
    size = bpy.context.scene.synergy_photo.size[0]
    boxes = [np.array(face.box) / size for face in bpy.context.scene.synergy.faces]
    good = len(boxes) == 1 and np.abs(boxes[0] - [0.33, 0.14, 0.55, 0.37]).max() < 0.01
    note("the box is where it was drawn", good, boxes=[box.round(3).tolist() for box in boxes])
    bpy.context.scene.synergy_photo = bpy.context.scene.synergy_photo  # look for faces again
    return click, 0.5


def click():
    settings = bpy.context.scene.synergy
    note("one face found in the chosen photo", len(settings.faces) == 1, trouble=settings.trouble)
    with bpy.context.temp_override(**view()):
        result = bpy.ops.synergy.create_head("INVOKE_DEFAULT")
    note("click Create Head", result == {"RUNNING_MODAL"})
    return wait_from(after_create)


def after_create():
    note("head after the click, warm", len(heads()) == 1 and state["shown"] is not None, **measured())
    with bpy.context.temp_override(**view()):
        view()["area"].spaces.active.region_3d.view_perspective = "PERSP"
        view()["area"].spaces.active.overlay.show_overlays = False
        bpy.ops.view3d.view_axis(type="FRONT")
        bpy.ops.view3d.view_selected()
    return see_head, 4.0


def see_head():
    share = skin_share(part(screen("2_head"), view()["region"]))
    note(
        "the head is on the screen",
        share > state["empty"] + 0.04,
        skin=round(share, 3),
        before=round(state["empty"], 3),
    )
    panel = part(screen("2_head"), sidebar())
    note("the photo is in the panel", skin_share(panel) > 0.01, skin=round(skin_share(panel), 3))
    with bpy.context.temp_override(**view()):
        view()["area"].spaces.active.overlay.show_overlays = True
        bpy.ops.synergy.look_through()
        bpy.ops.view3d.view_center_camera()
    return look_through, 2.0


def look_through():
    share = skin_share(part(screen("3_through"), view()["region"]))
    note("head and photo seen through the camera", share > 0.02, skin=round(share, 3))
    return move_slider, 0.2


def draw(change):
    """Seconds that the window takes to show a change, at best: what comes on top is the machine's own noise."""
    best = float("inf")
    for k in range(15):
        started = time.perf_counter()
        change(k / 15)
        view()["area"].tag_redraw()
        with bpy.context.temp_override(**view()):
            bpy.ops.wm.redraw_timer(type="DRAW_WIN_SWAP", iterations=1)
        best = min(best, time.perf_counter() - started)
    return best


def move_slider():
    jaw = heads()[0].data.shape_keys.key_blocks["jawOpen"]

    def slide(value):
        jaw.value = value

    renderer = gpu.platform.renderer_get()
    if "llvmpipe" in renderer:  # the processor draws, and smoothing edges is most of its work
        bpy.context.preferences.system.viewport_aa = "OFF"
    still, moving = draw(lambda value: None), draw(slide)
    rate = 1 / moving
    if "llvmpipe" in renderer:  # only what the slider adds to drawing is ours
        rate = 1 / max(moving - still, 1e-3)
    numbers = {"moving": round(moving, 3), "still": round(still, 3), "renderer": renderer}
    note("a slider redraws at 20 a second", rate >= 20, rate=round(rate, 1), **numbers)
    with bpy.context.temp_override(**view()):
        bpy.ops.synergy.expression(to="NEUTRAL")
        bpy.ops.ed.undo_push(message="neutral")
        bpy.context.object.data.shape_keys.key_blocks["jawOpen"].value = 1.0
        bpy.ops.ed.undo_push(message="slider")
        bpy.ops.ed.undo()
    value = heads()[0].data.shape_keys.key_blocks["jawOpen"].value
    note("undo takes a slider back", value < 0.01, value=round(value, 3))
    with bpy.context.temp_override(**view()):
        bpy.ops.synergy.expression(to="PHOTO")
    return refine, 0.2


def refine():
    with bpy.context.temp_override(**view()):
        result = bpy.ops.synergy.refine()
    handles = [thing for thing in bpy.data.objects if thing.type == "EMPTY"]
    jaw = heads()[0].data.shape_keys.key_blocks["jawOpen"]
    before = jaw.value
    for handle in [handles[i] for i in (*range(5, 12), *range(54, 60), *range(65, 68))]:
        handle.location[1] -= 0.012
    started = time.perf_counter()
    bpy.context.view_layer.update()
    took = time.perf_counter() - started
    jaw = heads()[0].data.shape_keys.key_blocks["jawOpen"]
    good = result == {"FINISHED"} and len(handles) == 68 and jaw.value > before + 0.05
    note("the head follows a dragged lip", good, jaw=[round(before, 2), round(jaw.value, 2)], seconds=round(took, 3))
    return see_handles, 2.0


def see_handles():
    screen("4_handles")
    with bpy.context.temp_override(**view()):
        bpy.ops.synergy.refine()
    path = str(Path(OUT) / "head.blend")
    result = bpy.ops.wm.save_as_mainfile(filepath=path, compress=True)
    size = Path(path).stat().st_size / 1e6
    note("save", result == {"FINISHED"} and size <= 25, megabytes=round(size, 1))
    bpy.ops.wm.open_mainfile(filepath=path)
    return reopened, 2.0


def reopened():
    keys = heads()[0].data.shape_keys.key_blocks if heads() else ()
    note("open again", len(heads()) == 1 and len(keys) == 93 and len(bpy.context.scene.synergy.faces) == 1)
    bpy.context.view_layer.objects.active = heads()[0]
    with bpy.context.temp_override(**view()):
        result = bpy.ops.synergy.expression(to="NEUTRAL")
    note("editable after opening", result == {"FINISHED"})
    return finish, 1.0


def finish():
    screen("5_reopened")
    note("end", True)
    os._exit(0)


def run(following=[install]):  # noqa: B006 - what comes next is kept between the timer's calls
    try:
        following[0], delay = following[0]()
    except Exception:
        note(following[0].__name__, False, error=traceback.format_exc())
        os._exit(1)
    return delay


bpy.context.preferences.view.show_splash = False
bpy.app.timers.register(run, first_interval=2.0, persistent=True)
