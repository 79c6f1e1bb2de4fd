"""Draw faces laid flat: `python -m training.chart_sheet` writes `docs/laid_flat.png`.

Each row: a held-back portrait, the face laid flat by the fit to the first look, and by the fit to
the last look; the last row the means of all.
"""

import cv2
import numpy as np

from synergy_blender.face import chart, crop, faces, look, network, refinement
from training import sources

COUNT, CELL = 6, 240


def flat(image, seen, refine):
    """The chart (CELLS, CELLS, 3) of a face in a picture, laid flat by a fit to a Look."""
    found = look.fitted([seen])
    scale, rotation, centre = seen.place(found, 0)
    middle, side = seen.middle, seen.side * 1.2
    shape = np.concatenate([found.identity, found.expression[0]])
    points = refine.weights["mean"] + np.tensordot(shape, refine.weights["basis"], 1)
    at = scale * points @ rotation[:2].T * [1, -1] + centre
    where = chart.filled_in(refine.spread @ ((at - middle) * [1, -1] * 2 / side).astype(np.float32))
    part = crop.square(image, middle, side, 2 * network.CROP)
    square = chart.facing(where * side / 2, scale)
    colours = network.look(part, where.reshape(-1, 2)).reshape(chart.CELLS, chart.CELLS, 3)
    return 127.5 * (chart.laid_flat(colours, square)[..., :3] + 1)


def main():
    refine, regress = refinement.load(), network.load()
    pictures, rows, means = sources.synthetic_portraits(validation=True), [], []
    for path in pictures:
        image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        found = faces.find(image)
        if not found:
            continue
        first, last = look.first(image, found[0], regress), look.closer(image, found[0], regress)
        charts = [flat(image, seen, refine) for seen in (first, last)]
        means.append(charts)
        if len(rows) < COUNT and len(means) % 8 == 1:
            photo = crop.square(image, last.middle, 1.3 * last.side, CELL)
            rows.append(np.hstack([photo, *(cv2.resize(one, (CELL, CELL)) for one in charts)]))
    means = np.mean(means, axis=0)
    rows = [np.hstack(rows[k : k + 2]) for k in range(0, COUNT, 2)]
    last = np.hstack([cv2.resize(one, (2 * CELL, 2 * CELL)) for one in means])
    last = np.hstack([np.full((2 * CELL, CELL, 3), 255.0), last, np.full((2 * CELL, CELL, 3), 255.0)])
    sheet = np.vstack([*rows, last]).clip(0, 255).astype(np.uint8)
    cv2.imwrite(str(sources.PROJECT / "docs" / "laid_flat.png"), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    print(f"docs/laid_flat.png: {len(pictures)} portraits")


if __name__ == "__main__":
    main()
