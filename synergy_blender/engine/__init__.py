"""What the networks run on: NumPy, which is built in, or PyTorch where it can be imported."""

from functools import lru_cache
from importlib.util import find_spec

from ..face import network

NAMES = ("numpy", "torch")


class EngineError(Exception):
    """An engine cannot be used; the message is one sentence for the user."""


def torch_is_there():
    """Whether PyTorch is installed, without importing it."""
    return find_spec("torch") is not None


@lru_cache(maxsize=4)
def torch_device():
    """The name of the device that PyTorch computes on: "cuda", "mps" or "cpu". Raises EngineError."""
    try:
        import torch
    except Exception as error:  # an installation can be broken in any way
        raise EngineError(f"PyTorch cannot be used here ({error}): choose NumPy as the engine.") from None
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


@lru_cache(maxsize=4)
def load(name="numpy"):
    """The bundled network on an engine: a face.network.ImageToParameters. Raises EngineError and assets.AssetError."""
    if name == "numpy":
        return network.load()
    if name != "torch":
        raise EngineError(f"There is no engine {name!r}: choose one of {', '.join(NAMES)}.")
    device = torch_device()
    from .torch_network import TorchImageToParameters

    return TorchImageToParameters(network.load().weights, device)
