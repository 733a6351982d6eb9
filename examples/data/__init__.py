"""Input for the examples, with the seeded generators that made it."""
