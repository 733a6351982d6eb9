"""Resuming a long run, and folding its records."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from uuid import UUID

import orjson
import psycopg

from sagalog.codec.records import decode_facts
from sagalog.engine.definition import Flow, FunctorTask, linear
from sagalog.engine.runtime.engine import Engine
from sagalog.engine.runtime.held import Held
from sagalog.store import log
from sagalog.store.session import Session
from sagalog.store.shape import Head

from . import tasks
from .figures import Figure
from .ground import Ground, count, quiet
from .sizes import Sizes

STOPPED = 4
"""Records of a run that was stopped in a task, beside two for each task before: created, claimed, running; the start."""
RESUMED = 3
"""Records of a resumption: claimed, the outcome unknown, started again."""
FOLDS = 5
"""Folds in each round; they take only milliseconds."""
ROWS = "select * from sagalog.record where stream_id = $1 order by version"
LEAN = (
    "select version, type, schema_version, facts, value, hash from sagalog.record where stream_id = $1 order by version"
)


class Halt(KeyboardInterrupt):
    """Stops the run as an interrupt at the keyboard does: it stays resumable."""


class Case:
    """A run that stops in its last task each time it is resumed, and says when that was."""

    def __init__(self, records: int) -> None:
        self.size = (records - STOPPED) // 2
        self.records = 2 * self.size + STOPPED
        self.resumptions = -1  # the first time it is the beginning
        self.reached = 0.0

    def flow(self) -> Flow:
        """Built anew; always the same definition."""
        steps: list[FunctorTask] = [tasks.plain.named(f"t{place}") for place in range(self.size)]
        return linear(f"resume-{self.records}").add(*steps, FunctorTask(self.stop, "stop"))

    def stop(self) -> None:
        """The last task."""
        self.reached = time.perf_counter()
        raise Halt

    def resume(self, engine: Engine, run_id: UUID) -> float:
        """Seconds from the call to the first line of the first new task."""
        self.resumptions += 1
        began = time.perf_counter()
        with suppress(Halt):
            engine.resume(run_id)
        return self.reached - began

    def written(self) -> int:
        """How many records the run has now."""
        return self.records + RESUMED * self.resumptions


def figures(ground: Ground, sizes: Sizes) -> Iterator[Figure]:
    """Resume beside the bare reading of its rows; short beside long; the fold beside the decoding of facts."""
    short, long = sizes.resume_line
    with ground.database() as url:
        made = {records: _Measured(ground, url, records) for records in (sizes.resume, short, long)}
        try:
            for _ in range(2 * sizes.rounds + 1):  # each is over in a moment
                for each in made.values():
                    ground.checkpoint()
                    each.round()
            count(url, {"sagalog.record": sum(each.case.written() for each in made.values())})
        finally:
            for each in made.values():
                each.close()
    main = made[sizes.resume]
    yield Figure(
        f"resume {main.case.records:,} records",
        "bare read",
        "s",
        main.resumed,
        main.read,
        at_most=2.5,
        more={"floor_lean": min(main.lean), "with_open_and_compile": min(main.cold)},
    )
    yield Figure(
        f"resume {made[long].case.records:,} records",
        f"{made[short].case.records:,} records",
        "µs/record",
        [seconds / made[long].case.records * 1e6 for seconds in made[long].resumed],
        [seconds / made[short].case.records * 1e6 for seconds in made[short].resumed],
        at_most=1.3,
    )
    yield Figure(
        f"fold {main.case.records:,} records",
        "decoding facts",
        "records/s",
        [main.case.records / seconds for seconds in main.folded],
        [main.case.records / seconds for seconds in main.decoded],
        at_least=0.5,
        more={"floor_bare_json": main.case.records / min(main.bare_decoded)},
    )


class _Measured:
    """One run of some length and what each round took, in seconds."""

    def __init__(self, ground: Ground, url: str, records: int) -> None:
        self.ground, self.url, self.case = ground, url, Case(records)
        self.resumed: list[float] = []
        self.cold: list[float] = []
        self.read: list[float] = []
        self.lean: list[float] = []
        self.folded: list[float] = []
        self.decoded: list[float] = []
        self.bare_decoded: list[float] = []
        flow = self.case.flow()
        self.engine = Engine.open(url, flows=[flow], settings=ground.settings)
        self.run_id = self.engine.start(flow).id
        self.conn = psycopg.connect(url, autocommit=True)
        self.case.resume(self.engine, self.run_id)

    def round(self) -> None:
        self.read.append(self._select(ROWS))
        self.resumed.append(self.case.resume(self.engine, self.run_id))
        self.lean.append(self._select(LEAN))
        began = time.perf_counter()
        with Engine.open(self.url, flows=[self.case.flow()], settings=self.ground.settings) as engine:
            self.case.resume(engine, self.run_id)
        self.cold.append(self.case.reached - began)
        self._fold()

    def _select(self, query: str) -> float:
        cursor = psycopg.RawCursor(self.conn)
        began = time.perf_counter()
        rows = cursor.execute(query, [self.run_id], binary=True, prepare=True).fetchall()
        took = time.perf_counter() - began
        assert len(rows) == self.case.written(), (len(rows), self.case.written())
        return took

    def _fold(self) -> None:
        """By this thread's CPU time: nothing here waits for anybody."""
        with Session(self.url, self.ground.settings) as session:
            columns = session.perform(lambda: log.read_columns(self.run_id)).upto(self.case.records)
        compiled = self.engine.app.compiled(self.case.flow())
        with quiet():
            for _ in range(FOLDS):
                held = Held(compiled, Head(self.run_id, self.case.records))
                began = time.thread_time()
                held.load(columns)
                self.folded.append(time.thread_time() - began)
                began = time.thread_time()
                for facts in columns.facts:
                    decode_facts(facts)
                self.decoded.append(time.thread_time() - began)
                began = time.thread_time()
                for facts in columns.facts:
                    orjson.loads(facts)
                self.bare_decoded.append(time.thread_time() - began)

    def close(self) -> None:
        self.conn.close()
        self.engine.close()
