"""Recentre the head on real people and label every portrait: `python -m training.fit_portraits`.

The source heads are artists' heads, so their mean is moved to the mean of people in pictures that may be trained on:
fit all with the prior, add the mean identity and a smooth field through the mean residual, repeat. The last LEARNED of
the identity components are then replaced by what the source heads cannot say: the principal smooth residuals of the
portraits. Writes `work/head_surface.npz` (the surface with new mean and
components), `work/head_landmarks.npz` (the embedding, moved by what bias remains) and `work/portrait_fits.npz`.
"""

import numpy as np

from synergy_blender.face import head_model
from training import sources
from training.embed_landmarks import IBUG_68, place
from training.expressions import NAMES
from training.fit_landmarks import EXPRESSION_SIGMA, Fit, LandmarkModel, fit, mediapipe_points, nme

ROUNDS = 5
LEARNED = 14
SMOOTH, NOISE = 0.013, 0.6  # reach in metres and relative noise of the displacement that follows landmarks
JAW = NAMES.index("jawOpen")
JAW_ROUNDS, INNER_LIPS = 2, (13, 14)  # MediaPipe's middle of the upper and of the lower
LIPS_ALONE, SMILE_ALONE = 0.001, 0.0095  # metres by which lips part while the jaw is shut, and more in a full smile
RARE = {"mouthFunnel": 0.15, "cheekPuff": 0.1}  # spread of expressions that others were mistaken for
WEAK_PRIOR = 0.15  # of the fit whose residuals are learned from: what is left is outside the source heads' span


def mean_gap(fits, mirror):
    """Mean landmark residual (K, 3) in the model frame; directions that no picture shows stay 0."""
    gap = np.einsum("bke,bed->kd", fits.residual, fits.rotation[:, :2])
    shown = np.einsum("bed,bef->df", fits.rotation[:, :2], fits.rotation[:, :2])
    # depth shows only in turned pictures, where MediaPipe guesses: trust it less
    gap = np.linalg.solve(shown + np.diag([0.05, 0.05, 1.0]) * len(fits.scale), gap.T).T
    return (gap + gap[mirror] * [-1, 1, 1]) / 2


def spread(surface, points, gap, symmetric=True):
    """A displacement (N, 3) of the whole surface, smooth over SMOOTH metres, that follows `gap` at `points`.

    Gaussian-process regression: it fades away from the points by itself.
    """
    mean = surface["mean"].astype(float)

    def kernel(a, b):
        return np.exp(-0.5 * (np.linalg.norm(a[:, None] - b[None], axis=2) / SMOOTH) ** 2)

    field = kernel(mean, points) @ np.linalg.solve(kernel(points, points) + NOISE * np.eye(len(points)), gap)
    for part in ("eye_left", "eye_right", "teeth_upper", "teeth_lower", "tongue"):
        rows = surface["part"] == part
        field[rows] = field[rows].mean(0)
    return (field + field[surface["mirror"]] * [-1, 1, 1]) / 2 if symmetric else field


def learn_components(surface, model, target, mirror):
    """The principal smooth displacements (LEARNED, N, 3), in sigma, of faces from the model's span."""
    kept = len(model.identity) - LEARNED
    narrow = LandmarkModel(model.mean, model.identity[:kept], model.expression)
    fits = fit(narrow, target, rounds=4, prior=WEAK_PRIOR)
    size = np.linalg.norm(fits.residual, axis=2).mean(1)
    frontal = np.abs(fits.rotation[:, 2, :2]).max(1) < 0.35
    chosen = frontal & (size < 0.003)
    gaps = np.einsum("bke,bed->bkd", fits.residual, fits.rotation[:, :2])[chosen][:, :468]
    mirrored = gaps[:, mirror[:468]] * [-1, 1, 1]
    both = np.concatenate([gaps, mirrored]).reshape(2 * len(gaps), -1)
    both -= both.mean(0)
    _, values, modes = np.linalg.svd(both, full_matrices=False)
    sigma = values / np.sqrt(len(both))
    share = (sigma[:LEARNED] ** 2).sum() / (sigma**2).sum()
    print(
        f"learned {LEARNED} components from {len(gaps)} portraits: {share:.0%} of the residual variance",
        flush=True,
    )
    return np.stack(
        [
            spread(surface, model.mean[:468], (s * mode).reshape(468, 3), symmetric=False)
            for s, mode in zip(sigma[:LEARNED], modes[:LEARNED], strict=True)
        ]
    )


def as_shipped(learned, marks):
    """Learned components (LEARNED, N, 3), whose landmarks are `marks` (LEARNED, 68, 3), turned among themselves to come
    nearest to those of the shipped head model, if there is one: their signs and the order of like ones are chance, and
    labels made here must mean what they meant to the shipped network."""
    path = sources.ASSETS / "head_model.npz"
    if not path.exists():
        return learned
    shipped = head_model.load(path)
    wanted = shipped.landmarks(shipped.identity[-LEARNED:]).reshape(LEARNED, -1)
    u, _, vt = np.linalg.svd(wanted @ marks.reshape(LEARNED, -1).T)
    return np.tensordot(u @ vt, learned, 1)


def move_embedding(surface, gap):
    """Move the points on the surface by what is left of their mean residual `gap` after the surface has moved."""
    path = sources.WORK / "head_landmarks.npz"
    embedding = dict(np.load(path))
    mean, triangles = surface["mean"].astype(float), surface["triangles"]
    points = np.einsum("kc,kcd->kd", embedding["weights"], mean[triangles[embedding["triangle"]]])[:468]
    left = gap[:468] - spread(surface, points, gap[:468])[triangles[embedding["triangle"][:468]]].mean(1)
    embedding["triangle"][:468], embedding["weights"][:468] = place(surface, points + left)
    np.savez(path, **embedding)


def with_open_jaws(model, target, lips=INNER_LIPS):
    """Fits in which the jaw opens mouths as far as lips alone do not: landmarks do not tell which of them it was.

    A prior that is the same for every expression has lips part before clenched teeth, whatever is seen between them.
    `lips` are the points in the middle of the upper and of the lower one.
    """
    sigmas = np.array([RARE.get(name, EXPRESSION_SIGMA) for name in NAMES])
    smiling = [NAMES.index(f"mouthSmile{side}") for side in ("Left", "Right")]
    upper, lower = lips

    def gap(identity, expression):
        shape = model.points(identity, expression)
        return np.linalg.norm(shape[:, upper] - shape[:, lower], axis=1)

    still = np.zeros((1, len(model.identity)))
    by_jaw = np.ptp([gap(still, amount * np.eye(len(NAMES))[JAW][None])[0] for amount in (0, 1)])
    fits = fit(model, target, sigmas=sigmas)
    for _ in range(JAW_ROUNDS):
        opened = gap(fits.identity, fits.expression) - gap(fits.identity, 0 * fits.expression)
        by_lips = LIPS_ALONE + SMILE_ALONE * fits.expression[:, smiling].mean(1)
        given = np.full_like(fits.expression, np.nan)
        given[:, JAW] = np.clip((opened - by_lips) / by_jaw, 0, 1)
        fits = fit(model, target, sigmas=sigmas, expression=given)
    return fits


def main():
    labels = np.load(sources.WORK / "landmarks.npz")
    names = labels["names"]
    target = mediapipe_points(labels["landmarks"])
    allowed = {str(p.relative_to(sources.DATA)) for p in sources.training_portraits()}
    train = np.array([name in allowed for name in names])
    surface = dict(np.load(sources.WORK / "surface.npz"))
    embedding = dict(np.load(sources.WORK / "landmarks_embedding.npz"))
    mirror = embedding["mirror"]
    np.savez(sources.WORK / "head_landmarks.npz", **embedding)
    path = sources.WORK / "head_surface.npz"
    np.savez(path, **surface)
    for turn in range(ROUNDS):
        model = LandmarkModel.load()
        fits = fit(model, target[train], rounds=5)
        good = np.linalg.norm(fits.residual, axis=2).mean(1) < 0.004
        fits = Fit(*(getattr(fits, name)[good] for name in Fit.__dataclass_fields__))
        gap = mean_gap(fits, mirror)
        average = fits.identity.mean(0)
        residual = 1000 * np.linalg.norm(fits.residual, axis=2).mean()
        print(
            f"round {turn}: residual {residual:.2f} mm, bias {1000 * np.linalg.norm(gap, axis=1).mean():.2f} mm, "
            f"mean identity {np.linalg.norm(average):.2f} sigma",
            flush=True,
        )
        before = surface["mean"].astype(float)
        symmetric = np.tensordot(average, surface["identity"], 1)
        symmetric = (symmetric + symmetric[surface["mirror"]] * [-1, 1, 1]) / 2
        moved = before + symmetric + spread(surface, model.mean[:468], gap[:468])
        eyes = [moved[surface["part"] == eye].mean(0) for eye in ("eye_left", "eye_right")]
        surface["mean"] = (moved - np.mean(eyes, axis=0)).astype(np.float32)
        np.savez(path, **surface)

        if turn == ROUNDS - 2:
            learned = learn_components(surface, LandmarkModel.load(), target[train], mirror)
            surface["identity"][-LEARNED:] = learned
            np.savez(path, **surface)
            surface["identity"][-LEARNED:] = as_shipped(learned, LandmarkModel.load().ibug().identity[-LEARNED:])
            np.savez(path, **surface)

    model = LandmarkModel.load()
    fits = with_open_jaws(model, target)
    predicted = fits.picture(model.points(fits.identity, fits.expression))[..., :2]
    error = nme(predicted[:, IBUG_68], target[:, IBUG_68])
    still = fit(model, target, identity=np.zeros((len(target), 40)), prior=1e6)
    mean_error = nme(still.picture(model.points(still.identity, still.expression))[:, IBUG_68, :2], target[:, IBUG_68])
    for folder in ("t2i", "sfhq", "london_neutral", "london_smiling", "portraits"):
        for kind, chosen in (("training", train), ("validation", ~train)):
            rows = chosen & np.array([f"/{folder}/" in name for name in names])
            if rows.any():
                print(
                    f"{folder} {kind}: NME mean face {mean_error[rows].mean():.2%}, fitted {error[rows].mean():.2%} "
                    f"({rows.sum()} faces), identity {np.sqrt((fits.identity[rows] ** 2).mean()):.2f} sigma"
                )
    np.savez(
        sources.WORK / "portrait_fits.npz",
        names=names,
        train=train,
        nme=error,
        **{name: getattr(fits, name) for name in Fit.__dataclass_fields__},
    )


if __name__ == "__main__":
    main()
