"""One copy of the package is loaded, under its own name."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import sagalog
import sagalog.store

ROOT = Path(__file__).resolve().parents[2]


def test_repo_one_copy_of_the_package_is_loaded() -> None:
    faces = [ROOT / "__init__.py", ROOT / "store" / "__init__.py"]
    for face in faces:
        names = [
            name
            for name, module in list(sys.modules.items())
            if getattr(module, "__file__", None) and Path(str(module.__file__)).resolve() == face
        ]
        assert names == ["sagalog" if face.parent == ROOT else "sagalog.store"]


def test_repo_the_root_is_collected_as_a_plain_folder(request: pytest.FixtureRequest) -> None:
    nodes = request.node.listchain()
    assert [type(node).__name__ for node in nodes if getattr(node, "path", None) == ROOT] == ["Session", "Dir"]


def test_repo_no_init_in_tests() -> None:
    # But for the model: the import rules are about packages.
    found = [str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("__init__.py")]
    assert found == ["tests/sagalog_model/__init__.py"]


def test_repo_version_is_the_version_of_the_project() -> None:
    assert f'\nversion = "{sagalog.__version__}"\n' in (ROOT / "pyproject.toml").read_text()
