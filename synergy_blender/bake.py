"""From photos to the picture files of a head's skin."""

from .face import eyes, relief, skin_texture
from .face.surface import bundled
from .png import png


def bake(views, size, delit, surface=None, iris=None):
    """The PNG files, as bytes, of a head's `skin`, its `bumps` (a normal map) and its `gloss` (roughness), for `views`,
    `size`, `delit` and `surface` as of face.skin_texture and irises of an sRGB colour 0..1 (3,), if it is known."""
    texture = skin_texture(views, size, delit, surface)
    bumps, gloss = relief(texture, surface)
    eyes.paint(texture, surface or bundled(), iris)
    return {"skin": png(texture), "bumps": png(bumps), "gloss": png(gloss)}
