"""The extension's front door: hands over to synergy_blender."""

from .synergy_blender import register, unregister

__all__ = ["register", "unregister"]
