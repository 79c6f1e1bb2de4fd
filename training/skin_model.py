"""How skin varies from face to face: `python -m training.skin_model` writes `addon_assets/skin.npz`. No one's picture
is in it; people that are validated on have no part in it.

Every training portrait gives the colours of the head's vertices that it shows, over the colour of the cheeks, without
its light, and once more mirrored. `usual` (V, 3) is their median over Face Research Lab London people in even light.
`variation` (K, V, 3) are the principal components of the logarithm of all, times their standard deviations, what is
hidden filled in turn by turn; `unexplained` the error that they leave, `shared` by how much that is worth less than so
many independent errors, chosen to predict hidden sides best. `alike` (V,) is the slope of what a hidden side is off
that prediction over what its mirror side is off it, and `alike_in_detail` (V,) that of what is finer than vertices.
"""

import argparse

import cv2
import numpy as np

from synergy_blender.face import assets, head_model, reconstruct, seen, skin, texels, texture
from training import sources

SIZE, DETAIL_SIZE = 256, 512
FEWEST = 12  # people who must show a vertex
SMOOTHING = 3
EDGE = (0.055, 0.085)  # metres from the face's middle, over which usual skin becomes plain: ears, scalp and neck
COMPONENTS, TURNS = 48, 5
SURE = 0.97  # confidence of a portrait that is learned from
LARGEST_YAW = 35
SHARED = (10, 30, 100, 300, 1000)


def picture_and_face(path):
    picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    faces = reconstruct(picture)
    return picture, faces[0] if faces else None


def of_person(path, delit):
    """Colours (V, 3) over the cheeks' and how surely each vertex was seen (V,), or None for a doubtful picture."""
    picture, face = picture_and_face(path)
    if face is None or face.confidence < SURE or abs(face.yaw) > LARGEST_YAW:
        return None
    about = texels.texels_of(SIZE)
    here, _, cheeks = texture.unlit(*seen.look(picture, face.vertices, about), about, delit)
    colour, trust = np.zeros((len(about.at), 3), np.float32), np.zeros(len(about.at), np.float32)
    colour[here.rows], trust[here.rows] = here.colour / cheeks, here.trust
    return texels.gather(colour, trust, about)


def people(paths, delit):
    """Colours (N, V, 3) of the vertices, with nan where they are not seen, of all portraits that are not doubtful."""
    found = [one for one in (of_person(path, delit) for path in paths) if one is not None]
    return np.stack([np.where(share[:, None] > 0.5, ratio, np.nan) for ratio, share in found]).astype(np.float32)


def plainness(model):
    """How far (V, 1) 0..1 a vertex is from the face: ears, scalp and neck."""
    middle = [0, -0.03, model.mean[:, 2].max() - 0.03]
    distance = np.linalg.norm((model.mean - middle) * [1, 0.8, 0.6], axis=1)
    return np.clip((distance - EDGE[0]) / (EDGE[1] - EDGE[0]), 0, 1)[:, None]


def smooth(values):
    """Values (V, k) of the vertices, made smoother along the surface."""
    start, end = texels.edges().T
    number = np.maximum(np.bincount(end, minlength=len(values)), 1)[:, None]
    for _ in range(SMOOTHING):
        around = np.stack([np.bincount(end, column[start], len(values)) for column in values.T], 1) / number
        values = 0.5 * (values + around)
    return values


def usual_of(values, plain):
    both = np.concatenate([values, values[:, texels.mirrored()]])
    known = (~np.isnan(both[..., 0])).sum(0) >= 2 * FEWEST
    usual = np.ones((len(plain), 3))
    usual[known] = np.nanmedian(both[:, known], axis=0)
    return smooth(plain + (1 - plain) * usual)


def components(off, known, count):
    """Principal components (K, D) times their standard deviations of rows (N, D), known where `known`, and the error
    of what they explain; what is unknown is filled by them, turn by turn."""
    filled = np.where(known, off, 0).astype(np.float32)
    for _ in range(TURNS):
        gram = (filled @ filled.T).astype(float)
        strength, vectors = np.linalg.eigh(gram)
        strength, vectors = strength[::-1][:count], vectors[:, ::-1][:, :count]
        basis = (vectors / np.sqrt(strength)).T.astype(np.float32) @ filled
        explained = (filled @ basis.T) @ basis
        filled = np.where(known, off, explained)
    error = np.sqrt(np.mean((off - explained)[known] ** 2))
    return basis * np.sqrt(strength / len(off))[:, None].astype(np.float32), float(error)


def hidden_sides(values):
    """For every portrait and side: what is shown of the other (V, 3), its share (V,), and the hidden vertices."""
    mean = head_model.load().mean
    for ratio in values:
        for sign in (1, -1):
            known = ~np.isnan(ratio[:, 0])
            shown = known & (sign * mean[:, 0] <= 0.001)
            yield np.nan_to_num(ratio), shown.astype(float), np.flatnonzero(known & ~shown)


def off_what_is_likely(values):
    """Errors of hidden sides, and slopes (V,) of what they are off over what their mirror side is off."""
    partner, count = texels.mirrored(), values.shape[1]
    product, square, errors = np.zeros(count), np.full(count, 1e-3), []
    for ratio, share, hidden in hidden_sides(values):
        shown, off = share > 0.5, np.log(np.maximum(ratio, 0.05) / skin.likely(ratio, share))
        mirror = np.where(shown[partner, None], off[partner], 0)
        both = hidden[shown[partner[hidden]]]
        # what the seam asks for is carried on from it in any case: the slope is that of what is left
        own, other = (
            (part - texels.spread(np.where(shown[:, None], part, 0), shown, np.zeros(3)))[both]
            for part in (off, mirror)
        )
        errors.append(np.abs(own).mean())
        product[both] += (own * other).sum(1)
        square[both] += (other**2).sum(1)
    return np.mean(errors), slopes(product, square)


def slopes(product, square):
    partner = texels.mirrored()
    product, square = (smooth((part + part[partner])[:, None])[:, 0] for part in (product, square))
    return np.clip(product / square, 0, 1)


def alike_in_detail(paths):
    """Slopes (V,) of the texels' detail over that of the mirror side."""
    about, count = texels.texels_of(DETAIL_SIZE), len(head_model.load().mean)
    product, square = np.zeros(count), np.full(count, 1e-3)
    for path in paths:
        picture, face = picture_and_face(path)
        view, every = seen.View(picture, face.vertices, DETAIL_SIZE), np.arange(len(about.at))
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


def save(**arrays):
    """Write the asset, for what is learned next to rest on."""
    half = {name: np.asarray(values, np.float32) for name, values in arrays.items()}
    half["variation"] = half["variation"].astype(np.float16)
    assets.save(sources.ASSETS / "skin.npz", "skin", half)
    skin.forget()


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--portraits", type=int, default=3000, help="generated portraits to learn from at most")
    options = options.parse_args()
    model = head_model.load()
    plain, count = plainness(model), len(model.mean)
    london = sources.london_pictures("london_neutral", validation=False)
    lit_evenly = people(london, 0.0)
    learned = {"variation": np.zeros((1, count, 3)), "unexplained": 0.1, "shared": 1.0}
    learned |= {"usual": usual_of(lit_evenly, plain), "alike": np.zeros(count), "alike_in_detail": np.zeros(count)}
    save(**learned)
    print(f"usual skin of {len(lit_evenly)} people", flush=True)

    smiling = sources.london_pictures("london_smiling", validation=False)
    values = people([*sources.synthetic_portraits()[: options.portraits], *london, *smiling], 1.0)
    values = values[np.nanmax(np.abs(np.log(np.maximum(values, 0.02))), axis=(1, 2)) < 4]
    print(f"{len(values)} portraits", flush=True)
    both = np.concatenate([values, values[:, texels.mirrored()]]).reshape(2 * len(values), -1)
    known = ~np.isnan(both)
    seen_often = known.sum(0) >= 2 * FEWEST
    off = np.nan_to_num(np.log(np.maximum(both, 0.05)) - np.log(np.clip(learned["usual"], 0.2, 2)).ravel())
    known &= seen_often
    off = np.clip(off, -1.2, 1.2) * (1 - plain).repeat(3, 1).ravel().astype(np.float32)
    basis, error = components(off, known, COMPONENTS)
    del off, known, both
    learned |= {"variation": basis.reshape(COMPONENTS, count, 3), "unexplained": error}
    some = values[:: max(1, len(values) // 80)]
    tried = {}
    for shared in SHARED:
        save(**learned | {"shared": float(shared)})
        tried[shared], _ = off_what_is_likely(some)
    learned["shared"] = min(tried, key=tried.get)
    print(
        "unexplained", round(error, 4), "error of hidden sides by `shared`:", {k: round(v, 4) for k, v in tried.items()}
    )
    save(**learned)
    _, learned["alike"] = off_what_is_likely(values[:: max(1, len(values) // 250)])
    learned["alike_in_detail"] = alike_in_detail(london)
    save(**learned)
    face = plain[:, 0] < 0.5
    print(f"alike {learned['alike'][face].mean():.2f}, in detail {learned['alike_in_detail'][face].mean():.2f}")


if __name__ == "__main__":
    main()
