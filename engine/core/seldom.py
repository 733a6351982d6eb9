"""`Seldom`: an attribute that most objects never need, so that it is made when it is first looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Seldom(Generic[T]):
    """What `make` makes, kept by the object from then on; for a class with a `__dict__`.

    A process may hold many thousands of runs, so that a few dozen empty dicts for each are no trifle. A `__getattr__` of
    the class would do the same, and have the interpreter look each of its attributes up the long way.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type | None = None) -> T:
        made = self._make()
        setattr(instance, self._name, made)
        return made
