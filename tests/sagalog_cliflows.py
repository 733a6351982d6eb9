"""Flows for tests of the command line; `python -m sagalog.cli.main run sagalog_cliflows:…` finds them on the path."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

from attrs import frozen

from sagalog import (
    AlwaysRevert,
    Context,
    Flow,
    ForEach,
    FunctorTask,
    OutcomePolicy,
    Recovery,
    RetryPolicy,
    Sagalog,
    each,
    graph,
    linear,
    register,
    task,
    unordered,
)


@frozen
class Parcel:
    """A value that takes its class to be decoded."""

    weight: int


class Refused(Exception):
    """What `ship` raises."""


@task(provides="reservation")
def reserve(order: Any) -> Any:
    """Says something on stdout, as a user's task may."""
    print("reserve: on stdout")
    os.system("echo reserve: from a shell")
    return (order, {"cents": 250}, b"raw")


@reserve.revert
def release() -> Any:
    return {"released": True}


@task(provides="label")
def ship(reservation: Any) -> Any:
    if reservation[0] == "Chile":
        raise Refused("no parcels to Chile\n[bold]at all[/bold]")
    return f"label {reservation[0]}"


@task(provides="letter", compensation="irreversible")
def write(label: str) -> str:
    return f"dear {label}"


@task()
def fail(label: str) -> None:
    raise Refused(f"cannot go on with {label}")


@task(provides="knot")
def tie(order: Any) -> str:
    return "tied"


@tie.revert
def untie(order: Any) -> None:
    if not Path(str(order)).exists():
        raise RuntimeError("the knot does not open")


@task(provides="waited", recovery=Recovery.RERUN)
def wait(order: Any) -> str:
    """Comes back when the file that `order` names is there."""
    Path(f"{order}.begun").touch()
    while not Path(order).exists():
        time.sleep(0.02)
    return "waited"


@task(provides="parcel")
def pack(order: Any) -> Parcel:
    return Parcel(3)


@task(provides=("first", "second"))
def split(order: Any) -> Any:
    return (order, "the other")


@task(provides="line")
def dial(number: str) -> str:
    if number != "three":
        raise Refused(f"{number} does not answer")
    return f"line to {number}"


@dial.revert
def hang_up() -> None:
    """Nothing was said yet."""


@task(provides="squared")
def square(item: int) -> int:
    if item == 13:
        raise Refused("unlucky")
    return item * item


@task(retry_policy=RetryPolicy(max_attempts=3, backoff_factor=0.01), provides="door")
def knock(context: Context) -> str:
    context.update_progress(context.attempt / 3, {"knocks": context.attempt})
    if context.attempt < 3:
        raise Refused("nobody opens")
    return "open"


@task(provides="gift")
def wrap(order: Any) -> str:
    return "wrapped"


@task()
def post(order: Any, gift: str = "nothing") -> str:
    return f"sent with {gift}"


@task(retry_policy=RetryPolicy(max_attempts=4, backoff_factor=20_000, max_backoff=80_000))
def another_day(context: Context) -> None:
    raise Refused("not today")


@task()
async def sleep_in() -> None:
    await asyncio.sleep(60)


def generous(history: Any) -> bool:
    return False


def undecided(history: Any) -> bool:
    raise Refused("who knows")


order = linear("order").add(reserve, ship)
partly = linear("partly").add(reserve, ship, write, fail)
knotted = linear("knotted").add(tie, reserve, ship, fail)
patient = linear("patient").add(wait, reserve)
parcels = linear("parcels").add(pack)
splitting = linear("splitting").add(split)


calling = linear("calling", retry=ForEach(["one", "two", "three"], name="numbers", provides="number")).add(dial)
squares = linear("squares").add(each(square, over="order", outcome=OutcomePolicy.SUCCESS_FOR_PARTIAL_SUCCESS))
visiting = linear("visiting").add(knock)
lonely = linear("lonely").add(reserve, linear("alone", retry=AlwaysRevert("never")).add(ship, fail))
tomorrow = linear("tomorrow").add(another_day)
slow = linear("slow").add(sleep_in)
giving = graph("giving").add(tie, wrap, post)
giving.link(tie, wrap, decider=generous, decider_depth="ATOM").link(wrap, post)
puzzled = graph("puzzled").add(tie, wrap).link(tie, wrap, decider=undecided)


def wide(count: int, name: str = "wide") -> Flow:
    """`count` siblings with names that mean something to drawing programs, then two behind them all."""
    members = [FunctorTask(_say, name=f'{i} "q" <b> &amp; \\n [x] `{{|}}` ü', inject={"what": i}) for i in range(count)]
    ends = [FunctorTask(_say, name=end, inject={"what": end}) for end in ("left", "right")]
    return linear(name).add(unordered('in "side" ]').add(*members), unordered("ends").add(*ends))


def _say(what: Any) -> Any:
    return what


app = Sagalog(
    flows=[
        order, partly, knotted, patient, parcels, splitting, calling, squares, visiting, giving, lonely, tomorrow,
        slow, puzzled, wide,
    ]
)  # fmt: skip
register(Parcel, name="cliflows.parcel")
