"""The flow engine: what users write (definition), the pure machine (core) and what acts (runtime)."""
