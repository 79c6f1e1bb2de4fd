"""The zip that a user installs: built and validated by Blender's own builder, with what is needed and nothing else."""

import os
import runpy
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("bpy")

PACKAGING = Path(__file__).resolve().parents[1] / "packaging" / "extension.py"


def test_the_extension_is_valid_and_holds_what_is_needed(tmp_path):
    archive = runpy.run_path(str(PACKAGING))["build"](tmp_path)
    names = zipfile.ZipFile(archive).namelist()
    assert {"blender_manifest.toml", "__init__.py", "LICENSE", "synergy_blender/ui/panel.py"} <= set(names)
    assert {f"addon_assets/{name}.npz" for name in ("head_model", "synergynet", "refinement", "detector")} <= set(names)
    folders = {name.split("/")[0] for name in names if "/" in name}
    assert folders == {"synergy_blender", "addon_assets"}
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".whl"))]
    assert archive.stat().st_size <= 25e6


SCRIPT = """
import sys
import bpy

bpy.ops.wm.read_factory_settings(use_empty=True)
archive, photo = sys.argv[-2:]
bpy.ops.extensions.package_install_files(filepath=archive, repo="user_default", enable_on_install=True)
assert hasattr(bpy.types, "SYNERGY_PT_main") and bpy.types.SYNERGY_PT_main.bl_category == "Synergy"
assert bpy.context.preferences.addons["bl_ext.user_default.synergy_blender"].preferences is not None
assert bpy.ops.synergy.create_head(filepath=photo) == {"FINISHED"}
assert sorted(bpy.data.objects.keys()) == ["Head", "Head camera"]
repositories = [repository.module for repository in bpy.context.preferences.extensions.repos]
bpy.ops.extensions.package_uninstall(repo_index=repositories.index("user_default"), pkg_id="synergy_blender")
assert not hasattr(bpy.types, "SYNERGY_PT_main") and not hasattr(bpy.types.WindowManager, "synergy_search")
assert not [name for name in dir(bpy.types) if name.startswith("SYNERGY")]
print("installed, used and gone")
"""


def test_the_extension_is_installed_used_and_uninstalled(tmp_path):
    from PIL import Image
    from skimage import data

    archive = runpy.run_path(str(PACKAGING))["build"](tmp_path / "zip")
    Image.fromarray(data.astronaut()).save(tmp_path / "photo.png")
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "script.py"), str(archive), str(tmp_path / "photo.png")],
        env=os.environ | {"BLENDER_USER_RESOURCES": str(tmp_path / "user")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "installed, used and gone" in done.stdout, done.stdout + done.stderr
