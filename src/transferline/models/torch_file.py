"""Reads tensors from files in PyTorch's old format (before 1.6, not a zip archive), without PyTorch.

Such a file is five pickles (magic number, protocol, system information, an ordered dict of tensor descriptions,
storage keys) and then, for each key in order, an int64 count and as many little-endian values.
"""

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from transferline.arrays import Array
from transferline.errors import TransferlineError
from transferline.text import reason_of

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001

STORAGES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class _Tensor(NamedTuple):
    """The location of a tensor's values: `offset` and `strides` count values, not bytes."""

    storage: tuple[str, np.dtype[Any], str, str, int, None]
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def read(self, values: Array) -> Array:
        last = self.offset + sum((side - 1) * stride for side, stride in zip(self.shape, self.strides, strict=True))
        if min((self.offset, *self.shape, *self.strides)) < 0 or (0 not in self.shape and last >= len(values)):
            raise ValueError(f"{self} exceeds its storage of {len(values)} values")
        strides = [stride * values.itemsize for stride in self.strides]
        return np.lib.stride_tricks.as_strided(values[self.offset :], self.shape, strides).copy()


class _Unpickler(pickle.Unpickler):
    """Builds ordered dicts and descriptions of tensors, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        match module, name:
            case "collections", "OrderedDict":
                return OrderedDict
            case "torch._utils", "_rebuild_tensor_v2":
                return lambda storage, offset, shape, strides, *_: _Tensor(storage, offset, shape, strides)
            case "torch", ("FloatStorage" | "LongStorage"):
                return STORAGES[name]
        raise pickle.UnpicklingError(f"it imports {module}.{name}, which a file of weights does not need")

    def persistent_load(self, pid: Any) -> Any:
        match pid:
            case ("storage", np.dtype(), str(), str(), int(), None):
                return pid
        raise pickle.UnpicklingError(f"it refers to {pid!r}, which is not a storage")


def read_torch_state(path: Path) -> dict[str, Array]:
    """Reads the tensors of a state dict, in the order of the file, as contiguous float32 and int64 arrays.

    Raises:
        TransferlineError: the file cannot be read, is in another format, is damaged, or would run code.
    """
    try:
        with path.open("rb") as file:
            return _read(file)
    except Exception as error:  # a damaged or hostile pickle can raise anything
        raise TransferlineError(
            f"{path} cannot be read as weights in PyTorch's old format: {reason_of(error)}"
        ) from error


def _read(file: BinaryIO) -> dict[str, Array]:
    def load() -> Any:
        return _Unpickler(file).load()

    if (header := (load(), load())) != (MAGIC, PROTOCOL):
        raise ValueError(f"it starts with {header}, not with {(MAGIC, PROTOCOL)}")
    load()
    tensors: dict[str, _Tensor] = load()
    dtypes = {tensor.storage[2]: tensor.storage[1] for tensor in tensors.values()}
    storages = {key: _read_storage(file, dtypes[key]) for key in load()}
    return {name: tensor.read(storages[tensor.storage[2]]) for name, tensor in tensors.items()}


def _read_storage(file: BinaryIO, dtype: np.dtype[Any]) -> Array:
    count = int.from_bytes(file.read(8), "little", signed=True)
    content = file.read(count * dtype.itemsize) if count > 0 else b""
    if len(content) != count * dtype.itemsize:
        raise ValueError("it ends in the middle of the values")
    return np.frombuffer(content, dtype)
