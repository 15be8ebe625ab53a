import os
import pickle
import sys
from collections import OrderedDict
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from transferline.errors import TransferlineError
from transferline.models.torch_file import MAGIC, PROTOCOL, read_torch_state

VALUES = np.arange(24, dtype="<f4")


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Stand-ins for the names of torch, which pickle wants to import when it writes a reference to them."""
    names = SimpleNamespace(FloatStorage=type("FloatStorage", (), {"__module__": "torch"}))
    names.LongStorage = type("LongStorage", (), {"__module__": "torch"})
    for function in ("_rebuild_tensor_v2", "_rebuild_parameter"):
        setattr(names, function, type(function, (), {"__module__": "torch._utils"}))
    for module in ("torch", "torch._utils"):
        monkeypatch.setitem(sys.modules, module, ModuleType(module))
        vars(sys.modules[module]).update(vars(names))
    return names


class Reduced:
    """Pickled as a call of `function`."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = (function, args)

    def __reduce__(self) -> Any:
        return self.call


class Storage:
    """Pickled as a persistent id."""

    def __init__(self, *pid: Any) -> None:
        self.pid = pid


class Pickler(pickle.Pickler):
    def persistent_id(self, obj: Any) -> Any:
        return obj.pid if isinstance(obj, Storage) else None


def write(
    path: Path, state: Any, storages: dict[str, Any], header: tuple[Any, ...] = (MAGIC, PROTOCOL, {"little_endian": 1})
) -> Path:
    with path.open("wb") as file:
        for part in (*header, state, list(storages)):
            Pickler(file, 2).dump(part)
        for values in storages.values():
            file.write(len(values).to_bytes(8, "little") + values.tobytes())
    return path


def tensor(torch: Any, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0) -> Reduced:
    storage = Storage("storage", torch.FloatStorage, "7", "cpu", 24, None)
    return Reduced(torch._rebuild_tensor_v2, storage, offset, shape, strides, False, OrderedDict())


def test_strides_and_offsets_are_honoured(torch: Any, tmp_path: Path) -> None:
    steps = Storage("storage", torch.LongStorage, "8", "cpu", 1, None)
    state = OrderedDict(
        permuted=tensor(torch, (2, 3, 4), (1, 2, 6)),
        part=tensor(torch, (2, 2), (4, 1), offset=18),
        steps=Reduced(torch._rebuild_tensor_v2, steps, 0, (), (), False, OrderedDict()),
    )
    read = read_torch_state(write(tmp_path / "w.pth", state, {"7": VALUES, "8": np.array([5], "<i8")}))
    assert list(read) == ["permuted", "part", "steps"]
    np.testing.assert_array_equal(read["permuted"], VALUES.reshape(4, 3, 2).transpose())
    np.testing.assert_array_equal(read["part"], [[18, 19], [22, 23]])
    assert read["steps"] == 5 and read["steps"].dtype == np.int64
    assert all(array.flags.c_contiguous and array.flags.owndata for array in read.values())


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [((25,), (1,), 0), ((2, 3), (23, 1), 0), ((4,), (1,), 21), ((4,), (-1,), 3), ((1,), (1,), -1), ((2, 2), (1,), 0)],
)
def test_a_tensor_that_reaches_beyond_its_values_is_refused(
    torch: Any, tmp_path: Path, shape: tuple[int, ...], strides: tuple[int, ...], offset: int
) -> None:
    path = write(tmp_path / "w.pth", OrderedDict(w=tensor(torch, shape, strides, offset)), {"7": VALUES})
    with pytest.raises(TransferlineError, match=r"w\.pth cannot be read"):
        read_torch_state(path)


@pytest.mark.parametrize("place", ["header", "state", "storage", "keys"])
def test_a_pickle_that_would_run_a_command_is_refused(torch: Any, tmp_path: Path, place: str) -> None:
    trap = Reduced(os.system, f"touch {tmp_path / 'trapped'}")
    storage = Storage("storage", torch.FloatStorage, trap, "cpu", 24, None)
    in_storage = Reduced(torch._rebuild_tensor_v2, storage, 0, (1,), (1,), False, OrderedDict())
    state = {"state": trap, "storage": OrderedDict(w=in_storage)}.get(place, OrderedDict())
    header = (MAGIC, PROTOCOL, trap if place == "header" else {})
    path = write(tmp_path / "w.pth", state, {trap: VALUES} if place == "keys" else {}, header)
    with pytest.raises(TransferlineError, match=rf"it imports {os.system.__module__}\.system"):
        read_torch_state(path)
    assert not (tmp_path / "trapped").exists()


def test_another_name_of_torch_is_refused(torch: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "w.pth", OrderedDict(w=Reduced(torch._rebuild_parameter, 1)), {})
    with pytest.raises(TransferlineError, match=r"it imports torch\._utils\._rebuild_parameter"):
        read_torch_state(path)


def test_a_reference_within_a_reference_is_refused(torch: Any, tmp_path: Path) -> None:
    inner = Storage("storage", torch.FloatStorage, "7", "cpu", 24, None)
    nested = Storage("storage", torch.FloatStorage, inner, "cpu", 24, None)
    state = OrderedDict(w=Reduced(torch._rebuild_tensor_v2, nested, 0, (24,), (1,), False, OrderedDict()))
    with pytest.raises(TransferlineError, match="which is not a storage"):
        read_torch_state(write(tmp_path / "w.pth", state, {"7": VALUES}))


def test_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TransferlineError, match="it starts with"):
        read_torch_state(write(tmp_path / "w.pth", OrderedDict(), {}, header=(MAGIC + 1, PROTOCOL, {})))
    (tmp_path / "zip.pth").write_bytes(b"PK\x03\x04 the format of today")
    with pytest.raises(TransferlineError, match=r"zip\.pth cannot be read"):
        read_torch_state(tmp_path / "zip.pth")
    with pytest.raises(TransferlineError, match=r"none\.pth cannot be read.*No such file"):
        read_torch_state(tmp_path / "none.pth")


def test_a_truncated_file_is_refused_wherever_it_ends(torch: Any, tmp_path: Path) -> None:
    whole = write(tmp_path / "w.pth", OrderedDict(w=tensor(torch, (24,), (1,))), {"7": VALUES}).read_bytes()
    for end in range(0, len(whole), 5):
        (tmp_path / "part.pth").write_bytes(whole[:end])
        with pytest.raises(TransferlineError, match=r"part\.pth cannot be read"):
            read_torch_state(tmp_path / "part.pth")
