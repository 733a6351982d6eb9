"""A second telling of SEMANTICS §1 to §5: a small, slow interpreter of one run, one call at a time, in memory.

It was written from the text, and shares nothing with the engine but what users write (`sagalog.engine.definition`): no
log, no crash, no counters. What may happen next is looked for anew before every step, in the whole tree of the flow.
So it can be wrong otherwise than the engine is; where the two differ, the text decides.
"""

from __future__ import annotations

from .run import Ending, interpret

__all__ = ["Ending", "interpret"]
