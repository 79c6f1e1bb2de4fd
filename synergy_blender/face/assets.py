"""Reading and writing the bundled assets: plain arrays in `.npz`, with kind, version and checksum, never unpickled."""

import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).resolve().parents[2] / "addon_assets"
VERSION = 1
REMEDY = "install the add-on again"


class AssetError(Exception):
    """A bundled file is missing or damaged; the message names it and the remedy."""


def checksum(arrays):
    """SHA-256 over names, types, shapes and bytes of all arrays, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def save(path, kind, arrays):
    """Write an asset, whole or not at all."""
    path = Path(path)
    meta = json.dumps({"kind": kind, "version": VERSION, "checksum": checksum(arrays)})
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez_compressed(file, meta=np.array(meta), **arrays)
    partial.replace(path)


def load(path, kind, remedy=REMEDY):
    """The arrays of an asset by name.

    Raises AssetError with one sentence, which ends in the remedy, if the file is missing, damaged, of another kind or
    of another version.
    """
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        meta = json.loads(str(arrays.pop("meta")))
        found = meta["kind"], meta["version"], meta["checksum"]
    except FileNotFoundError:
        raise AssetError(f"{path.name} is missing from {path.parent}: {remedy}.") from None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, NotImplementedError):
        raise AssetError(f"{path} is damaged: {remedy}.") from None
    except Exception as error:  # zlib.error and whatever else a damaged archive can raise
        if type(error).__module__ != "zlib":
            raise
        raise AssetError(f"{path} is damaged: {remedy}.") from None
    if found[:2] != (kind, VERSION):
        raise AssetError(f"{path} is not a {kind} file of version {VERSION}: {remedy}.")
    if checksum(arrays) != found[2]:
        raise AssetError(f"{path} is damaged (its checksum differs): {remedy}.")
    return arrays


def weights(name, shapes):
    """The weights of the bundled network NAME.npz by name, float32, of such shapes. Raises AssetError."""
    path = FOLDER / f"{name}.npz"
    arrays = load(path, name)
    expect(path, arrays, shapes)
    return {key: np.ascontiguousarray(values, np.float32) for key, values in arrays.items()}


def expect(path, arrays, shapes, remedy=REMEDY):
    """Raise AssetError unless `arrays` holds every name in `shapes` with that shape (None: any length)."""
    for name, shape in shapes.items():
        array = arrays.get(name)
        fits = array is not None and len(array.shape) == len(shape)
        if not fits or any(want is not None and want != got for want, got in zip(shape, array.shape, strict=True)):
            raise AssetError(f"{path} does not hold {name} as expected: {remedy}.")
