"""`python -m sagalog.testing`: one seed told, or seeds for so many seconds."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import click

from .simulator import ALL, Broken, trial
from .simulator.shrink import shrunk
from .simulator.soak import Soaked, soak

EVERY = 5.0
"""Seconds between two lines that say how far it is."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seed", type=int, help="Play this one, and tell its story.")
@click.option("--soak", "seconds", type=float, metavar="SECONDS", help="Play seed after seed for so long, on all cores.")
@click.option("--first", type=int, default=0, show_default=True, help="The first seed of a soak.")
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help="Where a broken case is kept, shrunk.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def main(seed: int | None, seconds: float | None, first: int, keep: Path | None, as_json: bool) -> None:
    """Generated flows in a simulated world of crashes: the same seed, the same story. Exits 1 if a law is broken."""
    if (seed is None) == (seconds is None):
        raise click.UsageError("give either --seed N or --soak SECONDS")
    if seconds is not None and not 0 < seconds < float("inf"):
        raise click.UsageError(f"--soak: expected a number of seconds above 0, found {seconds:g}")
    broken = _told(seed, as_json) if seed is not None else _soaked(seconds or 0.0, first, as_json)
    if broken is not None:
        small = shrunk(broken)
        if not as_json:
            click.echo(f"\nshrunk to {len(small.story)} lines:\n{small}")
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            file = keep / f"seed_{small.seed}.json"
            file.write_text(json.dumps(_plain(small), indent=1) + "\n", encoding="utf-8")
            click.echo(f"kept as {file}", err=True)
        sys.exit(1)


def _told(seed: int, as_json: bool) -> Broken | None:
    try:
        found = trial(seed, ALL)
    except Broken as broken:
        click.echo(json.dumps(_plain(broken)) if as_json else str(broken))
        return broken
    if as_json:
        told = {"seed": seed, "state": found.run.state, "records": found.records, "crashes": found.crashes}
        click.echo(json.dumps({**told, "steps": found.steps, "compared": found.compared, "story": found.story}))
    else:
        click.echo("\n".join(found.story))
        ended = f"seed {seed}: {found.run.state} after {found.records} records and {found.crashes} crashes; no law broken"
        click.echo(ended + (", and the end is that of a calm run" if found.compared else ""))
    return None


def _soaked(seconds: float, first: int, as_json: bool) -> Broken | None:
    last = time.monotonic()

    def tell(total: Soaked, took: float) -> None:
        nonlocal last
        if time.monotonic() - last > EVERY:
            last = time.monotonic()
            click.echo(f"{took:6.0f} s  {total}", err=True)

    begun = time.monotonic()
    total = soak(seconds, first, tell)
    took = time.monotonic() - begun
    if as_json:
        click.echo(json.dumps({**total._asdict(), "first": first, "seconds": round(took, 1)}))
    else:
        rate = f"in {took:.0f} s, {total.seeds / took:.0f} a second"
        click.echo(f"seeds {first} to {first + total.seeds - 1} {rate}:\n{total}")
        for seed, law, detail in total.broken[:20]:
            click.echo(f"  seed {seed}: {law}: {detail[:200]}")
    for seed, _, _ in total.broken:
        try:
            trial(seed, ALL)
        except Broken as broken:
            return broken
    if total.broken:
        sys.exit(1)  # it was the engine's own shells that disagree, each time: nothing to be shrunk
    return None


def _plain(broken: Broken) -> dict[str, object]:
    return {"seed": broken.seed, "law": broken.law, "detail": broken.detail, "story": broken.story, "script": broken.drawn}


if __name__ == "__main__":
    main()
