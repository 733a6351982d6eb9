"""`graph`: every atom a node, by the log alone, in texts that Graphviz reads."""

from __future__ import annotations

import html
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from sagalog_cliflows import wide

from sagalog.cli.drawing import dot, mermaid
from sagalog.engine.core.compile import compile
from sagalog.engine.definition import linear
from sagalog.engine.definition import task as task_of
from sagalog.engine.runtime.app import encode_inject


@pytest.fixture(scope="module")
def svg() -> Callable[[str], str]:
    """Graphviz; where it is not installed the tests are skipped, or fail in continuous integration."""
    if shutil.which("dot") is None:
        if os.environ.get("CI") or os.environ.get("SAGALOG_REQUIRE_PG15"):
            pytest.fail("`dot` is missing: install graphviz")
        pytest.skip("`dot` is missing: install graphviz")

    def draw(text: str) -> str:
        done = subprocess.run(["dot", "-Tsvg"], input=text, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0 and done.stderr == "", done.stderr
        return done.stdout

    return draw


def titles(drawn: str, kind: str) -> list[str]:
    return re.findall(rf'class="{kind}">\s*<title>([^<]*)</title>', drawn)


def shown(drawn: str) -> set[str]:
    return {html.unescape(text) for text in re.findall(r"<text [^>]*>([^<]*)</text>", drawn)}


def test_cli_graph_of_a_run_is_read_by_graphviz_from_the_log_alone(cli: Any, svg: Callable[[str], str]) -> None:
    run = cli.one("order", "Chile", code=3)["id"]
    done = cli.wait(cli.child("graph", run, "--format", "dot", SAGALOG_APP=""))
    drawn = svg(done.out)
    assert titles(drawn, "node") == ["a0", "a1"]
    assert shown(drawn) == {"order", "reserve", "ship", "REVERTED"}
    assert done.out.count("#f0e6fa") == 2


def test_cli_graph_colours_atoms_by_state(cli: Any) -> None:
    run = cli.one("order")["id"]
    text = cli("graph", run).out
    assert '["reserve"]:::SUCCESS' in text and "classDef SUCCESS fill:#ceead6" in text
    at_first = cli("graph", "sagalog_cliflows:order").out
    assert '["reserve"]:::PENDING' in at_first


def test_cli_graph_with_hostile_names_and_joins(cli: Any, svg: Callable[[str], str]) -> None:
    arguments = ("graph", "sagalog_cliflows:wide", "--arg", "count=4")
    drawn = svg(cli(*arguments, "--format", "dot").out)
    definition = compile(wide(4), encode_inject).definition
    assert sorted(titles(drawn, "node")) == ["a0", "a1", "a2", "a3", "a4", "a5", "j6"]
    assert len(titles(drawn, "edge")) == 6
    assert {spec.name for spec in definition.atoms} <= shown(drawn)
    assert {'in "side" ]', "ends"} <= shown(drawn)
    text = cli(*arguments).out
    for node in range(6):
        (label,) = re.findall(rf'^ +a{node}\["([^"]*)"\]:::PENDING$', text, re.MULTILINE)
        assert re.sub(r"#(\d+);", lambda found: chr(int(found[1])), label) == definition.atoms[node].name
    assert "j6(( )):::join" in text


def test_cli_graph_frames_flows_that_are_nested(svg: Callable[[str], str]) -> None:
    @task_of
    def one() -> None: ...

    inner: Any = linear("deepest").add(one)
    for depth in range(40):
        inner = linear(f"flow {depth}").add(inner, task_of(name=f"after {depth}")(lambda: None))
    definition = compile(inner, encode_inject).definition
    drawn = svg(dot(definition))
    assert len(titles(drawn, "cluster")) == 40 and len(titles(drawn, "node")) == 41
    text = mermaid(definition)
    assert len(re.findall(r"^ *subgraph ", text, re.MULTILINE)) == len(re.findall(r"^ *end$", text, re.MULTILINE)) == 40


def test_cli_graph_answers_with_json(cli: Any) -> None:
    told = cli.json("graph", cli.one("order")["id"], "--format", "dot")
    assert told["format"] == "dot" and told["flow"] == "order" and told["text"].startswith('digraph "order"')
