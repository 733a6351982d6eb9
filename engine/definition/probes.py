"""What a probe answers when asked whether an effect took place: `happened(value)`, `did_not_happen`, `dont_know`."""

from __future__ import annotations

from typing import Any, Final

import attrs


@attrs.frozen
class ProbeAnswer:
    """`answer`: "happened", "did_not_happen" or "dont_know"; `value`: what the task would have returned."""

    answer: str
    value: Any = None


def happened(value: Any = None) -> ProbeAnswer:
    """The effect took place, and the task would have returned `value`."""
    return ProbeAnswer("happened", value)


did_not_happen: Final = ProbeAnswer("did_not_happen")
"""The effect did not take place, and cannot take place any more from the call that was cut short."""

dont_know: Final = ProbeAnswer("dont_know")
"""The probe cannot tell: a person has to."""
