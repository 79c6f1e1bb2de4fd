"""What holds for all tests."""

import os
import sys


def pytest_sessionfinish(session, exitstatus):
    session.config.exit_status = int(exitstatus)


def pytest_unconfigure(config):
    """Leave at once: the bpy module of 4.2 crashes at its end after its own glTF add-on was used."""
    bpy = sys.modules.get("bpy")
    if bpy is not None and bpy.app.version < (4, 3):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(getattr(config, "exit_status", 1))
