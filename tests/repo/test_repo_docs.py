"""What the documentation shows as a program works."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from sagalog.codec import decode, encode
from sagalog.codec.registry import registry

DOCS = Path(__file__).parents[2] / "docs"


def test_the_registered_type_of_the_page_on_values_comes_back_also_from_its_first_version() -> None:
    program = (DOCS / "values.md").read_text().split("```python\n", 1)[1].split("```", 1)[0]
    names: dict[str, object] = {}
    exec(program, names)
    parcel = names["Parcel"](5, True)  # type: ignore[operator]  # a class
    assert decode(encode(parcel)) == parcel
    assert decode(encode(parcel).replace(b"parcel@2", b"parcel@1").replace(b',"insured":true', b"")).insured is False
    registry.register(Fraction, name="fraction", dump=str, load=Fraction)
    assert decode(encode([Fraction(1, 3)])) == [Fraction(1, 3)]
