"""Finding the user's code: `MODULE:NAME`, with the working directory first on sys.path. Never by a name from the log."""

from __future__ import annotations

import importlib
import inspect
import json
import sys
import tomllib
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from ..config import Settings
from ..engine.definition import Atom, Flow
from ..engine.runtime.app import Made, Sagalog
from ..errors import FlowError, SagalogError, UsageError
from .factory import objection
from .options import talkative


def load_flow(app: Sagalog, target: str, arguments: Mapping[str, Any]) -> Flow | Atom | Made:
    """The flow or task that `target` names, or what the factory of that name makes with `arguments`; joins `app`.

    Only what may be a factory is called: see `objection`.

    Raises:
        UsageError: there is no such module or name, it is none of these, or the arguments do not fit. FlowError.
    """
    found = load_object(target, "MODULE:FLOW")
    expected = "a flow, a task or a function that makes a flow"
    if isinstance(found, Sagalog):
        raise UsageError(
            f"{target}: expected {expected}; found an App; name one of its flows, as MODULE:FLOW: {_others(target)}"
        )
    if isinstance(found, Flow | Atom):
        if arguments:
            raise UsageError(f"--arg: {target} is a {_kind(found)}, which takes no arguments; only a factory does")
        app.add(found)
        return found
    if isinstance(found, type) or not callable(found):
        raise UsageError(f"{target}: expected {expected}; found {_described(found)}; {_others(target)}")
    why_not = objection(found, target.partition(":")[0])
    if why_not is not None:
        raise UsageError(
            f"{target}: expected {expected}; found a function that is none: {why_not}; it was not called. "
            f"A factory is annotated to return a Flow; {_others(target)}"
        )
    return _made(app, target, found, arguments)


def _made(app: Sagalog, target: str, factory: Any, arguments: Mapping[str, Any]) -> Made:
    signature = inspect.signature(factory)
    try:
        signature.bind(**arguments)
    except TypeError as error:
        given = ", ".join(arguments) or "none"
        raise UsageError(
            f"{target}{signature}: {error}; arguments given: {given}; give them as --arg NAME=VALUE"
        ) from None
    try:
        return app.make(factory, arguments)
    except FlowError as error:
        cause = error.__cause__
        if cause is None or isinstance(cause, SagalogError):
            raise
        raise UsageError(f"{target}: the factory raised {_said(cause)}") from cause


def find_app(given: str | None, settings: Settings) -> Sagalog | None:
    """The App that --app, SAGALOG_APP or ./pyproject.toml names, the first of them; None where none does.

    Raises:
        UsageError: what is named is not there, or is no App.
    """
    for source, target in (("--app", given), ("SAGALOG_APP", settings.app), ("pyproject.toml", _project_app())):
        if target:
            found = load_object(target, source)
            if isinstance(found, Flow | Atom):
                return Sagalog([found])
            if not isinstance(found, Sagalog):
                raise UsageError(f"{source}: {target}: expected a Sagalog app, found {_described(found)}")
            return found
    return None


def need_app(given: str | None, settings: Settings) -> Sagalog:
    """`find_app`, or an error: the log holds no code."""
    app = find_app(given, settings)
    if app is None:
        raise UsageError(
            "the code of the run is needed, and the log holds none: give --app MODULE:OBJ, set SAGALOG_APP, or put "
            '[tool.sagalog] app = "MODULE:OBJ" into ./pyproject.toml'
        )
    return app


def parse_arguments(texts: Sequence[str]) -> dict[str, Any]:
    """{name: value} of `NAME=VALUE`, each value as JSON if it parses, else as the text it is."""
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"--arg: expected NAME=VALUE, found {text!r}")
        if name in found:
            raise UsageError(f"--arg: {name} is given twice")
        found[name] = _value(value)
    return found


def load_object(target: str, what: str) -> Any:
    """What `MODULE:NAME` names; NAME may have dots. UsageError says of `what` what is missing."""
    module_name, colon, name = target.partition(":")
    if not colon or not module_name or not name:
        raise UsageError(f"{what}: expected a module, a colon and a name in it, found {target!r}")
    if module_name.endswith(".py") or "/" in module_name:
        dotted = module_name.removesuffix(".py").removeprefix("./").strip("/").replace("/", ".")
        raise UsageError(f"{what}: expected a module's name, found the file {module_name!r}; say {dotted}:{name}")
    module = _module(module_name, what)
    found: Any = module
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise UsageError(f"{what}: module {module_name} has no {name!r}; {_others(target)}") from None
    return found


def _module(name: str, what: str) -> ModuleType:
    folder = str(Path.cwd())
    if sys.path[:1] != [folder]:
        sys.path.insert(0, folder)
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise UsageError(f"{what}: there is no module {error.name!r} in {folder} nor on the Python path") from None
        raise UsageError(f"{what}: importing {name} failed: {_said(error)}") from error
    except SagalogError:
        raise
    except (Exception, SystemExit) as error:
        raise UsageError(f"{what}: importing {name} failed: {_said(error)}") from error


def _said(error: BaseException) -> str:
    """An exception of the user's code in one line, with the place in it; all of it with -v."""
    if talkative():
        return "".join(traceback.format_exception(error)).rstrip()
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    # The last place in the project at hand says more than the one in the library that it called.
    here = [frame for frame in frames if frame.filename.startswith(str(Path.cwd()))] or frames
    where = f" ({here[-1].filename}, line {here[-1].lineno})" if here else ""
    return f"{text}{where}; -v shows the traceback"


def _others(target: str) -> str:
    """What else the module has to offer."""
    module = sys.modules.get(target.partition(":")[0])
    names = [name for name, item in vars(module).items() if isinstance(item, Flow)] if module else []
    return f"its flows: {', '.join(names)}" if names else "it has no flow"


def _kind(found: Flow | Atom) -> str:
    return "flow" if isinstance(found, Flow) else "task"


def _described(found: Any) -> str:
    if isinstance(found, type):
        return f"the class {found.__qualname__}; give an instance of it"
    if inspect.isroutine(found):
        return f"function {getattr(found, '__qualname__', found)}"
    kind, text = type(found).__qualname__, repr(found)
    return kind if " at 0x" in text else f"{kind} {text:.80}"


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _project_app() -> str | None:
    try:
        with open("pyproject.toml", "rb") as file:
            project = tomllib.load(file)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UsageError(f"pyproject.toml: cannot be read: {error}") from error
    app = project.get("tool", {}).get("sagalog", {}).get("app")
    if app is not None and not isinstance(app, str):
        raise UsageError(f'pyproject.toml: [tool.sagalog] app: expected "MODULE:OBJ", found {app!r}')
    return app
