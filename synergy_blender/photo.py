"""Reading a photo file as upright RGB: with Pillow where it is installed, with Blender's own reader inside Blender."""

from pathlib import Path

import numpy as np

LARGEST_PIXELS = 200_000_000  # a 12,000 px square fits; more is refused before it fills the memory
SMALLEST_SIDE = 16


class PhotoError(Exception):
    """A file cannot be read as a photo; the message says why and what to do."""


def read(path):
    """The picture in a file as (H, W, 3) uint8 RGB, turned as its EXIF orientation says.

    Grey, palette, transparent (over white) and 16-bit pictures are converted. Raises PhotoError.
    """
    path = Path(path)
    if not path.exists():
        raise PhotoError(f"There is no file {path}.")
    if not path.is_file():
        raise PhotoError(f"{path} is not a file.")
    try:
        import PIL  # noqa: F401
    except ImportError:
        picture = _with_blender(path)
    else:
        picture = _with_pillow(path)
    height, width = picture.shape[:2]
    if min(height, width) < SMALLEST_SIDE:
        raise PhotoError(f"{path} is only {width} x {height} pixels: choose a larger picture.")
    return picture


def _with_pillow(path):
    import warnings

    from PIL import Image, ImageOps, UnidentifiedImageError

    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, LARGEST_PIXELS
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as file:
                if file.width * file.height > LARGEST_PIXELS:
                    raise PhotoError(f"{path} has more than {LARGEST_PIXELS // 10**6} million pixels: make it smaller.")
                file.load()
                upright = ImageOps.exif_transpose(file)
                if upright.mode.startswith(("I", "F")):
                    return _stretch(np.asarray(upright, np.float64))
                if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
                    layer = upright.convert("RGBA")
                    upright = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
                return np.array(upright.convert("RGB"))
    except UnidentifiedImageError:
        raise PhotoError(f"{path} is not a picture that can be read: save it as JPEG or PNG.") from None
    except Image.DecompressionBombError:
        raise PhotoError(f"{path} has more than {LARGEST_PIXELS // 10**6} million pixels: make it smaller.") from None
    except (OSError, ValueError, SyntaxError, EOFError, TypeError, OverflowError) as error:
        raise PhotoError(f"{path} is damaged or cut off ({_short(error)}): get a whole copy of it.") from None
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _stretch(values):
    """A grey picture of more than 8 bits as RGB uint8: 16-bit values by their range, others by their largest."""
    values = np.nan_to_num(values)
    top = 65535.0 if 255 < values.max() <= 65535 else 255.0 if 1 < values.max() <= 255 else max(values.max(), 1e-9)
    grey = np.clip(values / top * 255 + 0.5, 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def _with_blender(path):
    import bpy

    try:
        image = bpy.data.images.load(str(path), check_existing=False)
    except RuntimeError:
        raise PhotoError(f"{path} is not a picture that can be read: save it as JPEG or PNG.") from None
    try:
        picture = from_blender(image)
    finally:
        bpy.data.images.remove(image)
    if picture is None:
        raise PhotoError(f"{path} is damaged or not a picture: get a whole copy of it.")
    return turned(picture, exif(path).get(ORIENTATION, 1))


ORIENTATION, EXIF_BLOCK, FOCAL_35MM = 274, 34665, 41989  # tags (CIPA DC-008)


def exif(path):
    """The whole numbers of a JPEG file's EXIF tags by tag; empty where there are none.

    Look up ORIENTATION, 1 to 8, and FOCAL_35MM, millimetres on a picture 36 mm wide.
    """
    with Path(path).open("rb") as file:
        head = file.read(65_536)
    at = 2
    while head[:2] == b"\xff\xd8" and at + 4 <= len(head) and head[at] == 0xFF:
        marker, size = head[at + 1], int.from_bytes(head[at + 2 : at + 4], "big")
        if marker == 0xE1 and head[at + 4 : at + 10] == b"Exif\0\0":
            return _exif_tags(head[at + 10 : at + 2 + size])
        if marker == 0xDA:
            break
        at += 2 + size
    return {}


def _exif_tags(block):
    """Tags of an EXIF block, a small TIFF file, that hold one whole number."""
    order = {b"II": "little", b"MM": "big"}.get(block[:2])
    if order is None:
        return {}

    def number(at, size):
        return int.from_bytes(block[at : at + size], order)

    tags = {}

    def read(first):
        for entry in range(first + 2, first + 2 + 12 * number(first, 2), 12):
            kind = number(entry + 2, 2)
            if kind in (3, 4) and number(entry + 4, 4) == 1:
                tags.setdefault(number(entry, 2), number(entry + 8, 2 if kind == 3 else 4))

    read(number(4, 4))
    if EXIF_BLOCK in tags:
        read(tags[EXIF_BLOCK])
    return tags


def focal_length(path):
    """The lens a photo was taken with as its focal length on 35 mm film, or None where its file does not say."""
    millimetres = exif(path).get(FOCAL_35MM, 0)
    return float(millimetres) if 5 <= millimetres <= 2000 else None


def turned(picture, orientation):
    """A picture (H, W, C) as it stands upright, given its EXIF orientation; as it is for what is none."""
    if not 1 <= orientation <= 8:
        return picture
    if orientation >= 5:
        picture = picture.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        picture = picture[:, ::-1]
    if orientation in (3, 4, 7, 8):
        picture = picture[::-1]
    return np.ascontiguousarray(picture)


def from_blender(image):
    """The pixels of a bpy image as (H, W, 3) uint8 RGB over white, or None if it has none."""
    width, height = image.size
    if not width or not height or (not image.has_data and not len(image.pixels)):
        return None
    values = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(values)
    values = values.reshape(height, width, image.channels)[::-1]
    if image.is_float:  # scene-linear pixels: the network was trained on display values
        linear = np.clip(values[..., :3], 0, 1)
        shown = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
        values = np.concatenate([shown, values[..., 3:]], axis=2)
    if image.channels == 1:
        values = values.repeat(3, axis=2)
    if image.channels == 4:
        values = values[..., :3] + (1 - values[..., 3:]) * (1 - values[..., :3]) * (values[..., 3:] < 1)
    return (np.clip(values[..., :3], 0, 1) * 255 + 0.5).astype(np.uint8)


def _short(error):
    return str(error).split("\n")[0][:80] or type(error).__name__
