"""An order as a saga: check, reserve, charge, ship, notify; what was done is undone when a later step fails.

    sagalog run examples.orders:order --each examples/data/orders.jsonl --concurrency 64
    python -m examples.orders setup [FILE …]
    python -m examples.orders reconcile [FILE …] [--json]

``setup`` opens the shop's tables with stock for each track of the files; a first run does so by itself.
``reconcile`` compares the files with the stock tables and the outside ledger, and looks at nothing else.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from sagalog import Context, Failure, Recovery, Sagalog, linear, task
from sagalog.config import Settings
from sagalog.errors import SagalogError
from sagalog.store.server import embedded

from . import reconcile, shop
from .invoice import ImpossibleOrder, money, read_orders
from .invoice import invoice as invoice_of
from .ledger import Call, ledger

ORDERS = Path(__file__).parent / "data" / "orders.jsonl"
NOT_SERVED = frozenset({"Argentina", "Brazil", "Chile", "India"})


class CarrierRefused(Exception):
    """The carrier does not take a parcel; it has refused before accepting anything."""


# Reads what it is given and nothing else: running it again tells the same, and there is nothing to undo.
@task(provides="invoice", recovery=Recovery.RERUN, compensation="not_needed")
def check(order: dict[str, Any]) -> dict[str, Any]:
    """The order's total in whole cents and its quantities by track; raises ``ImpossibleOrder``."""
    order_id, cents, items = invoice_of(order)
    return {"order_id": order_id, "cents": cents, "items": [list(item) for item in items]}


# One commit with the record of its outcome: where that record is missing, nothing was reserved, so it runs again.
@task(provides="reservation", transactional=True, recovery=Recovery.RERUN, revert_recovery=Recovery.RERUN)
def reserve(invoice: dict[str, Any], context: Context, conn: shop.Connection) -> dict[str, Any]:
    """Take the order's items off the shelves; raises ``OutOfStock``, a failure of the order like any other."""
    return {"units": shop.reserve(conn, context.run_id, invoice["order_id"], invoice["items"])}


@reserve.revert
def release(context: Context, conn: shop.Connection) -> dict[str, Any]:
    """Put the items back on the shelves."""
    return {"units": shop.release(conn, context.run_id)}


# The provider knows the key: a charge of which we cannot tell whether it happened is simply sent again.
@task(provides="payment", recovery=Recovery.RERUN, revert_recovery=Recovery.RERUN)
def charge(invoice: dict[str, Any], context: Context) -> dict[str, Any]:
    """Charge the order's total."""
    ledger().charge(_call(context, invoice["order_id"], invoice["cents"]))
    return {"key": context.idempotency_key, "cents": invoice["cents"]}


@charge.revert
def refund(invoice: dict[str, Any], context: Context) -> dict[str, Any]:
    """Give back what this run was charged. The provider knows how much that is, also when we never heard of it.

    Where it was charged nothing, a charge may still be on its way, from a process that stands still: that is refused then.
    """
    given = ledger().refund(_call(context, invoice["order_id"], invoice["cents"]))
    return {"key": context.idempotency_key, "given": given}


# The carrier, too, takes a key.
@task(provides="shipment", recovery=Recovery.RERUN, revert_recovery=Recovery.RERUN)
def ship(order: dict[str, Any], context: Context) -> dict[str, Any]:
    """Hand the parcel to the carrier; raises ``CarrierRefused`` where it does not deliver."""
    call, country = _call(context, order["order_id"]), order["billing"]["country"]
    ledger().attempt("ship", call)
    if country in NOT_SERVED:
        raise CarrierRefused(f"order {order['order_id']}: the carrier does not deliver to {country}")
    ledger().enter("ship", call)
    return {"label": call.key, "country": country}


@ship.revert
def unship(order: dict[str, Any], context: Context, result: Any) -> dict[str, Any]:
    """Cancel the shipment, if there may be one: after a refusal the carrier is not called at all."""
    if isinstance(result, Failure) and result.check(CarrierRefused):
        return {"cancelled": False}
    return {"cancelled": ledger().unship(_call(context, order["order_id"]))}


# Only writes the letter: posting it is nobody's job here, so there is nothing to take back.
@task(provides="letter", recovery=Recovery.RERUN, compensation="not_needed")
def notify(order: dict[str, Any], payment: dict[str, Any], shipment: dict[str, Any]) -> dict[str, Any]:
    """The letter that tells the customer."""
    text = f"Order {order['order_id']}: {money(payment['cents'])} charged, on its way to {shipment['country']}."
    return {"to": order["customer"]["email"], "text": text}


order = linear("order").add(check, reserve, charge, ship, notify)
app = Sagalog(flows=[order])


def _call(context: Context, order_id: int, cents: int = 0) -> Call:
    return Call(context.idempotency_key, str(context.run_id), order_id, cents, context.execution)


def database_url() -> str:
    """``SAGALOG_DATABASE_URL``, else the embedded server of ``SAGALOG_HOME``, started when it is not up."""
    settings = Settings.load()
    return settings.database_url or embedded(settings.home)


def setup(conn: shop.Connection, files: Sequence[Path]) -> int:
    """Open the shop with a shelf for every track of ``files``, and the ledger; return the number of tracks."""
    tracks = set[int]()
    for row in read_orders(files).values():
        try:
            tracks |= {track for track, _ in invoice_of(row).items}
        except ImpossibleOrder:
            continue  # it will never get as far as the shelves
    with conn.transaction():
        shop.open_shop(conn, tracks)
    ledger()
    return len(tracks)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code: 0, 1 when reconcile finds a disagreement, 2 for a user's error."""
    parser = argparse.ArgumentParser(prog="python -m examples.orders", description="The order example's own commands.")
    commands = parser.add_subparsers(dest="command", required=True)
    opening = commands.add_parser("setup", help="open the shop's tables and the ledger")
    comparing = commands.add_parser("reconcile", help="compare the files with the stock tables and the ledger")
    comparing.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    for command in (opening, comparing):
        command.add_argument("files", nargs="*", type=Path, default=[ORDERS], metavar="FILE", help=f"default: {ORDERS}")
    options = parser.parse_args(arguments)
    try:
        with psycopg.connect(database_url(), autocommit=True) as conn:
            if options.command == "reconcile":
                return reconcile.run(conn, options.files, as_json=options.json)
            print(f"The shop is open, with {setup(conn, options.files)} tracks on its shelves.")
            return 0
    except (OSError, ValueError, SagalogError, psycopg.OperationalError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
