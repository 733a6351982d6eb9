"""How much is measured: in full, quickly, or only to see that it works."""

from __future__ import annotations

import attrs


@attrs.frozen
class Sizes:
    """One number for each thing that can be made smaller.

    ``rounds``             interleaved rounds of each figure
    ``steps``              tasks of the linear flow that runs blocking
    ``runs, run_steps``    runs at once, and tasks of each
    ``writers, batches``   processes that append, batches of 100 records of each
    ``scale``              sizes of the flows that must cost the same per task, ascending
    ``again``              how often each but the largest of these is measured
    ``resume``             records of the run that is resumed
    ``resume_line``        records of a short and a long run, which must cost the same per record
    ``tail``               appends, in all, of the writers whose log is followed
    ``tries``              how often a retry tries its flow again, and tasks of that flow
    ``elements``           of the fan-out that is timed, and of the one whose memory is measured
    ``graph``              nodes and links of the graph flow that is compiled
    """

    rounds: int = 5
    steps: int = 1_000
    runs: int = 500
    run_steps: int = 10
    writers: int = 8
    batches: int = 100
    scale: tuple[int, ...] = (1_000, 10_000, 100_000)
    again: int = 5
    resume: int = 10_000
    resume_line: tuple[int, int] = (5_000, 20_000)
    tail: int = 50_000
    tries: tuple[int, int] = (1_000, 10)
    elements: tuple[int, int] = (10_000, 100_000)
    graph: tuple[int, int] = (10_000, 40_000)


FULL = Sizes()
QUICK = Sizes(rounds=3, batches=40, again=3, tail=10_000)
TINY = Sizes(
    rounds=1, steps=20, runs=5, run_steps=3, writers=2, batches=2, scale=(5, 10, 20), again=1, resume=50,
    resume_line=(30, 60), tail=80, tries=(10, 3), elements=(20, 40), graph=(50, 100),
)  # fmt: skip
