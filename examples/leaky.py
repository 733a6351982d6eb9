"""An order flow with two faults that no ordinary test finds, and that `pytest --sagalog-crash` does.

    pytest --sagalog-crash examples/leaky.py

- `charge` calls the provider without an idempotency key: a process that dies at the wrong moment charges twice.
- `reserve` has no revert, and does not say that it needs none: an order that is undone keeps its reservation.

The provider is a `Ledger`, which counts every call. `examples/orders.py` is the same order done well.
"""

from __future__ import annotations

from typing import Any

import pytest

from sagalog import Context, Run, linear, task
from sagalog.testing import Ledger

provider = Ledger()


@task(provides="reservation")
def reserve(order: dict[str, Any], context: Context) -> str:
    """Take the items off the shelves. Nobody has written how they are put back."""
    provider.call("reserve", context.idempotency_key, order=order["id"])
    return f"shelf of order {order['id']}"


@task(provides="payment")
def charge(order: dict[str, Any]) -> dict[str, Any]:
    """Charge the order's total. The provider is not told which call this is: it cannot know the second from the first."""
    provider.call("charge", order=order["id"], cents=order["cents"])
    return {"order": order["id"], "cents": order["cents"]}


@charge.revert
def refund(order: dict[str, Any], context: Context) -> None:
    """Give the money back."""
    provider.call("refund", context.idempotency_key, order=order["id"], cents=order["cents"])


@task(compensation="not_needed")
def thank(payment: dict[str, Any]) -> str:
    """Only writes the letter."""
    return f"Thank you for {payment['cents']} cents."


order = linear("leaky order").add(reserve, charge, thank)


@pytest.mark.sagalog_crash(ledger=provider)
def an_order_of_three_items() -> tuple[Any, ...]:
    """What is to be killed everywhere: a flow, its inputs, and what must be true at the end."""
    return order, {"order": {"id": 7, "cents": 1295}}, charged_once


def charged_once(run: Run, calls: Ledger) -> None:
    """The customer has paid as much as was asked for."""
    charged = sum(entry.details["cents"] for entry in calls.effects("charge"))
    assert charged == 1295, f"{charged} cents were charged for an order of 1295"
