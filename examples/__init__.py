"""Flows on real input; run them from the root of the checkout."""
