"""The command line: `python -m synergy_blender PHOTO [-o HEAD.blend] [--render HEAD.png] [--json FACES.json]`, and
`python -m synergy_blender import-official best.pth.tar [3dmm_data]`."""

import argparse
import json
import os
import sys
import tempfile
from dataclasses import fields
from pathlib import Path

import numpy as np

from . import engine, models, official, photo
from .bake import bake
from .face import DELIT, AssetError, Reconstruction, reconstruct_person
from .face.eyes import iris_colour
from .face.texture import LARGEST, SMALLEST


class CommandError(Exception):
    """The command cannot be carried out; the message is one sentence for the user."""


def arguments():
    parser = argparse.ArgumentParser(prog="synergy_blender", description="Turn a photo into an editable 3D head.")
    parser.add_argument("photo", metavar="PHOTO", help="a picture with a face: JPEG, PNG, WebP, TIFF")
    parser.add_argument("-o", "--output", metavar="HEAD.blend", help="save the heads as a Blender file")
    parser.add_argument("--render", metavar="HEAD.png", help="render the largest face's head beside the photo")
    parser.add_argument("--json", metavar="FACES.json", help="write every face's numbers")
    parser.add_argument(
        "--box", nargs=4, type=float, metavar=("X0", "Y0", "X1", "Y1"), help="where the face is, in pixels"
    )
    parser.add_argument(
        "--also",
        nargs="+",
        default=[],
        metavar="PHOTO",
        help="more photos of the same person: one head, with the skin of all of them",
    )
    parser.add_argument(
        "--texture", type=int, metavar="SIZE", help="put the photo's skin on the heads, SIZE pixels wide"
    )
    parser.add_argument(
        "--light",
        choices=DELIT,
        default="albedo",
        help="what stays of the photo's light on the skin: none, half or all",
    )
    parser.add_argument(
        "--engine", choices=engine.NAMES, default="numpy", help="what the networks run on; torch needs PyTorch"
    )
    parser.add_argument(
        "--model", choices=models.NAMES, default="open", help="what heads are made of: official ones must be imported"
    )
    parser.add_argument(
        "--convention",
        choices=official.CONVENTIONS,
        default="corrected",
        help="of the official model: where the photo shows the points, or the authors' own numbers",
    )
    parser.add_argument("--upright", action="store_true", help="stand the heads upright and turn the camera instead")
    return parser


def import_arguments():
    parser = argparse.ArgumentParser(
        prog="synergy_blender import-official", description="Make the authors' own SynergyNet a model to choose."
    )
    parser.add_argument("checkpoint", metavar="best.pth.tar", help="the authors' weights")
    parser.add_argument("folder", metavar="3dmm_data", nargs="?", help="their folder, beside those if none is given")
    return parser


def main(words=None):
    words = sys.argv[1:] if words is None else words
    try:
        if words[:1] == ["import-official"]:
            options = import_arguments().parse_args(words[1:])
            official.import_official(options.checkpoint, options.folder, official.place())
            print(f"wrote {official.place()}: choose it with --model official, or in the panel")
        else:
            run(arguments().parse_args(words))
    except (CommandError, official.ImportProblem, photo.PhotoError, AssetError, engine.EngineError) as error:
        print(f"synergy_blender: {error}", file=sys.stderr)
        return 2
    return 0


def run(options):
    for path, ending in ((options.output, ".blend"), (options.render, ".png"), (options.json, ".json")):
        if path is not None:
            _check_target(Path(path), ending)
    if options.texture is not None and not SMALLEST <= options.texture <= LARGEST:
        raise CommandError(f"A texture must be {SMALLEST} to {LARGEST} pixels wide, not {options.texture}.")
    picture, more = photo.read(options.photo), [photo.read(path) for path in options.also]
    regress, model = engine.load(options.engine), models.load(options.model, options.convention)
    if more and options.model != "open":
        raise CommandError("Several photos of a person are read by the open model alone: leave out --model or --also.")
    try:
        if more:
            faces = reconstruct_person([picture, *more], [options.box] + [None] * len(more), regress)
        else:
            faces = model.reconstruct(picture, None if options.box is None else [options.box], regress)
    except ValueError as error:
        raise CommandError(str(error)) from None
    if not faces:
        raise CommandError(f"No face was found in {options.photo}: choose another photo or give its place with --box.")
    for i, face in enumerate(faces, 1):
        print(
            f"face {i}: confidence {face.confidence:.2f}, yaw {face.yaw:.0f}, pitch {face.pitch:.0f}, "
            f"roll {face.roll:.0f} degrees, box {' '.join(f'{v:.0f}' for v in face.box)}"
        )
    if options.json:
        write_json(faces, Path(options.json))
        print(f"wrote {options.json}")
    if options.output or options.render:
        _in_blender(options, model, [picture, *more], faces)


def _check_target(path, ending):
    if path.suffix.lower() != ending:
        raise CommandError(f"The file {path} should end in {ending}.")
    if not path.parent.is_dir():
        raise CommandError(f"There is no folder {path.parent}: create it first.")
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise CommandError(f"{path} cannot be written: choose another place.")


def write_json(faces, path):
    """All fields of every Reconstruction as lists, whole or not at all."""

    def plain(value):
        return value.tolist() if isinstance(value, np.ndarray) else list(value) if isinstance(value, tuple) else value

    rows = [{f.name: plain(getattr(face, f.name)) for f in fields(Reconstruction)} for face in faces]
    _replace(path, lambda partial: partial.write_text(json.dumps({"faces": rows})))


def _replace(path, write):
    """Let `write` make a file beside `path` and move it there when it is complete."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".synergy-") as folder:
        partial = Path(folder) / path.name
        try:
            write(partial)
            os.replace(partial, path)
        except (OSError, RuntimeError) as error:
            raise CommandError(f"{path} cannot be written ({error}): choose another place.") from None


def _in_blender(options, model, pictures, faces):
    try:
        import bpy
    except ImportError:
        raise CommandError(
            "A .blend file or a rendering needs Blender's Python module: pip install 'synergy-blender[blender]'."
        ) from None
    from . import scene
    from .scene import studio

    bpy.ops.wm.read_factory_settings(use_empty=True)
    textures, picture = None, pictures[0]
    shown = [[(picture, face.vertices)] for face in faces]
    if len(pictures) > 1:  # all of one person
        shown = [[(one, face.vertices) for one, face in zip(pictures, faces, strict=True)]]
    if options.texture is not None:
        look = options.texture, DELIT[options.light], model.surface()
        first = zip(shown, faces, strict=False)
        textures = [bake(views, *look, iris_colour(picture, face)) for views, face in first]
    name = Path(options.photo).name
    heads = scene.add_heads(model.head, faces[: len(shown)], picture, name, not options.upright, textures)
    if len(pictures) > 1:
        images = [scene.image_of(one, Path(path).name) for one, path in zip(pictures[1:], options.also, strict=True)]
        scene.remember_photos(heads[0][0], images, faces[1:])
    if options.output:
        target = Path(options.output).resolve()
        _replace(target, lambda partial: bpy.ops.wm.save_as_mainfile(filepath=str(partial), compress=True, copy=True))
        print(f"wrote {options.output}")
    if options.render:
        for head, _ in heads[1:]:
            head.hide_render = True
        target = Path(options.render).resolve()
        _replace(target, lambda partial: studio.render_sheet(*heads[0], picture, partial))
        print(f"wrote {options.render}")


if __name__ == "__main__":
    sys.exit(main())
