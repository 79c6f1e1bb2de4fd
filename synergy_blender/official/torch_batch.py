"""The authors' network and morphable model on PyTorch, for many crops at once."""

import numpy as np
import torch

from ..engine.torch_features import Features
from .conventions import DOWN
from .weights import POSE

CHUNK = {"cpu": 32, "cuda": 512, "mps": 128}  # crops at a time


class OnTorch:
    """An OfficialModel on a device: its network in single precision on the processor, in half on a graphics card."""

    def __init__(self, model, device):
        self.device = torch.device(device)
        self.dtype = torch.float32 if self.device.type == "cpu" else torch.float16
        self.features = Features(model.weights, self.device, self.dtype)
        self.head = self._kept(model.weights["heads_weight"]), self._kept(model.weights["heads_bias"])
        self.std, self.mean = (self._kept(values[:POSE]) for values in (model.param_std, model.param_mean))
        self.planes = [tuple(map(self._kept, pair)) for pair in model.planes]

    def _kept(self, values):
        return torch.from_numpy(np.ascontiguousarray(values, np.float32)).to(self.device)

    @torch.inference_mode()
    def parts(self, crops, dense, shift):
        """Whitened parameters, landmarks and vertices, or None, of crops (B, 120, 120, 3) uint8."""
        size, found = CHUNK[self.device.type], []
        for first in range(0, max(1, len(crops)), size):
            found.append([part.cpu().numpy() for part in self.some(crops[first : first + size], dense, shift)])
        columns = [np.concatenate(parts) for parts in zip(*found, strict=True)]
        return (*columns, None) if not dense else tuple(columns)

    @torch.inference_mode()
    def some(self, crops, dense, shift):
        """The same of a few crops, as tensors on the device."""
        x = torch.from_numpy(np.ascontiguousarray(crops)).to(self.device).permute(0, 3, 1, 2)
        last, _ = self.features((x.float() - 127.5) / 128)
        whitened = last.float().mean((2, 3)) @ self.head[0] + self.head[1]
        matrix = (whitened[:, :POSE] * self.std + self.mean).view(-1, 3, 4)
        flip = matrix.new_tensor(DOWN)[:, None]
        turn, move = matrix[..., :3] * flip, matrix[..., 3:] * flip + matrix.new_tensor([*shift, 0.0])[:, None]
        shape = whitened[:, POSE:]
        placed = []
        for centre, basis in self.planes[: 2 if dense else 1]:
            points = torch.addmm(centre, shape, basis).view(len(shape), 3, len(centre) // 3)
            placed.append(torch.baddbmm(move, turn, points))
        return whitened, *placed
