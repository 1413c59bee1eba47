"""service.toml: what the operator says of each repository.

Addresses, credential references and allowed networks are here and nowhere else, so
that nothing in a repository can widen them. It opens no file and reads no variable but
those that a credential names, when that is used.
"""

from service.configuration.hooks import (
    WEBHOOK_FORGES,
    plain_key,
    signing_key,
)
from service.configuration.nouns import (
    Credential,
    ForgeKind,
    GitSettings,
    HealthSource,
    Lookup,
    Networks,
    RepositorySettings,
    ReviewSettings,
    SourceKind,
    TextFile,
    Variable,
    WebhookSecrets,
    credential_of,
)
from service.configuration.read import read_configuration, read_sinks
from service.configuration.registries import RegistryKind, RegistrySettings
from service.configuration.shape import (
    GitShape,
    HealthShape,
    NetworksShape,
    NotifyShape,
    RegistryShape,
    RepositoryShape,
    ReviewsShape,
)
from service.configuration.sinks import Sink, SinkKind
from service.configuration.variables import GROUPS, read_variables

__all__ = [
    "GROUPS",
    "WEBHOOK_FORGES",
    "Credential",
    "ForgeKind",
    "GitSettings",
    "GitShape",
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
    "ReviewSettings",
    "ReviewsShape",
    "Sink",
    "SinkKind",
    "SourceKind",
    "TextFile",
    "Variable",
    "WebhookSecrets",
    "credential_of",
    "plain_key",
    "read_configuration",
    "read_sinks",
    "read_variables",
    "signing_key",
]
