"""Generated cases: flows of everything there is, their code, and the world it acts on, made of choices or a seed."""

from __future__ import annotations

from .case import Case, make
from .choices import Choose, calm, seeded
from .histogram import TRAITS, Histogram
from .script import Key, Script, key_of, text
from .world import TABLE, World

__all__ = [
    "TABLE", "TRAITS", "Case", "Choose", "Histogram", "Key", "Script", "World", "calm", "key_of", "make", "seeded", "text",
]  # fmt: skip
