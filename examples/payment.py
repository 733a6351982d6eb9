"""A payment: one gateway after the other, each asked three times; receipts to everyone; a person where no program can tell.

    python -m examples.payment

- `charge` has a policy: a gateway that cannot be reached is called again, the wait in between being a durable timer.
- The flow around it has a retry controller: a gateway that has failed is left, and the next one tried.
- `mail` is fanned out over a list that is known only when the run gets there; one bad address does not stop the others.
- What no program can settle, a person does: `Engine.amend`, or `sagalog amend`.

The gateways are stand-ins that do what the order says: those that it names as "down" cannot be reached.
"""

from __future__ import annotations

from typing import Any

from sagalog import (
    Context,
    Engine,
    ForEach,
    OutcomePolicy,
    ResultSet,
    RetryPolicy,
    Run,
    Sagalog,
    each,
    linear,
    task,
)


class Unreachable(Exception):
    """A gateway does not answer: nothing was paid."""


class Declined(Exception):
    """A gateway answers, and it says no: calling it again is no use."""


class NoAddress(Exception):
    """Nothing can be sent there."""


@task(
    provides="payment",
    retry_policy=RetryPolicy(max_attempts=3, backoff_factor=0.05, retry_on_exceptions=(Unreachable,)),
)
def charge(order: dict[str, Any], gateway: str, context: Context) -> dict[str, Any]:
    """Pay; the idempotency key is the same for all calls of one gateway, and another for the next one."""
    if gateway in order["down"]:
        raise Unreachable(f"{gateway} does not answer")
    if order["card"] == "expired":
        raise Declined(f"{gateway}: the card has expired")
    return {"by": gateway, "cents": order["cents"], "key": context.idempotency_key}


@charge.revert
def refund(result: Any) -> str:
    """Pay back, if anything was paid: `result` is the payment, or the Failure."""
    return f"{result['cents']} cents paid back" if isinstance(result, dict) else "nothing was paid"


@task(provides="addresses", compensation="not_needed")
def look_up(order: dict[str, Any]) -> list[str]:
    """Who gets a receipt."""
    return [*order["receipts"], "books@shop.example"]


@task(compensation="irreversible")
def mail(address: str, payment: dict[str, Any]) -> str:
    """Send one receipt."""
    if "@" not in address:
        raise NoAddress(address)
    return f"{payment['cents']} cents to {address}"


@task(provides="told", compensation="not_needed")
def count(receipts: ResultSet) -> str:
    """What became of the receipts, in one line."""
    return f"{len(receipts.successes)} sent, {len(receipts.failures)} not"


payment = linear("payment").add(
    linear("charging", retry=ForEach(["north", "south"], name="gateways", provides="gateway")).add(charge),
    look_up,
    each(mail, over="addresses", provides="receipts", outcome=OutcomePolicy.SUCCESS_FOR_PARTIAL_SUCCESS),
    count,
)
app = Sagalog(flows=[payment])


def order(number: int, *, card: str = "good", down: tuple[str, ...] = ()) -> dict[str, Any]:
    """An order that is to be paid, and which gateways do not answer while it is."""
    receipts = ["ann@example.org", "nowhere"]
    return {"id": number, "cents": 250 * number, "card": card, "down": list(down), "receipts": receipts}


def elsewhere(engine: Engine) -> Run:
    """The first gateway is down: three calls of it, then the second."""
    return engine.run(payment, {"order": order(1, down=("north",))})


def by_hand(engine: Engine) -> Run:
    """The card has expired, and the customer pays at the counter: a person says so, and the run goes on."""
    stopped = engine.run(payment, {"order": order(2, card="expired")}, never_resolve=True, raises=False)
    paid = {"by": "counter", "cents": 500, "key": "receipt 17"}
    engine.amend(stopped.id, "charge", state="SUCCESS", result=paid, by="ann", reason="paid in cash")
    return engine.resume(stopped.id)


def main() -> None:
    """Run both and say what became of them."""
    with Engine.open(app=app) as engine:
        for run in elsewhere(engine), by_hand(engine):
            by, cents = run.results["payment"]["by"], run.results["payment"]["cents"]
            print(f"{run.state}: {cents} cents by {by}; receipts: {run.results['told']}")
            print(f"    sagalog history {run.id}")


if __name__ == "__main__":
    main()
