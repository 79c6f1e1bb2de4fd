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
SHOWN_EVERY, SAVED_EVERY = 50, 500  # steps, the latter unless said otherwise
AHEAD = 40  # batches that are drawn ahead
TRIED = 8  # steps on CUDA before one is recorded
PACED_FROM, PACED_EVERY, PACED_UNTIL = 1000, 500, 700  # steps: the last ones before the end are as many as they are
CLIP, DECAY = 20.0, 0.02  # norm of the gradients at most; weight decay


def get_ready():
    """The device to train on: CUDA where there is one."""
    keep_memory()
    torch.backends.cudnn.benchmark = True  # all batches are alike
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


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


def numbers_of(model):
    """Everything a model keeps in floating point, parameters and buffers."""
    return [values for values in model.state_dict().values() if values.dtype.is_floating_point]


def pinned(array):
    """An array as a tensor that a GPU can fetch while it computes."""
    tensor = torch.as_tensor(array)
    return tensor.pin_memory() if torch.cuda.is_available() else tensor


@torch.no_grad()
def blend_in(average, numbers, step):
    """Move averaged numbers towards those of the network, over about 500 steps."""
    torch._foreach_lerp_(average, numbers, max(0.002, 50 / (step + 50)))  # one by one they would take a GPU's time


def saved(name):
    """What run NAME was saved as last: its `average` weights and its `step`."""
    return torch.load(sources.WORK / "runs" / name / "checkpoint.pt", map_location="cpu", weights_only=True)


class Run:
    """Steps of AdamW on a model towards `rate` and, after a share of them, back to nothing; resumes from
    `work/runs/NAME/checkpoint.pt`."""

    def __init__(self, name, model, crops, batch, rate, decay, saved_every=SAVED_EVERY, recorded=True, minutes=None):
        """`crops` to show in all, `batch` of them in a step; `decay` the share of the run in which the rate falls; a
        checkpoint is due every `saved_every` steps. Not all steps can be `recorded`: solvers cannot. With `minutes`
        left, on a machine that is lent, there are as many steps as they suffice for, and `crops` is a guess."""
        self.folder = sources.WORK / "runs" / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.model, self.average, self.batch, self.top = model, copy.deepcopy(model), batch, rate
        self.steps, self.saved_every = crops // batch, saved_every
        self.ends = minutes and time.time() + 60 * minutes
        self.decay_from = int(self.steps * (1 - decay))
        decayed = [p for p in model.parameters() if p.ndim > 1]
        others = [p for p in model.parameters() if p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": DECAY}, {"params": others, "weight_decay": 0}]
        device = decayed[0].device
        self.optimizer = torch.optim.AdamW(groups, fused=True, capturable=device.type == "cuda")
        self.step, self.of, self.tried, self.recorded = 0, None, 0, None
        self.tries = TRIED if recorded else 0
        for path in (self.folder / "checkpoint.pt", self.folder / "before_decay.pt"):
            if path.exists() and self._resume(path):
                print(f"resumed at step {self.step}", flush=True)
                break
        for group in self.optimizer.param_groups:
            group["lr"] = torch.tensor(float(rate), device=device)
        self.numbers, self.averaged = numbers_of(self.model), numbers_of(self.average)
        self.paced = max(self.step, PACED_FROM), time.time()
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

    def learn(self, lesson, *told):
        """One step against the loss of `lesson`: told (tensors) -> loss, its parts by name and more, which is returned.

        On CUDA the step is recorded once and replayed after: its thousands of small launches would take most of the
        time. Replayed, SynergyNet learns from 11,000 crops/s of an H200.
        """
        for group in self.optimizer.param_groups:
            group["lr"].fill_(self.rate)
        of = lesson, [one.shape for one in told]
        if of != self.of:
            self.of, self.tried, self.recorded = of, 0, None
        if not (told[0].is_cuda and self.tries):
            loss, parts, more = self._taken(lesson, told)
        elif self.recorded is None:
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                loss, parts, more = self._taken(lesson, told)
            torch.cuda.current_stream().wait_stream(side)
            self.tried += 1
            if self.tried == self.tries:
                self._record(lesson, told)
        else:
            graph, kept, (loss, parts, more) = self.recorded
            for mine, theirs in zip(kept, told, strict=True):
                mine.copy_(theirs)
            graph.replay()
        self.step += 1
        blend_in(self.averaged, self.numbers, self.step)
        if not parts.keys() <= self.sums.keys():
            self._show_anew(self.step - 1)
        for name, value in {**parts, "loss": loss}.items():
            self.sums[name] = self.sums.get(name, 0) + value.detach()
        if self.step % SHOWN_EVERY == 0:
            count = self.step - self.shown
            text = " ".join(f"{name} {value / count:.3f}" for name, value in self.sums.items())
            speed = count * self.batch / (time.time() - self.started)
            print(f"{self.step}/{self.steps} {text} rate {self.rate:.5f} {speed:.0f} crops/s", flush=True)
            self._show_anew(self.step)
        if self.step == self.decay_from:
            self._save(self.folder / "before_decay.pt")
        if self.ends and self.step % PACED_EVERY == 0 and self.steps - self.step > PACED_UNTIL:
            self._pace()
        return more

    def _pace(self):
        """Have as many steps left as the time does at the speed since `PACED_FROM`."""
        now = time.time()
        if self.step > self.paced[0]:
            first, then = self.paced
            self.steps = self.step + max(1, int((self.step - first) / (now - then) * (self.ends - now)))
        elif self.step == PACED_FROM:
            self.paced = self.step, now

    def _taken(self, lesson, told):
        self.optimizer.zero_grad(set_to_none=True)
        loss, parts, more = lesson(*told)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimizer.step()
        return loss.detach(), {name: value.detach() for name, value in parts.items()}, more

    def _record(self, lesson, told):
        """Record a step of what is told in tensors kept for it, without taking it."""
        graph, kept = torch.cuda.CUDAGraph(), [one.clone() for one in told]
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # batches are drawn meanwhile
            results = self._taken(lesson, kept)
        self.recorded = graph, kept, results

    @property
    def is_to_be_saved(self):
        return self.step % self.saved_every == 0 or self.step in (self.decay_from, self.steps)

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
