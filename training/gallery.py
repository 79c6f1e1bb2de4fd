"""Contact sheet of reconstructions: `python -m training.gallery` writes `docs/gallery.png`.

Held-back generated portraits (SFHQ-T2I, SFHQ: free of licence claims, MIT) and London validation people (CC BY 4.0),
none of them trained on: photo, mesh over photo, the head alone from the front and from the side, and with the photo's
skin from the front, from the side and in profile.
"""

import argparse

import cv2
import numpy as np
from PIL import Image

from synergy_blender.face import eyes, head_model, pose, reconstruct, skin, skin_texture
from synergy_blender.face.pose import to_picture
from synergy_blender.face.surface import MATERIALS, bundled, in_triangles
from training import sources
from training.make_crops import WORST_FIT
from training.rasterize import interpolate, rasterize, vertex_normals

TILE = 200
COLOURS = {
    "mouth": (120, 50, 48),
    "sclera": (214, 204, 196),
    "iris": (92, 66, 44),
    "pupil": (12, 12, 12),
    "teeth": (228, 220, 202),
    "gums": (160, 82, 80),
    "lips": (176, 112, 104),
    "tongue": (160, 80, 78),
}
WHITE = ("sclera", "teeth")
TEXTURED = (*MATERIALS, "sclera", "iris", "pupil")
LIGHT = np.array([-0.35, 0.45, 0.82])


class Drawing:
    """Draws heads of the bundled model, shaded, with the z-buffer."""

    def __init__(self):
        self.model = head_model.load()
        quads = self.model.faces
        self.triangles = in_triangles(quads)
        self.material = np.concatenate([self.model.material] * 2)
        self.uv = in_triangles(self.model.uv)
        self.textured = np.isin(self.model.material_names, TEXTURED)

    def shade(self, shape, skin_colour, scale, rotation, centre, size, texture=None):
        """Shaded head as float RGB (H, W, 3) and its mask; shape (V, 3) in the model frame, size (width, height).

        A `texture` (N, N, 3) uint8 without the photo's light takes the skin's place and that of the eyes.
        """
        shape = shape.astype(float)
        points = to_picture(shape, scale, rotation, np.asarray(centre))
        index, weights, _ = rasterize(points, self.triangles, size[1], size[0])
        normals = interpolate(vertex_normals(shape, self.triangles) @ rotation.T, self.triangles, index, weights)
        normals /= np.maximum(np.linalg.norm(normals, axis=2, keepdims=True), 1e-9)
        dim = skin.whites(skin_colour) ** (1 / 2.2)
        parts = COLOURS | {name: dim * np.array(COLOURS[name]) for name in WHITE}
        palette = [parts.get(name, np.asarray(skin_colour) * 255) for name in self.model.material_names]
        colour = np.array(palette, float)[self.material[np.maximum(index, 0)]] / 255
        light = 0.38 + 0.62 * np.clip(normals @ LIGHT, 0, 1)
        shaded = np.clip(colour**2.2 * light[..., None] * 1.15, 0, 1) ** (1 / 2.2) * 255
        if texture is not None:
            uv = np.einsum("hwc,hwcd->hwd", weights, self.uv[np.maximum(index, 0)]).astype(np.float32) * len(texture)
            skin_there = cv2.remap(texture, uv[..., 0] - 0.5, len(texture) - uv[..., 1] - 0.5, cv2.INTER_LINEAR)
            textured = self.textured[self.material[np.maximum(index, 0)]]
            lit = np.clip((skin_there / 255.0) ** 2.2 * light[..., None] * 1.15, 0, 1) ** (1 / 2.2) * 255
            shaded = np.where(textured[..., None], lit, shaded)
        return shaded, index >= 0


def texture_of(picture, face, size=1024):
    """The skin (size, size, 3) uint8 of a face in a picture without its light, with eyes, as a bake has it."""
    texture = skin_texture([(picture, face.vertices)], size)
    eyes.paint(texture, bundled(), eyes.iris_colour(picture, face))
    return texture


def row(drawing, picture, face, tile=TILE):
    """The tiles of one face: photo, overlay, the head from two sides, and from three with the photo's skin."""
    model = drawing.model
    side = 2.1 * (face.box[2] - face.box[0])
    corner = np.array([(face.box[0] + face.box[2]) / 2, (face.box[1] + face.box[3]) / 2 - 0.08 * side]) - side / 2
    factor = 2 * tile / side
    matrix = np.array([[factor, 0, -corner[0] * factor], [0, factor, -corner[1] * factor]])
    photo = cv2.warpAffine(picture, matrix, (2 * tile,) * 2, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
    photo = photo.astype(float)
    colour = skin.mean_colour(picture, face, model)
    shape = model.vertices(face.identity, face.expression)
    posed, mask = drawing.shade(
        shape, colour, face.scale * factor, face.rotation, (face.centre - corner) * factor, (2 * tile,) * 2
    )
    plain = np.full_like(photo, 60)
    over = np.where(mask[..., None], 0.25 * photo + 0.75 * posed, photo)
    tiles = [photo, over]
    texture = texture_of(picture, face)
    for yaw, shown in ((0, None), (60, None), (0, texture), (45, texture), (-85, texture)):
        view, seen = drawing.shade(
            shape, colour, 2100 * tile / 300, pose.matrix(yaw, 0, 0), (tile, tile), (2 * tile,) * 2, shown
        )
        tiles.append(np.where(seen[..., None], view, plain))
    return [cv2.resize(t.astype(np.uint8), (tile, tile), interpolation=cv2.INTER_AREA) for t in tiles]


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--output", default=str(sources.PROJECT / "docs" / "gallery.png"))
    options.add_argument("--people", type=int, default=12)
    options = options.parse_args()
    fits = np.load(sources.WORK / "portrait_fits.npz")
    portraits = {str(n) for n, nme in zip(fits["names"], fits["nme"], strict=True) if nme < WORST_FIT}
    generated = [
        path
        for path in sources.synthetic_portraits(validation=True)
        if str(path.relative_to(sources.DATA)) in portraits  # some generated pictures show no whole face
    ]
    london = (
        sources.london_pictures("london_neutral", True)[::9] + sources.london_pictures("london_smiling", True)[4::9]
    )
    chosen = generated[:: max(1, len(generated) // (options.people - 4))][: options.people - 4] + london[:4]
    drawing, rows = Drawing(), []
    for path in chosen:
        picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        faces = reconstruct(picture)
        if not faces:
            print(f"no face found in {path.name}")
            continue
        rows.append(np.concatenate(row(drawing, picture, faces[0]), axis=1))
    if len(rows) % 2:
        rows.append(np.full_like(rows[0], 60))
    sheet = np.concatenate([np.concatenate(rows[i : i + 2], axis=1) for i in range(0, len(rows), 2)])
    Image.fromarray(sheet).save(options.output, optimize=True)
    print(f"wrote {options.output}: {len(rows)} faces")


if __name__ == "__main__":
    main()
