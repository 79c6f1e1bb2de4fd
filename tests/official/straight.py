"""The authors' way from picture to numbers, written once more and plainly, to compare with: nothing folded, float64."""

from math import asin, atan2, cos, degrees

import numpy as np

from .authors import SETTINGS


class Straight:
    def __init__(self, arrays, rows):
        self.w = {name.removeprefix("module."): np.asarray(values, float) for name, values in arrays.items()}
        self.rows = rows

    def norm(self, x, name):
        w = self.w
        shape = (-1,) + (1,) * (x.ndim - 1)
        scale = w[f"{name}.weight"] / np.sqrt(w[f"{name}.running_var"] + 1e-5)
        return (x - w[f"{name}.running_mean"].reshape(shape)) * scale.reshape(shape) + w[f"{name}.bias"].reshape(shape)

    def conv(self, x, name, stride=1, groups=False):
        weight = self.w[f"{name}.weight"]
        size = weight.shape[2]
        padded = np.pad(x, ((0, 0), (size // 2,) * 2, (size // 2,) * 2))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))[:, ::stride, ::stride]
        if groups:
            return np.einsum("chwij,cij->chw", windows, weight[:, 0])
        return np.einsum("chwij,ocij->ohw", windows, weight, optimize=True)

    def parameters(self, crop):
        """Whitened parameters (62,) and the image feature (1280,) of a crop (120, 120, 3) BGR."""
        x, at, k = (crop.astype(float).transpose(2, 0, 1) - 127.5) / 128, "I2P.backbone.features", 1
        x = np.clip(self.norm(self.conv(x, f"{at}.0.0", 2), f"{at}.0.1"), 0, 6)
        for expansion, outputs, repeats, first in SETTINGS:
            for repeat in range(repeats):
                skip, here, step, stride = x, f"{at}.{k}.conv", 0, first if repeat == 0 else 1
                if expansion > 1:
                    x = np.clip(self.norm(self.conv(x, f"{here}.0.0"), f"{here}.0.1"), 0, 6)
                    step = 1
                x = self.norm(self.conv(x, f"{here}.{step}.0", stride, groups=True), f"{here}.{step}.1")
                x = self.norm(self.conv(np.clip(x, 0, 6), f"{here}.{step + 1}"), f"{here}.{step + 2}")
                if stride == 1 and len(skip) == outputs:
                    x = x + skip
                k += 1
        x = np.clip(self.norm(self.conv(x, f"{at}.18.0"), f"{at}.18.1"), 0, 6).mean((1, 2))
        heads = [f"I2P.backbone.classifier_{part}.1" for part in ("ori", "shape", "exp")]
        return np.concatenate([self.w[f"{h}.weight"] @ x + self.w[f"{h}.bias"] for h in heads]), x

    def one(self, x, layer, norm):
        """A 1x1 convolution of points (A, N) with its norm and ReLU."""
        x = self.w[f"{layer}.weight"][:, :, 0] @ x + self.w[f"{layer}.bias"][:, None]
        return np.maximum(self.norm(x, norm), 0)

    def encode(self, points, part):
        x = points
        for k in range(1, 6):
            x = self.one(x, f"{part}.conv{k}", f"{part}.bn{k}")
            if k == 2:
                each = x
        return each, x.max(1, keepdims=True)

    def refinement(self, points, feature, whitened):
        each, whole = self.encode(points, "forwardDirection")
        rest = [np.repeat(v, points.shape[1], 1) for v in (whole, feature[:, None], whitened[12:, None])]
        x = np.concatenate([each, *rest])
        for k in range(6, 10):
            x = self.one(x, f"forwardDirection.conv{k}", f"forwardDirection.bn{k}")
        return x

    def reverse(self, points):
        _, whole = self.encode(points, "reverseDirection")
        names = [(f"reverseDirection.conv6_{k}", f"reverseDirection.bn6_{k}") for k in (1, 2, 3)]
        return np.concatenate([self.one(whole, *name)[:, 0] for name in names])

    def points(self, whitened, base):
        """Landmarks (3, 68), or all vertices (3, V), in crop pixels, y down."""
        w, end = self.w, "_base" if base else ""
        p = whitened * w["param_std"] + w["param_mean"]
        pose = p[:12].reshape(3, 4)
        flat = w[f"u{end}"] + w[f"w_shp{end}"] @ p[12:52, None] + w[f"w_exp{end}"] @ p[52:, None]
        found = pose[:, :3] @ flat.reshape(3, -1, order="F") + pose[:, 3:]
        found[1] = 121 - found[1]
        return found

    def angles(self, whitened):
        """Yaw, pitch and roll in degrees."""
        rows = (whitened * self.w["param_std"] + self.w["param_mean"])[:12].reshape(3, 4)[:2, :3]
        first, second = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        third = np.cross(first, second)
        yaw = asin(third[0])
        pitch = atan2(second[2] / cos(yaw), third[2] / cos(yaw))
        return degrees(yaw), degrees(pitch), degrees(atan2(first[1] / cos(yaw), first[0] / cos(yaw)))


def region(box):
    middle = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    margin = (box[3] - box[1]) * 1.2 // 2
    return middle[0] - margin, middle[1] - margin, middle[0] + margin, middle[1] + margin


def cut(picture, region):
    """The region out of a picture with enough black about it."""
    border = 2000
    x0, y0, x1, y1 = (int(np.rint(v)) + border for v in region)
    wide = np.pad(picture, ((border, border), (border, border), (0, 0)))
    return wide[y0:y1, x0:x1]


def moved(points, region):
    """Crop points (3, N) in the picture."""
    across, down = (region[2] - region[0]) / 120, (region[3] - region[1]) / 120
    return np.stack([points[0] * across + region[0], points[1] * down + region[1], points[2] * (across + down) / 2])
