"""`Figure`: one measured thing beside its floor, as a JSON line and as a line of the table."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from typing import Any

import attrs


@attrs.frozen
class Figure:
    """What was measured in some rounds, each beside its floor of the same round.

    `ratio` is ours / floor round by round; `at_least` or `at_most` is what its median has to keep.
    """

    name: str
    beside: str
    unit: str
    ours: Sequence[float]
    floor: Sequence[float]
    at_least: float | None = None
    at_most: float | None = None
    more: dict[str, Any] = attrs.field(factory=dict)

    @property
    def ratios(self) -> list[float]:
        """Round by round; where the floor is nothing (a count that has to be 0), ours."""
        return [one / other if other else one for one, other in zip(self.ours, self.floor, strict=True)]

    @property
    def ratio(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.ratios)

    @property
    def ok(self) -> bool:
        """Whether the ratio is what it has to be."""
        low, high = self.at_least, self.at_most
        return (low is None or self.ratio >= low) and (high is None or self.ratio <= high)

    def line(self) -> str:
        """One line of JSON."""
        return json.dumps(
            {
                "figure": self.name,
                "beside": self.beside,
                "unit": self.unit,
                "ours": _short(statistics.median(self.ours)),
                "floor": _short(statistics.median(self.floor)),
                "ratio": _short(self.ratio),
                "target": self.at_most if self.at_least is None else self.at_least,
                "bound": "at_most" if self.at_least is None else "at_least",
                "ok": self.ok,
                "min": _short(min(self.ratios)),
                "max": _short(max(self.ratios)),
                "rounds": len(self.ratios),
                **{name: _short(value) if isinstance(value, float) else value for name, value in self.more.items()},
            }
        )


def table(figures: Sequence[Figure]) -> str:
    """All of them, to be read."""
    head = ("figure", "beside", "ours", "floor", "unit", "ratio", "min", "max", "target", "")
    rows = [head, *map(_row, figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    left = {0, 1, 4, 9}
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _row(figure: Figure) -> tuple[str, ...]:
    target = f"≤ {figure.at_most:g}" if figure.at_least is None else f"≥ {figure.at_least:g}"
    return (
        figure.name,
        figure.beside,
        f"{_short(statistics.median(figure.ours)):,}",
        f"{_short(statistics.median(figure.floor)):,}",
        figure.unit,
        f"{figure.ratio:.3g}",
        f"{min(figure.ratios):.3g}",
        f"{max(figure.ratios):.3g}",
        target,
        "ok" if figure.ok else "MISSED",
    )


def _short(value: float) -> float:
    """Four digits that count."""
    return round(value) if abs(value) >= 1000 else float(f"{value:.4g}")
