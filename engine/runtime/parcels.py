"""`Parcel`: a task's code made ready to be run in another process of the same program.

What Python pickles by name is taken by name, with three additions, for tasks are not made to be pickled: a function that
a decorator has replaced by its task is found inside of that task; the parts of a task that only the shell needs (its
executor, its policy) stay behind; a read-only mapping goes as the dict below it. Nothing of this is ever stored.
"""

from __future__ import annotations

import copyreg
import importlib
import io
import pickle
from collections.abc import Callable
from types import FunctionType, MappingProxyType
from typing import Any

from ...errors import FlowError
from ..definition.atom import Atom
from ..definition.coded import Coded

STAYS = ("retry_policy", "timeout", "executor", "executor_config")


class Parcel:
    """Calls `code` wherever it is; pickles by the rules of this module, or, where those will not do, by those of whoever
    pickles it (an executor may know of more).
    """

    def __init__(self, code: Callable[[], Any]) -> None:
        self.code = code

    def __call__(self) -> Any:
        return self.code()

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        try:
            return _unpacked, (packed(self.code),)
        except Exception:
            return Parcel, (self.code,)


def packed(value: Any) -> bytes:
    """`value` for another process of this program; whatever pickling it raises."""
    buffer = io.BytesIO()
    _Packer(buffer, pickle.HIGHEST_PROTOCOL).dump(value)
    return buffer.getvalue()


def unpacked(data: bytes) -> Any:
    """What `packed` was given."""
    return pickle.loads(data)


def _unpacked(data: bytes) -> Parcel:
    return Parcel(unpacked(data))


def check_portable(task: Coded, kind: str = "execute") -> None:
    """See whether a task's code could go to another process, before any of it is started.

    Raises:
        FlowError: it could not; the error names the task and says why.
    """
    try:
        packed(task.code(kind))
    except Exception as error:
        raise FlowError(
            f"task {task.name!r} is to run in another process, and its {kind} cannot be taken there: {_why(error)}. Use a "
            "function or a class that stands at the top of a module, and keep locks, connections and open files out of it"
        ) from error


def _why(error: Exception) -> str:
    if isinstance(error, pickle.PicklingError | AttributeError | TypeError):
        return str(error)
    return f"{type(error).__name__}: {error}"


class _Packer(pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, FunctionType):
            return _function(obj)
        if isinstance(obj, MappingProxyType):
            return _read_only, (dict(obj),)
        if isinstance(obj, Atom) and _plain(type(obj)):
            state = {name: value for name, value in vars(obj).items() if name not in STAYS}
            return copyreg.__newobj__, (type(obj),), state  # type: ignore[attr-defined]  # stands there since Python 2
        return NotImplemented


def _plain(cls: type) -> bool:
    """Whether a class leaves it to Python how it is pickled."""
    own = ("__reduce_ex__", "__reduce__", "__getstate__")
    return all(getattr(cls, name, None) is getattr(object, name, None) for name in own)


def _function(function: FunctionType) -> Any:
    """How a function is found again that a decorator has replaced by its task; the rest is found by its name."""
    try:
        found = _named(function.__module__, function.__qualname__)
    except (ImportError, AttributeError):
        return NotImplemented
    if found is function or not isinstance(found, Atom):
        return NotImplemented
    for name, value in vars(found).items():
        if value is function:
            return _inside, (function.__module__, function.__qualname__, name, None)
        if isinstance(value, tuple):
            for place, one in enumerate(value):
                if one is function:
                    return _inside, (function.__module__, function.__qualname__, name, place)
    return NotImplemented


def _read_only(items: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(items)


def _inside(module: str, qualname: str, attribute: str, place: int | None) -> Any:
    found = getattr(_named(module, qualname), attribute)
    return found if place is None else found[place]


def _named(module: str, qualname: str) -> Any:
    found: Any = importlib.import_module(module)
    for part in qualname.split("."):
        found = getattr(found, part)
    return found
