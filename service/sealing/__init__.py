"""What a stack's Secret is made of, where it is kept, and the encrypted file for it.

Promise: the overlay itself says who makes its Secret and which keys it must hold. It
asks no person for anything, and proposes nothing.

    ground     what a target says of its Secret
    rotation   which keys get a new value, and what that means
    sealer     the encrypted file
"""

from service.sealing.ground import Ground, Standing, standing_file, survey_keys
from service.sealing.rotation import (
    keys_to_generate,
    keys_to_rotate,
    rotation_findings,
)
from service.sealing.sealer import Means, Sealer, prepare

__all__ = [
    "Ground",
    "Means",
    "Sealer",
    "Standing",
    "keys_to_generate",
    "keys_to_rotate",
    "prepare",
    "rotation_findings",
    "standing_file",
    "survey_keys",
]
