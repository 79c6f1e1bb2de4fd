"""Take the workshop to a machine that has a GPU and little else: `python -m training.elsewhere pack`.

`pack` writes `work/pack/portraits.tar`, small enough to be sent: what `training.make_crops` needs, with photos no
larger than it looks at them, and crops held back. There, beside a copy of the project, `unpack FILE` lays them out as
the workshop expects them; `training.make_crops --workers 14 --shard 1000` draws crops, `training.train --start-from
shipped --batch 128 --minutes M` learns meanwhile from all there are; and `light RUN...` writes the averaged weights of
runs, small enough to be sent back as checkpoints, to `--to`.
"""

import argparse
import io
import shutil
import tarfile
from pathlib import Path

import cv2
import numpy as np
import torch

from training import sources
from training.export_refinement import load_run
from training.make_crops import CROPS, SIZE, believed
from training.portrait_texture import shrunk
from training.run import saved

PACK = sources.WORK / "pack"
QUALITY = 86
HELD_BACK, SHOWN = "large_00", 600  # crops that runs there are validated on
PICTURES = CROPS / f"{HELD_BACK}_pictures.npy"


def _add(tar, path, content):
    member = tarfile.TarInfo(str(path))
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def _webp(picture, quality=QUALITY):
    return cv2.imencode(".webp", picture, [cv2.IMWRITE_WEBP_QUALITY, quality])[1].tobytes()


def _saved(save, content):
    file = io.BytesIO()
    save(file, content)
    return file.getvalue()


def pack_portraits(tar):
    """The portraits that crops show with their fits, and the head."""
    for name in ("head_surface.npz", "head_landmarks.npz"):
        tar.add(sources.WORK / name, f"work/{name}")
    fits = dict(np.load(sources.WORK / "portrait_fits.npz"))
    rows = believed(fits)
    fits = {k: v[rows].astype(np.float32) if v.dtype == float else v[rows] for k, v in fits.items()}
    for i, name in enumerate(fits["names"]):
        photo, shrink = shrunk(cv2.imread(str(sources.DATA / name)))
        fits["scale"][i] *= shrink
        fits["centre"][i] *= shrink
        _add(tar, f"data/{name}", _webp(photo))
    sent = set(fits["names"])
    # which portraits are held back is told by their places among all, so that the others are there by name
    for path in (*sources.training_portraits(), *sources.synthetic_portraits(True)):
        name = str(path.relative_to(sources.DATA))
        if name not in sent:
            _add(tar, f"data/{name}", b"")
    _add(tar, "work/portrait_fits.npz", _saved(lambda file, all_: np.savez_compressed(file, **all_), fits))


def pack_held_back(tar):
    """Crops that runs are validated on."""
    arrays = {name: values[:SHOWN] for name, values in np.load(CROPS / f"{HELD_BACK}_labels.npz").items()}
    _add(tar, f"work/crops/{HELD_BACK}_labels.npz", _saved(lambda file, all_: np.savez(file, **all_), arrays))
    for i, picture in enumerate(np.load(PICTURES, mmap_mode="r")[:SHOWN]):
        _add(tar, f"held_back/{i:04d}.webp", _webp(picture[..., ::-1], 95))


def light(name):
    """The averaged weights of a run as a checkpoint to start from or to export: in half precision, as they are shipped,
    and without the whitening of a refinement's last layers, which a run measures anew."""
    kept = saved(name)
    state, step = kept["average"], kept["step"]
    if "deeper.whitening" in state:
        model = load_run(name)[0]
        for layer in ("deeper", "change"):
            whole = getattr(model, layer)
            state |= {f"{layer}.{part}": values for part, values in whole.plain().state_dict().items()}
            state[f"{layer}.middle"] = torch.zeros_like(whole.middle)
            del state[f"{layer}.whitening"]
    halved = {k: v.half() for k, v in state.items() if k.endswith("weight") and v.ndim > 1}
    return {"average": state | halved, "step": step}


def unpack(path):
    """Lay out what one of these files holds."""
    pictures = {}
    with tarfile.open(path) as tar:
        for member in tar:
            content = tar.extractfile(member).read()
            first, rest = member.name.split("/", 1)
            if first == "held_back":
                pictures[rest] = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
                continue
            target = {"data": sources.DATA, "work": sources.WORK}[first] / rest
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    if pictures:
        pictures = [pictures[name] for name in sorted(pictures)]
        np.save(PICTURES, np.stack(pictures))
        small = [cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_AREA) for picture in pictures]
        np.save(CROPS / "validation_00_pictures.npy", np.stack(small))
        shutil.copy(CROPS / f"{HELD_BACK}_labels.npz", CROPS / "validation_00_labels.npz")


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("what", choices=("pack", "unpack", "light"))
    options.add_argument("names", nargs="*", help="runs, or files to unpack")
    options.add_argument("--to", type=Path, default=PACK, help="folder of the weights made light")
    options = options.parse_args()
    if options.what == "unpack":
        for path in options.names:
            unpack(path)
        return
    if options.what == "light":
        for name in options.names:
            torch.save(light(name), options.to / f"{name}.pt")
        return
    PACK.mkdir(parents=True, exist_ok=True)
    path = PACK / "portraits.tar"
    with tarfile.open(path, "w") as tar:
        pack_portraits(tar)
        pack_held_back(tar)
    print(f"{path.name}: {path.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
