"""Build the extension's zip and validate it with Blender's own builder: `make extension`."""

import subprocess
import sys
from pathlib import Path

import bpy

ROOT = Path(__file__).resolve().parents[1]


def builder():
    """Blender's command for extensions, which is inside its own module."""
    for folder in bpy.utils.script_paths():
        path = Path(folder) / "addons_core" / "bl_pkg" / "cli" / "blender_ext.py"
        if path.exists():
            return path
    raise SystemExit("This bpy has no extension builder: install bpy 4.2 or newer.")


def build(folder):
    """Write the zip into `folder`, validate it, and return its path."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("synergy_blender-*.zip"):
        old.unlink()
    command = [sys.executable, str(builder())]
    subprocess.run([*command, "build", "--source-dir", str(ROOT), "--output-dir", str(folder)], check=True)
    [archive] = folder.glob("synergy_blender-*.zip")
    subprocess.run([*command, "validate", str(archive)], check=True)
    return archive


if __name__ == "__main__":
    archive = build(ROOT / "dist")
    print(f"{archive} ({archive.stat().st_size / 1e6:.1f} MB)")
