"""Consumers of the log: read models folded from it, each with a checkpoint."""
