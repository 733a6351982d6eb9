"""`Sagalog`, the closed registry of flows that a process can run: code comes from here, never from the log (law 7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

from ...codec.values import encode
from ...errors import DefinitionChanged, FlowError, SagalogError
from ..core.compile import Compiled, compile
from ..core.graph import Definition, Gate, diff
from ..definition import Atom, Flow
from ..definition.functor import declared
from .possible import check_calls

Factory = Callable[..., Flow]
T = TypeVar("T")
SHORT = 12
"""Characters of a fingerprint that tell it from others, at least."""


class Made(NamedTuple):
    """A flow that a factory made: kept in the run by the factory's name and its arguments, and made again from them."""

    factory: str
    arguments: dict[str, Any]
    flow: Flow | Atom


class Sagalog:
    """An App: `Sagalog(flows=[flow | factory, …])`.

    A flow is known by its name and may be there in several versions; a factory `f(**args) -> Flow` by its function's.
    `compatible`: {flow name: fingerprints, or their first 12 characters or more}: definitions whose runs the present code
    of that flow may go on with. Such a run keeps the graph it was started with; its atoms must be there in their versions.
    """

    def __init__(
        self,
        flows: Iterable[Flow | Atom | Factory] = (),
        *,
        name: str | None = None,
        compatible: Mapping[str, Iterable[str]] | None = None,
    ) -> None:
        self.name = name
        self.compatible = {flow: _prints(flow, prints) for flow, prints in (compatible or {}).items()}
        self._compiled: WeakKeyDictionary[Flow | Atom, tuple[tuple[int, int], Compiled]] = WeakKeyDictionary()
        self._by_print: dict[str, Compiled] = {}
        self._newest: dict[str, Compiled] = {}
        self._factories: dict[str, Factory] = {}
        self._made: dict[tuple[str, bytes], Compiled] = {}
        for flow in flows:
            self.add(flow)

    def add(self, flow: Flow | Atom | Factory) -> None:
        """Make a flow or a factory known.

        Raises:
            FlowError: it is neither, or the flow does not compile.
        """
        if isinstance(flow, Flow | Atom):
            self.compiled(flow)
        elif callable(flow):
            self._factories[factory_name(flow)] = flow
        else:
            raise FlowError(f"an App takes flows and functions that make flows; {type(flow).__name__} {flow!r} is neither")

    def make(self, factory: Factory, arguments: Mapping[str, Any]) -> Made:
        """Call a factory, which joins the App, for a flow of its own."""
        name = factory_name(factory)
        self._factories[name] = factory
        try:
            made = factory(**arguments)
        except SagalogError:
            raise
        except Exception as error:
            given = ", ".join(f"{key}={value!r:.80}" for key, value in arguments.items())
            raise FlowError(f"the factory {name}({given}) raised {type(error).__name__}: {error}") from error
        if not isinstance(made, Flow | Atom):
            raise FlowError(f"the factory {name!r} must return a flow; it returned {type(made).__name__}")
        return Made(name, dict(arguments), made)

    def compiled(self, flow: Flow | Atom | Made) -> Compiled:
        """The flow's graph and code; compiled once, and again when the flow or a task has been added to."""
        if isinstance(flow, Made):
            return self._compile(flow.flow)
        if not isinstance(flow, Flow | Atom):
            raise FlowError(f"expected a flow or a task; found {flow!r} ({type(flow).__name__})")
        compiled = self._compile(flow)
        self._by_print[compiled.definition.fingerprint] = compiled
        self._newest[compiled.definition.name] = compiled
        return compiled

    def _compile(self, flow: Flow | Atom) -> Compiled:
        state = (flow.changes if isinstance(flow, Flow) else 0, declared())
        known = self._compiled.get(flow)
        if known is not None and known[0] == state:
            return known[1]
        compiled = compile(flow, encode_inject)
        check_calls(compiled.atoms)
        self._compiled[flow] = (state, compiled)
        return compiled

    def takes(self, stored: Definition) -> bool:
        """Whether a change from that definition to the present one was declared compatible."""
        return stored.fingerprint.startswith(self.compatible.get(stored.name, ()))

    def candidate(self, facts: Mapping[str, Any], arguments: Mapping[str, Any]) -> Compiled:
        """The code for a run that was created with `facts`: exactly its definition if that is here, else what now bears
        its name. A factory's flow is made again from the run's own arguments, which its code may hold.

        Raises:
            DefinitionChanged: the App has no flow or factory of that name.
        """
        name, factory = facts["flow"], facts.get("factory")
        if factory is None:
            found = self._by_print.get(facts["definition"]) or self._newest.get(name)
            if found is not None:
                return found
        elif factory in self._factories:
            key = (factory, encode(dict(arguments), path="arguments", limit=None))
            if key not in self._made:
                self._made[key] = self.compiled(self.make(self._factories[factory], arguments))
            return self._made[key]
        have = ", ".join([*self._newest, *(f"{factory}()" for factory in self._factories)]) or "none"
        wanted = f"the factory {factory!r}" if factory else f"the flow {name!r}"
        raise DefinitionChanged(f"{wanted} is not in the App, which has: {have}; give one that does (--app MODULE:OBJ)")


def _prints(flow: str, prints: Iterable[str]) -> tuple[str, ...]:
    found = (prints,) if isinstance(prints, str) else tuple(prints)
    for entry in found:
        if not isinstance(entry, str) or len(entry) < SHORT:
            raise FlowError(f"compatible[{flow!r}]: expected at least {SHORT} characters of a fingerprint; found {entry!r}")
    return found


def changed(stored: Definition, now: Definition) -> DefinitionChanged:
    """The error for a run whose flow is another now."""
    lines = "\n  ".join(diff(stored, now))
    return DefinitionChanged(
        f"flow {stored.name!r} is not the one this run was started with:\n  {lines}\n"
        "resume it with the code it was started with (an App may hold several versions of a flow), or declare the change "
        f"compatible: Sagalog(flows=[…], compatible={{{stored.name!r}: [{stored.fingerprint[:SHORT]!r}]}})"
    )


def adopted(stored: Definition, now: Compiled) -> Compiled:
    """The graph that a run was started with, and the code at hand for it, by name and version.

    Raises:
        DefinitionChanged: one of them is not there any more, or in another version.
    """
    code = for_revert(stored, now, range(len(stored.atoms)), "run").atoms
    there = dict(_deciders(now.definition, lambda gate, place: now.deciders[gate.node][place]))
    found: dict[int, tuple[Any, ...]] = {}
    for key, gate in _deciders(stored, lambda gate, place: gate):
        if key not in there:
            raise DefinitionChanged(
                f"flow {stored.name!r}: decider {key[1]!r} of version {key[2]!r}, before {key[0]!r}, is not in the code at "
                "hand; take the code that this run was started with"
            )
        found[gate.node] = (*found.get(gate.node, ()), there[key])
    return Compiled(stored, code, deciders=found)


def _deciders(definition: Definition, of: Callable[[Gate, int], T]) -> Iterator[tuple[tuple[str, str, str], T]]:
    """The deciders of a graph, by (first atom behind it, name, version)."""
    for gate in definition.gates:
        for place, spec in enumerate(gate.deciders):
            yield (definition.atoms[gate.first].name, spec.name, spec.version), of(gate, place)


def for_revert(stored: Definition, now: Compiled, atoms: Sequence[int], wanted: str = "reverted") -> Compiled:
    """Code enough to revert `atoms` of a run that was started with another definition: those of the same name and version.

    Raises:
        DefinitionChanged: an atom that has to be reverted is not there any more, or in another version.
    """
    there = {spec.name: (spec, task) for spec, task in zip(now.definition.atoms, now.atoms, strict=True)}
    code: list[Any] = [None] * len(stored.atoms)
    for atom in atoms:
        spec = stored.atoms[atom]
        other, task = there.get(spec.name, (None, None))
        if other is None or other.version != spec.version or other.compensation != spec.compensation:
            found = "it is not there" if other is None else f"it has version {other.version!r}, {other.compensation}"
            raise DefinitionChanged(
                f"flow {stored.name!r}: task {spec.name!r} of version {spec.version!r} ({spec.compensation}) has to be "
                f"{wanted}; {found} in the code at hand; take the code that this run was started with"
            )
        code[atom] = task
    return Compiled(stored, tuple(code))


def factory_name(factory: Factory) -> str:
    """The name by which a run remembers the factory of its flow."""
    return getattr(factory, "__name__", type(factory).__name__)


def encode_inject(value: Any, path: str) -> bytes:
    """Inject values as the compiler wants them: encoded."""
    return encode(value, path=path)
