"""What happened in a scene, as a person would tell it: a line for each thing, the same bytes each time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from ...engine.core.graph import Definition
from ..clock import START
from ..laws import Durable
from .process import Job

if TYPE_CHECKING:
    from .scene import Happening, Scene


def story(scene: Scene) -> list[str]:
    """All of it: when, in seconds since the beginning; who; what."""
    return [_line(happening, scene.onlooker.definition) for happening in scene.story]


def _line(happening: Happening, definition: Definition) -> str:
    who = f"process {happening.process}" if happening.process else "somebody"
    return f"{(happening.at - START) / 1e6:9.3f}  {who:<10} {happening.what}{_about(happening.about, definition)}"


def _about(about: Any, definition: Definition) -> str:
    if about is None:
        return ""
    if isinstance(about, Job):
        return f" {about.call.kind} of {about.name} (execution {about.call.execution}, attempt {about.call.attempt})"
    if isinstance(about, list):
        return " " + ", ".join(_told(record, definition) for record in about)
    return f" {about}"


def _told(record: Durable, definition: Definition) -> str:
    facts = orjson.loads(record.facts)
    atom, instance = facts.get("atom"), facts.get("instance")
    if atom is None:
        return f"{record.version} {record.type}"
    place = "" if instance is None else f"[{instance}]"
    return f"{record.version} {record.type} {definition.atoms[atom].name}{place}"
