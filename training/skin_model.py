"""How skin usually varies over a face: `python -m training.skin_model` writes `addon_assets/skin.npz`. No one's picture
is in it; people that are validated on have no part in it.

Every training person of Face Research Lab London, in even light, gives the colours of the head's vertices that the
photo shows, over the colour of the cheeks, and once more mirrored: `usual` (V, 3) is their median. `alike_in_detail`
(V,) is the slope of a texel's detail, what is finer than vertices, over that of its partner on the other side.
"""

import argparse
from functools import lru_cache

import cv2
import numpy as np

from synergy_blender.face import assets, head_model, reconstruct, seen, surface, texels
from synergy_blender.face.skin import ramp
from training import sources

SIZE, DETAIL_SIZE = 256, 512
FEWEST = 12  # people who must show a vertex
SMOOTHING = 3
FEATURES = [-0.1, -0.08, -0.05, -0.02, 0.0, 0.022, 0.045], [0.014, 0.018, 0.028, 0.036, 0.042, 0.042, 0.02]
# metres over which skin becomes plain: across, beyond FEATURES, which reach so far from the middle at such heights;
# downwards and upwards; and towards the back
EDGE, BELOW, ABOVE, BEHIND = 0.014, (-0.088, -0.102), (0.04, 0.058), (-0.03, -0.05)
SURE = 0.97  # confidence of a portrait that is learned from
LARGEST_YAW, LARGEST_PICTURE = 35, 512


def picture_and_face(path):
    picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    faces = reconstruct(picture)
    return picture, faces[0] if faces else None


def looking_ahead(paths, largest_yaw):
    """Path, picture, not wider or taller than LARGEST_PICTURE, and face of the well labelled portraits that surely show
    one not turned further than so many degrees."""
    allowed = sources.well_labelled()
    for path in paths:
        if str(path.relative_to(sources.DATA)) not in allowed:
            continue
        picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        shrink = min(1.0, LARGEST_PICTURE / max(picture.shape[:2]))
        picture = cv2.resize(picture, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        faces = reconstruct(picture)
        if faces and faces[0].confidence >= SURE and abs(faces[0].yaw) <= largest_yaw:
            yield path, picture, faces[0]


def of_person(path):
    """Colours (V, 3) over the cheeks' and how surely each vertex was seen (V,), or None for a doubtful picture."""
    picture, face = picture_and_face(path)
    if face is None or face.confidence < SURE or abs(face.yaw) > LARGEST_YAW:
        return None
    about = texels.texels_of(SIZE, plain_surface())
    here, _, cheeks, _ = seen.look(picture, face.vertices, about)
    colour, trust = np.zeros((len(about.at), 3), np.float32), np.zeros(len(about.at), np.float32)
    colour[here.rows], trust[here.rows] = here.colour / cheeks, here.trust
    return texels.gather(colour, trust, about)


@lru_cache(maxsize=1)
def plain_surface():
    """The head's surface, of whose skin nothing is known yet."""
    model = head_model.load()
    return surface.of_head(model, np.ones_like(model.mean), np.zeros(len(model.mean), np.float32))


def people(paths):
    """Colours (N, V, 3) of the vertices, with nan where they are not seen, of all portraits that are not doubtful."""
    found = [one for one in (of_person(path) for path in paths) if one is not None]
    return np.stack([np.where(share[:, None] > 0.5, ratio, np.nan) for ratio, share in found]).astype(np.float32)


def plainness(model):
    """How far (V, 1) 0..1 a vertex is from the features of the face: cheeks' sides, jaw, ears, scalp and neck. What is
    darker there in every photo is lit less."""
    x, y, z = model.mean.T
    beside = ramp(np.abs(x) - np.interp(y, *FEATURES), 0, EDGE)
    return np.max([beside, ramp(y, *BELOW), ramp(y, *ABOVE), ramp(z, *BEHIND)], axis=0)[:, None]


def smooth(values):
    """Values (V, k) of the vertices, made smoother along the surface."""
    start, end = plain_surface().edges.T
    number = np.maximum(np.bincount(end, minlength=len(values)), 1)[:, None]
    for _ in range(SMOOTHING):
        around = np.stack([np.bincount(end, column[start], len(values)) for column in values.T], 1) / number
        values = 0.5 * (values + around)
    return values


def usual_of(values, plain):
    both = np.concatenate([values, values[:, plain_surface().partner]])
    known = (~np.isnan(both[..., 0])).sum(0) >= 2 * FEWEST
    usual = np.ones((len(plain), 3))
    usual[known] = np.nanmedian(both[:, known], axis=0)
    return smooth(plain + (1 - plain) * usual)


def slopes(product, square):
    partner = plain_surface().partner
    product, square = (smooth((part + part[partner])[:, None])[:, 0] for part in (product, square))
    return np.clip(product / square, 0, 1)


def alike_in_detail(paths):
    """Slopes (V,) of the texels' detail over that of the mirror side."""
    about, count = texels.texels_of(DETAIL_SIZE, plain_surface()), len(head_model.load().mean)
    product, square = np.zeros(count), np.full(count, 1e-3)
    for path in paths:
        picture, face = picture_and_face(path)
        view, every = seen.View(picture, face.vertices, about), np.arange(len(about.at))
        fine = []
        for mirror in (False, True):
            side = view.project(about, every, mirror)
            colour, trust = np.zeros((len(every), 3), np.float32), np.zeros(len(every), np.float32)
            colour[side.rows], trust[side.rows] = side.colour, side.trust
            low, _ = texels.gather(colour, trust, about)
            fine.append(np.where(trust[:, None] > 0.9, colour - texels.carry(low, about), np.nan))
        both = np.flatnonzero(~np.isnan(fine[0] + fine[1])[:, 0])
        own, other = (np.clip(part[both], -40, 40) for part in fine)
        corners = about.corners[both]
        for k in range(3):
            product += np.bincount(corners[:, k], (own * other).sum(1), count)
            square += np.bincount(corners[:, k], (other * other).sum(1), count)
    return slopes(product, square)


def main():
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    london = sources.london_pictures("london_neutral", validation=False)
    lit_evenly = people(london)
    usual = usual_of(lit_evenly, plainness(head_model.load()))
    print(f"usual skin of {len(lit_evenly)} people", flush=True)
    alike = alike_in_detail(london)
    print(f"alike in detail: {np.percentile(alike, [50, 75, 95]).round(2)} of the vertices at 50, 75, 95 %")
    arrays = {"usual": usual.astype(np.float32), "alike_in_detail": alike.astype(np.float32)}
    assets.save(sources.ASSETS / "skin.npz", "skin", arrays)


if __name__ == "__main__":
    main()
