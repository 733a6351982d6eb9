"""The laws: what must hold of every run, whatever crashes, by name; and who looks on whether it does."""

from __future__ import annotations

from .alike import difference
from .broken import LAWS, LawBroken, broken
from .compare import End, cheap, differences, end_of, same
from .durable import Durable, durable
from .effects import Called, allowed
from .ends import stuck
from .watch import Watch

__all__ = [
    "LAWS", "Called", "Durable", "End", "LawBroken", "Watch", "allowed", "broken", "cheap", "difference", "differences",
    "durable", "end_of", "same", "stuck",
]  # fmt: skip
