"""One run from its beginning to its end, one call at a time, in the order of the blocking shell (law 9).

Questions (what a retry makes of a failure, what a decider says) take no place: they stand in line beside the one call
that is being made. Undoing goes before doing; of several candidates the larger priority goes first, then the place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from functools import partial
from itertools import count
from typing import Any, NamedTuple

from sagalog.engine.definition.each import Each
from sagalog.engine.definition.flow import Flow, linear
from sagalog.engine.definition.resultset import ResultSet
from sagalog.engine.definition.retry import Retry
from sagalog.errors import Failure, FlowError, GroupFailed

from .calling import call, delay, tried
from .deciding import ask_deciders
from .failing import Failing
from .lookup import NOWHERE, arguments, find, results
from .tree import Branch, Element, Leaf, Node
from .undoing import undone

Job = Callable[[], None]


class Ending(NamedTuple):
    """How a run ended: its state; {atom name: (state, execution)}, elements as "name[i]"; {provided name: value}; each
    call of an execute or a revert, (atom name, execution, direction), in order.
    """

    state: str
    atoms: dict[str, tuple[str, int]]
    results: dict[str, Any]
    effects: list[tuple[str, int, str]]


def interpret(flow: Any, inputs: Mapping[str, Any] | None = None, *, conn: Any = None, **options: bool) -> Ending:
    """Run the flow (or a bare task) with the options of `Engine.run`: defer_reverts, never_resolve."""
    whole = flow if isinstance(flow, Flow) else linear(flow.name).add(flow)
    return Run(Branch(whole, None, count()), dict(inputs or {}), conn, **options).to_the_end()


class Run(Failing):
    """The flow's tree with its state in the leaves, and the loop that moves it."""

    def __init__(
        self, root: Branch, inputs: dict[str, Any], conn: Any, defer_reverts: bool = True, never_resolve: bool = False
    ) -> None:
        super().__init__(root, defer_reverts, never_resolve)
        self.inputs = inputs
        self.conn = conn
        self.nodes = list(root.nodes())
        self.effects: list[tuple[str, int, str]] = []
        self.now, self.waits = 0.0, 0
        self.doors: deque[Node] = deque()  # items whose deciders are to be asked
        self.deciding = False
        self.line: deque[Job] = deque()

    def to_the_end(self) -> Ending:
        while True:
            while self.round():
                pass
            if self.line:
                self.line.popleft()()
            elif not self.wake():
                return self.ending()

    def round(self) -> bool:
        """One look at what is to be decided, asked, and called; whether there was anything."""
        before = len(self.line)
        self.line += self.asked_deciders()
        judged = not self.stopped and self.judge()
        moved = self.settle()
        self.line += self.asked_retries()
        # Nothing is begun while a group is to be judged: that might have to undo it.
        return judged or self.begin() or moved or len(self.line) > before

    def ending(self) -> Ending:
        seen = {leaf.name: (leaf.state, leaf.execution) for leaf in self.everything()}
        return Ending(self.state(), seen, results(self.root), self.effects)

    def everything(self) -> list[Leaf]:
        """All atoms, each fan-out with its elements."""
        return [each for leaf in self.leaves for each in (leaf, *leaf.elements)]

    def state(self) -> str:
        """What the run is at its end. Something stands if it succeeded, or could not be undone."""
        if self.stopped:
            return "FAILURE"
        if not (self.reverting or self.given_up):
            return "SUCCESS"
        stands = self.irreversible or any(leaf.state == "SUCCESS" for leaf in self.leaves)
        return "REVERTED_PARTLY" if stands else "REVERTED"

    # --- what follows of itself ---------------------------------------------------------------------------------------

    def settle(self) -> bool:
        """What else needs no code: reverts without a call, flows of which nothing is left to undo."""
        moved = False
        while not self.stopped and (self.undo_silently() or self.give_up()):
            moved = True
        return moved

    def undo_silently(self) -> bool:
        """Whether what is to be reverted next has no code for that: then it is done."""
        undo = [] if self.working else self.undoable()
        if not undo or (undo[0].code.has_revert and not undo[0].is_fan):
            return False
        self.undone_without_code(undo[0])
        return True

    def pass_by(self, leaf: Leaf) -> bool:
        """Ignore an atom whose turn it is if what it needs will never be there: its only provider was ignored (§1)."""
        lacks = self.lacks(leaf)
        if lacks:
            self.ignore([leaf])
        return lacks

    def lacks(self, leaf: Leaf) -> bool:
        wanted = list(leaf.atom.plan.execute.bindings)
        if isinstance(leaf.atom, Each):
            wanted.append(leaf.atom.over)
        return any(not bound.optional and self.find(leaf, bound.name) is NOWHERE for bound in wanted)

    def find(self, leaf: Leaf, name: str) -> Any:
        return find(leaf, name, self.inputs, self.nodes)

    # --- questions ----------------------------------------------------------------------------------------------------

    def asked_deciders(self) -> Iterator[Job]:
        """The deciders before each item whose turn it is, once; one item after the other."""
        for node in self.nodes:
            if node.deciders and not node.asked and not self.decided(node) and self.reached(node, itself=False):
                node.asked = True
                self.doors.append(node)
        if self.doors and not self.deciding and not self.working:
            self.deciding = True
            yield lambda: ask_deciders(self, self.doors.popleft())

    def asked_retries(self) -> Iterator[Job]:
        """Each matter that a retry is to be asked about, once."""
        for node in self.nodes:
            if isinstance(node, Branch) and node.retry and (matter := self.to_be_asked(node)):
                yield partial(self.consult, node.retry, matter)

    def consult(self, retry: Leaf, about: Any) -> None:
        """Ask a retry about a failure; what raises, or is no answer, leaves it to a person (§3)."""
        if self.stopped or not self.still_asked(retry, about):
            return
        answer, _ = tried(lambda: self.call(retry, "on_failure"))
        self.answered(retry, about, answer)

    # --- calls --------------------------------------------------------------------------------------------------------

    def begin(self) -> bool:
        """Begin the call that is next: to undo, else to try again, else something new. Whether anything was done."""
        if self.working or self.stopped:
            return False
        if undo := self.undoable():
            self.make(undo[0], "REVERTING", self.revert)
        elif again := [region.flow.retry for region in self.outermost() if undone(region) and region.flow.retry]:
            retry = min(again, key=lambda leaf: leaf.order)
            self.begin_anew(retry)
            self.start(retry)
        elif overdue := [leaf for leaf in self.waiting() if leaf.due[0] <= self.now and self.free(leaf)]:
            self.make(overdue[0], "RUNNING", self.attempt)
        elif self.reading or not (ready := self.ready()):
            return False
        else:
            while ready and not self.to_be_judged() and self.pass_by(ready[0]):
                ready = self.ready()
            if ready and not self.to_be_judged():
                self.start(ready[0])
        return True

    def ready(self) -> list[Leaf]:
        """What may be started, the next one first: atoms, and elements of the fan-outs that are running."""
        found = [leaf for leaf in self.leaves if self.may_start(leaf)]
        running = [leaf for leaf in self.leaves if leaf.is_fan and leaf.state == "RUNNING" and self.free(leaf)]
        found += [element for fan in running if not lost(fan) for element in fan.elements if element.state == "PENDING"]
        return sorted(found, key=lambda leaf: leaf.order)

    def waiting(self) -> list[Leaf]:
        """What waits for its next attempt, the first that is due first."""
        return sorted((leaf for leaf in self.everything() if leaf.state == "WAITING"), key=lambda leaf: leaf.due)

    def wake(self) -> bool:
        """Nothing else can be done: time passes until the next attempt is due, if there is one."""
        waiting = [] if self.stopped else self.waiting()
        self.now = max([self.now, *(leaf.due[0] for leaf in waiting[:1])])
        return bool(waiting)

    def make(self, leaf: Leaf, state: str, call: Callable[[Leaf], None]) -> None:
        """Have a call made: it stands in line behind the questions that came up before."""
        leaf.state = state
        if isinstance(leaf, Element) and state == "REVERTING":
            leaf.fan.state = state
        under_way = self.reading if leaf.is_fan else self.working
        under_way.add(leaf)

        def job() -> None:
            under_way.remove(leaf)
            call(leaf)

        self.line.append(job)

    def start(self, leaf: Leaf) -> None:
        """A new execution of an atom."""
        leaf.execution = leaf.fan.execution if isinstance(leaf, Element) else leaf.execution + 1
        leaf.attempt = 0
        self.make(leaf, "RUNNING", self.open if leaf.is_fan else self.attempt)

    def attempt(self, leaf: Leaf) -> None:
        """Call execute, and again where the task's policy says so."""
        leaf.attempt += 1
        leaf.value, error = tried(lambda: self.call(leaf, "execute"))
        if error is None:
            self.succeeded(leaf)
            return
        wait = None if self.decided(leaf) else delay(leaf, error)
        if wait is None:
            self.failed(leaf, Failure.of(error, leaf.name))
        elif wait or not self.free(leaf):
            self.waits += 1
            leaf.state, leaf.due = "WAITING", (self.now + wait, self.waits)
        else:
            self.make(leaf, "RUNNING", self.attempt)

    def succeeded(self, leaf: Leaf) -> None:
        leaf.state = "SUCCESS"
        if isinstance(leaf.atom, Retry):
            leaf.history.append((deepcopy(leaf.value), {}))
        if isinstance(leaf, Element):
            self.judge_fan(leaf.fan)

    def failed(self, leaf: Leaf, failure: Failure) -> None:
        leaf.state, leaf.failure = "FAILURE", failure
        self.all_failures[leaf.name] = failure
        if isinstance(leaf, Element):
            self.judge_fan(leaf.fan)
        else:
            self.escalate(leaf, {leaf.name: failure})

    def revert(self, leaf: Leaf) -> None:
        """Call revert. One that raises stops the run: no further revert is started (§3)."""
        _, error = tried(lambda: self.call(leaf, "revert"))
        if error is None:
            self.reverted(leaf)
        else:
            leaf.state, self.stopped = "REVERT_FAILURE", True

    def call(self, leaf: Leaf, kind: str) -> Any:
        """Call execute, revert or on_failure of an atom, with the arguments that are found for it."""
        wanted = leaf.atom.plan.call(kind)
        looked_up = arguments(leaf, wanted.bindings if wanted else (), self.inputs, self.nodes)
        if kind != "on_failure":
            self.effects.append((leaf.name, leaf.execution, kind))
        return call(leaf, kind, looked_up, self.conn, dict(self.all_failures))

    # --- fan-outs -----------------------------------------------------------------------------------------------------

    def open(self, fan: Leaf) -> None:
        """Read the list of a fan-out: one element for each of what is in it (§5)."""
        assert isinstance(fan.atom, Each)
        if self.decided(fan):
            return  # it is not wanted any more
        items = self.find(fan, fan.atom.over.name)
        if (wrong := no_list(fan, items)) is not None:
            self.failed(fan, Failure.of(FlowError(f"fan-out {fan.name!r}: {wrong}"), fan.name))
            return
        fan.elements = [Element(fan, index, item) for index, item in enumerate(items)]
        self.judge_fan(fan)

    def judge_fan(self, fan: Leaf) -> None:
        """Once all elements are done, or it is lost and nothing of it is under way: what its policy says (§5)."""
        assert isinstance(fan.atom, Each)
        states = [element.state for element in fan.elements]
        policy, ok, errors = fan.atom.outcome, states.count("SUCCESS"), states.count("FAILURE")
        if fan.state != "RUNNING" or "WAITING" in states or ("PENDING" in states and not policy.lost(errors)):
            return
        if policy.verdict(ok, errors) or (not states and fan.atom.on_empty == "ok"):
            self.succeeded(fan)
        else:
            said = f"{errors} of {len(states)} elements failed and {ok} succeeded, which {policy} takes for a failure"
            self.failed(fan, Failure.of(GroupFailed(said), fan.name))


def lost(fan: Leaf) -> bool:
    """Whether a fan-out can only fail."""
    assert isinstance(fan.atom, Each)
    return fan.atom.outcome.lost(sum(element.state == "FAILURE" for element in fan.elements))


def no_list(fan: Leaf, items: Any) -> str | None:
    """Why a fan-out cannot go over it; None where it can. A failed element's value is never handed out as a value."""
    assert isinstance(fan.atom, Each)
    over = fan.atom.over.name
    if not isinstance(items, list | tuple | ResultSet):
        return f"{over!r} must be a list or a tuple; found {type(items).__name__}"
    for place, item in enumerate(items):
        if isinstance(item, Failure):
            return f"element {place} of {over!r} is the failure of {item.atom!r}; take its successes"
    return None
