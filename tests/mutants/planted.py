"""All planted bugs, by where they are."""

from __future__ import annotations

from types import MappingProxyType

from .mutant import Mutant
from .of_backward import BACKWARD
from .of_failures import FAILURES
from .of_forward import FORWARD
from .of_log import LOG
from .of_recovery import RECOVERY
from .of_state import STATE

PLANTED: tuple[Mutant, ...] = (*LOG, *RECOVERY, *FORWARD, *FAILURES, *BACKWARD, *STATE)
BY_NAME = MappingProxyType({mutant.name: mutant for mutant in PLANTED})
