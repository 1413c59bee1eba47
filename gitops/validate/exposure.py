"""Rules about the way in: Ingress, its TLS, and the address that Directus believes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from gitops.model import Severity
from gitops.validate.rule import Item, Problem, Rule, shown
from gitops.validate.selectors import service_pods
from gitops.validate.shapes import at, items, mapping, mappings, text
from gitops.validate.view import Container, Pods, View

INGRESS_CLASS: Final = Rule(
    name="ingress-class",
    severity=Severity.WARNING,
    why="Without ingressClassName the Ingress is served only where the cluster has a "
    "default class, and by whatever that is.",
    fix="set spec.ingressClassName",
)
INGRESS_TLS: Final = Rule(
    name="ingress-tls",
    severity=Severity.WARNING,
    why="PUBLIC_URL is https, but the Ingress has no certificate for the host: logins "
    "go over plain HTTP, or the browser shows a warning.",
    fix="add the host to spec.tls with a secretName, or the annotation with which your "
    "load balancer finds its certificate",
)
INGRESS_PATH_TYPE: Final = Rule(
    name="ingress-path-type",
    severity=Severity.WARNING,
    why="ImplementationSpecific means something else with each controller.",
    fix="use pathType: Prefix",
)
THIRD_PARTY_HOST: Final = Rule(
    name="third-party-host",
    severity=Severity.ERROR,
    why="`directus.app` belongs to somebody else: links in mails and cookies would "
    "point there.",
    fix="use a host of your own; example.com is free for examples",
)
PUBLIC_URL_HOST: Final = Rule(
    name="public-url-host",
    severity=Severity.WARNING,
    why="Directus builds links and redirects from PUBLIC_URL; no Ingress of the set "
    "serves its host.",
    fix="use the same host in PUBLIC_URL and in the Ingress",
)

RULES: Final = (
    INGRESS_CLASS,
    INGRESS_TLS,
    INGRESS_PATH_TYPE,
    THIRD_PARTY_HOST,
    PUBLIC_URL_HOST,
)

_FOREIGN: Final = "directus.app"
_OLD_CLASS: Final = "kubernetes.io/ingress.class"
# Load balancers that take their certificate from an annotation, not from spec.tls.
_CERTIFICATES: Final = (
    "alb.ingress.kubernetes.io/certificate-arn",
    "networking.gke.io/managed-certificates",
    "networking.gke.io/certmap",
    "ingress.gcp.kubernetes.io/pre-shared-cert",
    "appgw.ingress.kubernetes.io/appgw-ssl-certificate",
    "kubernetes.azure.com/tls-cert-keyvault-uri",
)


def problems(view: View) -> Iterator[Problem]:
    """Check every Ingress, and every PUBLIC_URL against them."""
    hosts = frozenset(h for i in view.of_kind("Ingress") for _, h in _hosts(i))
    for ingress in view.of_kind("Ingress"):
        yield from _class(ingress)
        yield from _tls(view, ingress)
        yield from _path_types(ingress)
        for index, host in _hosts(ingress):
            if _is_foreign(host):
                yield _foreign(ingress, ("spec", "rules", index, "host"), host)
    for pods in view.pods:
        for container in pods.directus:
            yield from _public_url(pods, container, hosts)


def public_url(container: Container) -> str:
    """Return PUBLIC_URL where the manifests tell it, else ""."""
    return container.environment.value("PUBLIC_URL") or ""


def host_of(address: str) -> str:
    """Return the host of an address in lower case; "" when it has none."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _hosts(ingress: Item) -> Iterator[tuple[int, str]]:
    for index, rule in mappings(at(ingress.manifest.body, ("spec", "rules"))):
        host = text(rule.get("host"))
        if host:
            yield index, host.lower()


def _class(ingress: Item) -> Iterator[Problem]:
    body = ingress.manifest.body
    old = mapping(at(body, ("metadata", "annotations"))).get(_OLD_CLASS)
    if not text(at(body, ("spec", "ingressClassName"))) and not old:
        yield Problem(
            rule=INGRESS_CLASS,
            item=ingress,
            at=("spec", "ingressClassName"),
            message="names no Ingress class",
        )


def _tls(view: View, ingress: Item) -> Iterator[Problem]:
    annotations = mapping(at(ingress.manifest.body, ("metadata", "annotations")))
    if any(annotations.get(name) for name in _CERTIFICATES):
        return
    if not _is_secure(view, ingress):
        return
    secured = {
        host.lower()
        for _, entry in mappings(at(ingress.manifest.body, ("spec", "tls")))
        for host in items(entry.get("hosts"))
        if isinstance(host, str)
    }
    bare = [host for _, host in _hosts(ingress) if not _covered(host, secured)]
    has_any = bool(items(at(ingress.manifest.body, ("spec", "tls"))))
    if bare or not has_any:
        names = ", ".join(map(shown, bare)) or "any host"
        yield Problem(
            rule=INGRESS_TLS,
            item=ingress,
            at=("spec", "tls"),
            message=f"no certificate for {names}",
        )


def _is_secure(view: View, ingress: Item) -> bool:
    """Whether the address behind it is https; unknown counts as yes."""
    services = {
        text(at(path, ("backend", "service", "name")))
        for _, rule in mappings(at(ingress.manifest.body, ("spec", "rules")))
        for _, path in mappings(at(rule, ("http", "paths")))
    }
    addresses = [
        public_url(container)
        for name in services
        if (service := view.named("Service", ingress.manifest.namespace, name))
        for pods in service_pods(view, service)
        for container in pods.directus
    ]
    return not any(address.startswith("http://") for address in addresses)


def _covered(host: str, names: frozenset[str] | set[str]) -> bool:
    """Whether a name, or a wildcard one level up, stands for the host."""
    return host in names or f"*.{host.partition('.')[2]}" in names


def _path_types(ingress: Item) -> Iterator[Problem]:
    for rule, entry in mappings(at(ingress.manifest.body, ("spec", "rules"))):
        for index, path in mappings(at(entry, ("http", "paths"))):
            if path.get("pathType") == "ImplementationSpecific":
                place = ("spec", "rules", rule, "http", "paths", index, "pathType")
                yield Problem(
                    rule=INGRESS_PATH_TYPE,
                    item=ingress,
                    at=place,
                    message="is ImplementationSpecific",
                )


def _public_url(
    pods: Pods, container: Container, hosts: frozenset[str]
) -> Iterator[Problem]:
    host = host_of(public_url(container))
    if not host:
        return
    place = (*container.at, *container.environment.place("PUBLIC_URL"))
    if _is_foreign(host):
        yield _foreign(pods.item, place, f"PUBLIC_URL's {host}")
    elif hosts and not _covered(host, hosts):
        yield Problem(
            rule=PUBLIC_URL_HOST,
            item=pods.item,
            at=place,
            message=f"PUBLIC_URL is at {shown(host)}, the Ingress serves "
            f"{', '.join(map(shown, sorted(hosts)))}",
        )


def _is_foreign(host: str) -> bool:
    return host == _FOREIGN or host.endswith(f".{_FOREIGN}")


def _foreign(item: Item, place: tuple[str | int, ...], host: str) -> Problem:
    return Problem(
        rule=THIRD_PARTY_HOST,
        item=item,
        at=place,
        message=f"{shown(host)} is a host of somebody else",
    )
