"""From a new repository to encrypted keys in it, with the real parts."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gitops.fleet import read_fleet
from gitops.layout import FLEET_FILE
from gitops.model import FileEdit, Finding, Severity, Tree
from gitops.scaffold import read_options
from gitops.schemas import load_schemas
from gitops.sealing import AgeRecipients, encrypt_with_sops, seal_with_kubeseal
from gitops.secretfile import SEALED_FILE, SOPS_FILE, SecretValue, secret_manifest
from gitops.validate import check_manifests, check_tree, scan_secrets
from service.secrets import complete_keys, required_keys
from tests.base.rendering import build, initialised
from tests.support.encryption import CERTIFICATE, key, kubeseal, sops

__all__ = ["key", "kubeseal", "sops"]  # fixtures

FOLDER = "overlays/production/example"
NAMESPACE = "example-production"
pytestmark = pytest.mark.kustomize


def repository(secrets: str) -> Tree:
    """Return what `init` writes for a choice."""
    return initialised(
        read_options(
            choices={"secrets": secrets, "database": "mariadb", "cache": "redis"}
        )
    )


def keys_for(tree: Tree) -> dict[str, SecretValue]:
    """Make the keys that the overlay needs."""
    needed = required_keys(build(tree, FOLDER).objects)
    return complete_keys(needed, {"ADMIN_EMAIL": "admin@example.com"})


def written(tree: Tree, name: str, content: bytes) -> FileEdit:
    """Write one file of the overlay."""
    path = f"{FOLDER}/{name}"
    before = tree.read(path) if path in tree else None
    return FileEdit(path=path, before=before, after=content)


def findings(tree: Tree) -> tuple[Finding, ...]:
    """Check the overlay and the repository as a proposal would."""
    fleet = read_fleet(tree.read(FLEET_FILE))
    return (
        *check_manifests(build(tree, FOLDER), load_schemas()),
        *check_tree(tree, fleet),
    )


def test_the_keys_are_those_of_the_parts_that_were_chosen() -> None:
    assert set(keys_for(repository("existing"))) == {
        "SECRET",
        "DB_PASSWORD",
        "DB_ROOT_PASSWORD",
        "REDIS_PASSWORD",
        "ADMIN_EMAIL",
        "ADMIN_PASSWORD",
    }


def test_keys_encrypted_by_sops_can_be_proposed(
    sops: Path, key: tuple[str, str]
) -> None:
    tree = repository("sops")
    assert findings(tree) == ()
    values = keys_for(tree)
    content = encrypt_with_sops(
        values,
        namespace=NAMESPACE,
        path=f"{FOLDER}/{SOPS_FILE}",
        recipients=AgeRecipients(keys=(key[0],)),
        sops=sops,
    )
    edit = written(tree, SOPS_FILE, content)
    assert scan_secrets([edit], known=[v.reveal() for v in values.values()]) == ()
    after = tree.with_edits([edit])
    assert findings(after) == ()
    kinds = {manifest.kind for manifest in build(after, FOLDER).objects}
    assert "Secret" in kinds


def test_keys_sealed_by_kubeseal_can_be_proposed(kubeseal: Path) -> None:
    tree = repository("sealed-secrets")
    assert findings(tree) == ()
    values = keys_for(tree)
    content = seal_with_kubeseal(
        values, namespace=NAMESPACE, certificate=CERTIFICATE, kubeseal=kubeseal
    )
    edit = written(tree, SEALED_FILE, content)
    assert scan_secrets([edit], known=[v.reveal() for v in values.values()]) == ()
    assert findings(tree.with_edits([edit])) == ()


@pytest.mark.parametrize("secrets", ["existing", "external-secrets"])
def test_the_other_choices_need_no_file(secrets: str) -> None:
    assert findings(repository(secrets)) == ()


def test_keys_in_clear_are_never_proposed() -> None:
    tree = repository("sops")
    content = secret_manifest(keys_for(tree), namespace=NAMESPACE)
    edit = written(tree, SOPS_FILE, content)
    assert any(f.severity is Severity.ERROR for f in scan_secrets([edit]))
    found = findings(tree.with_edits([edit]))
    assert any(finding.severity is Severity.ERROR for finding in found)


def test_one_value_left_in_clear_is_found(sops: Path, key: tuple[str, str]) -> None:
    tree = repository("sops")
    content = encrypt_with_sops(
        keys_for(tree),
        namespace=NAMESPACE,
        path=f"{FOLDER}/{SOPS_FILE}",
        recipients=AgeRecipients(keys=(key[0],)),
        sops=sops,
    )
    body = yaml.safe_load(content)
    body["stringData"] |= {"SECRET": "hunter2hunter2hunter2hunter2hunter2"}
    edit = written(tree, SOPS_FILE, yaml.safe_dump(body).encode())
    found = findings(tree.with_edits([edit]))
    assert any(finding.severity is Severity.ERROR for finding in found)
    assert not any("hunter2" in finding.message for finding in found)
