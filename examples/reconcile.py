"""Do the books agree? Orders files, stock tables and the outside ledger are compared; the event log is not looked at.

Each order is *kept* (charged exactly once net, shipped, all its items reserved), *refunded* (charged, and all of it
given back) or *untouched* (never charged); nothing in between. Every shelf holds what it had at first less what is
reserved. Every cent and every reserved unit belongs to an order of the files, and every entry to a counted call.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import attrs

from .invoice import ImpossibleOrder, Invoice, invoice, money, read_orders
from .ledger import Entry, ledger_path, read_ledger
from .shop import Connection, Reserved, Shelf, read_shop

OUTCOMES = ("kept", "refunded", "untouched", "disputed")
FAULTS_SHOWN = 20


class Fault(NamedTuple):
    """A disagreement; ``order_id`` is ``None`` where it is about a shelf."""

    order_id: int | None
    message: str


@attrs.frozen
class Books:
    """All that is compared with the orders."""

    shelves: Sequence[Shelf]
    reserved: Sequence[Reserved]
    entries: Sequence[Entry]
    attempts: Sequence[Entry]


@attrs.define
class Totals:
    """One outcome's orders: how many, cents and units they ordered, cents charged and given back, units reserved."""

    orders: int = 0
    cents_ordered: int = 0
    cents_charged: int = 0
    cents_refunded: int = 0
    units_reserved: int = 0


@attrs.frozen
class Report:
    """What ``reconcile`` found; ``ok`` when there is no fault."""

    outcomes: Mapping[str, Totals]
    attempts: Mapping[str, int]
    entries: Mapping[str, int]
    faults: Sequence[Fault]

    @property
    def ok(self) -> bool:
        return not self.faults


def reconcile(orders: Mapping[int, dict[str, Any]], books: Books) -> Report:
    """Compare ``orders`` (by id) with the books."""
    entries, reserved = defaultdict[int, list[Entry]](list), defaultdict[int | None, list[Reserved]](list)
    for entry in books.entries:
        entries[entry.order_id].append(entry)
    for row in books.reserved:
        reserved[row.order_id].append(row)
    outcomes, faults = {name: Totals() for name in OUTCOMES}, list[Fault]()
    for order_id, order in orders.items():
        moved = _moved(entries.pop(order_id, []), reserved.pop(order_id, []))
        expected = _invoice(order)
        outcome = _outcome(moved, expected)
        if outcome == "disputed":
            faults.append(Fault(order_id, f"order {order_id}: {_story(moved, expected)}"))
        _add(outcomes[outcome], moved, expected)
    faults += _strangers(entries, reserved) + _uncounted(books) + _shelves(books)
    return Report(outcomes, _by_kind(books.attempts), _by_kind(books.entries), faults)


def read_books(conn: Connection, path: Path) -> Books:
    """Read the stock tables, and the ledger at ``path``; what was never opened is empty."""
    with conn.transaction():
        # One snapshot: shelves and reservations of different moments would disagree while orders go on.
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        shelves, reserved = read_shop(conn)
    entries, attempts = read_ledger(path)
    return Books(shelves, reserved, entries, attempts)


def run(conn: Connection, files: Sequence[Path], *, as_json: bool = False) -> int:
    """Reconcile ``files`` and print what was found; return the exit code."""
    report = reconcile(read_orders(files), read_books(conn, ledger_path()))
    print(json.dumps(as_document(report), indent=1) if as_json else as_text(report))
    return 0 if report.ok else 1


def as_document(report: Report) -> dict[str, Any]:
    """The report for programs: ``kept`` is what ``sagalog list`` shows as SUCCESS; all amounts in cents."""
    outcomes = {name: attrs.asdict(totals) for name, totals in report.outcomes.items()}
    return {
        "ok": report.ok,
        "orders": sum(totals.orders for totals in report.outcomes.values()),
        **{name: totals.orders for name, totals in report.outcomes.items()},
        "cents_kept": sum(totals.cents_charged - totals.cents_refunded for totals in report.outcomes.values()),
        "units_reserved": sum(totals.units_reserved for totals in report.outcomes.values()),
        "outcomes": outcomes,
        "attempts": dict(report.attempts),
        "entries": dict(report.entries),
        "faults": [fault._asdict() for fault in report.faults],
    }


def as_text(report: Report) -> str:
    """The report for people."""
    heads = ("outcome", "orders", "ordered", "charged", "refunded", "kept", "units reserved")
    rows, total = list[tuple[str, ...]]([heads]), Totals()
    for name, totals in report.outcomes.items():
        rows.append(_row(name, totals))
        for field in attrs.fields_dict(Totals):
            setattr(total, field, getattr(total, field) + getattr(totals, field))
    rows.append(_row("all", total))
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
    rule = "-" * len(lines[0])
    calls = ", ".join(f"{kind} {n} ({report.entries.get(kind, 0)} took effect)" for kind, n in report.attempts.items())
    text = [lines[0], rule, *lines[1:-1], rule, lines[-1], f"calls to the outside: {calls or 'none'}"]
    text += [f"FAULT  {fault.message}" for fault in report.faults[:FAULTS_SHOWN]]
    if len(report.faults) > FAULTS_SHOWN:
        text.append(f"… and {len(report.faults) - FAULTS_SHOWN} more faults")
    text.append("The books agree." if report.ok else f"The books do not agree: {len(report.faults)} faults.")
    return "\n".join(text)


def _by_kind(rows: Sequence[Entry]) -> dict[str, int]:
    return dict(sorted(Counter(row.kind for row in rows).items()))


class _Moved(NamedTuple):
    """What happened in the name of one order: calls that took effect by kind, cents by kind, units by track."""

    times: Counter[str]
    cents: Counter[str]
    units: Counter[int]


def _moved(entries: Sequence[Entry], reserved: Sequence[Reserved]) -> _Moved:
    times, cents, units = Counter[str](), Counter[str](), Counter[int]()
    for entry in entries:
        times[entry.kind] += 1
        cents[entry.kind] += entry.cents
    for row in reserved:
        units[row.track_id] += row.quantity
    return _Moved(times, cents, units)


def _invoice(order: dict[str, Any]) -> Invoice | None:
    """``None`` for an order that must not be kept."""
    try:
        return invoice(order)
    except ImpossibleOrder:
        return None


def _outcome(moved: _Moved, expected: Invoice | None) -> str:
    charges = moved.times["charge"] - moved.times["refund"]
    parcels = moved.times["ship"] - moved.times["unship"]
    net = moved.cents["charge"] - moved.cents["refund"]
    if (charges, parcels, net) == (0, 0, 0) and not moved.units:
        return "refunded" if moved.times["charge"] else "untouched"
    kept = expected and (charges, parcels, net) == (1, 1, expected.cents) and moved.units == dict(expected.items)
    return "kept" if kept else "disputed"


def _story(moved: _Moved, expected: Invoice | None) -> str:
    """What was found for a disputed order beside what would have been right."""
    times, cents = moved.times, moved.cents
    found = (
        f"charged {times['charge']} times ({money(cents['charge'])}), refunded {times['refund']} times "
        f"({money(cents['refund'])}), shipped {times['ship']} times, cancelled {times['unship']} times, "
        f"{moved.units.total()} units reserved"
    )
    if expected is None:
        return f"{found}; expected nothing of it, the order is impossible"
    units = sum(quantity for _, quantity in expected.items)
    tracks = ""
    if moved.units and moved.units.total() == units and moved.units != dict(expected.items):
        tracks = f" of other tracks: {sorted(moved.units)}"
    right = f"{money(expected.cents)} kept, one parcel, {units} units reserved"
    return f"{found}{tracks}; expected {right}; or nothing of it"


def _add(totals: Totals, moved: _Moved, expected: Invoice | None) -> None:
    totals.orders += 1
    totals.cents_ordered += expected.cents if expected else 0
    totals.cents_charged += moved.cents["charge"]
    totals.cents_refunded += moved.cents["refund"]
    totals.units_reserved += moved.units.total()


def _strangers(entries: Mapping[int, list[Entry]], reserved: Mapping[int | None, list[Reserved]]) -> list[Fault]:
    """What belongs to no order of the files."""
    faults = [
        Fault(order_id, f"order {order_id}: {len(rows)} ledger entries, but it is in no file; found {_kinds(rows)}")
        for order_id, rows in sorted(entries.items())
    ]
    for order_id, held in reserved.items():
        runs = ", ".join(sorted({str(row.run_id) for row in held}))
        units = sum(row.quantity for row in held)
        who = "a reservation that names no order" if order_id is None else f"order {order_id}: it is in no file"
        faults.append(Fault(order_id, f"{who}: {units} units reserved by run {runs}"))
    return faults


def _kinds(rows: Sequence[Entry]) -> str:
    return ", ".join(f"{row.kind} {money(row.cents)}" for row in rows)


def _uncounted(books: Books) -> list[Fault]:
    """Effects of which there is no call."""
    calls = {(call.key, call.kind, call.order_id) for call in books.attempts}
    return [
        Fault(row.order_id, f"order {row.order_id}: {row.kind} of key {row.key} took effect, but no call is counted")
        for row in books.entries
        if (row.key, row.kind, row.order_id) not in calls
    ]


def _shelves(books: Books) -> list[Fault]:
    reserved, holders = Counter[int](), defaultdict[int, set[str]](set)
    for row in books.reserved:
        reserved[row.track_id] += row.quantity
        holders[row.track_id].add(str(row.order_id))
    faults = []
    for shelf in books.shelves:
        held = reserved.pop(shelf.track_id, 0)
        if shelf.on_hand + held != shelf.initial or shelf.on_hand < 0:
            orders = ", ".join(sorted(holders[shelf.track_id])) or "none"
            faults.append(
                Fault(
                    None,
                    f"track {shelf.track_id}: {shelf.on_hand} on hand and {held} reserved (by orders: {orders}); "
                    f"expected {shelf.initial} in all",
                )
            )
    return faults + [Fault(None, f"track {track}: {n} reserved, but no shelf") for track, n in sorted(reserved.items())]


def _row(name: str, totals: Totals) -> tuple[str, ...]:
    amounts = (totals.cents_ordered, totals.cents_charged, totals.cents_refunded)
    kept = totals.cents_charged - totals.cents_refunded
    return (name, str(totals.orders), *map(money, amounts), money(kept), str(totals.units_reserved))
