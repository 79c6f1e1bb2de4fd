"""Apple's 52 ARKit expressions as displacements of the source surface, from MakeHuman's expression units.

Each is a displacement (N, 3) in metres at slider 1. Left ones are made, right ones are their mirror images.
"""

import numpy as np

from training import source_heads

EYE_TURN = {"eyeLookUp": (-22, 0), "eyeLookDown": (28, 0), "eyeLookIn": (0, -30), "eyeLookOut": (0, 30)}  # degrees
JAW_SHIFT = 0.008  # metres, jawLeft, jawRight, jawForward
BROW_UP, BROW_DOWN, BROW_IN = 0.0082, 0.0035, 0.0055  # metres that a brow travels (raised: Cruz & Cruz, 2004)
BROW_BULGE = 0.0012  # metres by which skin gathers between lowered brows
OUTER = 0.012, 0.046  # metres beside the nose between which the inner brow's muscle gives way to the outer one's
SKULL = np.array([0.0, 0.0, -0.09])  # behind the eyes: the forehead's skin slides about it
ROUND_LIPS = np.array([1.0, 0.7, 0.9])  # of the source's lips, which part by 17 mm
SIDED = [
    "eyeBlink",
    "eyeLookDown",
    "eyeLookIn",
    "eyeLookOut",
    "eyeLookUp",
    "eyeSquint",
    "eyeWide",
    "mouthSmile",
    "mouthFrown",
    "mouthDimple",
    "mouthStretch",
    "mouthPress",
    "mouthLowerDown",
    "mouthUpperUp",
    "browDown",
    "browOuterUp",
    "cheekSquint",
    "noseSneer",
]
NAMES = (
    [f"{n}Left" for n in SIDED[:7]]
    + [f"{n}Right" for n in SIDED[:7]]
    + [
        "jawForward",
        "jawLeft",
        "jawRight",
        "jawOpen",
        "mouthClose",
        "mouthFunnel",
        "mouthPucker",
        "mouthLeft",
        "mouthRight",
    ]
    + [f"{n}{side}" for n in SIDED[7:11] for side in ("Left", "Right")]
    + ["mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper"]
    + [f"{n}{side}" for n in SIDED[11:14] for side in ("Left", "Right")]
    + ["browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff"]
    + ["cheekSquintLeft", "cheekSquintRight", "noseSneerLeft", "noseSneerRight", "tongueOut"]
)


def smooth_step(x, low, high):
    """0 below `low`, 1 above `high`, a cubic in between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def mirror_rows(vertices, part):
    """Row of each vertex's mirror image, parts matched left to right."""
    from scipy.spatial import cKDTree

    swap = {"eye_left": "eye_right", "eye_right": "eye_left"}
    other = np.empty(len(vertices), int)
    for name in np.unique(part):
        here, there = np.flatnonzero(part == name), np.flatnonzero(part == swap.get(name, name))
        distance, nearest = cKDTree(vertices[there]).query(vertices[here] * [-1, 1, 1])
        assert distance.max() < 2e-3, f"{name} has no mirror image within 2 mm ({distance.max():.4f} m)"
        other[here] = there[nearest]
    return other


def _turn(points, centre, pitch, yaw):
    """Displacement of points turned about `centre`: pitch positive downwards, yaw positive to the subject's left."""
    p, y = np.radians([pitch, yaw])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    return (points - centre) @ (about_y @ about_x).T + centre - points


def brow_moves(mean, eye):
    """The left brow's moves (N, 3) in metres, as its muscles pull the skin between lids and hairline: inner end up
    (frontalis, medial; with the skin between the brows, of both), outer end up (lateral), and down and inwards
    (corrugator and procerus). `eye` is the left eye's centre; inner and outer end up sum to the whole brow. MakeHuman's
    units, in narrow strips, are added to them."""
    across, height = np.abs(mean[:, 0]), mean[:, 1] - eye[1]
    front = smooth_step(mean[:, 2], -0.045, -0.015)
    between = 1 - smooth_step(across, 0.004, 0.014)  # the brows: there the bridge of the nose moves, too
    below = smooth_step(height, 0.002 - 0.010 * between, 0.0125)
    above = 1 - smooth_step(height, 0.016, 0.064)  # the skin folds up to the hairline
    outer = smooth_step(across, *OUTER)
    temple = 1 - smooth_step(across, 0.045, 0.076)
    outwards = mean - SKULL - [0, eye[1], 0]
    outwards /= np.linalg.norm(outwards, axis=1, keepdims=True)
    up = np.array([0.0, 1, 0]) - outwards[:, 1:2] * outwards
    lifted = BROW_UP * (front * below * above)[:, None] * up
    inner_up = ((1 - outer) * (1 - 0.25 * between))[:, None] * lifted
    outer_up = (outer * temple)[:, None] * lifted
    near = 1 - smooth_step(height, 0.016, 0.045)
    knit = (front * below * near * (1 - smooth_step(across, 0.014, 0.050)))[:, None]
    inwards = np.array([-1.0, 0, 0]) * smooth_step(mean[:, :1], 0.0, 0.014)
    down = knit * (BROW_IN * inwards - BROW_DOWN * up) + BROW_BULGE * knit * between[:, None] * [0, 0, 1]
    return inner_up, outer_up, down


def build(head, mean):
    """The 52 displacements (52, N, 3) of the mean head `mean` (N, 3), in the order of NAMES."""

    def unit(name):
        shift = source_heads.mean_over_races(head, "expression/units/{race}/" + name)
        shift[np.isin(head.part, ["eye_left", "eye_right"])] = 0  # eyeballs move by eyeLook alone
        return shift

    mirror = mirror_rows(head.vertices, head.part)
    skin = head.part == "skin"
    left = head.side[:, None]

    opened = unit("mouth-open") * 0.75
    # The rigid jaw behind the skin: a turn about the hinge below the ear, fitted to the chin and the lower teeth.
    hinge = np.array([0.0, -0.038, -0.068])
    rigid = head.part == "teeth_lower"
    turned = _turn(mean, hinge, 1.0, 0)
    angle = (opened[rigid] * turned[rigid]).sum() / (turned[rigid] ** 2).sum()
    turned = _turn(mean, hinge, angle, 0)
    along = (opened * turned).sum(1) / np.maximum((turned**2).sum(1), 1e-12)
    jaw = np.where(skin, np.clip(along, 0, 1), 0.0)
    jaw *= smooth_step(-mean[:, 1], 0.02, 0.05)
    jaw[(head.part == "teeth_lower") | (head.part == "tongue")] = 1
    jaw = jaw[:, None]
    opened = np.where(skin[:, None], opened, jaw * turned)

    mouth = mean[skin][np.argmax(np.linalg.norm(unit("mouth-pursing")[skin], axis=1))]
    lip_line = mean[head.part == "teeth_upper"][:, 1].min() * 0.5 + mean[head.part == "teeth_lower"][:, 1].max() * 0.5
    lips = np.array([0.0, lip_line, mean[skin & (np.abs(mean[:, 1] - lip_line) < 0.01)][:, 2].max()])
    half_mouth = abs(mouth[0]) if abs(mouth[0]) > 0.015 else 0.025

    def bump(centre, radius):
        """A smooth weight of 1 at `centre`, about 0.6 at `radius` metres, on the skin."""
        return np.exp(-0.5 * (((mean - centre) / radius) ** 2).sum(1))[:, None] * skin[:, None]

    # The mouth opens where opening the jaw parts neighbours: upper lip above, lower below.
    lower = smooth_step(jaw[:, 0], 0.25, 0.5)[:, None] * skin[:, None]
    upper = (1 - lower) * skin[:, None]
    reach = np.sqrt(((mean - lips) ** 2 / np.array([half_mouth * 1.15, 0.014, 0.05]) ** 2).sum(1))
    seal = (1 - smooth_step(reach, 0.95, 1.9))[:, None] * skin[:, None]

    compression, eversion = unit("mouth-compression"), unit("mouth-eversion")
    thinner_upper, thinner_lower = (head.target(f"mouth/mouth-{lip}lip-volume-decr") for lip in ("upper", "lower"))
    tongue = head.part == "tongue"
    tip = np.zeros((len(mean), 1))
    depth = mean[tongue][:, 2]
    tip[tongue, 0] = smooth_step(depth, depth.min(), depth.max())

    eye = {side: head.part == f"eye_{side}" for side in ("left", "right")}
    centre = mean[eye["left"]].mean(0)
    blink, wide = unit("eye-left-closure"), unit("eye-left-opened-up")
    lower_lid = smooth_step(-(mean[:, 1] - centre[1]), -0.002, 0.002)[:, None]
    around_eye = bump(centre + [0, 0, 0.012], 0.014)
    cheek = np.array([0.038, lip_line * 0.75, 0.0])
    column = skin & (np.abs(mean[:, :2] - cheek[:2]).max(1) < 0.006)
    cheek[2] = mean[column][:, 2].max()
    cheekbone = cheek + [0.0, 0.026, 0.004]
    from_middle = np.stack([mean[:, 0] * 0.4, np.zeros(len(mean)), np.ones(len(mean)) * 0.03], 1)
    outwards = from_middle / np.linalg.norm(from_middle, axis=1, keepdims=True)

    inner_up, outer_up, knit = brow_moves(mean, centre)
    made = {
        "eyeBlink": blink,
        "eyeWide": wide,
        "eyeSquint": unit("eye-left-slit") * 0.6,
        "browDown": left * skin[:, None] * knit + 0.75 * unit("eyebrows-left-down"),
        "browOuterUp": 0.55 * left * skin[:, None] * outer_up
        + 0.45 * unit("eyebrows-left-extern-up")
        + 0.18 * unit("eyebrows-left-up"),
        "noseSneer": unit("nose-left-elevation") + 0.25 * left * upper * unit("mouth-elevation"),
        "mouthSmile": left * unit("mouth-corner-puller"),
        "mouthFrown": left * unit("mouth-depression"),
        "mouthDimple": left * unit("mouth-retraction") * 0.8,
        "mouthStretch": left * (0.5 * unit("mouth-retraction") + 0.5 * unit("neck-platysma")),
        "mouthPress": left * compression * 0.8,
        "mouthLowerDown": left * lower * unit("mouth-depression-retraction"),
        "mouthUpperUp": left * upper * unit("mouth-elevation"),
        "cheekSquint": left * bump(cheekbone, 0.016) * [0, 0.006, 0.002] + 0.25 * lower_lid * unit("eye-left-slit"),
        "browInnerUp": 0.65 * skin[:, None] * inner_up
        + 0.75 * (unit("eyebrows-left-inner-up") + unit("eyebrows-right-inner-up")),
        "jawOpen": opened,
        "jawForward": jaw * [0, 0, JAW_SHIFT],
        "jawLeft": jaw * [JAW_SHIFT, 0, 0],
        "mouthClose": -seal * opened,
        "mouthFunnel": unit("mouth-protusion") * ROUND_LIPS,
        "mouthPucker": unit("mouth-pursing"),
        "mouthLeft": bump(lips, np.array([0.03, 0.018, 0.05])) * [0.011, 0, 0],
        "mouthRollLower": lower * (0.5 * compression + 0.9 * thinner_lower),
        "mouthRollUpper": upper * (0.5 * compression + 0.9 * thinner_upper),
        "mouthShrugLower": lower * eversion,
        "mouthShrugUpper": upper * eversion,
        "cheekPuff": sum(bump(cheek * [s, 1, 1], 0.017) for s in (1, -1)) * outwards * 0.010,
        "tongueOut": tip * [0, -0.006, 0.045],
    }
    for name, (pitch, yaw) in EYE_TURN.items():
        ball = np.where(eye["left"][:, None], _turn(mean, centre, pitch, yaw), 0)
        lids = {
            "eyeLookUp": 0.5 * wide + lower_lid * around_eye * [0, 0.0015, 0],
            "eyeLookDown": 0.38 * blink,
            "eyeLookIn": around_eye * [-0.0008, 0, 0],
            "eyeLookOut": around_eye * [0.0008, 0, 0],
        }[name]
        made[name] = ball + np.where(skin[:, None], lids, 0)

    flip = np.array([-1.0, 1.0, 1.0])
    shifts = []
    for name in NAMES:
        if name == "jawRight" or name == "mouthRight":
            shift = made[name.replace("Right", "Left")][mirror] * flip
        elif name == "jawLeft" or name == "mouthLeft" or not name.endswith(("Left", "Right")):
            shift = made[name]
            if not name.endswith("Left"):
                shift = (shift + shift[mirror] * flip) / 2
        elif name.endswith("Left"):
            shift = made[name[:-4]]
        else:
            shift = made[name[:-5]][mirror] * flip
        shifts.append(shift)
    return np.array(shifts)
