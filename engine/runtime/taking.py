"""Making runs and taking them over, as operations of the store: written once, for both shells."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, TypedDict, Unpack
from uuid import UUID

from ...codec.compose import unwrap, wrap
from ...codec.records import decode_all
from ...codec.values import VALUE_LIMIT, decode, encode
from ...errors import Conflict, CorruptLog, LeaseHeld, UnknownRun, UsageError
from ...store import hold, log
from ...store.ids import run_id as new_id
from ...store.io import Operation
from ...store.log import Columns
from ...store.shape import Head
from ..core import records as r
from ..core.compile import Compiled
from ..core.decide import reverts_left
from ..core.graph import Definition
from ..core.records import Draft
from .app import Made, Sagalog, adopted, changed, for_revert
from .desk import Desk
from .held import Held
from .possible import effective_policies
from .views import Run

LONG = 1e9
"""Seconds, some thirty years: what takes longer has no bound."""


class RunOptions(TypedDict, total=False):
    """How a run is to be known, and how it takes failures.

    run_id: a UUIDv7, from `Engine.new_id`. key: a text that stands for one request. tags: {name: value}.
    defer_reverts: whether a retry that gives up, with none around it, has the whole run undone (True), or its own flow
    alone. never_resolve: a failure stops the run as it is. timeout: seconds, or a timedelta, that the run may take.
    """

    run_id: UUID | None
    key: str | None
    tags: Mapping[str, Any] | None
    defer_reverts: bool
    never_resolve: bool
    timeout: float | timedelta | None


class Order:
    """What a caller asks to be run: a flow (or one made by a factory), its inputs, and how the run is to be known.

    `limit` is the most bytes that an input may take when stored. Raises FlowError, NotStorable, ValueTooLarge.
    """

    def __init__(
        self,
        app: Sagalog,
        flow: Any,
        inputs: Mapping[str, Any] | None = None,
        limit: int = VALUE_LIMIT,
        **options: Unpack[RunOptions],
    ) -> None:
        self.compiled: Compiled = flow if isinstance(flow, Compiled) else app.compiled(flow)
        if inputs is not None and not isinstance(inputs, Mapping):
            raise UsageError(f"inputs must be {{name: value}}; found {type(inputs).__name__}")
        given = dict(inputs or {})
        definition = self.compiled.definition
        definition.check_inputs(tuple(given))
        arguments = flow.arguments if isinstance(flow, Made) else {}
        self.inputs = {name: encode(value, path=f"inputs.{name}", limit=limit) for name, value in given.items()}
        self.facts: dict[str, Any] = {"definition": definition.fingerprint, "flow": definition.name}
        if isinstance(flow, Made):
            self.facts["factory"] = flow.factory
        self.facts.update(_checked(options))
        stand_before = [] if definition.plain else [name for name in given if name in definition.provides]
        if stand_before:
            self.facts["given"] = stand_before
        self.key = options.get("key")
        self.run_id = options.get("run_id")
        parts = {
            "inputs": wrap(self.inputs, path="inputs"),
            "arguments": encode(arguments, path="arguments", limit=limit),
            "tags": encode(dict(options.get("tags") or {}), path="tags", limit=limit),
        }
        policies = effective_policies(self.compiled)
        self.value = wrap({**parts, "policies": encode(policies, path="policies")} if policies else parts)

    def same(self, held: Held) -> Run:
        """The run that already has the key, if it is of the same flow and inputs; else Conflict."""
        name, key = held.facts["flow"], self.facts["key"]
        if name != self.facts["flow"] or held.inputs != self.inputs:
            what = "with other inputs" if name == self.facts["flow"] else f"of flow {name!r}"
            raise Conflict(f"key {key!r} is that of run {held.id}, {what}; a key stands for one request: take another")
        return Run(held)

    def held(self, desk: Desk, owned: bool) -> tuple[Held, list[Draft]]:
        """A new run and its first records; `owned`: this process is its owner from the start."""
        run = self.run_id or new_id(desk.clock.now())
        head = Head(run, epoch=1 if owned else 0, owner=desk.worker if owned else None)
        held = Held(self.compiled, head, desk.clock.now, desk.settings.value_limit)
        drafts = [held.create(self.facts, self.inputs, self.value)]
        if owned:
            drafts.append(held.fold(claim(desk, head)))
        return held, drafts


def order_again(app: Sagalog, old: Held, inputs: Mapping[str, Any] | None, limit: int) -> Order:
    """An order for a run like `old`, of the same flow as the App has it now, with other `inputs` where some are given."""
    arguments = decode(old.created["arguments"])
    compiled = app.candidate(old.facts, arguments)
    given = {name: decode(data) for name, data in old.inputs.items()}
    order = Order(app, compiled, {**given, **(inputs or {})}, limit, tags=decode(old.created["tags"]))
    kept = ("factory", "defer_reverts", "never_resolve", "timeout")
    order.facts.update({name: old.facts[name] for name in kept if name in old.facts})
    order.facts["restarts"] = old.id.hex
    order.value = wrap({**unwrap(order.value), "arguments": old.created["arguments"]})
    return order


def _checked(options: RunOptions) -> dict[str, Any]:
    """The facts that a run is created with, of what was asked for."""
    for name in options:
        if name not in RunOptions.__annotations__:
            raise TypeError(f"there is no option {name!r}; there are {', '.join(RunOptions.__annotations__)}")
    facts: dict[str, Any] = {}
    key, run_id, seconds = options.get("key"), options.get("run_id"), options.get("timeout")
    if key is not None and (type(key) is not str or not key):
        raise UsageError(f"key must be a text that is not empty; found {key!r}")
    if run_id is not None and (not isinstance(run_id, UUID) or run_id.version != 7):
        raise UsageError(f"run_id must be a UUIDv7, which Engine.new_id() gives; found {run_id!r}")
    if key is not None:
        facts["key"] = key
    if not options.get("defer_reverts", True):
        facts["defer_reverts"] = False
    if options.get("never_resolve"):
        facts["never_resolve"] = True
    if seconds is not None:
        seconds = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < LONG:
            most = f"at most {LONG:g}, or a timedelta"
            raise UsageError(f"timeout of a run must be seconds above zero, {most}; found {seconds!r}")
        facts["timeout"] = round(seconds * 1e6)
    return facts


def as_id(run: UUID | str) -> UUID:
    """A run's id, also from its text. Raises UsageError."""
    if isinstance(run, UUID):
        return run
    try:
        return UUID(run)
    except (ValueError, AttributeError, TypeError):
        raise UsageError(f"a run's id is a UUID or its text; found {run!r}") from None


def claim(desk: Desk, head: Head) -> Draft:
    """The record that says who owns the run from here on."""
    return Draft(r.RUN_CLAIMED, {"worker": desk.worker.hex, "epoch": head.epoch})


def take_over(desk: Desk, app: Sagalog, run: UUID, steal: bool, back: bool = False) -> Operation[Held]:
    """Become the owner of a run and fold it. `back`: only to revert it, for which the code of what ran is enough.

    Raises:
        UnknownRun. LeaseHeld: its owner is, or may be, alive. DefinitionChanged: its code is not at hand; the run is
        left as it was.
    """
    taken = yield from hold.take(run, desk.worker, steal)
    if isinstance(taken, hold.Held):
        if not hold.gone(taken.worker):
            raise occupied(run, taken)
        yield from hold.expire(taken.owner)
        return (yield from take_over(desk, app, run, steal, back))
    if taken is None:
        raise unknown(run)
    try:
        columns = yield from log.read_columns(run)
        compiled = yield from _code(app, run, columns, back)
        held = Held(compiled, taken, desk.clock.now, desk.settings.value_limit)
        held.load(columns)
        return held
    except GeneratorExit:
        raise
    except BaseException:
        yield from hold.release(run, taken.epoch)
        raise


def look(run: UUID, at: int | datetime | None = None) -> Operation[Held]:
    """Fold a run without owning it, by the definition that the log holds; no code is needed.

    `at` is a version, or a time by the database's clock: the fold ends with the last record that was there then.
    """
    columns = yield from log.read_columns(run)
    if not columns.types:
        raise unknown(run)
    definition = yield from stored_definition(run, columns)
    count = (yield from log.count_until(run, at)) if isinstance(at, datetime) else at
    kept = columns if count is None else columns.upto(max(count, 0))
    if not kept.types:
        raise UnknownRun(f"run {run} did not exist yet at {at}")
    held = Held(Compiled(definition, ()), Head(run, len(columns.types)))
    held.load(kept)
    return held


def stored_definition(run: UUID, columns: Columns) -> Operation[Definition]:
    """The definition that a run was started with, as it stands in the log."""
    fingerprint = created_facts(run, columns)["definition"]
    body = yield from log.definition(fingerprint)
    if body is None:
        raise CorruptLog(f"run {run}: its definition {fingerprint} is missing; run `sagalog verify`")
    return Definition.load(body)


def created_facts(run: UUID, columns: Columns) -> dict[str, Any]:
    """The facts of a run's first record."""
    if columns.versions[:1] != (1,) or columns.types[0] != r.RUN_CREATED:
        found = f"{columns.types[0]} at version {columns.versions[0]}" if columns.types else "nothing"
        raise CorruptLog(f"stream {run} is no run: it begins with {found}")
    (facts,) = decode_all(columns.types[:1], columns.schemas[:1], columns.facts[:1])
    return facts


def _code(app: Sagalog, run: UUID, columns: Columns, back: bool) -> Operation[Compiled]:
    facts = created_facts(run, columns)
    value = columns.values[0]
    arguments = decode(unwrap(value)["arguments"]) if value is not None else {}
    found = app.candidate(facts, arguments)
    if found.definition.fingerprint == facts["definition"]:
        return found
    stored = yield from stored_definition(run, columns)
    if app.takes(stored):
        return adopted(stored, found)
    if not back:
        raise changed(stored, found.definition)
    picture = Held(Compiled(stored, ()), Head(run))
    picture.load(columns)
    return for_revert(stored, found, reverts_left(picture.state))


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
