"""One mutant, in a process of its own: the smoke run, then seeds until a law catches it. Prints what came of it as JSON.

`python -m mutants.trying NAME SEEDS`
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import time
import types
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from .patching import plant
from .planted import BY_NAME

PATIENCE = 10
"""Seconds that a seed may take; what takes longer goes round in circles."""
ENOUGH = 5
"""Seeds of that kind."""


class Stuck(Exception):
    """A seed does not come to its end."""


def tried(name: str, most: int) -> dict[str, Any]:
    """What came of it: `smoke` (why that failed, or ""), `law` and `seed` that caught it, `seeds` played until then.

    `exceptions`: seeds that came to an error of the engine, or to no end, which does not count as caught.
    """
    plant(BY_NAME[name])
    began = time.perf_counter()
    found: dict[str, Any] = {"smoke": "", "law": None, "detail": "", "seed": None, "seeds": 0, "exceptions": 0, "error": ""}
    try:
        with _patience():
            import_module("mutants.smoke").smoke()
    except BaseException as error:
        found["smoke"] = f"{type(error).__name__}: {error}"
    else:
        _sought(found, most)
    return {"name": name, **found, "seconds": round(time.perf_counter() - began, 2)}


def _sought(found: dict[str, Any], most: int) -> None:
    simulator = import_module("sagalog.testing.simulator")
    laws = import_module("sagalog.testing.laws").LAWS
    stuck = 0
    for seed in range(most):
        found["seeds"] = seed + 1
        try:
            with _patience():
                simulator.trial(seed)
        except simulator.Broken as broken:
            if broken.law in laws:  # "no exception" is none of what a run does: the engine only raised
                found.update(law=broken.law, detail=broken.detail, seed=seed)
                return
            found["error"] = broken.detail
            found["exceptions"] += 1
        except Exception as error:
            stuck += isinstance(error, Stuck)
            found["error"] = f"{type(error).__name__}: {error}"
            found["exceptions"] += 1
            if stuck == ENOUGH:
                return


@contextlib.contextmanager
def _patience() -> Iterator[None]:
    def give_up(signum: int, frame: types.FrameType | None) -> None:
        raise Stuck(f"no end after {PATIENCE} seconds")

    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)


if __name__ == "__main__":
    print(json.dumps(tried(sys.argv[1], int(sys.argv[2]))))
