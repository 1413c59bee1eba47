"""What is known of Directus releases, and what a step between two of them brings.

Pure and offline. Promises findings for people, never a refusal; what is not known is
said to be unknown, and never guessed. `rows` holds the data with their sources,
`facts` answers questions about them, `findings` writes what a reviewer reads.
"""

from gitops.catalogue.facts import (
    Migrations,
    is_known,
    licence_of,
    migrations_between,
    newest_version,
    obstacles_back,
    released_on,
)
from gitops.catalogue.findings import risks

__all__ = [
    "Migrations",
    "is_known",
    "licence_of",
    "migrations_between",
    "newest_version",
    "obstacles_back",
    "released_on",
    "risks",
]
