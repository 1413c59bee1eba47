"""What a container finds in its environment, as far as the manifests tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gitops.model import Json
from gitops.schemas import Place
from gitops.validate.shapes import mapping, mappings, text, texts


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The variables of one container.

    Attributes:
        values: name -> value; None where the value is not in the manifests.
        places: name -> where in the container, for those of its own ``env`` list.
        is_open: an object outside the set may add variables, so absence proves
            nothing.
    """

    values: Mapping[str, str | None]
    places: Mapping[str, Place]
    is_open: bool

    def has(self, name: str) -> bool:
        """Whether the variable, or the file that stands for it, is set."""
        return name in self.values or f"{name}_FILE" in self.values

    def lacks(self, *names: str) -> bool:
        """Whether it is certain that none of the variables is set."""
        return not self.is_open and not any(self.has(name) for name in names)

    def value(self, name: str, default: str = "") -> str | None:
        """Return the value; None when it is set, or may be, but not known."""
        if name in self.values:
            return self.values[name]
        return None if self.is_open or self.has(name) else default

    def place(self, name: str) -> Place:
        """Return where the variable is set; () when not in the container itself."""
        return self.places.get(name, ())


def read_environment(
    container: Mapping[str, Json],
    config: Callable[[str], Mapping[str, str] | None],
) -> Environment:
    """Resolve a container's envFrom and env as the kubelet does: the last one wins.

    Args:
        container: the container.
        config: the data of a ConfigMap by name; None when it is not in the set.
    """
    values: dict[str, str | None] = {}
    is_open = False
    for _, source in mappings(container.get("envFrom")):
        data = _whole(source, config)
        if data is None:
            is_open = True
        else:
            prefix = text(source.get("prefix"))
            values |= {f"{prefix}{key}": value for key, value in data.items()}
    places: dict[str, Place] = {}
    for index, entry in mappings(container.get("env")):
        name = text(entry.get("name"))
        values[name] = _single(entry, config)
        places[name] = ("env", index)
    return Environment(values=values, places=places, is_open=is_open)


def _whole(
    source: Mapping[str, Json], config: Callable[[str], Mapping[str, str] | None]
) -> Mapping[str, str] | None:
    name = text(mapping(source.get("configMapRef")).get("name"))
    return config(name) if name else None


def _single(
    entry: Mapping[str, Json], config: Callable[[str], Mapping[str, str] | None]
) -> str | None:
    if "valueFrom" not in entry:
        return texts(entry).get("value", "")
    reference = mapping(mapping(entry["valueFrom"]).get("configMapKeyRef"))
    data = config(text(reference.get("name"))) if reference else None
    return (data or {}).get(text(reference.get("key")))
