"""Every error that sagalog raises by name, and `Failure`, the description of what went wrong in an atom.

A `Failure` is data: it is stored, read back and matched by recorded class names. The exception itself is
never stored and never rebuilt; while the process that saw it lives, `Failure.exception` still holds it.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, TypeAlias
from uuid import UUID

import attrs

MESSAGE_LIMIT = 4_000
"""Characters kept of one message."""
TRACEBACK_LIMIT = 16_000
"""Characters kept of the traceback of a failure; each of its causes keeps a quarter of that."""
CAUSE_DEPTH = 8
"""How many levels of causes are kept below a failure."""
CAUSE_COUNT = 24
"""How many causes are kept below a failure, all levels together."""

ExceptionClass: TypeAlias = type[BaseException]


class SagalogError(Exception):
    """Anything that sagalog itself refuses or reports; the base of every error on this page.

    `run` is the run it is about, where several were gone on with at once.
    """

    run: UUID | None = None


class FlowError(SagalogError):
    """A flow is put together wrongly; found before anything runs."""


class DuplicateName(FlowError):
    """Two atoms of one flow bear the same name."""


class CycleError(FlowError):
    """The atoms of a graph would have to wait for each other."""


class MissingArgument(FlowError):
    """An atom asks for something that neither inputs nor any earlier atom provide."""


class AmbiguousDependency(FlowError):
    """Two providers of the same name are equally near."""


class UnknownSource(FlowError):
    """A flow names an atom or a provided name that it does not have."""


class NotStorable(SagalogError):
    """A value that the codec cannot keep without loss.

    `path` says where it stands ("result.items[3].price"), `type` what was found there; `why` is for what is
    wrong with a value of a storable type (it contains itself, it nests too deeply).
    """

    def __init__(self, path: str, type: str, why: str = "", advice: str = "") -> None:
        super().__init__(path, type, why, advice)
        self.path = path
        self.type = type
        self.why = why
        self.advice = advice or "register it (sagalog.codec.register) or return a type that is storable"

    def __str__(self) -> str:
        because = f": {self.why}" if self.why else ""
        return f"{self.path}: {self.type} is not storable{because}; {self.advice}"


class ValueTooLarge(SagalogError):
    """A value whose stored form has more bytes than the limit allows.

    `size` and `limit` are bytes; `at_least`: counting stopped at `size`.
    """

    def __init__(self, path: str, size: int, limit: int, at_least: bool = False) -> None:
        super().__init__(path, size, limit, at_least)
        self.path = path
        self.size = size
        self.limit = limit
        self.at_least = at_least

    def __str__(self) -> str:
        return (
            f"{self.path}: takes {'at least ' * self.at_least}{self.size:,} bytes when stored, the limit is "
            f"{self.limit:,}; keep the data elsewhere and store a reference to it, or raise SAGALOG_VALUE_LIMIT"
        )


class Conflict(SagalogError):
    """Somebody else has appended first, or holds a key that was to be claimed."""


class LeaseHeld(SagalogError):
    """The run belongs to a worker that is alive."""


class Fenced(SagalogError):
    """This process has lost the run to another one, and has written nothing since."""


class DefinitionChanged(SagalogError):
    """The flow at hand is not the one that the run was started with."""


class UnknownRun(SagalogError):
    """No run has this id, or several begin with it."""


class SchemaMismatch(SagalogError):
    """The tables in the database are older or newer than this code."""


class StoreUnavailable(SagalogError):
    """The database cannot be reached, or does not accept what it must."""


class UsageError(SagalogError):
    """A mistake in how sagalog was called or set up; the command line ends with 2."""


class CorruptLog(SagalogError):
    """Stored bytes are not what this code, or any version before it, has written."""


class AttemptTimeout(SagalogError, TimeoutError):
    """One attempt of a task took longer than it may.

    `seconds` is what it was given; `ending` what became of its code: "cancelled" (a coroutine), "terminated" (a
    process), or "abandoned" (a thread, which cannot be stopped: the code may still be running, and nobody waits for it).
    """

    def __init__(self, seconds: float, ending: str) -> None:
        super().__init__(seconds, ending)
        self.seconds = seconds
        self.ending = ending

    def __str__(self) -> str:
        what = "its code was abandoned, and may still be running" if self.ending == "abandoned" else f"it was {self.ending}"
        return f"the attempt took longer than {self.seconds:g} s; {what}"


class ProcessDied(SagalogError):
    """The process in which a task's code ran has ended without an answer; how far the code came is not known.

    `code` is its exit code: negative for the signal that ended it; None: not known.
    """

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message, code)
        self.code = code

    def __str__(self) -> str:
        return str(self.args[0])


class OutcomeError(SagalogError):
    """A task has said by its result that it failed (`Outcome.error(content)`, `(False, content)`); never tried again."""

    def __init__(self, content: Any = None) -> None:
        super().__init__(content)
        self.content = content

    def __str__(self) -> str:
        return str(self.content) if self.content is not None else "the task answered that it failed"


class FailureError(SagalogError):
    """Raised for a `Failure` whose exception is no longer at hand."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure

    def __str__(self) -> str:
        return str(self.failure)


class GroupFailed(SagalogError):
    """The elements of a fan-out, by its outcome policy, failed as one."""


class FlowFailed(SagalogError):
    """A run ended otherwise than in SUCCESS; `failures` are those of its atoms, in the order they happened.

    `state` is the one it is in: REVERTED (what ran was undone), REVERTED_PARTLY or FAILURE. `reason` is what a person
    has to say before it can go on, where that is why.
    """

    def __init__(
        self, run_id: UUID, failures: Sequence[Failure], reason: str | None = None, state: str | None = None
    ) -> None:
        super().__init__(run_id, tuple(failures), reason, state)
        self.state = state
        self.run_id = run_id
        self.failures = tuple(failures)
        self.reason = reason

    def __str__(self) -> str:
        lines = [_brief(str(failure)) for failure in self.failures]
        if self.reason:
            lines.insert(0, self.reason)
        failed = f"failed and is {self.state}" if self.state else "failed"
        if len(lines) == 1:
            return f"run {self.run_id} {failed}: {lines[0]}"
        if not lines:
            return f"run {self.run_id} {failed}; no atom of it did"
        return "\n  ".join([f"run {self.run_id} {failed}:", *lines])


@attrs.frozen
class Failure:
    """What went wrong in an atom, as data.

    `type` is the qualified class name ("module.Class", builtins bare), `bases` those of the class and all its base
    classes but `object`, in method resolution order. `causes` are the exceptions behind it: the members of a
    group, then the one it was raised from. Bounded: `MESSAGE_LIMIT`, `TRACEBACK_LIMIT` (cut in the middle, saying how
    much is left out), `CAUSE_DEPTH`, `CAUSE_COUNT`. `exception` is the live one where this process still has it;
    it is neither compared nor stored nor pickled.
    """

    type: str
    bases: tuple[str, ...]
    message: str
    traceback: str = attrs.field(default="", repr=False)
    atom: str | None = None
    causes: tuple[Failure, ...] = ()
    exception: BaseException | None = attrs.field(default=None, eq=False, repr=False)

    @classmethod
    def of(cls, exc: BaseException, atom: str | None = None) -> Failure:
        """Describe an exception that atom `atom` raised; raises nothing, whatever the exception's `__str__` does."""
        return _Describer().describe(exc, atom, 0)

    def check(self, *candidates: ExceptionClass | str) -> ExceptionClass | str | None:
        """The first of `candidates` that the failure is an instance of, by recorded names, else None.

        A class matches its qualified name only; a text matches a qualified or a bare name.
        """
        for candidate in candidates:
            if isinstance(candidate, str):
                if any(candidate == name or candidate == name.rpartition(".")[2] for name in self.bases):
                    return candidate
            elif qualified_name(candidate) in self.bases:
                return candidate
        return None

    def reraise(self) -> NoReturn:
        """Raise the live exception, else `FailureError`."""
        if self.exception is not None:
            raise self.exception
        raise FailureError(self)

    def to_data(self) -> dict[str, Any]:
        """A plain dict of str, None, list and dict, from which `from_data` makes an equal failure."""
        return {
            "type": self.type,
            "bases": list(self.bases),
            "message": self.message,
            "traceback": self.traceback,
            "atom": self.atom,
            "causes": [cause.to_data() for cause in self.causes],
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Failure:
        """What `to_data` gave; unknown keys are passed over, missing or wrong ones raise CorruptLog."""
        return _from_data(data, 0)

    def __str__(self) -> str:
        where = f"{self.atom}: " if self.atom else ""
        return f"{where}{self.type}: {self.message}" if self.message else f"{where}{self.type}"

    def __reduce__(self) -> tuple[Callable[[dict[str, Any]], Failure], tuple[dict[str, Any]]]:
        return Failure.from_data, (self.to_data(),)


def qualified_name(cls: type) -> str:
    """The name by which a class is recorded: "module.Class", builtins bare.

    A class of the module that was started with `python -m` is recorded under the module's own name, so that a run
    that was started so and is resumed by another program still matches it.
    """
    module = cls.__module__
    if module == "builtins":
        return _printable(cls.__qualname__)
    if module == "__main__":
        spec = getattr(sys.modules.get("__main__"), "__spec__", None)
        module = spec.name if spec is not None else module
    return _printable(f"{module}.{cls.__qualname__}")


def class_names(cls: type) -> tuple[str, ...]:
    """The qualified names of a class and its bases but `object`, in method resolution order."""
    return tuple(qualified_name(base) for base in cls.__mro__ if base is not object)


class _Describer:
    """One walk over an exception and what is behind it; knows what it has met and how many causes it may still add."""

    def __init__(self) -> None:
        self.met: set[int] = set()
        self.left = CAUSE_COUNT

    def describe(self, exc: BaseException, atom: str | None, depth: int) -> Failure:
        self.met.add(id(exc))
        text = "".join([*traceback.format_tb(exc.__traceback__), *traceback.format_exception_only(exc)])
        return Failure(
            type=qualified_name(type(exc)),
            bases=class_names(type(exc)),
            message=_shorten(_message(exc), MESSAGE_LIMIT),
            traceback=_shorten(text, TRACEBACK_LIMIT if depth == 0 else TRACEBACK_LIMIT // 4),
            atom=atom,
            causes=self.causes(exc, depth + 1),
            exception=exc,
        )

    def causes(self, exc: BaseException, depth: int) -> tuple[Failure, ...]:
        if depth > CAUSE_DEPTH:
            return ()
        found: list[Failure] = []
        for behind in _behind(exc):
            if self.left <= 0:
                break
            if isinstance(behind, Failure):
                self.left -= 1
                found.append(attrs.evolve(behind, causes=()))
            elif id(behind) not in self.met:
                self.left -= 1
                found.append(self.describe(behind, None, depth))
        return tuple(found)


def _behind(exc: BaseException) -> list[BaseException | Failure]:
    found: list[BaseException | Failure] = []
    if isinstance(exc, BaseExceptionGroup):
        found.extend(exc.exceptions)
    elif isinstance(exc, FlowFailed):
        found.extend(exc.failures)
    elif isinstance(exc, FailureError):
        found.append(exc.failure)
    if exc.__cause__ is not None:
        found.append(exc.__cause__)
    elif exc.__context__ is not None and not exc.__suppress_context__:
        found.append(exc.__context__)
    return found


def _from_data(data: Mapping[str, Any], depth: int) -> Failure:
    try:
        texts = [data["type"], data["message"], data["traceback"], *data["bases"]]
        atom, causes = data["atom"], data["causes"]
        if depth > CAUSE_DEPTH or not all(isinstance(text, str) for text in texts):
            raise TypeError("a name or text is no text, or the causes nest too deeply")
        if not (atom is None or isinstance(atom, str)) or not isinstance(causes, list):
            raise TypeError("the atom is no text, or the causes are no list")
        return Failure(
            type=texts[0],
            message=texts[1],
            traceback=texts[2],
            bases=tuple(texts[3:]),
            atom=atom,
            causes=tuple(_from_data(cause, depth + 1) for cause in causes),
        )
    except (KeyError, TypeError) as error:
        raise CorruptLog(
            f"stored failure: expected an object with type, bases, message, traceback, atom and causes, "
            f"found {error!r}; run `sagalog verify`"
        ) from error


def _message(exc: BaseException) -> str:
    try:
        return str.__str__(str(exc))
    except Exception as error:
        return f"<its message cannot be had: {type(error).__name__}>"


def _shorten(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n… {len(text) - 2 * half:,} characters left out …\n{text[-half:]}"


def _brief(text: str) -> str:
    first, *rest = text.strip().split("\n", 1)
    return f"{first[:300]} …" if rest or len(first) > 300 else first


def _printable(name: str) -> str:
    return name if name.isprintable() else name.encode("unicode_escape").decode("ascii")
