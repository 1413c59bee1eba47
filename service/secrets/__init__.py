"""Make the keys that a Directus stack needs, and say what changing each one means.

Promise: nothing made here reaches Git in clear. Encrypting is `gitops.sealing`; asking
a person, and choosing where the result goes, is the command line's.

    keys      what each key is for, which ones an overlay refers to
    values    random values, and checks of those that people bring
    given     values from a pipe
    files     a private file outside every Git work tree
"""

from service.secrets.files import store_document, write_private
from service.secrets.given import MOST_BYTES, read_given
from service.secrets.keys import (
    KeySpec,
    RequiredKey,
    Rotation,
    key_spec,
    known_keys,
    required_keys,
)
from service.secrets.values import accepted_value, complete_keys, generate_keys

__all__ = [
    "MOST_BYTES",
    "KeySpec",
    "RequiredKey",
    "Rotation",
    "accepted_value",
    "complete_keys",
    "generate_keys",
    "key_spec",
    "known_keys",
    "read_given",
    "required_keys",
    "store_document",
    "write_private",
]
