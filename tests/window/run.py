"""Drive a Blender with a window through the add-on: `python tests/window/run.py BLENDER [OUT]`.

BLENDER is the path of any Blender from 4.2 on; one in another root (`/opt/real-blender-sid/usr/bin/blender`, as
`../shared/tools/real-blender` installs it) is run there, on a virtual screen, and needs to be started by root. Pictures
of the screen and `steps.json` are left in OUT. Ends with 1 where a step failed.
"""

import json
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
TIME = 150  # seconds for all steps
SCREEN = "1600x900x24"


def root_of(blender):
    """The root folder that a Blender lives in: / or the one above its usr/bin."""
    folder = Path(blender).resolve().parent
    return folder.parents[1] if folder.parts[-2:] == ("usr", "bin") else Path("/")


def mount(root):
    for name in ("proc", "dev", "sys"):
        if subprocess.run(["mountpoint", "-q", root / name]).returncode:
            subprocess.run(["mount", "--bind", f"/{name}", root / name], check=True)


def drive(blender, photo, out):
    """Run all steps with `blender`, keep pictures in `out`, and return the steps as a list of dicts."""
    root = root_of(blender)
    if root != Path("/"):
        mount(root)
    with tempfile.TemporaryDirectory(dir=root / "tmp", prefix="synergy-") as folder:
        folder = Path(folder)
        archive = runpy.run_path(str(HERE.parents[1] / "packaging" / "extension.py"))["build"](folder / "zip")
        shutil.copy(photo, folder / "photo.png")
        shutil.copy(HERE / "drive.py", folder)
        (folder / "out").mkdir()
        inside = Path("/") / folder.relative_to(root)
        words = {
            "SYNERGY_ZIP": inside / "zip" / archive.name,
            "SYNERGY_PHOTO": inside / "photo.png",
            "SYNERGY_OUT": inside / "out",
            "BLENDER_USER_RESOURCES": inside / "user",
            "HOME": inside,
            "LANG": "C.UTF-8",
            "LIBGL_ALWAYS_SOFTWARE": "1",
            "XDG_RUNTIME_DIR": inside,
        }
        command = [blender if root == Path("/") else "/usr/bin/blender", "--factory-startup", "--enable-event-simulate"]
        command += ["--window-geometry", "0", "0", "1600", "900", "--python", str(inside / "drive.py")]
        if not os.environ.get("DISPLAY"):
            number = 80 + os.getpid() % 900  # another run of this test may have a screen of its own
            screen = f"Xvfb :{number} -screen 0 {SCREEN} +extension GLX & screen=$!; sleep 2; DISPLAY=:{number} "
            line = screen + " ".join(map(str, command)) + "; kill $screen"
            command = ["bash", "-c", line]
        if root != Path("/"):
            command = ["chroot", str(root), "env", *(f"{k}={v}" for k, v in words.items()), *command]
        log = (folder / "log.txt").open("w+")
        process = subprocess.Popen(
            command,
            env=os.environ | {k: str(v) for k, v in words.items()},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            process.wait(TIME)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
        log.seek(0)
        sys.stdout.write(log.read())
        if out is not None:
            shutil.copytree(folder / "out", out, dirs_exist_ok=True)
        report = folder / "out" / "steps.json"
        return json.loads(report.read_text()) if report.exists() else []


def main():
    from PIL import Image
    from skimage import data

    blender, out = sys.argv[1], Path(sys.argv[2]) if len(sys.argv) > 2 else None
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "astronaut.png"
        Image.fromarray(data.astronaut()).resize((1000, 1000), Image.LANCZOS).save(photo)
        steps = drive(blender, photo, out)
    whole = bool(steps) and steps[-1]["step"] == "end"
    failed = [step["step"] for step in steps if not step["good"]] + ([] if whole else ["the last step was not reached"])
    print(f"{len(steps)} steps, failed: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
