"""Small files of the form that the authors' own have, with random numbers in them."""

import io
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict
from contextlib import contextmanager

import numpy as np

VERTICES = 400
SETTINGS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def state(rng, count=VERTICES):
    """A state_dict as the authors' checkpoint holds it: names to arrays, of a model with `count` vertices."""
    found = OrderedDict()

    def layer(name, *shape, bias=False):
        found[f"{name}.weight"] = rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
        if bias:
            found[f"{name}.bias"] = rng.normal(0, 0.1, shape[0])

    def norm(name, width):
        found[f"{name}.weight"] = rng.uniform(0.7, 1.3, width)
        found[f"{name}.bias"] = rng.normal(0.1, 0.2, width)
        found[f"{name}.running_mean"] = rng.normal(0, 0.1, width)
        found[f"{name}.running_var"] = rng.uniform(0.6, 1.4, width)
        found[f"{name}.num_batches_tracked"] = np.array(7, np.int64)

    def both(layer_name, norm_name, *shape, bias=False):
        layer(layer_name, *shape, bias=bias)
        norm(norm_name, shape[0])

    at, inputs, k = "I2P.backbone.features", 32, 1
    both(f"{at}.0.0", f"{at}.0.1", 32, 3, 3, 3)
    for expansion, outputs, repeats, _ in SETTINGS:
        for _ in range(repeats):
            hidden, here, step = inputs * expansion, f"{at}.{k}.conv", 0
            if expansion > 1:
                both(f"{here}.0.0", f"{here}.0.1", hidden, inputs, 1, 1)
                step = 1
            both(f"{here}.{step}.0", f"{here}.{step}.1", hidden, 1, 3, 3)
            both(f"{here}.{step + 1}", f"{here}.{step + 2}", outputs, hidden, 1, 1)
            inputs, k = outputs, k + 1
    both(f"{at}.18.0", f"{at}.18.1", 1280, 320, 1, 1)
    for part, width in (("ori", 12), ("shape", 40), ("exp", 10)):
        layer(f"I2P.backbone.classifier_{part}.1", width, 1280, bias=True)
    widths = (3, 64, 64, 64, 128, 1024)
    for part in ("forward", "reverse"):
        for i in range(1, 6):
            both(f"{part}Direction.conv{i}", f"{part}Direction.bn{i}", widths[i], widths[i - 1], 1, bias=True)
    # landmarks are up to 120 large
    for part in ("forward", "reverse"):
        found[f"{part}Direction.conv1.weight"] /= 60
    for i, (a, b) in enumerate(((2418, 512), (512, 256), (256, 128), (128, 3)), 6):
        both(f"forwardDirection.conv{i}", f"forwardDirection.bn{i}", b, a, 1, bias=True)
    for i, width in ((1, 12), (2, 40), (3, 10)):
        both(f"reverseDirection.conv6_{i}", f"reverseDirection.bn6_{i}", width, 1024, 1, bias=True)
    # a face about 180,000 micrometres tall that fills most of a crop
    face = rng.uniform(-1, 1, (count, 3)) * [7e4, 9e4, 5e4]
    face[:, 2] += 8e4
    found["u"] = face.reshape(-1, 1)
    found["w_shp"] = rng.normal(0, 1e-2, (3 * count, 40))
    found["w_exp"] = rng.normal(0, 3.0, (3 * count, 10))
    angle = 0.4
    turn = np.array([[np.cos(angle), 0, -np.sin(angle)], [0, 1, 0], [np.sin(angle), 0, np.cos(angle)]]) * 5e-4
    pose = np.column_stack([turn, [60, 58, -50]]).ravel()
    found["param_mean"] = np.concatenate([pose, rng.normal(0, 1e4, 40), rng.normal(0, 0.3, 10)])
    spread = np.concatenate([np.tile([2e-5, 2e-5, 2e-5, 3.0], 3), np.full(40, 4e4), np.full(10, 0.5)])
    found["param_std"] = spread * rng.uniform(0.7, 1.3, 62)
    rows = (3 * rng.choice(count, 68, replace=False)[:, None] + np.arange(3)).ravel()
    for name in ("u", "w_shp", "w_exp"):
        found[f"{name}_base"] = found[name][rows]
    arrays = OrderedDict(
        (f"module.{name}", values if values.dtype == np.int64 else values.astype(np.float32))
        for name, values in found.items()
    )
    return arrays, rows


def triangles(rng, count=VERTICES):
    return np.stack([rng.permutation(count)[:3] for _ in range(600)], 1) + 1


def write_head(folder, points, faces, keypoints, kept):
    """The authors' files of a head of points (V, 3) in metres with triangles (T, 3): its network says the same of every
    picture, a head turned by 0.4 radians in the crop's middle."""
    rng = np.random.default_rng(0)
    arrays, _ = state(rng, len(points))
    rows = (3 * keypoints[:, None] + np.arange(3)).ravel()
    for part in ("ori", "shape", "exp"):
        for name in ("weight", "bias"):
            arrays[f"module.I2P.backbone.classifier_{part}.1.{name}"][:] = 0
    # every parameter of the shape moves one half of the head more than the other
    smooth = np.sin(points @ rng.normal(0, 12, (3, 50)) + rng.uniform(0, 6, 50))[:, None] * rng.normal(0, 1, (3, 50))
    changed = {"u": 1e6 * points.reshape(-1, 1), "w_shp": 0.02 * smooth[..., :40].reshape(-1, 40)}
    changed["w_exp"] = 900 * smooth[..., 40:].reshape(-1, 10)
    changed |= {f"{name}_base": values[rows] for name, values in changed.items()}
    for name, values in changed.items():
        arrays[f"module.{name}"] = values.astype(np.float32)
    arrays["module.param_mean"][12:] = 0
    (folder / "3dmm_data").mkdir(parents=True)
    save(folder / "best.pth.tar", {"state_dict": arrays})
    np.save(folder / "3dmm_data" / "keypoints_sim.npy", rows)
    write_mat(folder / "3dmm_data" / "tri.mat", "tri", faces.T + 1)
    inside = np.isin(faces, kept).all(1)
    np.save(folder / "3dmm_data" / "keptInd.npy", kept[None])
    np.save(folder / "3dmm_data" / "deletedTri.npy", np.searchsorted(kept, faces[inside]).T + 1)


def write(folder, seed=0, legacy=False, count=VERTICES):
    """best.pth.tar and 3dmm_data in a folder; returns the state and the flat rows of the keypoints."""
    rng = np.random.default_rng(seed)
    arrays, rows = state(rng, count)
    data = folder / "3dmm_data"
    data.mkdir(parents=True)
    save(folder / "best.pth.tar", {"epoch": 80, "state_dict": arrays}, legacy)
    np.save(data / "keypoints_sim.npy", rows)
    write_mat(data / "tri.mat", "tri", triangles(rng, count))
    return arrays, rows


def write_mat(path, name, values):
    """A MATLAB file of version 5 with one matrix of doubles."""

    def element(kind, body):
        return struct.pack("<II", kind, len(body)) + body + b"\0" * (-len(body) % 8)

    parts = element(6, struct.pack("<II", 6, 0)) + element(5, struct.pack("<ii", *values.shape))
    parts += element(1, name.encode()) + element(9, values.astype("<f8").tobytes(order="F"))
    head = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM"
    path.write_bytes(head + element(14, parts))


def save(path, value, legacy=False):
    """What torch.save writes, without PyTorch."""
    with _names_of_torch() as (rebuild, storages):
        kept = []

        class Pickler(pickle.Pickler):
            def persistent_id(self, thing):
                if not isinstance(thing, _Storage):
                    return None
                words = ("storage", storages[thing.values.dtype.char], str(thing.key), "cpu", thing.values.size)
                return (*words, None) if legacy else words

            def reducer_override(self, thing):
                if not isinstance(thing, np.ndarray):
                    return NotImplemented
                storage = _Storage(len(kept), np.ascontiguousarray(thing).ravel())
                kept.append(storage)
                stride = tuple(s // thing.itemsize for s in np.ascontiguousarray(thing).strides)
                return rebuild, (storage, 0, thing.shape, stride if thing.ndim else (), False, OrderedDict())

        body = io.BytesIO()
        Pickler(body, 2).dump(value)
    if legacy:
        words = [0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}]
        parts = [pickle.dumps(word, 2) for word in words]
        parts += [body.getvalue(), pickle.dumps([str(storage.key) for storage in kept], 2)]
        parts += [struct.pack("<q", storage.values.size) + storage.values.tobytes() for storage in kept]
        path.write_bytes(b"".join(parts))
        return
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("best/data.pkl", body.getvalue())
        archive.writestr("best/byteorder", "little")
        for storage in kept:
            archive.writestr(f"best/data/{storage.key}", storage.values.tobytes())
        archive.writestr("best/version", "3\n")


class _Storage:
    def __init__(self, key, values):
        self.key, self.values = key, values


@contextmanager
def _names_of_torch():
    """What a checkpoint names of PyTorch, under those names, and for as long as it is written."""
    before = {name: sys.modules.get(name) for name in ("torch", "torch._utils")}
    torch, inner = types.ModuleType("torch"), types.ModuleType("torch._utils")

    def _rebuild_tensor_v2():
        pass

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    inner._rebuild_tensor_v2, torch._utils = _rebuild_tensor_v2, inner
    kinds = {}
    for char, name in (("f", "FloatStorage"), ("l", "LongStorage"), ("d", "DoubleStorage")):
        kinds[char] = type(name, (), {"__module__": "torch", "__qualname__": name})
        setattr(torch, name, kinds[char])
    sys.modules.update({"torch": torch, "torch._utils": inner})
    try:
        yield _rebuild_tensor_v2, kinds
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
