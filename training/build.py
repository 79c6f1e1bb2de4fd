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
}
# the shipped network was trained in four runs, each from the weights of the one before
RUNS = (
    ("--name", "first", "--crops", "400000"),
    ("--name", "second", "--start-from", "first", "--crops", "430000", "--rate", "2.5e-3"),
    ("--name", "third", "--start-from", "second", "--crops", "280000", "--rate", "1.5e-3"),
    ("--name", "fourth", "--start-from", "third", "--crops", "150000", "--rate", "1e-3"),
)


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
    for module in (*LABELS, "template", "build_head_model", "make_crops", "train_detector"):
        step(module)
    for run in RUNS:
        step("train", *run)
    for module in ("export", "calibrate", "skin_model"):
        step(module)


if __name__ == "__main__":
    main()
