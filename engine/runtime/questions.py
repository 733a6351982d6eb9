"""What is asked of user code without a record of its own: a retry's history, deciders, the list of a fan-out."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from functools import partial
from typing import Any, overload

from ...codec.compose import wrap_list
from ...codec.values import decode, encode
from ...errors import Failure, FlowError
from ..core.decide import Call, Consulted, Decided, Expanded
from ..core.graph import DeciderSpec
from ..core.states import TaskState
from ..definition.decision import Decision
from ..definition.history import History, Try
from ..definition.resultset import ResultSet, as_data
from .arguments import failure_at, needed, outcome, provided
from .held import Held

CHUNK, CHUNK_BYTES = 1000, 256 * 1024
"""Elements, and bytes, that are stored together, about."""


class Tries(Sequence[Try]):
    """The tries of a retry as its history shows them: each decoded when it is looked at."""

    def __init__(self, held: Held, retry: int) -> None:
        kept = held.state.history.get(retry, [])
        self._held = held
        self._kept = kept
        self._count = len(kept)
        self._last = dict(kept[-1][1]) if kept else {}  # the others change no more

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Try: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Try]: ...
    def __getitem__(self, index: int | slice) -> Try | Sequence[Try]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(self._count))]
        place = range(self._count)[index]
        made, failed = self._kept[place]
        data = self._held.values[made]
        failures = self._last if place == self._count - 1 else failed
        return None if data is None else decode(data), self._failures(failures)

    def _failures(self, failed: Mapping[int, int]) -> dict[str, Failure]:
        held = self._held
        return {held.state.name(atom): failure_at(held, version, atom) for atom, version in failed.items()}


def history(held: Held, retry: int) -> History:
    """What a retry is handed as `history`."""
    failed = held.state.failures.get(retry)
    return History(Tries(held, retry), None if failed is None else failure_at(held, failed, retry))


def consulted(held: Held, call: Call, answer: Any) -> Consulted:
    """The answer of a retry's on_failure; FlowError where it is none."""
    try:
        return Consulted(call, Decision(answer))
    except ValueError:
        name = held.compiled.definition.atoms[call.atom].name
        raise FlowError(
            f"on_failure of retry {name!r} must answer Decision.RETRY, REVERT or REVERT_ALL; it returned {answer!r}"
        ) from None


def deciding(held: Held, call: Call) -> Generator[Callable[[], Any], Any, Decided]:
    """Ask the deciders of a gate, each about what its source came to; one whose source was ignored has no vote."""
    gate = held.compiled.definition.gate_at[call.atom]
    answers = []
    for place, (spec, function) in enumerate(zip(gate.deciders, held.compiled.deciders[call.atom], strict=True)):
        if not _has_vote(held, spec):
            continue
        seen = {_name(held, spec): _result(held, spec)}
        answer = yield partial(function, history=seen)
        if type(answer) is not bool:
            raise FlowError(f"decider {spec.name!r} must answer True or False; it returned {answer!r}")
        answers.append((place, answer))
    return Decided(call, tuple(answers))


def _name(held: Held, spec: DeciderSpec) -> str:
    definition = held.compiled.definition
    return definition.atoms[spec.source].name if spec.kind == "atom" else definition.flows[spec.source].name


def _atoms(held: Held, spec: DeciderSpec) -> range:
    if spec.kind == "atom":
        return range(spec.source, spec.source + 1)
    flow = held.compiled.definition.flows[spec.source]
    return range(flow.first, flow.last)


def _has_vote(held: Held, spec: DeciderSpec) -> bool:
    atoms = _atoms(held, spec)
    return not atoms or any(held.state.task[atom] is TaskState.SUCCESS for atom in atoms)


def _result(held: Held, spec: DeciderSpec) -> Any:
    if spec.kind == "atom":
        return outcome(held, spec.source)
    done = [atom for atom in _atoms(held, spec) if held.state.task[atom] is TaskState.SUCCESS]
    saves = [(name, atom, key) for atom in done for name, key in held.compiled.definition.atoms[atom].saves]
    return {name: provided(held, atom, key) for name, atom, key in saves}


def expand(held: Held, call: Call) -> Expanded:
    """Read the list of a fan-out, and encode its elements one by one.

    Raises:
        FlowError: it is no list. NotStorable cannot happen: it comes out of the log.
    """
    spec = held.compiled.definition.atoms[call.atom]
    assert spec.over is not None
    found = needed(held, call.atom, spec.over)
    if not isinstance(found, list | tuple | ResultSet):
        raise FlowError(
            f"fan-out {spec.name!r}: {spec.over.name!r} must be a list or a tuple; found {type(found).__name__}"
        )
    chunks: list[tuple[int, bytes]] = []
    part: list[bytes] = []
    size = 0
    for place, element in enumerate(found):
        if isinstance(element, Failure):
            raise FlowError(
                f"fan-out {spec.name!r}: element {place} of {spec.over.name!r} is the failure of {element.atom!r}; take "
                "its successes"
            )
        data = encode(as_data(element), path=f"{spec.over.name}[{place}]", limit=held.limit)
        part.append(data)
        size += len(data)
        if len(part) == CHUNK or size > CHUNK_BYTES:
            chunks.append((len(part), wrap_list(part)))
            part, size = [], 0
    if part:
        chunks.append((len(part), wrap_list(part)))
    return Expanded(call, tuple(chunks))
