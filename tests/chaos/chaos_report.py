"""Checking everything, and showing what came of it: a table for people, a document for machines."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from attrs import frozen
from chaos_books import Books, read
from chaos_effects import EFFECTS
from chaos_laws import LAWS, Check, state_of
from chaos_place import ROOT, Place

SHOWN = 5
"""Things that are wrong, of each kind, that are named."""


@frozen
class Verdict:
    """What was found about one invariant."""

    name: str
    checked: int
    broken: Sequence[str]


def judged(name: str, check: Check, books: Books) -> Verdict:
    """Check one invariant."""
    found = list(check(books))
    return Verdict(name, len(found), [wrong for wrong in found if wrong is not None])


def verdicts(place: Place, broken: Sequence[str], ended: int) -> tuple[Books, list[Verdict]]:
    """Check all of them; `broken` are the processes that ended as they should not, of `ended`."""
    books = read(place)
    found = [judged(name, check, books) for name, check in chain(LAWS.items(), EFFECTS.items())]
    checked = _document(place, "sagalog.cli.main", "verify", "--all", "--json")
    found.append(Verdict("the chain verifies", checked.get("records", 0), [*map(str, checked.get("faults", []))]))
    agreed = _document(place, "examples.orders", "reconcile", *map(str, place.files()), "--json")
    found.append(Verdict("reconcile: the books agree", agreed["orders"], [fault["message"] for fault in agreed["faults"]]))
    found.append(Verdict("processes end with words", ended, broken))
    return books, found


def _document(place: Place, *words: str) -> dict[str, Any]:
    """What a command that prints one JSON document says."""
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, env=place.environment, capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, 1) or not done.stdout:
        raise RuntimeError(f"{' '.join(words)}: exit {done.returncode}: {done.stderr}")
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def met(books: Books) -> dict[str, int]:
    """What the damage came to in the log: without any of it little was tried."""
    types = Counter(step.type for life in books.lives.values() for step in life.steps)
    calls = sum(len(life.attempts) for life in books.lives.values())
    return {
        "runs": len(books.lives),
        **{f"runs {state}": count for state, count in sorted(Counter(map(state_of, books.lives.values())).items())},
        "records": types.total(),
        "runs taken over by another owner": types["run.claimed"] - len(books.lives),
        "outcomes unknown": types["task.unknown"] + types["task.revert_unknown"],
        "messages accepted": types["message.accepted"],
        "reverts": types["task.reverted"],
        "calls to the outside": calls,
        "of them made again": calls - len({(life.run, kind) for life in books.lives.values() for kind, _ in life.attempts}),
        "acknowledgements": len(books.journal),
    }


def as_document(seed: int, seconds: float, damage: Mapping[str, int], books: Books, found: Sequence[Verdict]) -> str:
    """For machines."""
    return json.dumps(
        {
            "ok": not any(verdict.broken for verdict in found), "seed": seed, "seconds": seconds, "damage": damage,
            "met": met(books),
            "invariants": [
                {"name": one.name, "checked": one.checked, "broken": len(one.broken), "what": [*one.broken[:SHOWN]]}
                for one in found
            ],
        },
        indent=1,
    )  # fmt: skip


def as_text(damage: Mapping[str, int], books: Books, found: Sequence[Verdict]) -> str:
    """For people."""
    return "\n".join(chain(_counts("damage", damage), _counts("met", met(books)), _table(found)))


def _counts(title: str, counts: Mapping[str, int]) -> Iterator[str]:
    yield f"\n{title}"
    yield from (f"  {name.ljust(44)} {count:9,}" for name, count in counts.items())


def _table(found: Sequence[Verdict]) -> Iterator[str]:
    yield f"\n{'invariant'.ljust(46)} {'checked':>9} {'broken':>9}"
    for one in found:
        yield f"{one.name.ljust(46)} {one.checked:9,} {len(one.broken):9,}"
    for one in found:
        yield from (f"BROKEN  {one.name}: {what}" for what in one.broken[:SHOWN])
        if len(one.broken) > SHOWN:
            yield f"… and {len(one.broken) - SHOWN:,} more of these"
    broken = sum(bool(one.broken) for one in found)
    yield f"\n{broken} invariants are broken." if broken else "\nAll of them hold."
