"""The house: what is packed, and what the pure rooms may not touch, where import-linter does not look."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
NOT_PACKED = {"tests", "bench", "examples", "docs", "build", "dist"}
PURE = sorted((ROOT / "engine" / "definition").rglob("*.py")) + sorted((ROOT / "engine" / "core").rglob("*.py"))


def test_repo_rooms_every_package_is_packed_and_nothing_else() -> None:
    places = (place.parent.relative_to(ROOT).parts for place in ROOT.rglob("__init__.py"))
    rooms = [parts for parts in places if not parts or (parts[0] not in NOT_PACKED and not parts[0].startswith("."))]
    assert sorted(".".join(["sagalog", *parts]) for parts in rooms) == sorted(PROJECT["tool"]["setuptools"]["packages"])


def test_repo_rooms_the_command_line_finds_the_examples() -> None:
    assert PROJECT["tool"]["sagalog"]["app"] == "examples.orders:app"
    assert PROJECT["project"]["scripts"] == {"sagalog": "sagalog.cli.main:main"}


def test_repo_rooms_editable_installs_are_strict() -> None:
    assert "[editable_wheel]\nmode = strict\n" in (ROOT / "setup.cfg").read_text()


def test_repo_rooms_one_exception_to_the_layers() -> None:
    contracts = {each["id"]: each for each in PROJECT["tool"]["importlinter"]["contracts"]}
    importers = {edge.split(" -> ")[0] for edge in contracts["layers"]["ignore_imports"]}
    assert importers == {"sagalog.engine.runtime.engine"}
    banned = ["psycopg", "tenacity", "time", "random", "os", "uuid", "asyncio", "threading", "logging"]
    assert set(banned) <= set(contracts["pure"]["forbidden_modules"])


@pytest.mark.parametrize("path", PURE, ids=lambda path: str(path.relative_to(ROOT)))
def test_repo_rooms_pure_rooms_do_not_ask_the_clock(path: Path) -> None:
    asked = [
        f"{path.name}:{node.lineno} .{node.attr}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in {"now", "utcnow", "today"}
    ]
    assert asked == []
