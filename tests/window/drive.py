"""Drives a real Blender with its window: `blender --factory-startup --python drive.py`.

SYNERGY_ZIP and SYNERGY_PHOTO name the extension and a photo with one face. Installs the zip, builds a head from the
photo while the window goes on drawing, moves a slider, undoes and saves. Prints one line for every step, "ok" or
"FAILED", with the seconds from click to head and the longest time that the window stood still. Leaves the window open
for a picture of the screen.
"""

import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

import bpy

TICK = 0.02
state = {"started": 0.0, "last": 0.0, "stall": 0.0}


def say(name, good, more=""):
    print(f"{'ok' if good else 'FAILED'}  {name} {more}", flush=True)


def view():
    """The window, 3D view and its main region, to call operators in."""
    window = bpy.context.window_manager.windows[0]
    area = next(area for area in window.screen.areas if area.type == "VIEW_3D")
    region = next(region for region in area.regions if region.type == "WINDOW")
    return {"window": window, "area": area, "region": region}


def install():
    result = bpy.ops.extensions.package_install_files(
        filepath=os.environ["SYNERGY_ZIP"], repo="user_default", enable_on_install=True
    )
    say("install", result == {"FINISHED"} and hasattr(bpy.types, "SYNERGY_PT_main"), bpy.app.version_string)
    for thing in list(bpy.data.objects):
        bpy.data.objects.remove(thing)
    area = view()["area"]
    area.spaces.active.show_region_ui = True
    area.spaces.active.shading.type = "MATERIAL"
    return create


def create():
    side = next(region for region in view()["area"].regions if region.type == "UI")
    side.active_panel_category = "Synergy"
    with bpy.context.temp_override(**view()):
        result = bpy.ops.synergy.create_head("EXEC_DEFAULT", filepath=os.environ["SYNERGY_PHOTO"])
    say("click", result == {"RUNNING_MODAL"}, str(result))
    state["started"] = state["last"] = time.perf_counter()
    return wait


def wait():
    now = time.perf_counter()
    state["stall"] = max(state["stall"], now - state["last"])
    state["last"] = now
    head = bpy.data.objects.get("Head")
    if head is None or bpy.context.view_layer.objects.active != head:
        if now - state["started"] > 20:
            say("head", False, "not there after 20 s")
            return None
        return wait
    seconds = now - state["started"]
    say("head", True, f"after {seconds:.2f} s, the window stood still for {state['stall']:.2f} s at most")
    return use


def use():
    head = bpy.data.objects["Head"]
    with bpy.context.temp_override(**view()):
        bpy.ops.synergy.look_through()
    keys = head.data.shape_keys.key_blocks
    with bpy.context.temp_override(**view()):
        bpy.ops.ed.undo_push(message="before the slider")
        keys["jawOpen"].value = 1.0
        bpy.ops.ed.undo_push(message="slider")
        bpy.ops.ed.undo()
    head = bpy.data.objects["Head"]
    say("undo of a slider", head.data.shape_keys.key_blocks["jawOpen"].value < 0.99)
    started = time.perf_counter()
    for k in range(20):
        head.data.shape_keys.key_blocks["jawOpen"].value = k / 20
        with bpy.context.temp_override(**view()):
            bpy.ops.wm.redraw_timer(type="DRAW_WIN_SWAP", iterations=1)
    say("sliders redraw", True, f"{20 / (time.perf_counter() - started):.0f} times a second")
    with bpy.context.temp_override(**view()):
        bpy.ops.synergy.expression(to="PHOTO")
    path = str(Path(tempfile.mkdtemp()) / "head.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path, compress=True)
    say("save", Path(path).stat().st_size < 25e6, f"{Path(path).stat().st_size / 1e6:.1f} MB")
    return show


def show():
    with bpy.context.temp_override(**view()):
        space = view()["area"].spaces.active
        space.region_3d.view_perspective = "PERSP"
        space.overlay.show_overlays = False
        bpy.ops.view3d.view_axis(type="FRONT")
        bpy.ops.view3d.view_selected()
    say("done", True)
    return None


def step(current=[install]):  # noqa: B006 - what comes next is kept between the timer's calls
    try:
        following = current[0]()
    except Exception:
        traceback.print_exc()
        say(current[0].__name__, False)
        return None
    current[0] = following
    sys.stdout.flush()
    return None if following is None else (TICK if following is wait else 1.0)


bpy.context.preferences.view.show_splash = False
bpy.app.timers.register(step, first_interval=3.0)
