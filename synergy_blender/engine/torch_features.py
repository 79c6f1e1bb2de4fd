"""MobileNetV2 on PyTorch, from weights as they are kept for NumPy."""

import torch
import torch.nn.functional as F

from ..face.network import blocks


def kernel(weight):
    """A layer's weight as conv2d wants it: pointwise (A, B), depthwise (3, 3, C), or the stem's (27, B)."""
    if weight.ndim == 3:
        return weight.permute(2, 0, 1)[:, None].contiguous()
    if len(weight) == 27:
        weight = weight.reshape(3, 3, 3, -1).permute(3, 2, 0, 1)
    else:
        weight = weight.T[:, :, None, None]
    return weight.contiguous(memory_format=torch.channels_last)


class Features:
    """The layers of face.network up to the last features, on a device with numbers of a type."""

    def __init__(self, weights, device, dtype=torch.float32):
        self.device, self.dtype, self.tensors = device, dtype, {}
        names = [name for name in weights if name.startswith(("stem_", "block", "last_"))]
        for name in names:
            values = torch.from_numpy(weights[name]).to(device, dtype)
            self.tensors[name] = kernel(values) if name.endswith("_weight") else values

    def __call__(self, x, keep=()):
        """x (B, 3, 120, 120) -> last features (B, 1280, 4, 4), and those after as many layers as `keep` names."""
        x = x.to(self.dtype).contiguous(memory_format=torch.channels_last)
        x, kept = F.relu6(self._convolution(x, "stem", stride=2, padding=1)), {}
        for i, (expansion, outputs, stride) in enumerate(blocks()):
            skip, name = x, f"block{i:02d}"
            if expansion > 1:
                x = F.relu6(self._convolution(x, f"{name}_expand"))
            x = F.relu6(self._convolution(x, f"{name}_depthwise", stride=stride, padding=1, groups=x.shape[1]))
            x = self._convolution(x, f"{name}_project")
            if stride == 1 and skip.shape[1] == outputs:
                x = x + skip
            if i + 2 in keep:
                kept[i + 2] = x
        return F.relu6(self._convolution(x, "last")), kept

    def _convolution(self, x, name, **more):
        return F.conv2d(x, self.tensors[f"{name}_weight"], self.tensors[f"{name}_bias"], **more)
