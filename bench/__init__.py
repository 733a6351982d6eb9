"""Figures beside their physical floors; `python -m bench` from the root of the checkout."""
