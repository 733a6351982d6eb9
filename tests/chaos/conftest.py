"""The modules of the chaos are run from their folder, and the example from the root of the checkout."""

from __future__ import annotations

import sys
from pathlib import Path

for place in (Path(__file__).resolve().parent, Path(__file__).resolve().parents[2]):
    if str(place) not in sys.path:
        sys.path.append(str(place))
