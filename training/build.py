"""Everything in `addon_assets` from `../shared/data`, in order: `python -m training.build`.

Steps whose results lie in `work/` are not done again; training resumes from its checkpoint.
"""

import subprocess
import sys

from training import sources

STEPS = [
    ("label_landmarks", "landmarks.npz", []),
    ("surface_statistics", "surface.npz", []),
    ("embed_landmarks", "landmarks_embedding.npz", []),
    ("fit_portraits", "portrait_fits.npz", []),
    ("template", "template.npz", []),
    ("build_head_model", None, []),
    ("make_crops", None, []),
    ("train_detector", None, []),
    ("train", None, []),
    ("export", None, []),
]


def main():
    for module, result, words in STEPS:
        if result and (sources.WORK / result).exists():
            print(f"== {module}: done")
            continue
        print(f"== {module}", flush=True)
        subprocess.run([sys.executable, "-m", f"training.{module}", *words], check=True, cwd=sources.PROJECT)


if __name__ == "__main__":
    main()
