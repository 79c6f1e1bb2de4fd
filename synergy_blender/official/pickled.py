"""Reading pickles without ever running what is in them.

Only classes of an allow-list are known, and each stands for a plain value that is built here: anything else is refused
by its name. It is Python's own reader that works, for the one in C sets memory aside as large as a file asks for.
"""

import pickle
from collections import OrderedDict

import numpy as np

TYPES = {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "b1"}


class UnsafeFile(Exception):
    """A file is damaged, or asks for what it must not; the message is part of a sentence."""


class _Array:
    """A NumPy array while it is unpickled."""

    value = None

    def set(self, state):
        _, shape, kind, fortran, data = state
        data = data.encode("latin1") if isinstance(data, str) else bytes(data)
        if not isinstance(kind, _Type) or not all(isinstance(n, int) and n >= 0 for n in shape):
            raise UnsafeFile("holds a damaged array")
        flat = np.frombuffer(data, kind.value)
        self.value = flat.reshape(shape, order="F" if fortran else "C").copy()


class _Type:
    """A NumPy type while it is unpickled."""

    def __init__(self, code, *_):
        if code not in TYPES:
            raise UnsafeFile(f"holds values of type {str(code)[:20]!r}, which are not numbers")
        self.value = np.dtype(code)

    def set(self, state):
        if state[1] in ("<", ">"):
            self.value = self.value.newbyteorder(state[1])


def _bytes(text, encoding):
    if encoding != "latin1":
        raise UnsafeFile("holds text in an unknown encoding")
    return text.encode("latin1")


def _scalar(kind, data):
    return np.frombuffer(data.encode("latin1") if isinstance(data, str) else data, kind.value)[0].item()


NUMPY = {("_codecs", "encode"): _bytes, ("numpy", "ndarray"): _Array, ("numpy", "dtype"): _Type}
for _room in ("numpy.core.multiarray", "numpy._core.multiarray"):
    NUMPY[_room, "_reconstruct"] = lambda *_: _Array()
    NUMPY[_room, "scalar"] = _scalar


class Reader(pickle._Unpickler):
    """Reads one pickle from `file` with the classes `known`, {(module, name): what builds its value}."""

    dispatch = dict(pickle._Unpickler.dispatch)

    def __init__(self, file, known):
        super().__init__(file, encoding="latin1")
        self.known = known

    def find_class(self, module, name):
        if (module, name) not in self.known:
            raise UnsafeFile(f"asks for {str(module)[:60]}.{str(name)[:60]}, which no such file needs")
        return self.known[module, name]

    def get_extension(self, code):
        raise UnsafeFile("asks for a class by a number, which no such file does")

    def _build(self):
        state = self.stack.pop()
        built = self.stack[-1]
        if isinstance(built, (_Array, _Type)):
            built.set(state)
        elif type(built) is not OrderedDict:  # what a dictionary of weights says of itself is left out
            raise UnsafeFile("changes what it must not")

    dispatch[pickle.BUILD[0]] = _build
    del dispatch[pickle.BYTEARRAY8[0]]  # would be as large as the file says, filled with zeros


def read(file, known):
    """The value of a pickle. Raises UnsafeFile for all that can be wrong with it."""
    try:
        return plain(Reader(file, known).load())
    except UnsafeFile:
        raise
    except Exception as error:  # whatever a damaged file leads to
        raise UnsafeFile(f"is damaged ({type(error).__name__})") from None


def plain(value, kind=_Array, finish=lambda array: array.value):
    """The value with `finish` of everything of a `kind` in its place, in dictionaries and lists: each once, however
    often it is referred to. Raises UnsafeFile for a value that holds itself."""
    done, within = {}, set()

    def walk(part):
        if isinstance(part, kind):
            if id(part) not in done:
                done[id(part)] = finish(part)
            return done[id(part)]
        if not isinstance(part, (dict, list, tuple)):
            return part
        if id(part) in within:
            raise UnsafeFile("holds something that holds itself")
        if id(part) not in done:
            within.add(id(part))
            is_dict = isinstance(part, dict)
            done[id(part)] = {key: walk(one) for key, one in part.items()} if is_dict else [walk(one) for one in part]
            within.remove(id(part))
        return done[id(part)]

    return walk(value)
