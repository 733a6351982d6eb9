"""`python -m bench [--quick]`: every figure beside its floor, as JSON lines, and all of them as a table at the end.

Ends with 0 also where a target is missed, since a figure depends on the machine; not where something crashes, or where
the database does not hold exactly what was measured.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Sequence

import attrs

from . import batches, fanout, graphs, replay, scaling, speed, tailing, turning
from .figures import Figure, table
from .ground import DURABLE, Ground, ground
from .sizes import FULL, QUICK, TINY, Sizes

PARTS = {
    "speed": speed, "append": batches, "resume": replay, "tail": tailing, "turning": turning, "fan-out": fanout,
    "compile": graphs, "scaling": scaling,
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for; the exit code."""
    options = _options(arguments)
    sizes = TINY if options.tiny else QUICK if options.quick else FULL
    if options.rounds is not None:
        sizes = attrs.evolve(sizes, rounds=options.rounds, again=options.rounds)
    if options.tail is not None:
        sizes = attrs.evolve(sizes, tail=options.tail)
    # A polite end (a closed terminal, a job that ran out of time) stops the server too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.perf_counter()
    try:
        with ground() as made:
            figures = _measure(made, sizes, options.only or list(PARTS))
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        return 130
    print(f"\n{table(figures)}")
    missed = [f"{figure.name} / {figure.beside}" for figure in figures if not figure.ok]
    met = f"{len(figures) - len(missed)} of {len(figures)} as they should be, in {time.perf_counter() - began:.0f} s"
    print("; missed: ".join([met, ", ".join(missed)]) if missed else met)
    return 0


def _measure(made: Ground, sizes: Sizes, parts: Sequence[str]) -> list[Figure]:
    server = {"postgres": made.version, **DURABLE, "cpus": os.cpu_count()}
    print(json.dumps({"server": server, "sizes": attrs.asdict(sizes)}), flush=True)
    figures = []
    for part in parts:
        for figure in PARTS[part].figures(made, sizes):
            print(figure.line(), flush=True)
            figures.append(figure)
    return figures


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Figures beside their physical floors.")
    quick = os.environ.get("QUICK", "") not in ("", "0")
    parser.add_argument("--quick", action="store_true", default=quick, help="within four minutes (or QUICK=1)")
    parser.add_argument(
        "--tiny", action="store_true", help="only to see that everything works; the figures mean nothing"
    )
    parser.add_argument("--rounds", type=int, metavar="N", help="interleaved rounds of each figure")
    parser.add_argument("--tail", type=int, metavar="N", help="appends while the log is followed, such as 1000000")
    names = f"one of {', '.join(PARTS)}; again for more"
    parser.add_argument("--only", action="append", choices=list(PARTS), metavar="PART", help=names)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
