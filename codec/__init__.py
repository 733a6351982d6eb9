"""Values to stored bytes and back, records to rows and back, upcasters."""

from __future__ import annotations

from .registry import Registry, register, registry
from .values import ENCODING, VALUE_LIMIT, Encoded, decode, encode
from .walk import MAX_DEPTH

__all__ = ["ENCODING", "MAX_DEPTH", "VALUE_LIMIT", "Encoded", "Registry", "decode", "encode", "register", "registry"]
