"""Measures the texture on London people that nothing was trained on: `python -m training.bench_texture`.

Light: each photo, taken in even light, is lit anew on its fitted head by one coloured lamp and ambient light, drawn at
random; the face's skin with and without the light taken out is compared with that of the photo itself, up to a gain,
in which some light is left: the studio's.

Hidden half: each head, with its photo's skin, is drawn again turned by 45 and 75 degrees. From that picture the texture
is made anew, and the far half that it hides compared with the photo's, beside what mirroring alone and the mean skin
alone put there: structural similarity, and CIE 1976 colour difference.

Own photo: the textured head, drawn over its photo with the photo's light, against the photo where it shows skin.

Seams: how much steeper the texture is where seen skin passes into filled skin than around there.
"""

import json
import resource
import time

import cv2
import numpy as np
from scipy import ndimage
from skimage.color import rgb2lab
from skimage.metrics import structural_similarity

from synergy_blender.face import head_model, raster, reconstruct, relief, skin, skin_texture
from synergy_blender.face.seen import View, look
from synergy_blender.face.surface import bundled, in_triangles
from synergy_blender.face.texels import carry, texels_of
from synergy_blender.face.texture import synthesise
from training import sources
from training.make_crops import random_light

SIZE = 512
TURNS = (45, 75)  # degrees
HIDDEN = 0.3  # trust in the turned picture up to which skin is hidden there
FACE = (-0.065, -0.1, -0.03), (0.065, 0.05, 1.0)  # metres on the mean head


def london():
    """Photo and Reconstruction of every validation person, neutral."""
    for path in sources.london_pictures("london_neutral", validation=True):
        picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        yield picture, reconstruct(picture)[0]


def relit(rng, picture, face):
    """The photo with its head lit by a lamp that is surely not even."""
    height, width = picture.shape[:2]
    triangles = bundled().triangles
    normals = raster.vertex_normals(face.vertices * [1, -1, 1], triangles)
    index, weights = raster.rasterize(face.vertices[:, :2], triangles, width, height, face.vertices[:, 2])
    seen = np.einsum("hwc,hwcd->hwd", weights, normals[triangles[index]])
    factor = random_light(rng)(seen.astype(np.float32))
    while np.ptp(factor[index >= 0]) < 0.3:
        factor = random_light(rng)(seen.astype(np.float32))
    return np.where((index >= 0)[..., None], picture * factor, picture).clip(0, 255).astype(np.uint8)


def light_errors(seed=0):
    """Mean error of the face's skin, 0..255, as lit and with its light taken out (2,), the same of what of it the photo
    shows (2,), and, of that, how far the latter is from the photo's own skin once its light, too, is taken out."""
    rng, errors, between = np.random.default_rng(seed), [], []
    texels, (low, high) = texels_of(SIZE), FACE
    on_face = ((texels.places > low) & (texels.places < high)).all(1)
    for picture, face in london():
        lit = relit(rng, picture, face)
        _, trust = flat(look(picture, face.vertices, texels)[0], texels)
        shown = on_face & (trust > 0.5)
        truth, bare, *both = (
            skin_texture([(photo, face.vertices)], SIZE, delit).reshape(-1, 3)[texels.at].astype(float)
            for photo, delit in ((picture, 0.0), (picture, 1.0), (lit, 0.0), (lit, 1.0))
        )
        errors.append([[apart(one[some], truth[some]) for one in both] for some in (on_face, shown)])
        between.append(apart(both[1][shown], bare[shown]))
    return *np.mean(errors, axis=0), np.mean(between)


def apart(colours, truth):
    """Mean difference of colours (n, 3) from others, up to a gain."""
    return np.abs(colours * (truth.mean(0) / colours.mean(0)) - truth).mean()


def seconds_and_memory(size):
    """Seconds for texture, bumps and gloss of a second face of a photo of 1,000 pixels, and the most memory, MB."""
    picture, face = next(london())
    picture = cv2.resize(picture, (1000, 1000), interpolation=cv2.INTER_AREA)
    face = reconstruct(picture)[0]
    relief(skin_texture([(picture, face.vertices)], size))
    times = []
    for _ in range(3):
        start = time.perf_counter()
        relief(skin_texture([(picture, face.vertices)], size))
        times.append(time.perf_counter() - start)
    return sorted(times)[1], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def painted(vertices, texture, backdrop):
    """A picture of the head with its texture over a backdrop (H, W, 3), and the mask (H, W) of its skin."""
    model, (height, width) = head_model.load(), backdrop.shape[:2]
    index, weights = raster.rasterize(vertices[:, :2], bundled().triangles, width, height, vertices[:, 2])
    uv = in_triangles(model.uv)
    there = np.einsum("hwc,hwcd->hwd", weights, uv[np.maximum(index, 0)]).astype(np.float32) * len(texture)
    colour = cv2.remap(texture, there[..., 0] - 0.5, len(texture) - there[..., 1] - 0.5, cv2.INTER_LINEAR)
    names = np.array(model.material_names)[np.concatenate([model.material] * 2)]
    mask = (index >= 0) & np.isin(names, ("skin", "lips"))[np.maximum(index, 0)]
    other = (index >= 0) & ~mask
    return np.where(mask[..., None], colour, np.where(other[..., None], 90, backdrop)).astype(np.uint8), mask


def turned(face, degrees, shape):
    """The head's vertices in a picture of `shape` after a turn to one side."""
    points = face.vertices - [*face.centre, 0]
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    points = points @ np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    points[:, :2] += np.array(shape[1::-1]) / 2 - (low + high) / 2
    return points


def flat(seen, texels):
    """Colours (n, 3) and trust (n,) of all texels from a Seen."""
    colour, trust = np.zeros((len(texels.at), 3)), np.zeros(len(texels.at))
    colour[seen.rows], trust[seen.rows] = seen.colour, seen.trust
    return colour, trust


def hidden_half(turn, people=None, learned=None):
    """Dissimilarity and colour difference (2,) of the hidden half by `ours`, `mirrored` and `mean`, over all `people`,
    and by `learned`, where a function gives it from our texture (S, S, 3), how well each texel was seen (S, S), and the
    cheeks (3,)."""
    found = [
        hidden_of(picture, face, turn if k % 2 else -turn, learned)
        for k, (picture, face) in enumerate(people or london())
    ]
    return {name: np.mean([one[name] for one in found], axis=0) for name in found[0]}


def hidden_of(picture, face, degrees, learned=None):
    """The same of one person, turned by so many degrees."""
    texels = texels_of(SIZE)
    every = np.arange(len(texels.at))
    whole = skin_texture([(picture, face.vertices)], 2 * SIZE, 0.0)
    truth, sure = flat(look(picture, face.vertices, texels)[0], texels)
    points = turned(face, degrees, picture.shape)
    backdrop = np.full_like(picture, np.median(picture[:40].reshape(-1, 3), axis=0).astype(np.uint8))
    photo, _ = painted(points, whole, backdrop)
    view = View(photo, points, texels)
    _, shown = flat(view.project(texels, every), texels)
    far = np.sign(texels.places[:, 0]) == (1 if degrees > 0 else -1)
    if (shown[far] > HIDDEN).sum() > (shown[~far] > HIDDEN).sum():
        far = ~far
    hidden = far & (sure > 0.5) & (shown < HIDDEN)
    here, _, cheeks, _ = look(photo, points, texels)
    mean = cheeks * carry(skin.usual(), texels)
    flipped, trust = flat(view.project(texels, every, mirror=True), texels)
    mirrored = np.where((trust > 0.05)[:, None], flipped, mean)
    texture = skin_texture([(photo, points)], SIZE, 0.0).astype(float)
    made = {"ours": texture.reshape(-1, 3)[texels.at], "mirrored": mirrored, "mean": mean}
    if learned:
        seen = np.zeros(SIZE * SIZE)
        seen[texels.at] = flat(here, texels)[1]
        made["learned"] = learned(texture, seen.reshape(SIZE, SIZE), cheeks).reshape(-1, 3)[texels.at]
    return {name: differences(colours, truth, hidden, texels) for name, colours in made.items()}


def differences(colours, truth, where, texels):
    """1 - SSIM and CIE 1976 colour difference, of 0..255, over the texels `where`."""
    pictures = []
    for values in (truth, np.where(where[:, None], colours, truth)):
        picture = np.zeros((texels.size**2, 3))
        picture[texels.at] = values.clip(0, 255)
        pictures.append(picture.reshape(texels.size, texels.size, 3))
    _, similar = structural_similarity(*pictures, channel_axis=2, data_range=255, full=True)
    lab = [rgb2lab(picture / 255).reshape(-1, 3)[texels.at[where]] for picture in pictures]
    return 1 - similar.mean(2).ravel()[texels.at[where]].mean(), np.linalg.norm(lab[0] - lab[1], axis=1).mean()


def own_photo():
    """Mean CIE 1976 difference of the textured head from its photo, where that shows skin, over all people."""
    texels, found = texels_of(1024), []
    for picture, face in london():
        drawn, mask = painted(face.vertices, skin_texture([(picture, face.vertices)], 1024, 0.0), picture)
        _, trust = flat(look(picture, face.vertices, texels)[0], texels)
        map_of_trust = np.zeros(1024 * 1024, np.uint8)
        map_of_trust[texels.at] = 255 * trust
        seen, _ = painted(face.vertices, np.repeat(map_of_trust.reshape(1024, 1024, 1), 3, 2), np.zeros_like(picture))
        where = mask & (seen[..., 0] > 127)
        lab = [rgb2lab(one[where] / 255.0) for one in (drawn, picture)]
        found.append(np.linalg.norm(lab[0] - lab[1], axis=1).mean())
    return float(np.mean(found))


def seams():
    """The texture's steepness where seen skin passes into filled skin over that around there, over all people, as they
    are and turned."""
    texels, inside, outside = texels_of(1024), [], []
    on_map = np.zeros((1024, 1024), bool)
    on_map.ravel()[texels.at] = True
    on_map = ndimage.binary_erosion(on_map, iterations=3)
    for k, (picture, face) in enumerate(london()):
        points = turned(face, (0, 30, -45, 60)[k % 4], picture.shape)
        if k % 4:
            whole = skin_texture([(picture, face.vertices)], 1024, 0.0)
            picture, _ = painted(points, whole, np.full_like(picture, 200))
        else:
            points = face.vertices
        looks = [look(picture, points, texels)]
        _, trust = synthesise(looks, texels)
        texture = skin_texture([(picture, points)], 1024, 0.0).astype(float)
        steep = np.sqrt(sum(ndimage.sobel(texture.mean(2), axis) ** 2 for axis in (0, 1))) / 8
        seen = np.zeros((1024, 1024))
        seen.ravel()[texels.at] = trust
        border = (seen > 0.02) & (seen < 0.98)
        around = ndimage.binary_dilation(border, iterations=12) & ~ndimage.binary_dilation(border, iterations=2)
        inside.append(steep[border & on_map].mean())
        outside.append(steep[around & on_map].mean())
    return float(np.mean(inside) / np.mean(outside))


def measure():
    """Every figure by its name."""
    found = {}
    for size in (1024, 2048):
        found[f"seconds_{size}"], found["megabytes"] = seconds_and_memory(size)
    (found["as_lit"], found["delit"]), (found["as_lit_seen"], found["delit_seen"]), found["lamp"] = light_errors()
    for turn in TURNS:
        for name, values in hidden_half(turn).items():
            found[f"{name}_{turn}"] = [round(float(v), 4) for v in values]
    found["own_photo"], found["seam"] = own_photo(), seams()
    return found


if __name__ == "__main__":
    print(json.dumps(measure()))
