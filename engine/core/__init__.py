"""The pure machine: graph, records, state, evolve, decide, resolution and lookup."""
