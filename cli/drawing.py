"""A run's graph, or a flow's, as text for Graphviz or Mermaid: atoms coloured by state, flows as frames around them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from ..engine.core.graph import Definition
from ..engine.core.specs import AtomSpec, FlowSpec


class Paint(NamedTuple):
    """Colours of a node: of its area, its border, its text."""

    fill: str
    line: str
    text: str


_PAINT = {
    "PENDING": Paint("#ffffff", "#9aa0a6", "#3c4043"),
    "RUNNING": Paint("#cfe8fc", "#1a73e8", "#0b3d75"),
    "WAITING": Paint("#e1f5fe", "#0288d1", "#01466b"),
    "SUCCESS": Paint("#ceead6", "#188038", "#0d4a20"),
    "FAILURE": Paint("#fad2cf", "#c5221f", "#7d1310"),
    "IGNORED": Paint("#f1f3f4", "#bdc1c6", "#80868b"),
    "UNKNOWN": Paint("#feefc3", "#b06000", "#6b3a00"),
    "REVERTING": Paint("#e9d2fd", "#8430ce", "#4a1a75"),
    "REVERTED": Paint("#f0e6fa", "#a142f4", "#5b2a86"),
    "NOT_REVERTIBLE": Paint("#fce4ec", "#c2185b", "#880e4f"),
    "REVERT_FAILURE": Paint("#c5221f", "#7d1310", "#ffffff"),
    "REVERT_UNKNOWN": Paint("#fde293", "#b06000", "#6b3a00"),
}
"""Task state -> how its node is painted. `NOT_REVERTIBLE` is REVERTED of what cannot be undone."""
_SAID = {"NOT_REVERTIBLE": "REVERTED (cannot be undone)"}

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
# Letters of any script, digits, blanks and what means nothing to Mermaid stand as they are.
_MERMAID = re.compile(r"[^\w .,:/+-]")


def dot(definition: Definition, states: Sequence[str] | None = None) -> str:
    """The graph for Graphviz; `states` by atom, None: nothing has run. Each atom is a node, named by its index."""

    def atom(spec: AtomSpec) -> str:
        state = "PENDING" if states is None else states[spec.index]
        paint = _PAINT[state]
        tip = _SAID.get(state, state) if states is not None else spec.name
        return (
            f'a{spec.index} [label="{_quoted(_label(spec, state))}" fillcolor="{paint.fill}" color="{paint.line}" '
            f'fontcolor="{paint.text}" tooltip="{_quoted(tip)}"];'
        )

    def open_flow(flow: FlowSpec) -> str:
        return f'subgraph cluster_{flow.index} {{ label="{_quoted(flow.name)}";'

    head = [
        f'digraph "{_quoted(definition.name)}" {{',
        f'  graph [label="{_quoted(definition.name)}" labelloc=t rankdir={_direction(definition)} fontname="sans-serif" '
        'style=rounded color="#9aa0a6"];',
        '  node [shape=box style="rounded,filled" fontname="sans-serif"];',
        '  edge [color="#5f6368"];',
    ]
    body = _body(definition, atom, open_flow, lambda flow: "}")
    joins = [f'  {_node(definition, node)} [shape=point width=0.06 label=""];' for node in _joins(definition)]
    edges = [f"  {one} -> {other};" for one, other in _edges(definition)]
    return "\n".join([*head, *body, *joins, *edges, "}", ""])


def mermaid(definition: Definition, states: Sequence[str] | None = None) -> str:
    """The same for Mermaid."""

    def atom(spec: AtomSpec) -> str:
        state = "PENDING" if states is None else states[spec.index]
        return f'a{spec.index}["{_entities(_label(spec, state))}"]:::{state}'

    def open_flow(flow: FlowSpec) -> str:
        return f'subgraph f{flow.index}["{_entities(flow.name)}"]'

    used = dict.fromkeys(states or ["PENDING"])
    classes = [
        f"  classDef {state} fill:{_PAINT[state].fill},stroke:{_PAINT[state].line},color:{_PAINT[state].text}"
        for state in used
    ]
    joins = [f"  {_node(definition, node)}(( )):::join" for node in _joins(definition)]
    if joins:
        classes.append("  classDef join fill:#5f6368,stroke:#5f6368")
    edges = [f"  {one} --> {other}" for one, other in _edges(definition)]
    body = _body(definition, atom, open_flow, lambda flow: "end")
    return "\n".join([f"flowchart {_direction(definition)}", *body, *joins, *edges, *classes, ""])


FORMATS: dict[str, Callable[[Definition, Sequence[str] | None], str]] = {"mermaid": mermaid, "dot": dot}


def _body(
    definition: Definition,
    atom: Callable[[AtomSpec], str],
    enter: Callable[[FlowSpec], str],
    leave: Callable[[FlowSpec], str],
) -> Iterator[str]:
    """The atoms, each within the flows that it stands in; a flow that has no atoms is left out."""
    open_flows = [0]
    for spec in definition.atoms:
        if spec.flow != open_flows[-1]:
            path = _path(definition, spec.flow)
            while open_flows != path[: len(open_flows)]:
                flow = open_flows.pop()
                yield "  " * len(open_flows) + leave(definition.flows[flow])
            for flow in path[len(open_flows) :]:
                yield "  " * len(open_flows) + enter(definition.flows[flow])
                open_flows.append(flow)
        yield "  " * len(open_flows) + atom(spec)
    while len(open_flows) > 1:
        flow = open_flows.pop()
        yield "  " * len(open_flows) + leave(definition.flows[flow])


def _path(definition: Definition, flow: int) -> list[int]:
    """The flows around an atom, outermost first."""
    path: list[int] = []
    at: int | None = flow
    while at is not None:
        path.append(at)
        at = definition.flows[at].parent
    return path[::-1]


def _edges(definition: Definition) -> Iterator[tuple[str, str]]:
    for node, successors in enumerate(definition.after):
        for successor in successors:
            yield _node(definition, node), _node(definition, successor)


def _joins(definition: Definition) -> range:
    return range(len(definition.atoms), len(definition.after))


def _node(definition: Definition, node: int) -> str:
    return f"{'a' if node < len(definition.atoms) else 'j'}{node}"


def _label(spec: AtomSpec, state: str) -> str:
    """The name, and, where colour alone would not do, the state."""
    return spec.name if state in ("PENDING", "SUCCESS") else f"{spec.name}\n{_SAID.get(state, state)}"


def _direction(definition: Definition) -> str:
    return "LR" if len(definition.atoms) <= 12 and definition.flows[0].pattern == "linear" else "TB"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    # Graphviz reads HTML entities in labels; an ampersand is to be one.
    return _UNPRINTABLE.sub(" ", escaped.replace("&", "&amp;"))


def _entities(text: str) -> str:
    return "<br>".join(_MERMAID.sub(lambda found: f"#{ord(found[0])};", line) for line in text.split("\n"))
