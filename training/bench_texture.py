"""Measures the texture on London people that nothing was trained on: `python -m training.bench_texture`.

Light: each photo, taken in even light, is lit anew on its fitted head by one coloured lamp and ambient light, drawn at
random; the face's skin with and without the light taken out is compared with that of the photo itself, up to a gain.
"""

import json
import resource
import time

import cv2
import numpy as np

from synergy_blender.face import raster, reconstruct, skin_texture
from synergy_blender.face.texels import model_triangles, texels_of
from training import sources
from training.make_crops import random_light

SIZE = 512
FACE = (-0.065, -0.1, -0.03), (0.065, 0.05, 1.0)  # metres on the mean head


def london():
    """Photo and Reconstruction of every validation person, neutral."""
    for path in sources.london_pictures("london_neutral", validation=True):
        picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        yield picture, reconstruct(picture)[0]


def relit(rng, picture, face):
    """The photo with its head lit by a lamp that is surely not even."""
    height, width = picture.shape[:2]
    triangles = model_triangles()
    normals = raster.vertex_normals(face.vertices * [1, -1, 1], triangles)
    index, weights = raster.rasterize(face.vertices[:, :2], triangles, width, height, face.vertices[:, 2])
    seen = np.einsum("hwc,hwcd->hwd", weights, normals[triangles[index]])
    factor = random_light(rng)(seen.astype(np.float32))
    while np.ptp(factor[index >= 0]) < 0.3:
        factor = random_light(rng)(seen.astype(np.float32))
    return np.where((index >= 0)[..., None], picture * factor, picture).clip(0, 255).astype(np.uint8)


def light_errors(seed=0):
    """Mean error of the face's skin, 0..255, as lit and with its light taken out, and by how much that is better."""
    rng, errors = np.random.default_rng(seed), []
    texels, (low, high) = texels_of(SIZE), FACE
    face_texels = texels.at[((texels.places > low) & (texels.places < high)).all(1)]
    for picture, face in london():
        lit = relit(rng, picture, face)
        truth, *both = (
            skin_texture(photo, face, SIZE, delit=delit).reshape(-1, 3)[face_texels].astype(float)
            for photo, delit in ((picture, 0.0), (lit, 0.0), (lit, 1.0))
        )
        errors.append([np.abs(one * (truth.mean(0) / one.mean(0)) - truth).mean() for one in both])
    before, after = np.mean(errors, axis=0)
    return before, after, 1 - after / before


def seconds_and_memory(size):
    """Seconds for a second face of a photo of 1,000 pixels, and the most memory of this process, MB."""
    picture, face = next(london())
    picture = cv2.resize(picture, (1000, 1000), interpolation=cv2.INTER_AREA)
    face = reconstruct(picture)[0]
    skin_texture(picture, face, size)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        skin_texture(picture, face, size)
        times.append(time.perf_counter() - start)
    return sorted(times)[1], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def measure():
    """Every figure by its name."""
    found = {}
    for size in (1024, 2048):
        found[f"seconds_{size}"], found["megabytes"] = seconds_and_memory(size)
    found["as_lit"], found["delit"], found["better"] = light_errors()
    return found


if __name__ == "__main__":
    print(json.dumps(measure()))
