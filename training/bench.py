"""Measure the bundled model against the project's bars: `make bench` (or `python -m training.bench [PART ...]`).

Reads validation data only: press portraits, London people from 120 on, exact-truth renders of held-back portraits.
What needs `../shared` or PyTorch says so and is skipped where that is missing.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np

from synergy_blender.face import (
    assets,
    crop,
    detector,
    faces,
    head_model,
    look,
    network,
    parameters_from_landmarks,
    pose,
    reconstruct,
)
from synergy_blender.face.fit import fit
from synergy_blender.face.pose import to_picture
from training import build, sources

ROOT = sources.PROJECT
SHIPPED = ("__init__.py", "blender_manifest.toml", "LICENSE", "synergy_blender", "addon_assets")
ROWS, NOTES = [], []
OPEN, NEAR = 0.2, 0.25  # of jawOpen, from which on a mouth is open; NME up to which a face is the one that is sought
JUDGED = (
    "jawOpen",
    "eyeBlinkLeft",
    "eyeBlinkRight",
    "mouthSmileLeft",
    "mouthSmileRight",
    "browInnerUp",
    "mouthPucker",
)
NOTES_HEADING = "## Beside the bars"


def line(name, value, bar, good):
    ROWS.append({"name": name, "value": value, "bar": bar, "good": bool(good)})
    print(f"{'ok ' if good else 'NOT'}  {name:<58} {value:>22}   bar {bar}", flush=True)


def note(text):
    NOTES.append(text)
    print(f"     {text}", flush=True)


def milliseconds(run, repeats=15):
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))


def size_of_zip():
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in SHIPPED:
            path = ROOT / name
            for file in [path] if path.is_file() else sorted(path.rglob("*")):
                if file.is_file() and "__pycache__" not in file.parts:
                    archive.write(file, file.relative_to(ROOT))
    megabytes = len(packed.getvalue()) / 1e6
    line("zip-to-be", f"{megabytes:.1f} MB", "<= 25 MB", megabytes <= 25)


def start_up():
    script = (
        "import time, numpy; t = time.perf_counter();"
        "from synergy_blender.face import albedo, cells, detector, head_model, network, refinement, skin\n"
        "for part in (albedo, detector, head_model, network, refinement): part.load()\n"
        "for name in ('beard', 'cover', 'glasses'): cells.weights(name)\n"
        "skin.usual(); print(time.perf_counter() - t)"
    )
    times = [
        float(
            subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True).stdout
        )
        for _ in range(5)
    ]
    line("import face and load all weights", f"{np.median(times):.2f} s", "<= 0.5 s", np.median(times) <= 0.5)


def portrait():
    """The astronaut amid noise, 640x480."""
    from skimage import data

    picture = np.random.default_rng(0).integers(0, 255, (480, 640, 3)).astype(np.uint8)
    picture[:, 64:576] = data.astronaut()[:480]
    return picture


def speed():
    picture = portrait()
    count = len(reconstruct(picture))
    took = milliseconds(lambda: reconstruct(picture))
    line(f"reconstruct, 640x480, {count} face", f"{took:.0f} ms", "<= 100 ms", took <= 100 and count == 1)


def against_torch():
    try:
        import torch

        from synergy_blender.engine.torch_network import TorchImageToParameters
        from training.shipped import take_shipped
        from training.train import build_network
    except ImportError:
        print("skip  NumPy against PyTorch: PyTorch is not installed")
        return False
    ours = network.load()
    trained = build_network((np.zeros(network.PARAMETERS), whitening()), ours.weights)
    take_shipped(trained, ours.weights)
    trained.eval()
    eager = TorchImageToParameters(ours.weights, "cpu")
    rng = np.random.default_rng(1)
    crops = rng.integers(0, 255, (8, 120, 120, 3)).astype(np.float32)
    gap = 0.0
    with torch.no_grad():
        for one in crops:
            x = torch.as_tensor(one).permute(2, 0, 1)[None] / 127.5 - 1
            expected = trained.image_to_parameters(x)[0][0].numpy()
            gap = max(gap, np.abs(ours(one)[0] / whitening() - expected).max())
        ratios = []
        for _ in range(5):
            mine, theirs = milliseconds(lambda: ours(one), 15), milliseconds(lambda: eager(one), 15)
            ratios.append((mine / theirs, mine, theirs))
    ratio, mine, theirs = sorted(ratios)[2]
    line("NumPy parameters equal PyTorch's (whitened)", f"{gap:.1e}", "<= 1e-3", gap <= 1e-3)
    line("NumPy over PyTorch eager, one crop", f"{ratio:.2f} ({mine:.1f}/{theirs:.1f} ms)", "<= 2", ratio <= 2)
    return True


def whitening():
    """Spread of each parameter over the training crops, kept beside the weights."""
    return assets.load(assets.FOLDER / "synergynet.npz", "SynergyNet")["whitening_std"]


def face_at(name, truth):
    """The face found in a picture of the data folder whose landmarks are nearest to `truth` (68, 2), after their NME;
    None where none is nearer than NEAR."""
    import cv2

    from training.fit_landmarks import nme

    faces = reconstruct(cv2.cvtColor(cv2.imread(str(sources.DATA / name)), cv2.COLOR_BGR2RGB))
    errors = [nme(face.landmarks[None, :, :2], truth[None])[0] for face in faces]
    return min(zip(errors, faces, strict=True), key=lambda pair: pair[0]) if errors and min(errors) < NEAR else None


def press_portraits():
    from training.embed_landmarks import IBUG_68

    labels = np.load(sources.WORK / "landmarks.npz")
    rows = [i for i, name in enumerate(labels["names"]) if "/portraits/" in name]
    found = [face_at(labels["names"][i], labels["landmarks"][i][IBUG_68, :2]) for i in rows]
    errors = [one[0] for one in found if one]
    share = len(errors) / len(rows)
    line(f"press portraits, face found ({len(rows)})", f"{share:.1%}", ">= 99 %", share >= 0.99)
    mean = float(np.mean(errors))
    line("press portraits, NME 68", f"{mean:.2%} (median {np.median(errors):.2%})", "<= 2.8 %", mean <= 0.028)


def open_mouths():
    """How far jaws are found open in portraits that were not trained on, against labels that let jaws open mouths."""
    from training.embed_landmarks import IBUG_68
    from training.fit_portraits import JAW

    fits, labels = np.load(sources.WORK / "portrait_fits.npz"), np.load(sources.WORK / "landmarks.npz")
    marks = dict(zip(labels["names"].tolist(), labels["landmarks"][:, IBUG_68, :2], strict=True))
    found = []
    for name, expression, train in zip(fits["names"].tolist(), fits["expression"], fits["train"], strict=True):
        if train or expression[JAW] < OPEN:
            continue
        if seen := face_at(name, marks[name]):
            found.append((seen[1].expression[JAW], expression[JAW]))
    ours, theirs = np.mean(found, 0)
    note(f"jaws that labels of portraits have open by {OPEN} or more: {ours:.2f}, labels {theirs:.2f} ({len(found)})")


def exact_truth():
    from training.make_crops import VALIDATION

    names, large = head_model.load().expression_names, max(VALIDATION, key=VALIDATION.get)
    found = {kind: looks_at_renders(kind.split("_")[0]) for kind in VALIDATION}
    whole = found[large][-1]
    for low, high, bar in ((0, 30, 0.025), (30, 60, 0.03), (60, 95, 0.04)):
        chosen = (whole["yaw"] >= low) & (whole["yaw"] < high)
        error = whole["nme"][chosen].mean()
        line(f"exact-truth renders, NME 68, yaw {low}-{high}", f"{error:.2%}", f"<= {bar:.1%}", error <= bar)
        note(f"yaw {low}-{high}: rotation {whole['turn'][chosen].mean():.1f} degrees ({chosen.sum()} crops)")
    turn = whole["turn"].mean()
    line("exact-truth renders, rotation error", f"{turn:.2f} deg", "<= 2.5 deg", turn <= 2.5)
    ours, mean = 1000 * whole["dense"].mean(), 1000 * whole["plain"].mean()
    bar = 0.7 * mean
    line("exact-truth renders, dense 3D identity error", f"{ours:.2f} mm", f"<= {bar:.2f} mm", ours <= bar)
    for name in JUDGED:
        alike = whole["alike"][names.index(name)]
        line(f"exact-truth renders, {name}, correlation", f"{alike:.3f}", ">= 0.85", alike >= 0.85)
    for kind, looks in found.items():
        for what, left in zip(("the network alone", "and fit", "and closer looks"), looks, strict=True):
            alike = ", ".join(f"{name} {left['alike'][names.index(name)]:.2f}" for name in JUDGED)
            note(
                f"renders of {VALIDATION[kind]} pixels, {what}: NME {left['nme'].mean():.2%}, rotation "
                f"{left['turn'].mean():.2f} degrees (mean of yaw, pitch and roll, up to 60 degrees of yaw: "
                f"{left['angles'][left['yaw'] <= 60].mean():.2f}), identity "
                f"{left['dense'].mean() / left['plain'].mean():.3f} of the mean face's error, correlations {alike}"
            )


def looks_at_renders(kind):
    """How far from the truth renders of a kind are read by the network alone, by a fit to it, and by the product, which
    looks at them more closely, and another way up where that is clearer: as `compare` tells it."""
    from training.shards import Shards

    data, regress = Shards(kind), network.load()
    pictures = data.shown(np.arange(len(data)))
    views = [network.view(regress, crop.square(one, [len(one) / 2] * 2, len(one), network.CROP)) for one in pictures]
    points = regress.points_mean, regress.points_basis
    first = [as_fitted(points, view) for view in views]
    readings = map(_as_regressed, views), first, map(_looked_at, pictures)
    return [compare(one, data.labels) for one in readings]


def _as_regressed(view):
    scale, rotation, shift = pose.decompose(view.pose)
    return np.clip(view.identity, -3, 3), np.clip(view.expression, 0, 1), scale, rotation, shift[:2]


def as_fitted(points, view):
    """A reading (identity, expression, scale, rotation, shift) of a crop by the fit to what is seen in it."""
    found = fit(*points, [view])
    return found.identity, found.expression[0], found.scale[0], found.rotation[0], found.shift[0]


def _looked_at(picture):
    """A reading of a render (H, H, 3) as the product takes it of a photo in whose middle a face was found."""
    size = len(picture)
    low, high = (size / 2 + sign * size / look.MARGIN / 2 for sign in (-1, 1))
    [face] = reconstruct(picture, [[low, low, high, high]])
    (x, y), ratio = face.centre, network.CROP / size
    return face.identity, face.expression, ratio * face.scale, face.rotation, np.array([ratio * x, ratio * (size - y)])


def turn_between(rotation, other):
    """The angle between two rotations (3, 3), degrees."""
    return np.degrees(np.arccos(np.clip((np.trace(rotation.T @ other) - 1) / 2, -1, 1)))


def compare(readings, labels):
    """Arrays by name of how far readings (identity, expression, scale, rotation, shift) of crops are from the truth."""
    from training.fit_landmarks import LandmarkModel, nme

    model, trained = head_model.load(), LandmarkModel.load().ibug()
    face = np.flatnonzero((model.mean[:, 2] > -0.03) & (model.mean[:, 1] > -0.11) & (model.mean[:, 1] < 0.06))
    face = np.intersect1d(face, model.groups["skin"])
    still = np.zeros(len(model.expression))
    kept = {name: [] for name in ("nme", "turn", "angles", "yaw", "dense", "plain", "expression")}
    for reading, matrix, identity, expression in zip(
        readings, labels["pose"], labels["identity"], labels["expression"], strict=True
    ):
        guess, moved, scale, rotation, shift = reading
        true_scale, true_rotation, true_shift = pose.decompose(matrix)
        points = scale * model.landmarks(model.vertices(guess, moved)) @ rotation[:2].T + shift
        truth = trained.points(identity[None], expression[None])[0] @ (true_scale * true_rotation).T + true_shift
        kept["nme"].append(nme(points[None], truth[None, :, :2])[0])
        kept["turn"].append(turn_between(rotation, true_rotation))
        off = np.subtract(pose.angles(rotation), pose.angles(true_rotation))
        kept["angles"].append(np.abs((off + 180) % 360 - 180).mean())
        kept["yaw"].append(abs(pose.angles(true_rotation)[0]))
        kept["expression"].append(moved)
        true_shape = model.vertices(identity, still)[face]
        for shape, name in ((model.vertices(guess, still)[face], "dense"), (model.mean[face], "plain")):
            s, r, t = pose.similarity(shape, true_shape)
            kept[name].append(np.linalg.norm(s * shape @ r.T + t - true_shape, axis=1).mean())
    kept = {name: np.array(values) for name, values in kept.items()}
    found, true = kept.pop("expression"), labels["expression"]
    with np.errstate(invalid="ignore"):
        kept["alike"] = np.array([np.corrcoef(found[:, k], true[:, k])[0, 1] for k in range(found.shape[1])])
    return kept


def london_fit():
    """The head model itself: MAP fit of all 470 points, error of the 68, with the shipped template's landmarks."""
    from training.embed_landmarks import IBUG_68
    from training.fit_landmarks import LandmarkModel, mediapipe_points, nme
    from training.fit_landmarks import fit as fit_many

    labels = np.load(sources.WORK / "landmarks.npz")
    people = {
        str(p.relative_to(sources.DATA))
        for folder in ("london_neutral", "london_smiling")
        for p in sources.london_pictures(folder, validation=True)
    }
    rows = [i for i, name in enumerate(labels["names"]) if name in people]
    target = mediapipe_points(labels["landmarks"][rows])
    fits = fit_many(LandmarkModel.load(), target)
    model = head_model.load()
    errors = []
    for i in range(len(rows)):
        shape = model.vertices(fits.identity[i], fits.expression[i])
        points = to_picture(model.landmarks(shape), fits.scale[i], fits.rotation[i], fits.centre[i])
        errors.append(nme(points[None, :, :2], target[i : i + 1, IBUG_68])[0])
    line(f"London validation fit, NME 68 ({len(rows)})", f"{np.mean(errors):.2%}", "<= 0.6 %", np.mean(errors) <= 0.006)


def london_identity():
    """Whether a smiling person is recognised by the identity of the neutral picture, and fits with it."""
    import cv2

    from training.embed_landmarks import IBUG_68
    from training.fit_landmarks import nme

    labels = np.load(sources.WORK / "landmarks.npz")
    rows = {name: i for i, name in enumerate(labels["names"])}
    neutral, smiling, errors = {}, {}, []
    for folder, kept in (("london_neutral", neutral), ("london_smiling", smiling)):
        for path in sources.london_pictures(folder, validation=True):
            picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
            kept[sources.london_person(path)] = reconstruct(picture)[0].identity
    for path in sources.london_pictures("london_smiling", validation=True):
        points = labels["landmarks"][rows[str(path.relative_to(sources.DATA))]][IBUG_68, :2]
        face = parameters_from_landmarks(points, identity=neutral[sources.london_person(path)])
        errors.append(nme(face.landmarks[None, :, :2], points[None])[0])
    people = sorted(set(neutral) & set(smiling))
    a, b = (np.array([kept[p] for p in people]) for kept in (neutral, smiling))
    a, b = (x - a.mean(0) for x in (a, b))
    alike = (a / np.linalg.norm(a, axis=1, keepdims=True)) @ (b / np.linalg.norm(b, axis=1, keepdims=True)).T
    first = float((alike.argmax(1) == np.arange(len(people))).mean())
    line(f"London, smiling person found by identity ({len(people)})", f"{first:.0%}", ">= 80 %", first >= 0.8)
    error = float(np.mean(errors))
    line("London, smiling landmarks with neutral identity", f"{error:.2%}", "<= 1.0 %", error <= 0.01)


def detection():
    """Faces found in composed pictures of held-back portraits: at most one false alarm in 50 pictures."""
    try:
        from training.train_detector import alarms_on_face_free, evaluate
    except ImportError:
        print("skip  detector: PyTorch is not installed")
        return
    alone, find = detector.load(), faces.find
    recall, alarms = evaluate(alone)
    note(f"detector alone, at score {detector.THRESHOLD}: {recall:.1%} at {alarms:.3f} false alarms a picture")
    recall, alarms = evaluate(find)
    good = recall >= 0.98 and alarms <= 0.02
    value = f"{recall:.1%} at {alarms:.3f} false"
    line("detector, 300 composed groups and portraits, 24-400 px", value, ">= 98 % at 0.02", good)
    alarms, pictures = alarms_on_face_free(find)
    if pictures:
        note(f"detector on {pictures} pictures without faces, held back: {alarms:.3f} false alarms a picture")
    picture = portrait()
    took, without = milliseconds(lambda: find(picture)), milliseconds(lambda: alone(picture))
    line("detector, 640x480", f"{took:.0f} ms", "<= 60 ms", took <= 60)
    note(f"detector alone, 640x480: {without:.0f} ms")


def in_blender():
    """What an artist waits for, in a fresh process with Blender's module, for a photo of 1,000 pixels."""
    try:
        from PIL import Image
        from skimage import data
    except ImportError:
        print("skip  Blender: scikit-image is not installed")
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo.png"
        Image.fromarray(data.astronaut()).resize((1000, 1000), Image.LANCZOS).save(path)
        command = [sys.executable, "-m", "training.bench_scene", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode:
        print(f"skip  Blender: {done.stderr.strip().splitlines()[-1]}")
        return
    found = json.loads(done.stdout.strip().splitlines()[-1])
    line("click to head, cold", f"{found['cold']:.2f} s", "<= 1.5 s", found["cold"] <= 1.5)
    line("click to head, warm", f"{found['warm']:.2f} s", "<= 0.5 s", found["warm"] <= 0.5)
    note(f"with a texture of 1,024 pixels, warm: {found['textured']:.2f} s")
    line("longest pause between redraws while building", f"{found['pause']:.2f} s", "<= 0.15 s", found["pause"] <= 0.15)
    line("a slider's move, evaluated", f"{1000 * found['slider']:.0f} ms", "<= 50 ms", found["slider"] <= 0.05)
    line("saved head with texture", f"{found['file'] / 1e6:.1f} MB", "<= 25 MB", found["file"] <= 25e6)
    value = f"{found['memory']:+.0f} MB, blocks {'as before' if found['blocks'] else 'left'}"
    line("200 builds and deletions", value, "<= +20 MB", found["blocks"] and found["memory"] <= 20)
    line("open a file with 20 heads", f"{found['open']:.2f} s", "<= 3 s", found["open"] <= 3)


def skin_on_heads():
    """The texture: its time and memory in a process of its own, the light taken out of it, and what is filled in."""
    done = subprocess.run(
        [sys.executable, "-m", "training.bench_texture"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    found = json.loads(done.stdout.strip().splitlines()[-1])
    for size, bar in ((1024, 1.0), (2048, 3.0)):
        took = found[f"seconds_{size}"]
        line(f"texture, {size} pixels", f"{took:.2f} s", f"<= {bar:.0f} s", took <= bar)
    line("texture, memory at most", f"{found['megabytes']:.0f} MB", "<= 1500 MB", found["megabytes"] <= 1500)
    better, better_seen = (1 - found[f"delit{part}"] / found[f"as_lit{part}"] for part in ("", "_seen"))
    value = f"{better:.0%} ({found['as_lit']:.1f} -> {found['delit']:.1f})"
    line("texture, light taken out (26 people)", value, ">= 40 % better", better >= 0.4)
    seen = f"{better_seen:.0%} ({found['as_lit_seen']:.1f} -> {found['delit_seen']:.1f})"
    note(f"texture, light taken out of what of the face the photo shows: {seen}")
    note(f"texture, what a lamp changes of that once the light is taken out: {found['lamp']:.1f} of 255")
    own, seams = found["own_photo"], found["seam"]
    line("texture over its own photo", f"{own:.2f} dE", "<= 2.5 dE", own <= 2.5)
    line("texture, gradient across borders of what is filled", f"{seams:.2f}", "<= 1.3 times around", seams <= 1.3)
    for turn in (45, 75):
        for k, (what, unit) in enumerate((("1 - SSIM", ""), ("colour", " dE"))):
            ours, mirrored, mean = (found[f"{name}_{turn}"][k] for name in ("ours", "mirrored", "mean"))
            better = [1 - ours / other for other in (mirrored, mean)]
            value = f"{ours:.3g}{unit}, {better[0]:.0%} and {better[1]:.0%}"
            name = f"half hidden at {turn} degrees, {what}, under mirror and mean"
            line(name, value, ">= 25 % below both", min(better) >= 0.25)
            note(f"{name}: {ours:.3f}, {mirrored:.3f}, {mean:.3f}")


def official_speed():
    """Crop to 53,215 vertices of the official model's size, beside a straightforward PyTorch implementation."""
    try:
        from training import bench_official
    except ImportError:
        print("skip  official model's speed: PyTorch is not installed")
        return
    speeds = bench_official.cpu_speeds()
    plain, ours = speeds["straightforward PyTorch"], speeds["torch"]
    value = f"{plain / ours:.1f} times ({plain:.1f} -> {ours:.1f} ms)"
    line("official model, crop to vertices, under plain PyTorch", value, ">= 3 times", plain >= 3 * ours)
    note("official model, ms per face: " + ", ".join(f"{name} {took:.1f}" for name, took in speeds.items()))
    if not bench_official.torch.cuda.is_available():
        note("no GPU here: its 50,000 faces/s for landmarks and 20,000/s dense were not measured")
        return
    for name, speed in bench_official.gpu_speeds().items():
        goal = bench_official.GOALS[name]
        line(f"official model on the GPU, {name}", f"{speed:.0f} faces/s", f">= {goal}", speed >= goal)


def write_quality(again=False):
    """The figures just measured as `docs/quality.md`; `again`: in the place of those that stand there already."""
    path = ROOT / "docs" / "quality.md"
    table = [f"| {r['name']} | {r['value']} | {r['bar']} | {'yes' if r['good'] else 'no'} |" for r in ROWS]
    notes = [f"- {note}" for note in NOTES]
    if again:
        before, after = path.read_text().split(NOTES_HEADING)
        table = renewed([line for line in before.splitlines() if line.startswith("| ")][2:], table, "|", 1)
        notes = renewed([line for line in after.splitlines() if line], notes, ":", 0)
    path.write_text(
        "# Measured quality\n\nWritten by `make bench`; nothing measured on was trained on. NME: mean distance of "
        "the 68 landmarks over\nsqrt(w h) of their box. Press portraits are compared with MediaPipe's landmarks; "
        "renders, 192 pixels wide as\nthe product crops a face, with their exact truth. Times are of one machine "
        "with two cores.\n\n"
        "| what | measured | bar | met |\n| --- | --- | --- | --- |\n"
        + "\n".join(table)
        + f"\n\n{NOTES_HEADING}\n\n"
        + "\n".join(notes)
        + "\n"
    )


def renewed(lines, measured, mark, part):
    """`lines` with those `measured` in the place of the ones of the same `part` between `mark`s, or at the end."""
    lines = {line.split(mark)[part]: line for line in lines}
    return list((lines | {line.split(mark)[part]: line for line in measured}).values())


ACCURACY = {
    "fit": london_fit,
    "identity": london_identity,
    "renders": exact_truth,
    "mouths": open_mouths,
    "press": press_portraits,
    "detection": detection,
    "skin": skin_on_heads,
}
PARTS = {"zip": size_of_zip, "start": start_up, "speed": speed, "blender": in_blender, "torch": against_torch}
PARTS |= {"official": official_speed} | ACCURACY


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("parts", nargs="*", choices=[[], *PARTS], help="what to measure again; all unless given")
    parts = options.parse_args().parts
    if parts:
        for part in parts:
            PARTS[part]()
        write_quality(again=True)
        return
    size_of_zip()
    start_up()
    speed()
    in_blender()
    all_measured = against_torch()
    official_speed()
    if sources.DATA.exists():
        build.validation_data()
        for measure in ACCURACY.values():
            measure()
    else:
        print(f"skip  accuracy: needs the data folder {sources.DATA}")
        all_measured = False
    if all_measured:
        write_quality()


if __name__ == "__main__":
    main()
