"""One run on the stage, from its start to its end, through as many crashes as it is told to suffer."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import attrs

from ...engine.core.states import RunState
from ...engine.runtime.engine import Engine
from ...engine.runtime.views import AtomView, Run
from ...errors import SagalogError, UnknownRun
from ..ledger import Ledger
from .person import Question, answer, questions
from .picture import Picture, impersonal, keys_of
from .stage import Deed, Stage
from .watch import Seen

ROUNDS = 100
"""How often a person is asked about one run, at most."""


@attrs.define
class Played:
    """A run that was played. `points`: where it was struck. `broken`: why it could not be brought to its end.

    `asked`: the questions a person was asked. `wrong`: what the user's check found.
    """

    id: UUID
    lives: list[Seen] = attrs.field(factory=list)
    asked: list[Question] = attrs.field(factory=list)
    run: Run | None = None
    picture: Picture | None = None
    broken: str | None = None
    wrong: str | None = None

    @property
    def struck(self) -> list[Seen]:
        """The lives that ended before their time."""
        return [seen for seen in self.lives if seen.killed is not None]


class Story:
    """What is done with a run: brought to its end ("run"), or, when that is reached, undone ("revert")."""

    def __init__(
        self,
        stage: Stage,
        back: bool,
        check: Callable[[Run, Ledger | None], object] | None,
        effects: Callable[[Run], Any] | None,
    ) -> None:
        self.stage = stage
        self.back = back
        self.check = check
        self.effects = effects
        self.unharmed: Mapping[str, AtomView] = {}

    def play(self, strikes: Sequence[int]) -> Played:
        """A new run, struck down at the points of these numbers, one in each life, and then let live."""
        stage = self.stage
        played = Played(stage.engine.new_id())
        mark = 0 if stage.ledger is None else stage.ledger.count()
        try:
            self._live(played, strikes)
        except SagalogError:
            if not strikes:
                raise  # nobody harmed it: the user's own error
            played.broken = traceback.format_exc(limit=-1).strip().splitlines()[-1]
            return played
        played.run = run = stage.state(played.id)
        outside = None if self.effects is None else self.effects(run)
        keys = stage.engine.perform(lambda: keys_of(played.id))
        played.picture = Picture.of(run, played.lives, impersonal(played.id, keys), outside)
        played.wrong = self._checked(run, None if stage.ledger is None else stage.ledger.since(mark))
        return played

    def _live(self, played: Played, strikes: Sequence[int]) -> None:
        stage, run = self.stage, played.id
        if self.back:
            before = stage.live(run, self._forth, None, resumed=False)
        for place, at in enumerate([*strikes, None]):
            played.lives.append(stage.live(run, self._deed, at, resumed=place > 0))
        for _ in range(ROUNDS):
            asked = questions(stage.engine, run)
            if not asked:
                break
            played.asked += asked
            played.lives.append(stage.live(run, partial(self._answer, asked, tuple(played.lives)), None, resumed=True))
        if self.back:
            played.lives.insert(0, before)

    @property
    def _deed(self) -> Deed:
        return self._back if self.back else self._forth

    def _forth(self, engine: Engine, run: UUID) -> None:
        try:
            engine.resume(run, raises=False)
            return
        except UnknownRun:  # it died before anything of it was recorded, or has not begun at all
            pass
        engine.run(self.stage.flow, self.stage.inputs, run_id=run, raises=False, **self.stage.options)

    def _answer(self, asked: list[Question], lives: Sequence[Seen], engine: Engine, run: UUID) -> None:
        for question in asked:
            answer(engine, run, question, lives, self.unharmed)
        self._deed(engine, run)

    def _back(self, engine: Engine, run: UUID) -> None:
        if engine.state(run).state is RunState.SUCCESS:
            engine.revert(run, reason="the crash kit has it undone", by="crash-kit")
        else:
            engine.resume(run, raises=False)

    def _checked(self, run: Run, ledger: Ledger | None) -> str | None:
        """What the user's check has to say against the run; None: nothing."""
        if self.check is None:
            return None
        try:
            answer = self.check(run, ledger)
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as error:  # what pytest.fail raises is no Exception
            return f"{type(error).__name__}: {error}" if str(error) else _where(error)
        return "it returned False" if answer is False else None


def _where(error: BaseException) -> str:
    """An error that has no words of its own: the line that it comes from."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {Path(last.filename).name}, line {last.lineno}: {last.line}".rstrip(": ")
