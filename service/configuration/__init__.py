"""service.toml: what the operator says of each repository.

Addresses, credential references and allowed networks are here and nowhere else, so
that nothing in a repository can widen them. It opens no file and reads no variable but
those that a credential names, when that is used.
"""

from service.configuration.nouns import (
    Credential,
    ForgeKind,
    HealthSource,
    Lookup,
    Networks,
    RepositorySettings,
    SourceKind,
    TextFile,
    Variable,
    credential_of,
)
from service.configuration.read import read_configuration, read_sinks
from service.configuration.registries import RegistryKind, RegistrySettings
from service.configuration.shape import (
    HealthShape,
    NetworksShape,
    NotifyShape,
    RegistryShape,
    RepositoryShape,
)
from service.configuration.sinks import Sink, SinkKind
from service.configuration.variables import GROUPS, read_variables

__all__ = [
    "GROUPS",
    "Credential",
    "ForgeKind",
    "HealthShape",
    "HealthSource",
    "Lookup",
    "Networks",
    "NetworksShape",
    "NotifyShape",
    "RegistryKind",
    "RegistrySettings",
    "RegistryShape",
    "RepositorySettings",
    "RepositoryShape",
    "Sink",
    "SinkKind",
    "SourceKind",
    "TextFile",
    "Variable",
    "credential_of",
    "read_configuration",
    "read_sinks",
    "read_variables",
]
