"""The core played by hand, as it is shipped for users' tests too."""

from __future__ import annotations

from sagalog.testing.play import Play, compiled, starts

__all__ = ["Play", "compiled", "starts"]
