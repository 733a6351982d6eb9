"""Arguments for user code: found as the definition says, decoded afresh for every hand-out (law 8)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from ...codec.values import decode
from ...errors import Failure, MissingArgument
from ..core.decide import EXECUTE
from ..core.graph import Argument, Source
from ..definition.unknown import Unknown
from .held import Held

_NOT_FOUND = object()
GONE = Failure("unknown", (), "nothing is kept of it: the database rolled it back, or it was erased")


def arguments(held: Held, atom: int, wanted: Sequence[Argument]) -> dict[str, Any]:
    """Keyword arguments for one atom's code.

    Raises:
        MissingArgument: a required one has no value in this run.
    """
    found: dict[str, Any] = {}
    for argument in wanted:
        for source in argument.sources:
            value = _look(held, atom, argument, source)
            if value is not _NOT_FOUND:
                found[argument.parameter] = value
                break
        else:
            if not argument.optional:
                name = held.compiled.definition.atoms[atom].name
                raise MissingArgument(f"task {name!r} needs {argument.name!r}: no input and no earlier result of that name")
    return found


def _look(held: Held, atom: int, argument: Argument, source: Source) -> Any:
    if source.kind == "input":
        data = held.inputs.get(argument.name)
        return _NOT_FOUND if data is None else decode(data)
    if source.kind == "inject":
        return decode(held.compiled.definition.atoms[atom].inject or b"{}")[argument.name]
    return provided(held, source.atom, source.key)


def provided(held: Held, provider: int, key: int | str | None) -> Any:
    """What an atom provides under `key` (None: its whole result). A skipped one provides None."""
    data = held.values[held.state.result[provider]]
    if data is None:
        return None
    result = decode(data)
    if key is None:
        return result
    try:
        return result[key]
    except (LookupError, TypeError) as error:
        name = held.compiled.definition.atoms[provider].name
        found = f"{len(result)} items" if isinstance(result, list | tuple) else type(result).__name__
        text = f"task {name!r} is declared to provide item {key!r} of its result, which is {found}"
        raise MissingArgument(text) from error


def own_outcome(held: Held, atom: int) -> Any:
    """What a revert is handed as `result`: the value, the atom's own Failure, or Unknown."""
    state = held.state
    version = state.result[atom]
    if atom in state.failures:
        return failure_at(held, version, atom)
    if not version:
        return Unknown
    data = held.values[version]
    return None if data is None else decode(data)


def failure_at(held: Held, version: int, atom: int, kind: str = EXECUTE, alive: bool = False) -> Failure:
    """The failure that the record at `version` describes; `alive`: with the exception itself, if this process has it.

    Inside a flow it is only ever described (law 8): a resumed run could not hand out what a live one did.
    """
    data = held.values[version]
    failure = GONE if data is None else Failure.from_data(decode(data))
    name = held.compiled.definition.atoms[atom].name
    return attrs.evolve(failure, atom=name, exception=held.live.get((atom, kind)) if alive else None)


def flow_failures(held: Held) -> dict[str, Failure]:
    """{atom name: Failure}, oldest first, of the atoms that failed in this run."""
    atoms = held.compiled.definition.atoms
    return {atoms[atom].name: failure_at(held, version, atom) for atom, version in held.state.failures.items()}

