"""Pytest plugin: collect the root of the checkout as a plain folder.

The root holds an ``__init__.py`` because it *is* the package ``sagalog``. Left alone, pytest takes it for a
package of tests and imports it a second time, named after whatever the checkout folder is called.
"""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Return a plain ``pytest.Dir`` for the root, ``None`` (pytest decides) for every other folder."""
    if path == parent.config.rootpath:
        return pytest.Dir.from_parent(parent, path=path)
    return None
