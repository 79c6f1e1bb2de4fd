"""Work that goes on behind the window while that goes on drawing."""

import threading

import bpy
from bpy.app.translations import pgettext_iface as iface

from .. import log
from ..engine import EngineError
from ..face import AssetError
from ..official import ImportProblem
from ..photo import PhotoError

TICK = 0.05  # seconds between two looks at the work


class Behind:
    """An operator that works in a thread: `begin` starts it, `finish(context, result)` takes what it made.

    In background mode, or called from a script, it all runs straight through.
    """

    def begin(self, context, work, words):
        """Let `work()` run in a thread, with `words` in the status bar; it touches nothing of bpy."""
        self._result, self._trouble = None, ""
        if bpy.app.background or context.window is None:
            self._run(work)
            return self._end(context)
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()
        self._timer = context.window_manager.event_timer_add(TICK, window=context.window)
        context.workspace.status_text_set(iface(words) + ".  " + iface("Esc: cancel"))
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context, event):
        if event.type == "ESC":
            self._tidy(context)
            self.report({"INFO"}, iface("Cancelled: nothing was changed"))
            return {"CANCELLED"}
        if event.type != "TIMER" or self._thread.is_alive():
            return {"PASS_THROUGH"}
        self._tidy(context)
        return self._end(context)

    def _run(self, work):
        try:
            self._result = work()
        except (AssetError, EngineError, ImportProblem, PhotoError, ValueError, OSError) as error:
            self._trouble = str(error)
        except Exception as error:  # of a thread nobody else would see it
            self._trouble = log.unexpected(error)

    def _end(self, context):
        try:
            if not self._trouble:
                self.finish(context, self._result)
                return {"FINISHED"}
        except (AssetError, ValueError, OSError) as error:
            self._trouble = str(error)
        except ReferenceError:  # undone or deleted while the work went on
            self._trouble = "The head is gone: nothing was changed."
        self.report({"ERROR"}, iface(self._trouble))
        return {"CANCELLED"}

    def _tidy(self, context):
        context.window_manager.event_timer_remove(self._timer)
        context.workspace.status_text_set(None)
