"""`sagalog`: the command line. Every mistake of the user's is one clear message on stderr, never a traceback."""

from __future__ import annotations

import os
import sys
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from ..errors import (
    DefinitionChanged,
    FlowError,
    NotStorable,
    SagalogError,
    SchemaMismatch,
    StoreUnavailable,
    UnknownRun,
    UsageError,
    ValueTooLarge,
)
from . import (
    amend,
    doctor,
    export,
    graph,
    history,
    init,
    list,
    pending,
    rebuild,
    reset,
    resume,
    revert,
    run,
    settling,
    show,
    step,
    stop,
    suspend,
    tick,
    verify,
)
from .secrets import redacted
from .words import collapsed

USER = (UsageError, FlowError, UnknownRun, DefinitionChanged, SchemaMismatch, NotStorable, ValueTooLarge)
"""Errors that the user can mend: exit code 2. After any other one it is 1."""
INTERRUPTED = 130
BROKEN_PIPE = 141


class Program(click.Group):
    """The group of all commands: a command returns its exit code, and what it raises is explained here."""

    def invoke(self, ctx: click.Context) -> Any:
        ctx.exit(self._code(ctx))

    def _code(self, ctx: click.Context) -> int:
        try:
            code = super().invoke(ctx)
            sys.stdout.flush()
        except KeyboardInterrupt as interrupt:
            _tell("Interrupted.", str(interrupt), "yellow")
            return INTERRUPTED
        except BrokenPipeError:
            # Whoever read has gone; Python would flush once more at its end, and complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return BROKEN_PIPE
        except SagalogError as error:
            text = collapsed(str(error)) if isinstance(error, StoreUnavailable) else str(error)
            _tell("error:", text, "red")
            return 2 if isinstance(error, USER) else 1
        return code if isinstance(code, int) else 0

    def list_commands(self, ctx: click.Context) -> Any:
        return self.commands  # in the order of a run's life, not of the alphabet


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sagalog", message="%(prog)s %(version)s")
def cli() -> None:
    """Run flows on an event log in Postgres; resume, audit and compensate them.

    RUN is a run's uuid or a unique beginning of it. Without --database-url an embedded server is used.
    """


for _command in (
    init.init, doctor.doctor, run.run, list.list_runs, show.show, history.history, graph.graph, pending.pending,
    resume.resume, tick.tick, step.step, suspend.suspend, revert.revert, amend.amend, settling.retry_revert,
    settling.skip_revert, reset.reset, verify.verify, export.export, rebuild.rebuild, stop.stop,
):  # fmt: skip
    cli.add_command(_command)


def main() -> None:
    """The entry point of the command `sagalog`."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that lacks a character shows another one
    cli(prog_name="sagalog")


def _tell(what: str, more: str, colour: str) -> None:
    told = Text.assemble((what, f"bold {colour}"), " ", redacted(more))
    Console(stderr=True, highlight=False).print(told, soft_wrap=True)


if __name__ == "__main__":
    main()
