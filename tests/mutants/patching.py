"""`plant`: from here on one module of the package is imported with a bug in it. The file stays as it is."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import spec_from_file_location
from types import CodeType, ModuleType

from .mutant import Mutant


def plant(mutant: Mutant) -> None:
    """Break the module of `mutant`, which must not have been imported yet, for this process."""
    if mutant.module in sys.modules:
        raise RuntimeError(f"{mutant.module} is imported already: plant the bug before anything of the package is")
    sys.meta_path.insert(0, _Finder(mutant))


class _Finder(MetaPathFinder):
    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self.mutant.module:
            return None
        found = PathFinder.find_spec(fullname, path, target)
        if found is None or found.origin is None:
            return None
        return spec_from_file_location(fullname, found.origin, loader=_Loader(self.mutant, fullname, found.origin))


class _Loader(SourceFileLoader):
    """Compiles the source anew, with the bug, and keeps nothing of it."""

    def __init__(self, mutant: Mutant, fullname: str, path: str) -> None:
        super().__init__(fullname, path)
        self.mutant = mutant

    def get_code(self, fullname: str) -> CodeType:
        source = self.get_data(self.path).decode()
        return compile(self.mutant.broken(source), self.path, "exec", dont_inherit=True)
