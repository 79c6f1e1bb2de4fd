"""The paper's benchmarks: `python -m training.benchmark aflw2000|aflw2000-reannotated|aflw|florence|now DATASET_DIR
[--model official|open] [--convention corrected|parity] [--figure CASES.png]` prints ours beside the published figures.

The datasets are the user's; docs/official.md says how their folders must look.
"""

import argparse
import sys
from pathlib import Path

from synergy_blender import models, official
from synergy_blender.face import AssetError
from training import benchmark_points, benchmark_scans

# "Synergy" (Wu et al., 2021), 3DDFA_V2 (Guo et al., 2020) and PRNet (Feng et al., 2018), as their papers and pages say
PUBLISHED = {
    "aflw2000": {
        "SynergyNet": {"NME 0-30": 2.65, "NME 30-60": 3.30, "NME 60-90": 4.27, "NME mean of bins": 3.41, "MAE": 3.35},
        "3DDFA_V2": {"NME 0-30": 2.63, "NME 30-60": 3.42, "NME 60-90": 4.48, "NME mean of bins": 3.51},
        "PRNet": {"NME 0-30": 2.75, "NME 30-60": 3.51, "NME 60-90": 4.61, "NME mean of bins": 3.62},
    },
    "aflw2000-reannotated": {"SynergyNet": {"NME mean of bins": 2.65}},
    "aflw": {"SynergyNet": {"NME mean of bins": 4.06}, "3DDFA_V2": {"NME mean of bins": 4.43}},
    "florence": {"PRNet": {"NME": 3.76}, "3DDFA_V2": {"NME": 3.56}},
    "now": {
        "SynergyNet": {"median mm": 1.27, "mean mm": 1.59, "std mm": 1.31},
        "3DDFA_V2": {"median mm": 1.23, "mean mm": 1.57, "std mm": 1.39},
        "PRNet": {"median mm": 1.50, "mean mm": 1.98, "std mm": 1.88},
    },
}


def table(ours, published):
    """Lines of a table with a column for ours and each of the published."""
    names = list(ours) + [name for one in published.values() for name in one if name not in ours]
    columns = {"this run": ours, **published}
    lines = [" ".join([f"{'':18s}", *(f"{title:>11s}" for title in columns)])]
    for name in dict.fromkeys(names):
        cells = (f"{column[name]:11.3f}" if name in column else f"{'-':>11s}" for column in columns.values())
        lines.append(" ".join([f"{name:18s}", *cells]))
    return lines


def run(name, folder, model="official", convention="corrected", figure=None):
    """The figures of one benchmark by name. Raises FileNotFoundError, ValueError, AssetError."""
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}.")
    if name in ("florence", "now"):
        return benchmark_scans.run(name, folder, models.load(model, convention), figure)
    return benchmark_points.run(name, folder, model, convention, figure)


def main(words=None):
    options = argparse.ArgumentParser(description=__doc__.split("`")[0])
    options.add_argument("name", choices=PUBLISHED)
    options.add_argument("folder", metavar="DATASET_DIR")
    options.add_argument("--model", choices=models.NAMES, default="official")
    options.add_argument("--convention", choices=official.CONVENTIONS, default="corrected")
    options.add_argument("--figure", metavar="CASES.png", help="draw the worst and the median cases")
    options = options.parse_args(words)
    try:
        ours = run(options.name, options.folder, options.model, options.convention, options.figure)
    except (FileNotFoundError, ValueError, AssetError) as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return 2
    for line in table(ours, PUBLISHED[options.name]):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
