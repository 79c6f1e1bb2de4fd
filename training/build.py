"""Everything in `addon_assets` from `../shared/data`, in order: `python -m training.build`.

Steps whose results lie in `work/` are not done again; training resumes from its checkpoint.
"""

import subprocess
import sys

from training import sources

LABELS = ["label_landmarks", "surface_statistics", "embed_landmarks", "fit_portraits"]
RESULTS = {
    "label_landmarks": "landmarks.npz",
    "surface_statistics": "surface.npz",
    "embed_landmarks": "landmarks_embedding.npz",
    "fit_portraits": "portrait_fits.npz",
    "template": "template.npz",
    "face_free": "face_free",
}
# the shipped network was trained in eleven runs, each from the weights of the one before; in a checkout a further one
# can be added with "--start-from shipped". The last four, and the refinement's ninth and eleventh, were run on a GPU
# (`training.elsewhere`): on two cores they take hours, or a day
AT_ONCE = ("--small", "0", "--decay", "0.9", "--saved-every", "2800")
ON_GPU = ("--batch", "128", "--rate", "3e-3", *AT_ONCE)
IN_LARGER_BATCHES = ("--batch", "256", "--rate", "3.6e-3", *AT_ONCE)
RUNS = (
    ("--name", "first", "--crops", "400000"),
    ("--name", "second", "--start-from", "first", "--crops", "430000", "--rate", "2.5e-3"),
    ("--name", "third", "--start-from", "second", "--crops", "280000", "--rate", "1.5e-3"),
    ("--name", "fourth", "--start-from", "third", "--crops", "150000", "--rate", "1e-3"),
    ("--name", "fifth", "--start-from", "fourth", "--crops", "356000", "--rate", "1.2e-3", "--small", "0"),
    ("--name", "sixth", "--start-from", "fifth", "--crops", "288000", "--rate", "1.8e-3", "--small", "0"),
    ("--name", "seventh", "--start-from", "sixth", "--crops", "300000", "--rate", "1.5e-3", "--small", "0"),
    ("--name", "eighth", "--start-from", "seventh", "--crops", "1800000", *ON_GPU),
    ("--name", "ninth", "--start-from", "eighth", "--crops", "4400000", *ON_GPU),
    ("--name", "tenth", "--start-from", "ninth", "--crops", "7396608", *ON_GPU, "--seed", "3"),
    ("--name", "eleventh", "--start-from", "tenth", "--crops", "7401472", *IN_LARGER_BATCHES, "--seed", "4"),
)
MORE_CROPS = {
    "fifth": ("--first", "200", "--count", "114000"),
    "sixth": ("--first", "300", "--count", "96000"),
    "eighth": ("--first", "601", "--count", "300000", "--coarse", "0.3", "--shard", "1000"),
    "ninth": ("--first", "901", "--count", "275000", "--coarse", "0.3", "--shard", "1000"),
    "tenth": ("--first", "1001", "--count", "520000", "--coarse", "0.3", "--shard", "1000"),
    "eleventh": ("--first", "1521", "--count", "520000", "--coarse", "0.3", "--shard", "1000"),
}
MORE_GLASSES = ("--name", "glasses2", "--start-from", "glasses", "--samples", "55000", "--rate", "1.2e-3")
MORE_ALBEDO = ("--name", "albedo_more", "--start-from", "albedo", "--samples", "75000", "--rate", "1.2e-3")
REFINEMENTS = (
    ("--name", "refinement"),
    ("--name", "refinement2", "--start-from", "refinement", "--crops", "360000", "--rate", "1.2e-3", "--decay", "0.9"),
)
SHARPER = (
    ("--name", "refinement4", "--start-from", "refinement2", "--crops", "160000", "--rate", "1e-3", "--decay", "0.9"),
    ("--name", "refinement5", "--start-from", "refinement4", "--crops", "72000", "--rate", "8e-4", "--decay", "1"),
)
ON_GPU_TOO = ("--batch", "192", "--rate", "2.4e-3", "--decay", "0.9")
REVIVED = (
    ("--name", "refinement7", "--start-from", "refinement5", "--crops", "340000", "--rate", "1e-3", "--decay", "0.9"),
    ("--name", "refinement8", "--start-from", "refinement7", "--crops", "280000", "--rate", "1e-3", "--decay", "0.9"),
    ("--name", "refinement9", "--start-from", "refinement8", "--crops", "1000000", *ON_GPU_TOO),
    ("--name", "refinement10", "--start-from", "refinement9", "--crops", "260000", "--rate", "5e-4", "--decay", "1"),
)
SLOWLY = ("--rate", "3e-4", "--decay", "1")
LAST = (
    ("--name", "refinement11", "--start-from", "refinement10", "--crops", "460800", *ON_GPU_TOO, "--seed", "6"),
    ("--name", "refinement12", "--start-from", "refinement11", "--crops", "230000", *SLOWLY, "--seed", "7"),
)
DETECTORS = (
    ("--name", "detector", "--pictures", "310000"),
    ("--name", "detector2", "--from-shipped", "--pictures", "190000", "--rate", "2e-3"),
    ("--name", "detector3", "--from-shipped", "--pictures", "96000", "--rate", "2e-3"),
    ("--name", "detector6", "--from-shipped", "--pictures", "112000", "--rate", "2e-3", "--turned", "0.4"),
    ("--name", "deeper", "--from-shipped", "--pictures", "320000", "--rate", "2e-3", "--turned", "0.25"),
)
REFINED = ("--first", "101", "--count", "57000")  # crops that the refinement learns from, then sharper ones
SHARP = ("--first", "401", "--count", "45000", "--coarse", "0.15", "--kind", "sharp")
MENDED = ("--first", "2041", "--count", "30000", "--coarse", "0.3")  # that last layers are solved on anew
MORE_SHARP = ("--first", "501", "--count", "60000", "--coarse", "0.15", "--kind", "sharp")


def step(module, *words):
    """Run one module of the workshop, unless its result is there."""
    if module in RESULTS and (sources.WORK / RESULTS[module]).exists():
        return
    print(f"== {module}", flush=True)
    subprocess.run([sys.executable, "-m", f"training.{module}", *words], check=True, cwd=sources.PROJECT)


def validation_data():
    """What the benchmark measures on: labels of all pictures and the exact-truth validation crops."""
    for module in LABELS:
        step(module)
    step("make_crops", "--count", "0")


def main():
    for module in (*LABELS, "template", "build_head_model", "make_crops", "face_free"):
        step(module)
    for run in DETECTORS:
        step("train_detector", *run)
    for run in RUNS:
        if run[1] in MORE_CROPS:
            step("make_crops", *MORE_CROPS[run[1]])
        step("train", *run)
    step("export")
    step("make_crops", *REFINED)
    step("first_fits", *REFINED[:2])
    for run in REFINEMENTS:
        step("train_refinement", *run)
    seed = 0
    for crops, runs in ((SHARP, SHARPER), (MORE_SHARP, REVIVED)):
        step("make_crops", *crops)
        step("first_fits", *crops[:2])
        for run in runs:
            step("train_refinement", *run, "--kind", "sharp", "--seed", str(seed))
            seed += 1
    for run in LAST:
        step("train_refinement", *run)
    step("export_refinement")
    step("make_crops", *MENDED)
    step("last_layers", *MENDED[:2], "--closer", "5")
    for module in ("calibrate", "bare_faces", "train_glasses", "train_beard", "train_cover"):
        step(module)
    step("train_glasses", *MORE_GLASSES)
    for module in ("skin_model", "even_skins", "train_albedo"):
        step(module)
    step("train_albedo", *MORE_ALBEDO)


if __name__ == "__main__":
    main()
