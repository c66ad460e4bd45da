"""The values of documents: exact fractions, and models that later versions may extend."""

from __future__ import annotations

import re
from contextlib import suppress
from fractions import Fraction
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainSerializer, PlainValidator

_FRACTION = re.compile(r"-?\d{1,100}(/\d{1,100})?")


def _parse_fraction(value: object) -> Fraction:
    if isinstance(value, int | Fraction):
        return Fraction(value)
    # Fraction() alone would also read exponents, and a manifest with 1e999999999 would never be parsed.
    if isinstance(value, str) and _FRACTION.fullmatch(value):
        with suppress(ZeroDivisionError):
            return Fraction(value)
    raise ValueError("not a fraction NUM/DEN")


def _check_positive(value: Fraction) -> Fraction:
    if value <= 0:
        raise ValueError("not above zero")
    return value


Rational = Annotated[
    Fraction,
    PlainValidator(_parse_fraction),
    PlainSerializer(lambda value: f"{value.numerator}/{value.denominator}", return_type=str),
]
"""An exact fraction; documents hold it as the text NUM/DEN."""

TimeBase = Annotated[Rational, AfterValidator(_check_positive)]
"""Seconds per unit of time, above 0."""


class DocumentValue(BaseModel):
    """A value in a document; what a later version added to it is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")
