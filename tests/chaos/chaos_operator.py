"""A process of its own: the operator, who takes orders over the counter and wants things of runs at random.

    python -m chaos_operator act HOME SEED      until it is killed
    python -m chaos_operator settle HOME        once, when all damage is done: everything is driven to its end
"""

from __future__ import annotations

import json
import random
import sys
import threading
from uuid import UUID

import psycopg
from chaos_place import Place, placed

from examples.orders import app, order
from sagalog.engine.core.states import SETTLED_RUN, RunState
from sagalog.engine.runtime.engine import UNFINISHED, Engine
from sagalog.errors import SagalogError, StoreUnavailable

ACTS = {"order": 5, "suspend": 4, "revert": 3, "resume": 3}
HANDS = 4
"""Things that are done at a time: most of it is waiting for whoever has the run."""
ROUNDS = 5
"""So often it is looked whether anything is left to be done."""


def act(place: Place, seed: int) -> None:
    """Do one thing after the other, several at a time; what was acknowledged goes into the journal."""
    with Engine.open(settings=place.settings, app=app, actor="operator") as engine:
        hands = [threading.Thread(target=_act, args=(place, engine, random.Random(seed + n))) for n in range(HANDS)]
        for hand in hands:
            hand.start()
        for hand in hands:
            hand.join()


def _act(place: Place, engine: Engine, chance: random.Random) -> None:
    rows = [json.loads(line) for line in place.counter.read_text(encoding="utf-8").splitlines()]
    while True:
        (kind,) = chance.choices(list(ACTS), list(ACTS.values()))
        try:
            _do(place, engine, kind, chance, rows)
        except SagalogError as error:  # the run is another's, is over, cannot be had: what a person would read
            print(f"{kind}: {type(error).__name__}: {error}", flush=True)


def _do(place: Place, engine: Engine, kind: str, chance: random.Random, rows: list[dict[str, object]]) -> None:
    if kind == "order":
        row = chance.choice(rows)
        run = engine.start(order, {"order": row}, key=f"counter {row['order_id']}")
        place.note(run=run.id, order=row["order_id"])
        return
    state = {"suspend": [*UNFINISHED], "resume": [RunState.SUSPENDED], "revert": None}[kind]
    found = engine.rows(states=state)[-200:]
    if not found:
        return
    run_id = chance.choice(found).run_id
    if kind == "suspend":
        came = engine.suspend(run_id, reason="chaos")
    elif kind == "revert":
        came = engine.revert(run_id, reason="chaos")
    else:
        came = engine.resume(run_id, raises=False)
    if came.state in SETTLED_RUN:
        place.note(run=run_id, state=str(came.state), version=came.version)


def settle(place: Place) -> None:
    """Go on with all that is unfinished, suspended, or has a message that nobody has accepted; say how much it was."""
    with Engine.open(settings=place.settings, app=app, actor="settler") as engine:
        for _ in range(ROUNDS):
            unfinished = [row.run_id for row in engine.rows(states=[*UNFINISHED, RunState.SUSPENDED])]
            addressed = [run for run in _addressed(place) if run not in set(unfinished)]
            print(json.dumps({"unfinished": len(unfinished), "addressed": len(addressed)}), flush=True)
            if not unfinished and not addressed:
                return
            engine.resume_these([*unfinished, *addressed], concurrency=32)


def _addressed(place: Place) -> list[UUID]:
    with psycopg.connect(place.url, autocommit=True) as conn:
        return [run for (run,) in conn.execute("SELECT DISTINCT stream_id FROM sagalog.inbox ORDER BY 1")]


def main() -> int:
    """The command line; 1: the database cannot be had just now."""
    _, what, where, *more = sys.argv
    try:
        if what == "act":
            act(placed(where), int(more[0]))
        else:
            settle(placed(where))
    except StoreUnavailable as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
