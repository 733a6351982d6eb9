"""`Sagalog`, the closed registry of flows that a process can run: code comes from here, never from the log (law 7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ...codec.values import encode
from ...errors import DefinitionChanged, FlowError
from ..core.compile import Compiled, compile
from ..core.graph import Definition, diff
from ..definition import Atom, Flow

Factory = Callable[..., Flow]


class Made(NamedTuple):
    """A flow that a factory made: kept in the run by the factory's name and its arguments, and made again from them."""

    factory: str
    arguments: dict[str, Any]
    flow: Flow | Atom


class Sagalog:
    """An App: `Sagalog(flows=[flow | factory, …])`.

    A flow is known by its name and may be there in several versions; a factory `f(**args) -> Flow` by its function's.
    """

    def __init__(self, flows: Iterable[Flow | Atom | Factory] = (), *, name: str | None = None) -> None:
        self.name = name
        self._compiled: dict[int, tuple[Flow | Atom, int, Compiled]] = {}
        self._by_print: dict[str, Compiled] = {}
        self._newest: dict[str, Compiled] = {}
        self._factories: dict[str, Factory] = {}
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
        made = factory(**arguments)
        if not isinstance(made, Flow | Atom):
            raise FlowError(f"the factory {name!r} must return a flow; it returned {type(made).__name__}")
        return Made(name, dict(arguments), made)

    def compiled(self, flow: Flow | Atom) -> Compiled:
        """The flow's graph and code; compiled once, and again when the flow has been added to."""
        changes = flow.changes if isinstance(flow, Flow) else 0
        known = self._compiled.get(id(flow))
        if known is not None and known[1] == changes:
            return known[2]
        compiled = compile(flow, encode_inject)
        self._compiled[id(flow)] = (flow, changes, compiled)
        self._by_print[compiled.definition.fingerprint] = compiled
        self._newest[compiled.definition.name] = compiled
        return compiled

    def has(self, fingerprint: str) -> bool:
        """Whether the code of exactly this definition is at hand."""
        return fingerprint in self._by_print

    def resolve(self, facts: Mapping[str, Any], arguments: Mapping[str, Any], stored: Definition | None) -> Compiled:
        """The code for a run that was created with `facts`; `stored` is its definition from the log, None if `has` it.

        Raises:
            DefinitionChanged: the App has no flow of that name, or only others than the one the run was started with.
        """
        fingerprint, name = facts["definition"], facts["flow"]
        known = self._by_print.get(fingerprint)
        if known is not None:
            return known
        factory = facts.get("factory")
        if factory is not None and factory in self._factories:
            compiled = self.compiled(self.make(self._factories[factory], arguments).flow)
        elif name in self._newest and factory is None:
            compiled = self._newest[name]
        else:
            have = ", ".join([*self._newest, *(f"{factory}()" for factory in self._factories)]) or "none"
            wanted = f"the factory {factory!r}" if factory else f"the flow {name!r}"
            raise DefinitionChanged(f"{wanted} is not in the App, which has: {have}; give one that does (--app MODULE:OBJ)")
        if compiled.definition.fingerprint != fingerprint:
            lines = "\n  ".join(diff(stored, compiled.definition)) if stored else "its fingerprint differs"
            raise DefinitionChanged(
                f"flow {name!r} is not the one this run was started with:\n  {lines}\n"
                "resume it with the code it was started with; an App may hold several versions of a flow"
            )
        return compiled


def factory_name(factory: Factory) -> str:
    """The name by which a run remembers the factory of its flow."""
    return getattr(factory, "__name__", type(factory).__name__)


def encode_inject(value: Any, path: str) -> bytes:
    """Inject values as the compiler wants them: encoded."""
    return encode(value, path=path)
