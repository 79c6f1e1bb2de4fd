"""Measures the add-on in Blender's own module, in a fresh process: `python -m training.bench_scene PHOTO` prints JSON.

Seconds from click to head, cold and warm, without and with texture; the longest step between two redraws; bytes of a
saved head; memory and data-blocks after 200 builds and deletions; seconds to open a file with twenty heads.
"""

import contextlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import bpy

import synergy_blender
from synergy_blender import photo, scene
from synergy_blender.face import head_model, reconstruct

BUILDS, HEADS = 200, 20
KINDS = ("objects", "meshes", "shape_keys", "materials", "images", "cameras")


def seconds(run):
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def megabytes():
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def blocks():
    return [len(getattr(bpy.data, kind)) for kind in KINDS]


def clear():
    for thing in list(bpy.data.objects):
        bpy.data.objects.remove(thing)
    bpy.context.scene.synergy_photo = None
    bpy.ops.outliner.orphans_purge(do_recursive=True)


def measure(path):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    synergy_blender.register()

    def click(texture=False):
        assert bpy.ops.synergy.create_head(filepath=path, texture=texture) == {"FINISHED"}

    found = {"cold": seconds(click)}
    found["warm"] = sorted(seconds(click) for _ in range(5))[2]
    found["textured"] = sorted(seconds(lambda: click(True)) for _ in range(3))[1]
    clear()
    picture = photo.read(path)
    steps = scene.add_heads_in_steps(head_model.load(), reconstruct(picture), picture, "photo")
    pauses = []
    with contextlib.suppress(StopIteration):
        while True:
            start = time.perf_counter()
            next(steps)
            pauses.append(time.perf_counter() - start)
    found["pause"] = max(pauses)
    keys = bpy.context.object.data.shape_keys.key_blocks
    moves = []
    for k in range(20):
        keys["jawOpen"].value = k / 20
        moves.append(seconds(bpy.context.view_layer.update))
    found["slider"] = sorted(moves)[10]
    clear()
    click(texture=True)
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "head.blend")
        bpy.ops.wm.save_as_mainfile(filepath=file, compress=True)
        found["file"] = Path(file).stat().st_size
        bpy.ops.wm.read_factory_settings(use_empty=True)
        for _ in range(HEADS):
            click()
        bpy.ops.wm.save_as_mainfile(filepath=file)
        found["open"] = seconds(lambda: bpy.ops.wm.open_mainfile(filepath=file))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    for turn in range(BUILDS + 20):
        if turn == 20:  # allocators have found their size by then
            memory, kept = megabytes(), blocks()
        click()
        clear()
    return found | {"memory": megabytes() - memory, "blocks": blocks() == kept}


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):
        result = measure(sys.argv[1])
    print("\n" + json.dumps(result))
    sys.stdout.flush()
    os._exit(0)
