"""A picture of a benchmark's worst and median cases."""

import numpy as np
from PIL import Image, ImageDraw

SIDE, COUNT = 240, 6  # pixels of a tile, tiles in a row
FOUND, WANTED = (240, 40, 40), (60, 220, 60)


def draw(path, errors, case):
    """Write the worst cases above the median ones to `path`. `case(k)` gives a picture, the square (x0, y0, x1, y1) of
    it that is shown, pairs of points (n, 2) in it and their colour, and a text."""
    order = np.argsort(errors)
    rows = order[::-1][:COUNT], order[max(0, len(order) // 2 - COUNT // 2) :][:COUNT]
    sheet = Image.new("RGB", (SIDE * COUNT, SIDE * len(rows)))
    for row, chosen in enumerate(rows):
        for column, k in enumerate(chosen):
            picture, (x0, y0, x1, y1), marks, text = case(k)
            tile = picture.convert("RGB").crop((x0, y0, x1, y1)).resize((SIDE, SIDE))
            pen = ImageDraw.Draw(tile)
            for points, colour in marks:
                for x, y in (points - [x0, y0]) * SIDE / [x1 - x0, y1 - y0]:
                    if np.isfinite([x, y]).all():
                        pen.ellipse((x - 2, y - 2, x + 2, y + 2), fill=colour)
            pen.text((4, 4), text, fill=(255, 255, 255))
            sheet.paste(tile, (column * SIDE, row * SIDE))
    sheet.save(path)
