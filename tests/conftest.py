"""What holds for all tests."""

import os
import sys

import pytest


@pytest.fixture()
def registered():
    """The add-on, registered in an empty Blender."""
    bpy = pytest.importorskip("bpy")
    import synergy_blender

    bpy.ops.wm.read_factory_settings(use_empty=True)
    synergy_blender.register()
    yield
    synergy_blender.unregister()


def pytest_sessionfinish(session, exitstatus):
    session.config.exit_status = int(exitstatus)


def pytest_unconfigure(config):
    """Leave at once: at its end the bpy module of 4.2 crashes after its own glTF add-on was used, and that of 4.5 may
    wait for ever for the thread with which it closes files."""
    if "bpy" in sys.modules:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(getattr(config, "exit_status", 1))
