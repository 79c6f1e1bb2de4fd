"""SynergyNet (Wu, Xu & Neumann, 3DV 2021) in PyTorch, on our head model.

`ImageToParameters`: MobileNetV2 (Sandler et al., 2018) and three linear heads give 12 pose + 40 identity +
52 expression numbers, whitened. `LandmarkRefinement` (MAFA) adds to the landmarks of the mesh what point, global,
image, shape and expression features say. `LandmarksToParameters` regresses the numbers back from landmarks.
Unlike the release, the last layers are linear: a residual and a whitened number may be negative.
"""

import torch
import torch.nn.functional as F
from torch import nn

from synergy_blender.face.network import (
    BLOCKS,
    DEEP,
    DETAIL,
    FEATURES,
    FINE,
    LANDMARKS,
    LOOKED,
    NEAR,
    POINTS,
    SEEN,
    SIGHT,
    STEM,
)

POSE, IDENTITY, EXPRESSION = 12, 40, 52
PARAMETERS = POSE + IDENTITY + EXPRESSION
REFINEMENT_SCALE = 3.0  # crop pixels per unit of the refinement's output
CROP = 120.0


class Strided(nn.Conv2d):
    """Every second row and column of a depthwise convolution, taken after it: on a CPU its gradient is found seven
    times as fast as that of a convolution in strides."""

    def forward(self, x):
        if x.is_cuda:
            return super().forward(x)
        return F.conv2d(x, self.weight, self.bias, 1, self.padding, 1, self.groups)[:, :, ::2, ::2].contiguous(
            memory_format=torch.channels_last
        )


def convolution(inputs, outputs, kernel=1, stride=1, groups=1, activation=True):
    kind = Strided if groups > 1 and stride == 2 else nn.Conv2d
    layers = [
        kind(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, *([nn.ReLU6()] if activation else []))


class InvertedResidual(nn.Module):
    def __init__(self, inputs, outputs, stride, expansion):
        super().__init__()
        hidden = inputs * expansion
        self.body = nn.Sequential(
            *([convolution(inputs, hidden)] if expansion > 1 else []),
            convolution(hidden, hidden, 3, stride, groups=hidden),
            convolution(hidden, outputs, activation=False),
        )
        self.skip = stride == 1 and inputs == outputs

    def forward(self, x):
        return x + self.body(x) if self.skip else self.body(x)


class SpatialPooling(nn.Module):
    """A weighted mean over a picture of features, with weights of its own for every channel (MobileFaceNets' global
    depthwise convolution, Chen et al., 2018): where a thing is seen tells the pose, which a plain mean forgets."""

    def __init__(self, channels, side=4):
        super().__init__()
        ramp = torch.linspace(-1, 1, side)
        slopes = torch.empty(2, channels, 1, 1).uniform_(-1, 1)
        self.weight = nn.Parameter(1 + slopes[0] * ramp + slopes[1] * ramp[:, None])

    def forward(self, x):
        weight = self.weight[None]
        if x.shape[2:] != weight.shape[2:]:
            weight = F.interpolate(weight, x.shape[2:], mode="area" if x.shape[2] < 4 else "bilinear")
        return (x * weight).mean((2, 3))


class Sight(nn.Module):
    """Where a softmax over fine and deep features sees each point of the face: (B, 268, 2) in -1..1, x right, y up.

    `fine` (B, 32, H, W) shows small things, `deep` (B, 96, H/2, W/2) tells which they are. A map (B, NEAR, H, W) to
    look at more closely around the points comes with them.
    """

    def __init__(self):
        super().__init__()
        self.fine = nn.Conv2d(BLOCKS[2][1], SIGHT, 1, bias=False)
        self.deep = convolution(BLOCKS[4][1], SIGHT, activation=False)
        self.around = nn.Sequential(nn.ReLU6(), convolution(SIGHT, SIGHT, 3, groups=SIGHT))
        self.heat = nn.Conv2d(SIGHT, POINTS, 1)
        self.near = convolution(SIGHT, NEAR)

    def forward(self, fine, deep):
        height, width = fine.shape[2:]
        deep = self.deep(deep).repeat_interleave(2, 2).repeat_interleave(2, 3)[:, :, :height, :width]
        around = self.around(self.fine(fine) + deep)
        heat = self.heat(around).float()
        share = heat.flatten(2).softmax(2).view_as(heat)
        across = (torch.arange(width, device=heat.device) + 0.5) * (2 / width) - 1
        down = 1 - (torch.arange(height, device=heat.device) + 0.5) * (2 / height)
        return torch.stack([(share.sum(2) * across).sum(2), (share.sum(3) * down).sum(2)], 2), self.near(around)


def upside_down(points):
    """Points (..., 2) with y down, not up, or the other way round."""
    return torch.stack([points[..., 0], -points[..., 1]], -1)


def look(picture, seen):
    """Features (B, K, C) of maps (B, C, H, W) at points (B, K, 2) in -1..1, y up, interpolated linearly."""
    at = upside_down(seen.detach())[:, :, None]
    found = F.grid_sample(picture.float(), at, padding_mode="border", align_corners=False)
    return found[..., 0].transpose(1, 2)


class Closer(nn.Module):
    """What features (B, K, C) at seen points say of them: (B, K, 3), a step towards the truth in crop pixels and a part
    of log(error / px); every point has weights of its own (cascaded regression, Dollar et al., 2010; the error after
    Wood et al., 2022)."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(POINTS, BLOCKS[1][1] + NEAR, 3))
        self.bias = nn.Parameter(torch.zeros(POINTS, 3))

    def forward(self, features):
        return torch.einsum("bkc,kcd->bkd", features, self.weight) + self.bias


def gathered(inputs, outputs):
    """Features of many features together, to be rectified: the norm keeps nearly all of them from dying, as 97 in 100
    did without it when features that are never negative moved them all at once."""
    return nn.Sequential(nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs))


class ImageToParameters(nn.Module):
    """MobileNetV2 with additions that let it learn from far fewer crops: spatial pooling, sight of points all over the
    face, and close looks at each of them, which show lids, lips and brows at more detail than the deep features do. The
    first look moves every point by itself, the second all of them together (supervised descent, Xiong & De la Torre,
    2013: the points' own features say where a face as a whole was seen wrong), the last tells the heads.
    """

    def __init__(self):
        super().__init__()
        layers, inputs = [convolution(3, STEM, 3, 2)], STEM
        for expansion, outputs, repeats, stride in BLOCKS:
            for i in range(repeats):
                layers.append(InvertedResidual(inputs, outputs, stride if i == 0 else 1, expansion))
                inputs = outputs
        layers.append(convolution(inputs, FEATURES))
        self.features = nn.Sequential(*layers)
        self.pooling = SpatialPooling(FEATURES)
        self.sight = Sight()
        self.closer = Closer()
        self.from_sight = gathered(2 * POINTS, SEEN)
        self.from_look = gathered(LANDMARKS * (BLOCKS[1][1] + NEAR), LOOKED)
        self.together = nn.Linear(LOOKED, 3 * POINTS, bias=False)
        self.again = Closer()
        self.from_last_look = gathered(LANDMARKS * (BLOCKS[1][1] + NEAR), LOOKED)
        nn.init.zeros_(self.together.weight)
        self.heads = nn.Linear(FEATURES + 2 * POINTS + SEEN + LOOKED, PARAMETERS)  # the three heads side by side

    def forward(self, crops):
        """crops (B, 3, H, W) in -1..1 -> whitened parameters (B, 104), image feature (B, 1280) and what is seen of
        the points: at a glance, closer and again (B, 268, 2 each), log of the last error in pixels (B, 268)."""
        detail = self.features[:DETAIL](crops)
        fine = self.features[DETAIL:FINE](detail)
        deep = self.features[FINE:DEEP](fine)
        feature = self.pooling(self.features[DEEP:](deep).float())
        glance, near = self.sight(fine, deep)
        with torch.autocast(crops.device.type, enabled=False):  # half precision would cost half a pixel

            def at(points):
                return torch.cat([look(detail, points), look(near, points)], 2)

            first = self.closer(at(glance))
            closer = glance + first[..., :2] / CROP
            features = at(closer)
            looked = self.from_look(features[:, :LANDMARKS].flatten(1)).relu()
            second = self.again(features) + self.together(looked).view(first.shape)
            seen, error = closer + second[..., :2] / CROP, first[..., 2] + second[..., 2]
            looked = self.from_last_look(at(seen[:, :LANDMARKS]).flatten(1)).relu()
            flat = seen.detach().flatten(1)  # points are to be right, not to help the parameters by being wrong
            rows = [feature, flat, self.from_sight(flat).relu(), looked]
            return self.heads(torch.cat(rows, 1)), feature, (glance, closer, seen, error)


def dense(widths):
    """Linear, batch norm and ReLU layers on rows of features."""
    for a, b in zip(widths, widths[1:], strict=False):
        yield from (nn.Linear(a, b, bias=False), nn.BatchNorm1d(b), nn.ReLU())


class PointEncoder(nn.Module):
    """Per-point features (B, K, 64) and a global feature (B, 1024) of landmarks (B, 3, K) in crop pixels."""

    def __init__(self):
        super().__init__()
        self.point = nn.Sequential(*dense([3, 64, 64]))
        self.whole = nn.Sequential(*dense([64, 64, 128, 1024]))

    def forward(self, landmarks):
        batch, _, count = landmarks.shape
        rows = (landmarks / (CROP / 2) - 1).transpose(1, 2).reshape(batch * count, 3)
        point = self.point(rows)
        return point.view(batch, count, -1), self.whole(point).view(batch, count, -1).amax(1)


class LandmarkRefinement(nn.Module):
    """MAFA: landmarks (B, 3, K), features and where the image shows them -> corrections (B, 3, K) in crop pixels."""

    def __init__(self):
        super().__init__()
        self.encoder = PointEncoder()
        # one layer over the concatenation, split so that what all points share is multiplied once
        self.from_point = nn.Linear(64 + 2, 512, bias=False)
        self.from_context = nn.Linear(1024 + FEATURES + IDENTITY + EXPRESSION, 512, bias=False)
        self.decoder = nn.Sequential(nn.BatchNorm1d(512), nn.ReLU(), *dense([512, 256, 128]), nn.Linear(128, 3))

    def forward(self, landmarks, feature, identity, expression, seen):
        point, whole = self.encoder(landmarks)
        offset = (CROP / 2) * (seen + 1) - landmarks[:, :2].transpose(1, 2)
        point = torch.cat([point, offset / REFINEMENT_SCALE], 2)
        context = self.from_context(torch.cat([whole, feature, identity, expression], 1))
        rows = (self.from_point(point) + context[:, None]).flatten(0, 1)
        return REFINEMENT_SCALE * self.decoder(rows).view(landmarks.shape[0], -1, 3).transpose(1, 2)


class LandmarksToParameters(nn.Module):
    """The reverse direction: landmarks (B, 3, K) -> whitened parameters (B, 104)."""

    def __init__(self):
        super().__init__()
        self.encoder = PointEncoder()
        self.heads = nn.Linear(1024, PARAMETERS)

    def forward(self, landmarks):
        return self.heads(self.encoder(landmarks)[1])


class SynergyNet(nn.Module):
    """All modules and the linear head model they share.

    `points` are the 68 landmarks first, then more points of the surface that only the training looks at.
    """

    def __init__(self, mean, identity, expression, whitening_mean, whitening_std):
        """mean (K, 3), identity (40, K, 3), expression (52, K, 3) in metres; whitening (104,)."""
        super().__init__()
        self.image_to_parameters = ImageToParameters()
        self.refinement = LandmarkRefinement()
        self.landmarks_to_parameters = LandmarksToParameters()
        buffers = {
            "mean": mean.reshape(-1),
            "basis": torch.cat([identity, expression]).reshape(IDENTITY + EXPRESSION, -1),
            "whitening_mean": whitening_mean,
            "whitening_std": whitening_std,
        }
        for name, value in buffers.items():
            self.register_buffer(name, value.float())

    def points(self, parameters):
        """Crop-frame points (B, 3, K), y up, of unwhitened parameters (B, 104)."""
        with torch.autocast(parameters.device.type, enabled=False):
            shape = (self.mean + parameters[:, POSE:] @ self.basis).view(len(parameters), -1, 3)
            pose = parameters[:, :POSE].view(-1, 3, 4)
            return pose[:, :, :3] @ shape.transpose(1, 2) + pose[:, :, 3:]

    def unwhiten(self, whitened):
        return whitened.float() * self.whitening_std + self.whitening_mean

    def forward(self, crops, synergy=True):
        """Everything the losses compare: parameters (whitened), sight, points, refined landmarks, reverse parameters.

        Without `synergy` the last two are None: early in a run there is nothing yet to refine.
        """
        whitened, feature, sight = self.image_to_parameters(crops)
        points = self.points(self.unwhiten(whitened))
        if not synergy:
            return whitened.float(), sight, points, None, None
        landmarks = points[:, :, :68]
        identity, expression = whitened[:, POSE : POSE + IDENTITY], whitened[:, POSE + IDENTITY :]
        seen = sight[2][:, :LANDMARKS]
        refined = landmarks + self.refinement(landmarks, feature, identity, expression, seen).float()
        reverse = self.landmarks_to_parameters(refined)
        return whitened.float(), sight, points, refined, reverse.float()
