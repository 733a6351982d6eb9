"""`LawBroken`, and the laws by name."""

from __future__ import annotations

from types import MappingProxyType
from typing import NoReturn

LAWS = MappingProxyType({
    # the log
    "gapless": "The versions of a run's records follow each other from 1: none is missing, none is there twice.",
    "one writer": "Epochs never fall, a newer one begins with the claim that made it, and nothing is written by an older.",
    "foldable": "What is stored can be read and folded.",
    "moves": "A record makes a move that the machine has.",
    "acknowledged": "What an owner was told is durable stands in the log.",
    "fold equals live": "A fresh fold of the stored bytes is the live state, counters and ready set included.",
    "snapshot": "A state that was laid down is, taken up again, the state that it was.",
    "messages once": "A message leaves the inbox with the record of its acceptance, and is accepted once.",
    "timers": "A timer goes off once, not before its time, and what waits for it is not started before.",
    # forward
    "intent before effect": "Code is called while the intent of just that attempt is durable and has no outcome.",
    "one call an intent": "An intent is good for one call.",
    "keys": "The idempotency key is the same for all attempts of an execution, and no other call's.",
    "outcome of an intent": "An outcome is that of the attempt under way; else a probe, a person or a recovery tells it.",
    "outcome before dependents": "Nothing is started before all that it waits for has come to an end that lets it.",
    "started once": "Each attempt is begun once, attempts count on from 1, and no execution's number is used twice.",
    "attempts": "An execution is tried as often as its RetryPolicy allows, and no more.",
    "order": "Of what may be begun that of larger priority is, then that of the earlier place; in reverts the later.",
    "capacity": "No more calls are under way than there may be.",
    "recovery": "What became UNKNOWN goes on as its recovery says: again, skipped, as its probe or a person tells.",
    "elements": "A fan-out runs the elements of the list it has read, all of them and no others.",
    "providers": "What takes the result of something that did not succeed is passed by, or takes its default, and says so.",
    "closed flow": "Nothing is started in a flow whose retry is being asked, or that is being undone.",
    # failures
    "right retry": "The nearest enclosing retry is asked about a failure, once, and the next one outward after it gave up.",
    "retry's answer": "What is done about a retry's answer is what the answer means.",
    "history": "A retry is shown its own tries and their failures, and those of no earlier life.",
    "retry scope": "A RETRY comes when all behind the retry is undone, and leaves its flow as if it had never run.",
    "never resolve": "The failures of a run that is never to resolve them are not resolved.",
    "group": "The verdict over a group or fan-out is what its policy makes of its members, and comes before what is begun.",
    "group spares": "When a member of a group fails the rest of it is passed by; all others too, if that decides it.",
    "decider": "A refusal is as wide as the widest of those that refused, and ignores just what that depth reaches.",
    # back
    "without need": "Something is reverted only while the run, or a flow around it, is being undone.",
    "siblings finish": "Nothing is reverted as long as code of the same scope is still under way.",
    "never started": "Nothing is reverted that never started.",
    "once per execution": "An execution is reverted at most once.",
    "reverse order": "Something is reverted only when all that waited for it is undone.",
    "compensation": "What a revert came to is what the atom declares about its compensation.",
    # the end
    "nothing after the end": "A run that is over stays so, unless a person wants something else of it.",
    "end state": "The state in which a run ends is what its atoms say; nothing is left open, or under way where it rests.",
    "progress": "A run at rest has come to its end, or waits for a time or a person.",
    # the counters
    "counters": "The counters and lists of a state are what can be counted.",
    "ready set": "The heap of what is next holds what may be started.",
    # effects, and runs compared
    "calls allowed by recovery": "Each call of the outside has an intent of its own, and what succeeded was called.",
    "transactional": "What a transactional task writes is there once if, and only if, its success is recorded.",
    "crashes change nothing": "End state, results and effects do not depend on where the crashes fell.",
    "shells agree": "The blocking, the asyncio and the simulated shell come to the same.",
    "model agrees": "The engine comes to what the text says, as the model has it.",
    "cost": "The cost of a transition does not grow with the flow.",
})  # fmt: skip
"""Name -> what has to hold, in one sentence."""


class LawBroken(AssertionError):
    """Something does not hold: `law` is its name in LAWS, `detail` says of what, and what was found."""

    def __init__(self, law: str, detail: str) -> None:
        super().__init__(f"law {law!r}: {detail}")
        self.law = law
        self.detail = detail


def broken(law: str, detail: str) -> NoReturn:
    """Raise LawBroken. KeyError for a law that does not exist."""
    LAWS[law]
    raise LawBroken(law, detail)
