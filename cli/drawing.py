"""A run's graph, or a flow's, as text for Graphviz or Mermaid: atoms coloured by state, flows as frames around them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from ..engine.core.graph import Definition
from ..engine.core.specs import AtomSpec, FlowSpec, Gate


class Paint(NamedTuple):
    """Colours of a node: of its area, its border, its text."""

    fill: str
    line: str
    text: str


_PAINT = {
    "PENDING": Paint("#ffffff", "#9aa0a6", "#3c4043"),
    "RUNNING": Paint("#cfe8fc", "#1a73e8", "#0b3d75"),
    "WAITING": Paint("#e1f5fe", "#0288d1", "#01466b"),
    "RETRYING": Paint("#e1f5fe", "#0288d1", "#01466b"),
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
_DECIDER = Paint("#fff8e1", "#f9ab00", "#6b3a00")
_SAID = {"NOT_REVERTIBLE": "REVERTED (cannot be undone)"}

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
# Letters of any script, digits, blanks and what means nothing to Mermaid stand as they are.
_MERMAID = re.compile(r"[^\w .,:/+-]")


Notes = Mapping[int, str]
"""Atom -> what is said of it besides its name and state."""
_NO_NOTES: Notes = MappingProxyType({})


def dot(definition: Definition, states: Sequence[str] | None = None, notes: Notes = _NO_NOTES) -> str:
    """The graph for Graphviz; `states` by atom, None: nothing has run. Each atom is a node, named by its index.

    Retries are hexagons, fan-outs have two borders, deciders are diamonds; what is ignored has a dashed border.
    """

    def atom(spec: AtomSpec) -> str:
        state = "PENDING" if states is None else states[spec.index]
        paint = _PAINT[state]
        tip = _SAID.get(state, state) if states is not None else spec.name
        return (
            f'a{spec.index} [label="{_quoted(_label(spec, state, notes))}" fillcolor="{paint.fill}" color="{paint.line}" '
            f'fontcolor="{paint.text}" tooltip="{_quoted(tip)}"{_shape(spec, state)}];'
        )

    def open_flow(flow: FlowSpec) -> str:
        return f'subgraph cluster_{flow.index} {{ label="{_quoted(_frame(flow))}";'

    head = [
        f'digraph "{_quoted(definition.name)}" {{',
        f'  graph [label="{_quoted(_frame(definition.flows[0]))}" labelloc=t rankdir={_direction(definition)} '
        'fontname="sans-serif" style=rounded color="#9aa0a6"];',
        '  node [shape=box style="rounded,filled" fontname="sans-serif"];',
        '  edge [color="#5f6368"];',
    ]
    body = _body(definition, atom, open_flow, lambda flow: "}")
    joins = [f'  {_node(definition, node)} [shape=point width=0.06 label=""];' for node in _joins(definition)]
    gates = [
        f'  {_node(definition, gate.node)} [shape=diamond style=filled fillcolor="{_DECIDER.fill}" '
        f'color="{_DECIDER.line}" fontcolor="{_DECIDER.text}" label="{_quoted(_asks(gate))}"];'
        for gate in _deciders(definition)
    ]
    edges = [f"  {one} -> {other};" for one, other in _edges(definition)]
    return "\n".join([*head, *body, *joins, *gates, *edges, "}", ""])


def _shape(spec: AtomSpec, state: str) -> str:
    """What sets a node off from a task that may run."""
    said = " shape=hexagon" if spec.kind == "retry" else " peripheries=2" if spec.over is not None else ""
    return f'{said} style="rounded,filled,dashed"' if state == "IGNORED" else said


def mermaid(definition: Definition, states: Sequence[str] | None = None, notes: Notes = _NO_NOTES) -> str:
    """The same for Mermaid."""

    def atom(spec: AtomSpec) -> str:
        state = "PENDING" if states is None else states[spec.index]
        before, after = ("{{", "}}") if spec.kind == "retry" else ("[[", "]]") if spec.over is not None else ("[", "]")
        return f'a{spec.index}{before}"{_entities(_label(spec, state, notes))}"{after}:::{state}'

    def open_flow(flow: FlowSpec) -> str:
        return f'subgraph f{flow.index}["{_entities(_frame(flow))}"]'

    used = dict.fromkeys(states or ["PENDING"])
    classes = [
        f"  classDef {state} fill:{_PAINT[state].fill},stroke:{_PAINT[state].line},color:{_PAINT[state].text}"
        + (",stroke-dasharray:4" if state == "IGNORED" else "")
        for state in used
    ]
    joins = [f"  {_node(definition, node)}(( )):::join" for node in _joins(definition)]
    gates = [
        f'  {_node(definition, gate.node)}{{"{_entities(_asks(gate))}"}}:::decider' for gate in _deciders(definition)
    ]
    if joins:
        classes.append("  classDef join fill:#5f6368,stroke:#5f6368")
    if gates:
        classes.append(f"  classDef decider fill:{_DECIDER.fill},stroke:{_DECIDER.line},color:{_DECIDER.text}")
    edges = [f"  {one} --> {other}" for one, other in _edges(definition)]
    body = _body(definition, atom, open_flow, lambda flow: "end")
    return "\n".join([f"flowchart {_direction(definition)}", *body, *joins, *gates, *edges, *classes, ""])


FORMATS: dict[str, Callable[[Definition, Sequence[str] | None, Notes], str]] = {"mermaid": mermaid, "dot": dot}


def _frame(flow: FlowSpec) -> str:
    """What stands on a flow's frame."""
    return flow.name if flow.outcome is None else f"{flow.name} ({flow.outcome})"


def _deciders(definition: Definition) -> list[Gate]:
    return [gate for gate in definition.gates if gate.kind == "decider"]


def _asks(gate: Gate) -> str:
    """Who is asked at a gate: its deciders by name, each once."""
    return "\n".join(dict.fromkeys(f"{decider.name}?" for decider in gate.deciders))


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
    ends = {gate.node for gate in definition.gates if gate.kind == "group" and not definition.after[gate.node]}
    for node, successors in enumerate(definition.after):
        for successor in successors:
            if successor not in ends:
                yield _node(definition, node), _node(definition, successor)


def _joins(definition: Definition) -> list[int]:
    """The invisible nodes at which nothing is decided, or the end of a group; but the end of the whole flow."""
    return [
        node
        for node in range(len(definition.atoms), len(definition.after))
        if node not in definition.gate_at or (definition.gate_at[node].kind == "group" and definition.after[node])
    ]


def _node(definition: Definition, node: int) -> str:
    if node < len(definition.atoms):
        return f"a{node}"
    gate = definition.gate_at.get(node)
    return f"{'g' if gate is not None and gate.kind == 'decider' else 'j'}{node}"


def _label(spec: AtomSpec, state: str, notes: Notes) -> str:
    """The name, and, where colour alone would not do, the state."""
    lines = [spec.name, *([] if state in ("PENDING", "SUCCESS") else [_SAID.get(state, state)])]
    return "\n".join([*lines, notes[spec.index]] if spec.index in notes else lines)


def _direction(definition: Definition) -> str:
    return "LR" if len(definition.atoms) <= 12 and definition.flows[0].pattern == "linear" else "TB"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    # Graphviz reads HTML entities in labels; an ampersand is to be one.
    return _UNPRINTABLE.sub(" ", escaped.replace("&", "&amp;"))


def _entities(text: str) -> str:
    return "<br>".join(_MERMAID.sub(lambda found: f"#{ord(found[0])};", line) for line in text.split("\n"))
