"""Pictures as the bytes of a PNG file, without Blender: packing those does not keep the window waiting."""

import struct
import zlib

import numpy as np

EFFORT = 2  # of zlib, 0 to 9: more takes longer than it saves


def png(picture):
    """The PNG file of a picture (H, W) or (H, W, 3) uint8 as bytes."""
    picture = np.ascontiguousarray(picture)
    height, width = picture.shape[:2]
    channels = picture.size // (height * width)
    rows = picture.reshape(height, width * channels)
    above = np.zeros((height, 1 + width * channels), np.uint8)
    above[:, 0] = 2  # every row is written as its difference from the one above
    above[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=above[1:, 1:])
    head = struct.pack(">IIBBBBB", width, height, 8, {1: 0, 3: 2}[channels], 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(above.tobytes(), EFFORT)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
