"""Reading arrays from NumPy's `.npy` and MATLAB's `.mat` (version 5), from files that are not to be trusted."""

import struct
import zlib
from pathlib import Path

import numpy as np

from .pickled import UnsafeFile

LARGEST, LARGEST_UNPACKED = 2**31, 2**28  # bytes of an array, and of a compressed part
# MATLAB's numbers for types of stored values and for classes of matrices
STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
MATRIX, COMPRESSED = 14, 15


def read_npy(path):
    """The array in a `.npy` file of numbers. Raises UnsafeFile, and OSError."""
    form = np.lib.format
    try:
        with Path(path).open("rb") as file:
            major, _ = form.read_magic(file)
            read_header = {1: form.read_array_header_1_0, 2: form.read_array_header_2_0}[major]
            shape, fortran, kind = read_header(file)
            size = Path(path).stat().st_size - file.tell()
            if kind.hasobject or kind.names or kind.kind not in "fiub":
                raise UnsafeFile("does not hold plain numbers")
            if any(n < 0 for n in shape) or np.prod(shape, dtype=float) * kind.itemsize != size:
                raise UnsafeFile("does not end where its numbers do")
            return np.frombuffer(file.read(size), kind).reshape(shape, order="F" if fortran else "C")
    except (UnsafeFile, FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except Exception as error:  # whatever a damaged file leads to
        raise UnsafeFile(f"is damaged ({type(error).__name__})") from None


def read_mat(path):
    """The matrices of numbers in a `.mat` file of version 5 by name. Raises UnsafeFile, and OSError."""
    try:
        data = Path(path).read_bytes()
        order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
        if order is None:
            raise UnsafeFile("is not a MATLAB file of version 5")
        return dict(_matrices(data[128:], order))
    except (UnsafeFile, FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except Exception as error:  # whatever a damaged file leads to
        raise UnsafeFile(f"is damaged ({type(error).__name__})") from None


def _matrices(data, order):
    for kind, body in _elements(data, order):
        if kind == COMPRESSED:
            reader = zlib.decompressobj()
            whole = reader.decompress(body, LARGEST_UNPACKED)
            yield from _matrices(whole, order)
        elif kind == MATRIX:
            name, values = _matrix(body, order)
            if values is not None:
                yield name, values


def _elements(data, order):
    """Kind and bytes of one stored element after the other."""
    at = 0
    while at + 8 <= len(data):
        kind, size = struct.unpack(order + "II", data[at : at + 8])
        if kind >> 16:  # small ones keep their bytes in the place of the size
            kind, size, start = kind & 0xFFFF, kind >> 16, at + 4
            at += 8
        else:
            start = at + 8
            at = start + size + (-size % 8 if kind != COMPRESSED else 0)
        if size > LARGEST or start + size > len(data):
            raise UnsafeFile("ends before all of its numbers")
        yield kind, data[start : start + size]


def _matrix(body, order):
    parts = list(_elements(body, order))
    if len(parts) < 4:
        return "", None
    flags, shape, name, values = parts[:4]
    kind = CLASSES.get(struct.unpack(order + "I", flags[1][:4])[0] & 0xFF)
    if kind is None or values[0] not in STORED:
        return "", None
    shape = np.frombuffer(shape[1], order + "i4")
    flat = np.frombuffer(values[1], order + STORED[values[0]])
    if (shape < 0).any() or np.prod(shape, dtype=float) != len(flat):
        raise UnsafeFile("holds a matrix of another size than it says")
    return name[1].decode("latin1"), flat.astype(kind).reshape(shape, order="F")
