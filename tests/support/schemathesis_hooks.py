"""What schemathesis must know of our API: which names are there, and which key is new.

Loaded by the program itself, named in its configuration.
"""

from __future__ import annotations

import itertools
import os
from typing import Any

import schemathesis

OWN_TOKEN = os.environ["SCHEMATHESIS_TOKEN"].split("_")[1]
_NUMBERS = itertools.count()


@schemathesis.hook
def map_path_parameters(_context: Any, parameters: Any) -> Any:
    """Name a stack that is there, every other time."""
    if parameters and next(_NUMBERS) % 2 and "stack" in parameters:
        return {**parameters, "stack": "example"}
    return parameters


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Give each key to one request only, and leave the token of the run alone."""
    if case.path_parameters and case.path_parameters.get("id") == OWN_TOKEN:
        case.path_parameters["id"] = "0"
    key = case.headers.get("Idempotency-Key") if case.headers else None
    if isinstance(key, str) and 0 < len(key) <= 200 and key.isascii():
        case.headers["Idempotency-Key"] = f"{key[:150]}-{next(_NUMBERS)}"
