"""Names for the identity components, found by measuring what each one moves."""

import numpy as np

# measure on the landmarks (68, 3): name of a growing one, of a shrinking one
MEASURES = {
    "face width": (("Wider face", "Narrower face"), lambda p: _apart(p, 1, 15)),
    "face length": (("Longer face", "Shorter face"), lambda p: p[27, 1] - p[8, 1]),
    "jaw width": (("Wider jaw", "Narrower jaw"), lambda p: _apart(p, 4, 12) / _apart(p, 1, 15)),
    "chin length": (("Longer chin", "Shorter chin"), lambda p: p[57, 1] - p[8, 1]),
    "chin depth": (("Chin forward", "Chin back"), lambda p: p[8, 2] - p[33, 2]),
    "nose length": (("Longer nose", "Shorter nose"), lambda p: p[27, 1] - p[33, 1]),
    "nose width": (("Wider nose", "Narrower nose"), lambda p: _apart(p, 31, 35)),
    "nose depth": (("Nose forward", "Flatter nose"), lambda p: p[30, 2] - p[[31, 35], 2].mean()),
    "nose bridge": (("Higher bridge", "Lower bridge"), lambda p: p[27, 2] - p[[39, 42], 2].mean()),
    "eye distance": (("Eyes apart", "Eyes together"), lambda p: _apart(p, 39, 42)),
    "eye width": (("Wider eyes", "Narrower eyes"), lambda p: (_apart(p, 36, 39) + _apart(p, 42, 45)) / 2),
    "eye opening": (("Open eyes", "Heavy lids"), lambda p: (p[[37, 38, 43, 44], 1] - p[[41, 40, 47, 46], 1]).mean()),
    "eye slant": (("Eyes slant up", "Eyes slant down"), lambda p: (p[[36, 45], 1] - p[[39, 42], 1]).mean()),
    "brow height": (("Higher brows", "Lower brows"), lambda p: (p[[19, 24], 1] - p[[37, 44], 1]).mean()),
    "brow depth": (("Stronger brow ridge", "Flatter brow"), lambda p: (p[[19, 24], 2] - p[[37, 44], 2]).mean()),
    "mouth width": (("Wider mouth", "Narrower mouth"), lambda p: _apart(p, 48, 54)),
    "lips": (("Fuller lips", "Thinner lips"), lambda p: (p[51, 1] - p[62, 1]) + (p[66, 1] - p[57, 1])),
    "mouth depth": (("Mouth forward", "Mouth back"), lambda p: p[62, 2] - p[33, 2]),
    "upper lip": (("Longer upper lip", "Shorter upper lip"), lambda p: p[33, 1] - p[51, 1]),
}
# the iBUG landmarks' numbers on the other side
MIRRORED = [*range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, *range(35, 30, -1), 45, 44, 43, 42, 47, 46]
MIRRORED += [39, 38, 37, 36, 41, 40, *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), 67, 66, 65]
CLEAR = 0.33  # share of a measure's whole variation that a component must bring to be named after it
ONE_SIDED = 0.6  # share of a component's motion that is not symmetric, from which it is called that


def _apart(points, a, b):
    return np.linalg.norm(points[a] - points[b])


def identity_names(mean, identity):
    """A name or "" for every component.

    mean (68, 3) and identity (40, 68, 3) are the landmarks. Each name is given once, to the component that changes its
    measure most; it says what a higher value does.
    """
    flip = np.array([-1.0, 1, 1])
    changes = np.array(
        [[measure(mean + field) - measure(mean - field) for _, measure in MEASURES.values()] for field in identity]
    )
    share = changes / np.linalg.norm(changes, axis=0)
    names = [""] * len(identity)
    lopsided = np.linalg.norm((identity - identity[:, MIRRORED] * flip) / 2, axis=(1, 2))
    lopsided = lopsided / np.linalg.norm(identity, axis=(1, 2))
    for number, k in enumerate(np.flatnonzero(lopsided > ONE_SIDED), 1):
        names[k] = f"Asymmetry {number}"
    order = np.dstack(np.unravel_index(np.argsort(-np.abs(share), axis=None), share.shape))[0]
    given = set()
    for k, m in order:
        if abs(share[k, m]) < CLEAR:
            break
        if not names[k] and m not in given:
            names[k] = list(MEASURES.values())[m][0][0 if share[k, m] > 0 else 1]
            given.add(m)
    return names
