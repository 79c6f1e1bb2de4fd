"""The skull behind the face: as large as people's.

The source's mean was moved to real people where landmarks are, in the face, which left its skull too large for it:
beside people's pupils and cheekbones 6 % longer and 3 % broader than theirs (ANSUR II, 2012, the mean of both sexes;
`training.check_head`), and so high that over photos of 76 people its top lay where their hair's is, of the shaved ones
13 mm above. And it varied more from face to face than heads do: by 9 mm above the bridge of the nose for people's 6.
"""

import numpy as np

from training.expressions import smooth_step

LOWER, FROM_HEIGHT, TOP = 0.0083, 0.03, 0.110  # metres by which the top is lowered; heights where that begins and ends
CROWN = (-0.005, -0.065)  # depths between which the lowering sets in: foreheads stay high
SHORTER, FROM_DEPTH, BACK = 0.012, -0.078, -0.162  # the same of the back, which comes forward
NARROWER, BESIDE = 0.033, (0.0, 0.05)  # share of the breadth, and heights between which that sets in behind the temples
TEMPLES = (-0.03, -0.06)  # depths between which it does
ROUND = 1.5  # power with which both set in
STEADIER, SKULL = 0.35, (0.3, 1.0)  # share of how it varies that is taken off; how far up or back that sets in


def _ramps(mean):
    """How far up and how far back (V,) 0..1 the vertices (V, 3) of the mean lie on the skull."""
    up = np.clip((mean[:, 1] - FROM_HEIGHT) / (TOP - FROM_HEIGHT), 0, None)
    return up, np.clip((mean[:, 2] - FROM_DEPTH) / (BACK - FROM_DEPTH), 0, None)


def shrunk(mean):
    """The mean (V, 3), metres, with a skull as large as people's."""
    up, back = _ramps(mean)
    beside = smooth_step(mean[:, 1], *BESIDE) * smooth_step(-mean[:, 2], -TEMPLES[0], -TEMPLES[1])
    narrow = -NARROWER * beside * mean[:, 0]
    lower = -LOWER * smooth_step(-mean[:, 2], -CROWN[0], -CROWN[1]) * up**ROUND
    return mean + np.stack([narrow, lower, SHORTER * back**ROUND], 1)


def steadied(identity, mean):
    """How the skull varies, identity (K, V, 3), as much as people's does; by the mean before it was shrunk."""
    return identity * (1 - STEADIER * smooth_step(np.hypot(*_ramps(mean)), *SKULL))[:, None]
