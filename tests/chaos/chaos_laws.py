"""What has to hold of the log by itself, whatever was done to the processes: {name: check}."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise

from chaos_books import Books, Life, Step

Check = Callable[[Books], Iterator[str | None]]
"""Yields once for each thing that is checked: None, or what is wrong with it."""

STATES = ("run.running", "run.waiting", "run.suspending", "run.suspended", "run.reverting", "run.success", "run.reverted")
ENDS = ("run.success", "run.reverted")
TASKS = ("check", "reserve", "charge", "ship", "notify")
INTENTS = {"task.running": "execute", "task.reverting": "revert"}
UNKNOWN = {"task.unknown": "execute", "task.revert_unknown": "revert"}
ROLLED_BACK = {"task.waiting": "execute", "task.revert_failure": "revert"}
"""A transactional task whose transaction the server broke off is begun again: nothing of it is there."""
TRANSACTIONAL = "reserve"
OUTCOMES = {
    "task.success": "execute", "task.failure": "execute", "task.reverted": "revert", "task.revert_failure": "revert",
}  # fmt: skip
Way = tuple[str | None, str]
"""A task and a direction."""


def state_of(life: Life) -> str:
    """The last that was said of the run's state."""
    return next((step.type for step in reversed(life.steps) if step.type in STATES), "none")


def ended(books: Books) -> Iterator[str | None]:
    for life in books.lives.values():
        state = state_of(life)
        yield None if state in ENDS else f"run {life.run}: is at {state}"


def one_run(books: Books) -> Iterator[str | None]:
    """Of those orders that have any: files of which no command got as far as its runs have none."""
    for order_id, count in Counter(life.order_id for life in books.lives.values()).items():
        yield None if count == 1 else f"order {order_id}: has {count} runs"


def acknowledged(books: Books) -> Iterator[str | None]:
    by_order = {life.order_id: life for life in books.lives.values()}
    for told in books.journal:
        if "wave" in told:
            yield from (_has_a_run(order_id, by_order) for order_id in books.files[told["wave"]])
        elif "order" in told:
            life = by_order.get(told["order"])
            yield None if life and life.run == told["run"] else f"order {told['order']}: its run {told['run']} is not there"
        else:
            yield _stands_at(books, told["run"], told["version"], told["state"])


def _has_a_run(order_id: int, by_order: dict[int, Life]) -> str | None:
    return None if order_id in by_order else f"order {order_id}: its file was said to be done, and it has no run"


def _stands_at(books: Books, run: str, version: int, state: str) -> str | None:
    life = books.lives.get(run)
    if life is None or len(life.steps) < version:
        return f"run {run}: was said to be {state} at version {version}, which is not there"
    said = [step.type for step in life.steps[:version] if step.type in STATES]
    last = said[-1] if said else "nothing"
    return None if last == f"run.{state.lower()}" else f"run {run}: was said to be {state} at {version}, not {last}"


def gapless(books: Books) -> Iterator[str | None]:
    heads = {run: version for run, version, _, _ in books.streams}
    for run in dict.fromkeys((*books.lives, *heads)):
        versions = [step.version for step in books.lives[run].steps] if run in books.lives else []
        whole = versions == list(range(1, len(versions) + 1)) and heads.get(run) == len(versions)
        yield None if whole else f"run {run}: versions {versions}, its head says {heads.get(run)}"


def positions(books: Books) -> Iterator[str | None]:
    met = Counter(step.position for life in books.lives.values() for step in life.steps)
    for life in books.lives.values():
        grow = all(one.position < other.position for one, other in pairwise(life.steps))
        alone = all(met[step.position] == 1 for step in life.steps)
        yield None if grow and alone else f"run {life.run}: positions {[step.position for step in life.steps]}"


def epochs(books: Books) -> Iterator[str | None]:
    """They never fall, and grow with each claim: what a stale owner had in hand is in no stream."""
    heads = {run: epoch for run, _, epoch, _ in books.streams}
    for life in books.lives.values():
        for one, other in pairwise(life.steps):
            fine = one.epoch < other.epoch if other.type == "run.claimed" else one.epoch == other.epoch
            yield None if fine else f"run {life.run} version {other.version}: epoch {other.epoch} after {one.epoch}"
        last = max((step.epoch for step in life.steps), default=0)
        if heads.get(life.run, 0) < last:
            yield f"run {life.run}: epoch {last} in the log, {heads.get(life.run)} in its head"


def intents(books: Books) -> Iterator[str | None]:
    """Each outcome has an intent that is open; nothing is begun twice but what was unknown, or rolled back, meanwhile."""
    for life in books.lives.values():
        open: set[Way] = set()
        begun: set[Way] = set()
        unknown: set[Way] = set()
        for step in life.steps:
            yield from _intent(life, step, open, begun, unknown)
        if open:
            yield f"run {life.run}: begun and never settled: {open}"


def _intent(life: Life, step: Step, open: set[Way], begun: set[Way], unknown: set[Way]) -> Iterator[str | None]:
    told = f"run {life.run} version {step.version}: {step.type} of {step.task}"
    if step.type in INTENTS:
        way = (step.task, INTENTS[step.type])
        again = way in begun and way not in unknown
        yield f"{told}: begun again, and it was not unknown" if again or way in open else None
        open.add(way)
        begun.add(way)
        unknown.discard(way)
        return
    rolled_back = step.type in ROLLED_BACK and step.task == TRANSACTIONAL and "cause" in step.facts
    settles = ROLLED_BACK if rolled_back else UNKNOWN | OUTCOMES
    if step.type in settles:
        way = (step.task, settles[step.type])
        yield None if way in open else f"{told}: it had not been begun"
        open.discard(way)
        if rolled_back or step.type in UNKNOWN:
            unknown.add(way)


def forward_then_back(books: Books) -> Iterator[str | None]:
    """Tasks begin in their order, each after the one before has succeeded, none once the run reverts; a success has all."""
    for life in books.lives.values():
        done: list[str | None] = []
        reverting = False
        for step in life.steps:
            reverting = reverting or step.type == "run.reverting"
            if step.type == "task.running":
                before = list(TASKS[: TASKS.index(step.task)]) if step.task in TASKS else None
                yield None if done == before and not reverting else f"run {life.run}: {step.task} began after {done}"
            elif step.type == "task.success":
                done.append(step.task)
            elif step.type == "run.success":
                yield None if done == list(TASKS) else f"run {life.run}: is said to have succeeded after {done}"


def reverts(books: Books) -> Iterator[str | None]:
    """At most once each, the last that ran first, and all that had begun."""
    for life in books.lives.values():
        undone = [step.task for step in life.of("task.reverted")]
        began = {step.task for step in life.of("task.running")}
        right = [task for task in reversed(TASKS) if task in began] if life.of("run.reverted") else []
        yield None if undone == right else f"run {life.run}: {undone} were reverted, not {right}"


def after_the_end(books: Books) -> Iterator[str | None]:
    """One end, but that a run that has succeeded may be reverted."""
    for life in books.lives.values():
        ends = [step.type for step in life.steps if step.type in ENDS]
        fine = ends in (["run.success"], ["run.reverted"], ["run.success", "run.reverted"])
        yield None if fine else f"run {life.run}: its ends are {ends}"


def messages(books: Books) -> Iterator[str | None]:
    met = Counter(step.facts["message"] for life in books.lives.values() for step in life.of("message.accepted"))
    for message, count in met.items():
        yield None if count == 1 else f"message {message}: accepted {count} times"


def nothing_left(books: Books) -> Iterator[str | None]:
    """Who was killed as he looked at a run that was over may still stand beside it, with a lease that has run out."""
    for run, _, _, owner in books.streams:
        yield None if owner is None else f"run {run}: is still owned by {owner}"
    for run, message in books.waiting:
        yield f"run {run}: message {message} was never accepted"
    for run in books.timers:
        yield f"run {run}: has a timer"


def read_model(books: Books) -> Iterator[str | None]:
    for run in dict.fromkeys((*books.lives, *books.states)):
        told = state_of(books.lives[run]) if run in books.lives else "nothing"
        state = f"run.{books.states.get(run, 'none').lower()}"
        yield None if state == told else f"run {run}: {state} in the table, {told} in the log"


LAWS: dict[str, Check] = {
    "every run in one terminal state": ended,
    "one run an order": one_run,
    "nothing acknowledged is lost": acknowledged,
    "versions without gaps, heads equal": gapless,
    "positions grow, and are unique": positions,
    "epochs never fall, grow with a claim": epochs,
    "intent before outcome, again if unknown": intents,
    "each task after the one before it": forward_then_back,
    "reverted once, in reverse order": reverts,
    "nothing after the end": after_the_end,
    "messages accepted once": messages,
    "no living owner, no message, no timer": nothing_left,
    "the table of runs equals the log": read_model,
}
