"""What each part of SynergyNet brings: `python -m training.ablation [--crops 30000]` writes `docs/ablation.md`.

Four runs that differ in nothing but their losses, from the same random weights, with the same crops, order and rate:
parameters alone; and the points moved by them; and MAFA's refinement; and the reverse module with its consistency.
Each is measured on exact-truth renders, network alone, and on press portraits, as the product uses it.
The sight of the points is trained in all four.
"""

import argparse
import json
import subprocess
import sys

import cv2
import numpy as np
import torch

from synergy_blender.face import network, reconstruct
from training import sources
from training.embed_landmarks import IBUG_68
from training.export import load_run, precisions_of, weights_of
from training.fit_landmarks import nme
from training.run import saved
from training.train import Crops, validate

POINTS = ["landmarks", "pose", "identity", "expression"]
PARTS = {
    "parameters": [*POINTS, "refined", "reverse", "consistency"],
    "+ landmarks": ["refined", "reverse", "consistency"],
    "+ MAFA refinement": ["reverse", "consistency"],
    "+ reverse module and consistency": [],
}
PRESS = 250  # portraits
JUDGED = ("jawOpen", "eyeBlinkLeft", "mouthSmileLeft", "browInnerUp", "mouthPucker")


def run_of(k, without, crops):
    """Train one of the runs, unless it is finished, and return its name."""
    name = f"ablation_{k}"
    checkpoint = sources.WORK / "runs" / name / "checkpoint.pt"
    if not checkpoint.exists() or saved(name)["step"] < crops // 32:
        words = ["--name", name, "--crops", str(crops), "--rate", "4e-3"]
        words += ["--synergy-from", "0" if k >= 2 else "1", *(["--without", *without] if without else [])]
        subprocess.run([sys.executable, "-m", "training.train", *words], check=True, cwd=sources.PROJECT)
    return name


def press(model):
    """NME of the product with this network on press portraits."""
    arrays = weights_of(model) | precisions_of(model) | {"confidence": np.zeros(4, np.float32)}
    regress, kept = network.ImageToParameters(arrays), network.load
    labels = np.load(sources.WORK / "landmarks.npz")
    rows = [i for i, name in enumerate(labels["names"]) if "/portraits/" in name]
    errors = []
    network.load = lambda path=None: regress
    try:
        for i in rows[:: len(rows) // PRESS]:
            picture = cv2.cvtColor(cv2.imread(str(sources.DATA / labels["names"][i])), cv2.COLOR_BGR2RGB)
            truth = labels["landmarks"][i][IBUG_68, :2][None]
            found = [nme(face.landmarks[None, :, :2], truth)[0] for face in reconstruct(picture)]
            if found and min(found) < 0.25:
                errors.append(min(found))
    finally:
        network.load = kept
    return float(np.mean(errors))


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--crops", type=int, default=30_000)
    options = options.parse_args()
    held_back, rows = Crops("validation"), []
    for k, (what, without) in enumerate(PARTS.items()):
        model, _ = load_run(run_of(k, without, options.crops))
        found = validate(model, held_back, torch.device("cpu"))
        alike = [f"{found['expression_correlation'][name]:.2f}" for name in JUDGED]
        refined = f"{found['nme_refined']:.2%}" if k >= 2 else "-"
        row = [what, f"{found['nme']:.2%}", refined, f"{found['nme_seen']:.2%}", f"{found['rotation']:.2f}"]
        rows.append([*row, f"{found['identity_over_mean_face']:.3f}", *alike, f"{press(model.eval()):.2%}"])
        print(json.dumps(rows[-1]), flush=True)
    heads = ["losses", "NME", "refined", "seen", "rotation", "identity / mean face", *JUDGED, "press NME"]
    table = [heads, ["---"] * len(heads), *rows]
    text = f"""# What each part of SynergyNet brings

Written by `python -m training.ablation`: {options.crops:,} crops for each row, all from the same random weights
(the shipped network has seen 1.9 million, so these are all far from done). Up to `mouthPucker`: 2,000 exact-truth
renders of held-back portraits, the network alone, without the fit that follows in the product (rotation in
degrees; correlation of each expression with its truth). Press NME: {PRESS} press portraits as the product reads
them, both ways and fitted.

"""
    text += "\n".join("| " + " | ".join(row) + " |" for row in table) + "\n"
    (sources.PROJECT / "docs" / "ablation.md").write_text(text)


if __name__ == "__main__":
    main()
