"""Where what should not happen is written down: the user reads a sentence, the log holds the traceback."""

import tempfile
import time
import traceback
from pathlib import Path

FILE = Path(tempfile.gettempdir()) / "synergy_blender.log"


def unexpected(error):
    """Write an exception's traceback to the log, and return the sentence to show in its place."""
    text = "".join(traceback.format_exception(error))
    try:
        with FILE.open("a", encoding="utf-8") as log:
            log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}\n{text}\n")
    except OSError:
        return f"Something went wrong that should not have: {error}. Save your work and try another photo."
    return f"Something went wrong that should not have; please report it with the file {FILE}."
