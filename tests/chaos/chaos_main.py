"""Orders under fire: processes are killed and stopped at random, the server restarted, and then it is checked what is left.

    make chaos SECONDS=120
    python -m chaos_main [--seconds N] [--seed N] [--json] [--keep FOLDER]

Prints how far it is while it goes, then the damage, what the log met of it, and a table of invariants. Exits 1 if any is
broken. A seed gives the same damage at about the same times; what it meets is as the processes happen to run.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from chaos_crew import Crew
from chaos_monkey import Monkey
from chaos_place import LEASE, ROOT, Place
from chaos_report import as_document, as_text, verdicts

from examples.orders import setup
from sagalog.store.migrate import migrate
from sagalog_testkit import embedded_server

TELL = 5.0
"""Seconds between two lines that say how far it is."""
PATIENCE = 180.0
"""Seconds in which, after the damage, the processes come to their end, and again everything else to its."""
FINISHED = "SELECT count(*) FROM sagalog.record WHERE type IN ('run.success', 'run.reverted')"


@contextmanager
def a_place() -> Iterator[Place]:
    """A server and a home, removed at the end, also when this process is killed; every process is told of them."""
    with embedded_server() as server:
        place = Place(server.cluster, server.cluster.data.parent)
        os.environ |= place.environment
        migrate(place.url)
        with psycopg.connect(place.url, autocommit=True) as conn:
            setup(conn, [place.counter])
        yield place


def say(text: str) -> None:
    """To stderr: the answer alone is on stdout."""
    print(text, file=sys.stderr, flush=True)


def damaged(place: Place, crew: Crew, monkey: Monkey, seconds: float) -> None:
    """Keep the crew at work, and let the monkey at it, for so many seconds."""
    began = time.monotonic()
    told = began
    while (now := time.monotonic()) < began + seconds:
        crew.tend()
        monkey.act()
        if now - told >= TELL:
            told = now
            say(f"{now - began:5.0f} s  {_how_far(place)}  {monkey.told}")
        time.sleep(0.02)


def _how_far(place: Place) -> str:
    try:
        return f"{place.count(FINISHED):6,} runs ended "
    except psycopg.Error:
        return "the server is down"


def driven_to_its_end(place: Place) -> None:
    """When no more damage is done."""
    words = [sys.executable, "-m", "chaos_operator", "settle", str(place.home)]
    try:
        done = subprocess.run(words, cwd=ROOT, env=place.environment, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        say(f"not everything came to its end within {PATIENCE:.0f} s")  # which the invariants tell
        return
    time.sleep(LEASE + 0.5)  # whoever was killed as the last holds nothing any more
    say(f"settled: {done.stdout.strip().replace(chr(10), ', then ')}{done.stderr}")


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m chaos_main", description="The order example under random damage.")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long damage is done (default: 60)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="of the damage")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of tables")
    parser.add_argument("--keep", type=Path, help="a folder for what the processes said, the ledger and the journal")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that all is cleaned up then, too
    say(f"seed {options.seed}, {options.seconds:.0f} s")
    with a_place() as place:
        chance = random.Random(options.seed)
        crew = Crew(place, random.Random(chance.random()))
        monkey = Monkey(place, crew, random.Random(chance.random()))
        try:
            damaged(place, crew, monkey, options.seconds)
            monkey.end()
            say("no more damage; what runs comes to its end")
            crew.let_end(PATIENCE)
        finally:
            crew.close()
        driven_to_its_end(place)
        books, found = verdicts(place, crew.broken, crew.ended.total())
        damage = {**monkey.done, **{f"processes: {how}": count for how, count in sorted(crew.ended.items())}}
        if options.json:
            print(as_document(options.seed, options.seconds, damage, books, found))
        else:
            print(as_text(damage, books, found))
        if options.keep:
            shutil.copytree(place.home, options.keep, ignore=shutil.ignore_patterns("postgres*"), dirs_exist_ok=True)
    return int(any(verdict.broken for verdict in found))


if __name__ == "__main__":
    sys.exit(main())
