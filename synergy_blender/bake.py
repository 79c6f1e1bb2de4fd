"""From photos to the picture files of a head's skin."""

from .face import relief, skin_texture
from .png import png


def bake(views, size, delit, surface=None):
    """The PNG files, as bytes, of a head's `skin`, its `bumps` (a normal map) and its `gloss` (roughness), for `views`,
    `size`, `delit` and `surface` as of face.skin_texture."""
    texture = skin_texture(views, size, delit, surface)
    bumps, gloss = relief(texture, surface)
    return {"skin": png(texture), "bumps": png(bumps), "gloss": png(gloss)}
