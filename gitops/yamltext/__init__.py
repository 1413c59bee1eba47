"""YAML and env files as text with positions: read with limits, change exact bytes.

Promise: a hostile text ends in a YamlError, in little time; an edit touches the bytes
of the planned scalars and no other. Nothing is ever dumped again. It must not know
what the files mean: images, overlays and policies are the callers' matter.

    nodes       what a text is made of
    characters  bytes -> characters, within limits
    reader      bytes -> nodes (the only user of PyYAML)
    values      nodes -> plain data; which text must be quoted
    places      the bytes of a value, and of the line it has
    splice      planned changes -> new bytes, and the proof
    env         the same for env files
"""

from gitops.yamltext.env import (
    EnvLine,
    check_env_entry,
    env_problems,
    parse_env,
    prove_env,
    set_env,
    unset_env,
)
from gitops.yamltext.nodes import (
    Alias,
    Mapping,
    Node,
    Path,
    Scalar,
    Sequence,
    Style,
    resolved,
)
from gitops.yamltext.places import Source
from gitops.yamltext.reader import check, compose, compose_stream
from gitops.yamltext.splice import (
    DeleteLine,
    InsertLine,
    Replace,
    YamlEdit,
    prove,
    splice,
)
from gitops.yamltext.values import (
    Document,
    Position,
    is_plain_safe,
    parse,
    parse_documents,
    parse_typed,
    positions,
    reads_as_text,
    scalar_text,
    typed_scalar,
)

__all__ = [
    "Alias",
    "DeleteLine",
    "Document",
    "EnvLine",
    "InsertLine",
    "Mapping",
    "Node",
    "Path",
    "Position",
    "Replace",
    "Scalar",
    "Sequence",
    "Source",
    "Style",
    "YamlEdit",
    "check",
    "check_env_entry",
    "compose",
    "compose_stream",
    "env_problems",
    "is_plain_safe",
    "parse",
    "parse_documents",
    "parse_env",
    "parse_typed",
    "positions",
    "prove",
    "prove_env",
    "reads_as_text",
    "resolved",
    "scalar_text",
    "set_env",
    "splice",
    "typed_scalar",
    "unset_env",
]
