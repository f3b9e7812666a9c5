"""Numbers in JSON, as both databases give them back."""

import json
from typing import Any


class Decoder(json.JSONDecoder):
    """PostgreSQL gives 1e20 back as digits; a number of more than 64 bits, which no
    JSON of ours has room for, was a float before."""

    def __init__(self, **options: Any) -> None:
        super().__init__(parse_int=_integer, **options)


def _integer(digits: str) -> int | float:
    number = float(digits)
    return int(digits) if -(2.0**63) <= number < 2.0**64 else number
