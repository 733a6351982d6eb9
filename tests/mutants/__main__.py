"""`make mutants`: plants each bug, and says which law has caught it after how many seeds. Ends with 1 where one was not.

The names of some bugs as arguments: only those.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence

from .hunting import Catch, hunted, summary, table
from .page import write
from .planted import BY_NAME, PLANTED

SEEDS = 3000
SECONDS = 900.0


def main(arguments: Sequence[str]) -> int:
    """The exit code."""
    options = _options(arguments)
    mutants = [BY_NAME[name] for name in options.names] or list(PLANTED)
    began = time.perf_counter()

    def told(catch: Catch) -> None:
        more = f", {catch.exceptions} only raised ({catch.error[:160]})" if catch.exceptions or catch.error else ""
        print(f"{catch.name}: {catch.verdict}, {catch.seeds} seeds{more}", file=sys.stderr, flush=True)

    catches = hunted(mutants, options.seeds, options.seconds, options.processes, told)
    last = summary(catches, time.perf_counter() - began)
    if options.json:
        print(json.dumps([{**mutant._asdict(), **catch._asdict()} for mutant, catch in zip(mutants, catches, strict=True)]))
    else:
        print(table(mutants, catches))
        print(f"\n{last}")
    if options.write:
        write(table(mutants, catches))
    return 0 if all(catch.good for catch in catches) else 1


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mutants", description="Plant bugs, and see that the laws catch them.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these bugs")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"at most so many for each (default {SEEDS})")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"at most so long in all (default {SECONDS:g})")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="so many at a time (default: all cores)")
    parser.add_argument("--json", action="store_true", help="the table as JSON")
    parser.add_argument("--write", action="store_true", help="put the table into docs/testing.md too")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in BY_NAME]:
        parser.error(f"no planted bug is named {unknown[0]!r}; there are: {'; '.join(BY_NAME)}")
    if options.write and options.names:
        parser.error("--write puts the whole table into the page: expected no NAME beside it")
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
