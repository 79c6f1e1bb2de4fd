"""The bundled network on PyTorch: the layers of face.network for batches of crops."""

import numpy as np
import torch
import torch.nn.functional as F

from ..face.network import CROP, DEEP, DETAIL, FINE, LANDMARKS, LOG_ERRORS, ImageToParameters
from .torch_features import Features, kernel


class TorchImageToParameters(ImageToParameters):
    """face.network.ImageToParameters on a PyTorch `device`."""

    def __init__(self, weights, device):
        super().__init__(weights)
        self.device = torch.device(device)
        self.features = Features(self.weights, self.device)
        self.tensors = {
            name: torch.from_numpy(values).to(self.device)
            for name, values in self.weights.items()
            if name not in self.features.tensors
        }
        self.kernels = {
            name: kernel(self.tensors[f"sight_{name}_weight"]) for name in ("fine", "deep", "around", "heat", "near")
        }

    def __call__(self, crop):
        return self.several([crop])[0]

    @torch.inference_mode()
    def several(self, crops):
        w = self.tensors
        x = torch.from_numpy(np.ascontiguousarray(crops, np.float32)).to(self.device).permute(0, 3, 1, 2)
        last, kept = self.features(x / 127.5 - 1, (DETAIL, FINE, DEEP))
        seen, near = self._sight(kept[FINE], kept[DEEP])
        pooled = (last * w["pooling_weight"].permute(2, 0, 1)).mean((2, 3))

        def at(points):
            return torch.cat([_look(kept[DETAIL], points), _look(near, points)], 2)

        closer = torch.einsum("bkf,kfo->bko", at(seen), w["closer_weight"]) + w["closer_bias"]
        seen = seen + closer[..., :2] / CROP
        features = at(seen)
        looked = torch.relu(features[:, :LANDMARKS].flatten(1) @ w["from_look_weight"] + w["from_look_bias"])
        again = torch.einsum("bkf,kfo->bko", features, w["again_weight"]) + w["again_bias"]
        again = again + (looked @ w["together_weight"]).view(again.shape)
        seen = seen + again[..., :2] / CROP
        flat, looked = seen.flatten(1), at(seen[:, :LANDMARKS]).flatten(1)
        hidden = torch.relu(flat @ w["from_sight_weight"] + w["from_sight_bias"])
        close = torch.relu(looked @ w["from_last_look_weight"] + w["from_last_look_bias"])
        parameters = torch.cat([pooled, flat, hidden, close], 1) @ w["heads_weight"] + w["heads_bias"]
        points, errors = (CROP / 2) * (seen + 1), (closer + again)[..., 2].clamp(*LOG_ERRORS).exp()
        return list(zip(*(t.cpu().numpy() for t in (parameters, points, errors)), strict=True))

    def _sight(self, fine, deep):
        w, kernels = self.tensors, self.kernels
        deep = F.conv2d(deep, kernels["deep"], w["sight_deep_bias"]).repeat_interleave(2, 2).repeat_interleave(2, 3)
        both = F.conv2d(fine, kernels["fine"]) + deep[:, :, : fine.shape[2], : fine.shape[3]]
        bias, groups = w["sight_around_bias"], len(w["sight_around_bias"])
        x = F.relu6(F.conv2d(F.relu6(both), kernels["around"], bias, padding=1, groups=groups))
        heat = F.conv2d(x, kernels["heat"], w["sight_heat_bias"])
        height, width = heat.shape[2:]
        share = heat.flatten(2).softmax(2).view(heat.shape)
        across, down = (torch.arange(n, device=x.device) * (2 / n) + (1 / n - 1) for n in (width, height))
        seen = torch.stack([(share.sum(2) * across).sum(2), -(share.sum(3) * down).sum(2)], 2)
        return seen, F.relu6(F.conv2d(x, kernels["near"], w["sight_near_bias"]))


def _look(picture, seen):
    """Features (B, K, C) of maps (B, C, H, W) at points (B, K, 2) in -1..1, y up."""
    at = seen[:, None] * seen.new_tensor([1.0, -1.0])
    return F.grid_sample(picture, at, padding_mode="border", align_corners=False)[:, :, 0].transpose(1, 2)
