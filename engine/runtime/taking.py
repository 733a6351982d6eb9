"""Making runs and taking them over, as operations of the store: written once, for both shells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from ...codec.compose import unwrap, wrap
from ...codec.records import decode_facts
from ...codec.values import VALUE_LIMIT, decode, encode
from ...errors import CorruptLog, LeaseHeld, SagalogError, UnknownRun
from ...store import hold, log
from ...store.ids import run_id as new_id
from ...store.io import Operation
from ...store.shape import Head, StoredRow
from ..core import records as r
from ..core.compile import Compiled
from ..core.graph import Definition
from ..core.records import Draft
from .app import Made, Sagalog
from .desk import Desk
from .held import Held


class Order:
    """What a caller asks to be run: a flow (or one made by a factory), its inputs, and how the run is to be known.

    `limit` is the most bytes that an input may take when stored. Raises FlowError, NotStorable, ValueTooLarge.
    """

    def __init__(
        self,
        app: Sagalog,
        flow: Any,
        inputs: Mapping[str, Any] | None = None,
        run_id: UUID | None = None,
        key: str | None = None,
        tags: Mapping[str, Any] | None = None,
        limit: int = VALUE_LIMIT,
    ) -> None:
        self.compiled: Compiled = app.compiled(flow.flow if isinstance(flow, Made) else flow)
        self.run_id = run_id
        definition = self.compiled.definition
        given = dict(inputs or {})
        definition.check_inputs(tuple(given))
        arguments = flow.arguments if isinstance(flow, Made) else {}
        self.inputs = {name: encode(value, path=f"inputs.{name}", limit=limit) for name, value in given.items()}
        self.value = wrap(
            {
                "inputs": wrap(self.inputs),
                "arguments": encode(arguments, path="arguments", limit=limit),
                "tags": encode(dict(tags or {}), path="tags", limit=limit),
            }
        )
        self.facts: dict[str, Any] = {"definition": definition.fingerprint, "flow": definition.name}
        if isinstance(flow, Made):
            self.facts["factory"] = flow.factory
        if key is not None:
            self.facts["key"] = key

    def held(self, desk: Desk, owned: bool) -> tuple[Held, list[Draft]]:
        """A new run and its first records; `owned`: this process is its owner from the start."""
        run = self.run_id or new_id(desk.clock.now())
        head = Head(run, epoch=1 if owned else 0, owner=desk.worker if owned else None)
        held = Held(self.compiled, head, desk.clock.now, desk.settings.value_limit)
        drafts = [held.create(self.facts, self.inputs, self.value)]
        if owned:
            drafts.append(held.fold(claim(desk, head)))
        return held, drafts


def claim(desk: Desk, head: Head) -> Draft:
    """The record that says who owns the run from here on."""
    return Draft(r.RUN_CLAIMED, {"worker": desk.worker.hex, "epoch": head.epoch})


def take_over(desk: Desk, app: Sagalog, run: UUID, steal: bool) -> Operation[Held]:
    """Become the owner of a run and fold it.

    Raises:
        UnknownRun. LeaseHeld: its owner is, or may be, alive. DefinitionChanged: its code is not at hand; the run is
        left as it was.
    """
    if run in desk.active:
        raise LeaseHeld(f"run {run} is being driven by this very engine; wait for that call to end")
    taken = yield from hold.take(run, desk.worker, steal)
    if isinstance(taken, hold.Held):
        if not hold.gone(taken.worker):
            raise occupied(run, taken)
        yield from hold.expire(taken.owner)
        return (yield from take_over(desk, app, run, steal))
    if taken is None:
        raise unknown(run)
    try:
        rows = yield from log.read(run)
        compiled = yield from _code(app, rows)
        held = Held(compiled, taken, desk.clock.now, desk.settings.value_limit)
        held.load(rows)
        return held
    except SagalogError:
        yield from hold.release(run, taken.epoch)
        raise


def look(run: UUID, until: Callable[[StoredRow], bool] | None = None) -> Operation[Held]:
    """Fold a run without owning it, by the definition that the log holds; no code is needed.

    `until` says of a row whether it still counts; the fold ends before the first that does not.
    """
    rows = yield from log.read(run)
    if not rows:
        raise unknown(run)
    definition = yield from stored_definition(rows)
    kept = rows if until is None else _prefix(rows, until)
    if not kept:
        raise UnknownRun(f"run {run} did not exist yet: its first record is of version 1, at a later time")
    held = Held(Compiled(definition, ()), Head(run, rows[-1].version))
    held.load(kept)
    return held


def stored_definition(rows: list[StoredRow]) -> Operation[Definition]:
    """The definition that a run was started with, as it stands in the log."""
    first = created_facts(rows)
    body = yield from log.definition(first["definition"])
    if body is None:
        raise CorruptLog(f"run {rows[0].stream_id}: its definition {first['definition']} is missing; run `sagalog verify`")
    return Definition.load(body)


def created_facts(rows: list[StoredRow]) -> dict[str, Any]:
    """The facts of a run's first record."""
    first = rows[0]
    if first.version != 1 or first.type != r.RUN_CREATED:
        raise CorruptLog(f"stream {first.stream_id} is no run: it begins with {first.type} at version {first.version}")
    facts: dict[str, Any] = decode_facts(first.facts)
    return facts


def _code(app: Sagalog, rows: list[StoredRow]) -> Operation[Compiled]:
    facts = created_facts(rows)
    value = rows[0].value
    arguments = decode(unwrap(value)["arguments"]) if value is not None else {}
    if app.has(facts["definition"]):
        return app.resolve(facts, arguments, None)
    stored = yield from stored_definition(rows)
    return app.resolve(facts, arguments, stored)


def _prefix(rows: list[StoredRow], until: Callable[[StoredRow], bool]) -> list[StoredRow]:
    kept = []
    for row in rows:
        if not until(row):
            break
        kept.append(row)
    return kept


def unknown(run: UUID | str) -> UnknownRun:
    """The error for a run that is not there."""
    return UnknownRun(f"there is no run {run} in this database; `sagalog list` shows those that are")


def occupied(run: UUID, taken: hold.Held) -> LeaseHeld:
    """The error for a run whose owner has a valid lease."""
    worker = taken.worker
    where = f"worker {taken.owner}" if worker is None else f"process {worker.pid} on {worker.host.split()[0]}"
    return LeaseHeld(
        f"run {run} belongs to {where}, whose lease holds until {taken.lease_until:%H:%M:%S}; wait for it to end, or take "
        "the run with steal if you know that process to be gone"
    )
