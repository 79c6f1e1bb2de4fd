"""A training run: its rate, its averaged weights, its checkpoint, and what it shows of itself.

The schedule is warm-up, constant, linear decay; a run can be given more or fewer steps than it was started with: the
rate follows.
"""

import copy
import ctypes
import functools
import json
import queue
import sys
import threading
import time

import torch

from training import sources

WARM_UP_STEPS = 300
SHOWN_EVERY, SAVED_EVERY = 50, 500  # steps
AHEAD = 6  # batches that are drawn ahead
CLIP, DECAY = 20.0, 0.02  # norm of the gradients at most; weight decay


def keep_memory():
    """Let glibc keep freed tensors: handing them back to the system at every step costs half of the time."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        for option, value in ((-4, 0), (-1, 2**31 - 1), (-2, 2**28)):  # M_MMAP_MAX, M_TRIM_THRESHOLD, M_TOP_PAD
            libc.mallopt(option, value)


def in_background(draw):
    """Let a generator of batches run ahead in a thread of its own; what goes wrong there is raised here."""

    @functools.wraps(draw)
    def drawn(*words):
        ready = queue.Queue(AHEAD)

        def fill():
            try:
                for batch in draw(*words):
                    ready.put((batch, None))
            except Exception as error:
                ready.put((None, error))

        threading.Thread(target=fill, daemon=True).start()
        while True:
            batch, error = ready.get()
            if error:
                raise error
            yield batch

    return drawn


@torch.no_grad()
def blend_in(average, network, step):
    """Move the averaged weights towards the network's, over about 500 steps."""
    keep = min(0.998, step / (step + 50))
    for mine, theirs in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if mine.dtype.is_floating_point:
            mine.lerp_(theirs, 1 - keep)
        else:
            mine.copy_(theirs)


def saved(name):
    """What run NAME was saved as last: its `average` weights and its `step`."""
    return torch.load(sources.WORK / "runs" / name / "checkpoint.pt", map_location="cpu", weights_only=True)


class Run:
    """Steps of AdamW on a model towards `rate` and, after a share of them, back to nothing; resumes from
    `work/runs/NAME/checkpoint.pt`."""

    def __init__(self, name, model, crops, batch, rate, decay):
        """`crops` to show in all, `batch` of them in a step; `decay` the share of the run in which the rate falls."""
        self.folder = sources.WORK / "runs" / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.model, self.average, self.batch, self.top = model, copy.deepcopy(model), batch, rate
        self.steps = crops // batch
        self.decay_from = int(self.steps * (1 - decay))
        decayed = [p for p in model.parameters() if p.ndim > 1]
        others = [p for p in model.parameters() if p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": DECAY}, {"params": others, "weight_decay": 0}]
        self.optimizer = torch.optim.AdamW(groups, lr=rate, fused=True)
        self.step = 0
        for path in (self.folder / "checkpoint.pt", self.folder / "before_decay.pt"):
            if path.exists() and self._resume(path):
                print(f"resumed at step {self.step}", flush=True)
                break
        self._show_anew(self.step)

    def _resume(self, path):
        state = torch.load(path, map_location=next(self.model.parameters()).device, weights_only=True)
        finished = state["step"] == state["steps"] == self.steps
        if state["step"] >= self.steps and not finished:
            return False
        self.model.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        return True

    def _show_anew(self, step):
        self.started, self.shown, self.sums = time.time(), step, {}

    @property
    def rate(self):
        rate = self.top * min(1, (self.step + 1) / WARM_UP_STEPS)
        if self.step >= self.decay_from:
            rate *= max(0.0, 1 - (self.step - self.decay_from) / (self.steps - self.decay_from)) + 0.002
        return rate

    def learn(self, loss, parts):
        """One step against `loss`; it and its `parts` by name are shown now and then."""
        rate = self.rate
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimizer.step()
        self.step += 1
        blend_in(self.average, self.model, self.step)
        if not parts.keys() <= self.sums.keys():
            self._show_anew(self.step - 1)
        for name, value in {**parts, "loss": loss}.items():
            self.sums[name] = self.sums.get(name, 0) + value.item()
        if self.step % SHOWN_EVERY == 0:
            count = self.step - self.shown
            text = " ".join(f"{name} {value / count:.3f}" for name, value in self.sums.items())
            speed = count * self.batch / (time.time() - self.started)
            print(f"{self.step}/{self.steps} {text} rate {rate:.5f} {speed:.0f} crops/s", flush=True)
            self._show_anew(self.step)
        if self.step == self.decay_from:
            self._save(self.folder / "before_decay.pt")

    @property
    def is_to_be_saved(self):
        return self.step % SAVED_EVERY == 0 or self.step in (self.decay_from, self.steps)

    def save(self, validation):
        """Write the checkpoint, and what `validation` has shown by name into the run's log."""
        print(f"validation {self.step} {json.dumps(validation)}", flush=True)
        with (self.folder / "validation.jsonl").open("a") as log:
            log.write(json.dumps({"step": self.step, "crops": self.step * self.batch, **validation}) + "\n")
        self._save(self.folder / "checkpoint.pt")
        self.started = time.time()

    def _save(self, path):
        parts = {"network": self.model, "average": self.average, "optimizer": self.optimizer}
        state = {name: part.state_dict() for name, part in parts.items()} | {"step": self.step, "steps": self.steps}
        torch.save(state, path.with_suffix(".partial"))
        path.with_suffix(".partial").replace(path)
