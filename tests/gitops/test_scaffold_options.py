"""The choices of `init`, as text and as values."""

from __future__ import annotations

import pytest

from gitops.catalogue import newest_version
from gitops.errors import InputError
from gitops.layout import target
from gitops.scaffold import (
    Agent,
    Cache,
    Choices,
    Database,
    Platform,
    SecretsChoice,
    Storage,
    read_options,
)
from gitops.scaffold.options import read_choices, write_choices


def test_the_defaults_are_those_that_the_command_line_promises() -> None:
    options = read_options()
    assert options.stack == "example"
    assert options.environments == ("development", "staging", "production")
    assert options.directus_version == newest_version()
    assert options.choices == Choices(
        host="{stack}.{environment}.example.com",
        database=Database.POSTGRES,
        cache=Cache.NONE,
        storage=Storage.VOLUME,
        agent=Agent.BOTH,
        secrets=SecretsChoice.EXISTING,
        platform=Platform.GENERIC,
    )


def test_choices_survive_being_written_and_read() -> None:
    choices = Choices(
        host="{environment}.{stack}.example.org",
        database=Database.MARIADB,
        cache=Cache.REDIS,
        storage=Storage.S3,
        agent=Agent.FLUX,
        secrets=SecretsChoice.SOPS,
        platform=Platform.EKS,
        storage_class="gp3",
        repository_url="ssh://git@git.example.org/fleet.git",
        branch="trunk",
    )
    assert read_choices(write_choices(choices)) == choices
    assert "ingress_class" not in write_choices(choices)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"stack": "Acme"}, "stack 'Acme'"),
        ({"stack": "../x"}, "stack '../x'"),
        ({"environments": ["prod\n"]}, "environment"),
        ({"directus_version": "latest"}, "latest"),
        ({"directus_version": "v12.4.1"}, "v12.4.1"),
        ({"directus_version": "12.4.1; rm -rf /"}, "12.4.1; rm"),
        ({"environments": ["a", "a"]}, "share the namespace example-a"),
        ({"environments": ["x" * 60]}, "at most 63"),
        ({"stack": "s" * 63}, "at most 63"),
        ({"choices": {"database": "sqlite"}}, "database 'sqlite'"),
        ({"choices": {"cache": "memcached"}}, "cache 'memcached'"),
        ({"choices": {"storage": "gcs"}}, "storage 'gcs'"),
        ({"choices": {"agent": "helm"}}, "agent 'helm'"),
        ({"choices": {"secrets": "vault"}}, "secrets 'vault'"),
        ({"choices": {"platform": "openshift"}}, "platform 'openshift'"),
        ({"choices": {"colour": "red"}}, "unknown option 'colour'"),
        ({"choices": {"host": "https://{stack}.example.com"}}, "not a DNS name"),
        ({"choices": {"host": "{stack}.example.com:8443"}}, "not a DNS name"),
        ({"choices": {"host": "{tenant}.example.com"}}, "not a DNS name"),
        ({"choices": {"host": "{stack}.example.com\n"}}, "not a DNS name"),
        ({"choices": {"host": f"{{stack}}.{'a.' * 130}com"}}, "not a DNS name"),
        ({"choices": {"host": "{stack}.example.com"}}, "share the host"),
        ({"choices": {"storage_class": "Fast"}}, "storage class 'Fast'"),
        ({"choices": {"storage_class": "x\n- op: add"}}, "storage class"),
        ({"choices": {"ingress_class": "a" * 300}}, "ingress class"),
        ({"choices": {"branch": "-x"}}, "branch name"),
        (
            {
                "choices": {
                    "database": "external",
                    "storage": "s3",
                    "storage_class": "gp3",
                }
            },
            "no volume",
        ),
    ],
)
def test_what_cannot_be_generated_is_refused(
    given: dict[str, object], problem: str
) -> None:
    with pytest.raises(InputError) as refused:
        read_options(**given)  # type: ignore[arg-type]
    assert problem in refused.value.message
    assert refused.value.hint


def test_a_host_label_longer_than_dns_allows_is_refused() -> None:
    with pytest.raises(InputError, match="not a DNS name"):
        read_options(
            stack="s" * 45, choices={"host": "{stack}-{environment}-directus-x.io"}
        )


def test_no_environment_at_all_is_refused() -> None:
    options = read_options()
    with pytest.raises(InputError, match="no environment"):
        type(options)(stack=options.stack, environments=(), directus_version="12.4.1")


def test_the_host_may_name_stack_and_environment_in_any_order() -> None:
    choices = Choices(host="{environment}.cms.{stack}.example.org")
    assert choices.host_of(target("acme", "live")) == "live.cms.acme.example.org"
