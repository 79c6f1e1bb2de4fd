"""Reading what torch.save wrote, without PyTorch: the zip of today and the format before it."""

import os
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np

from .pickled import Reader, UnsafeFile, plain

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
LARGEST = 2**31  # bytes of a storage
STORAGES = {"FloatStorage": "f4", "DoubleStorage": "f8", "HalfStorage": "f2", "LongStorage": "i8", "IntStorage": "i4"}


class _Storage:
    """Numbers that tensors are views of; `values` come once the pickle is read."""

    def __init__(self, code, key, count):
        if not isinstance(count, int) or not 0 <= count * np.dtype(code).itemsize <= LARGEST:
            raise UnsafeFile("holds a tensor of a size that cannot be")
        self.code, self.key, self.count, self.values = code, str(key), count, None


class _Tensor:
    def __init__(self, storage, offset, shape, stride, *_):
        whole = isinstance(storage, _Storage) and all(isinstance(n, int) and n >= 0 for n in (offset, *shape, *stride))
        if not whole or len(shape) != len(stride) or len(shape) > 8:
            raise UnsafeFile("holds a damaged tensor")
        self.storage, self.offset, self.shape, self.stride = storage, offset, tuple(shape), tuple(stride)

    def array(self):
        values, step = self.storage.values, self.storage.values.itemsize
        if 0 in self.shape:
            return np.zeros(self.shape, values.dtype)
        last = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.stride, strict=True))
        if last >= len(values) or np.prod(self.shape, dtype=float) > len(values):
            raise UnsafeFile("holds a tensor that reaches out of its numbers")
        view = np.lib.stride_tricks.as_strided(values[self.offset :], self.shape, [s * step for s in self.stride])
        return view.astype(values.dtype.newbyteorder("="))


KNOWN = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _Tensor,
    ("torch._utils", "_rebuild_parameter"): lambda tensor, *_: tensor,
    **{("torch", name): code for name, code in STORAGES.items()},
}


class _Reader(Reader):
    """Reads a pickle whose tensors' numbers lie elsewhere."""

    def __init__(self, file):
        super().__init__(file, KNOWN)
        self.storages = {}

    def persistent_load(self, words):
        if not isinstance(words, tuple) or len(words) < 5 or words[0] != "storage" or words[1] not in STORAGES.values():
            raise UnsafeFile("refers to something that is not a tensor's numbers")
        _, code, key, _, count = words[:5]
        if len(words) > 5 and words[5] is not None:
            raise UnsafeFile("shares numbers between tensors in a way that is no longer read: save it anew")
        return self.storages.setdefault(str(key), _Storage(code, key, count))


def read(path):
    """What torch.save wrote into a file, with NumPy arrays for tensors. Raises UnsafeFile, and OSError."""
    try:
        with Path(path).open("rb") as file:
            start = file.read(4)
            file.seek(0)
            value = _zipped(file) if start == b"PK\x03\x04" else _before(file)
            return plain(value, _Tensor, _Tensor.array)
    except (UnsafeFile, FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except Exception as error:  # whatever a damaged file leads to
        raise UnsafeFile(f"is damaged ({type(error).__name__})") from None


def _zipped(file):
    with zipfile.ZipFile(file) as archive:
        names = {info.filename: info for info in archive.infolist()}
        if any(info.compress_type != zipfile.ZIP_STORED for info in names.values()):
            raise UnsafeFile("is a compressed zip, which torch.save never writes")
        pickles = [name for name in names if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise UnsafeFile("is a zip, but not one that torch.save wrote")
        root = pickles[0].removesuffix("data.pkl")
        order = ">" if f"{root}byteorder" in names and archive.read(f"{root}byteorder").strip() == b"big" else "<"
        with archive.open(pickles[0]) as part:
            reader = _Reader(part)
            value = reader.load()
        for storage in reader.storages.values():
            kind = np.dtype(order + storage.code)
            info = names.get(f"{root}data/{storage.key}")
            if info is None or info.file_size != storage.count * kind.itemsize:
                raise UnsafeFile("lacks the numbers of a tensor")
            storage.values = np.frombuffer(archive.read(info), kind)
    return value


def _before(file):
    """The format before the zip: pickles one after the other, then the numbers of all storages."""
    if _Reader(file).load() != MAGIC or _Reader(file).load() != PROTOCOL:
        raise UnsafeFile("is not a file that torch.save wrote")
    order = "<" if _Reader(file).load().get("little_endian", True) else ">"
    reader = _Reader(file)
    value = reader.load()
    for key in _Reader(file).load():
        storage = reader.storages.get(str(key))
        if storage is None:
            raise UnsafeFile("holds numbers of no tensor")
        kind = np.dtype(order + storage.code)
        (count,) = struct.unpack("<q", file.read(8))
        size = storage.count * kind.itemsize
        if count != storage.count or file.tell() + size > os.fstat(file.fileno()).st_size:
            raise UnsafeFile("ends before all of its numbers")
        data = file.read(size)
        storage.values = np.frombuffer(data, kind)
    if any(storage.values is None for storage in reader.storages.values()):
        raise UnsafeFile("lacks the numbers of a tensor")
    return value
