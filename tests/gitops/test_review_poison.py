"""No key, name or value of an object is ever live text, wherever it stands (R17)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import pytest
import yaml

from gitops.model import Json, Manifest, Manifests, Review
from tests.gitops.test_review import BUMP, OVERLAY, review

HOSTILE = (
    "@org/team Fixes #1 GH-2 </details><script>x</script> [x](javascript:y) ![i](h)"
)
LONG = HOSTILE + "\n/approve\n" + "x" * 200

OBJECTS = {
    "Deployment": """
apiVersion: apps/v1
kind: Deployment
metadata: {name: directus, namespace: x, labels: {a: b}, annotations: {c: d}}
spec:
  replicas: 1
  template:
    metadata: {labels: {a: b}, annotations: {c: d}}
    spec:
      initContainers: [{name: first, image: "a/b:1", command: [x]}]
      containers:
      - name: directus
        image: a/b:1
        args: [x, y]
        env:
        - {name: A, value: b}
        - name: B
          valueFrom: {secretKeyRef: {name: s, key: k}}
        resources: {requests: {cpu: 1m}, limits: {cpu: 2m}}
        livenessProbe: {httpGet: {path: /x, port: 1}}
        ports: [{containerPort: 1, name: p}]
        volumeMounts: [{name: v, mountPath: /v}]
      volumes: [{name: v, emptyDir: {}}]
""",
    "CronJob": """
apiVersion: batch/v1
kind: CronJob
metadata: {name: backup}
spec:
  schedule: "* * * * *"
  jobTemplate:
    spec:
      template:
        spec: {containers: [{name: c, image: "a/b:1", resources: {limits: {cpu: 1}}}]}
""",
    "Pod": """
apiVersion: v1
kind: Pod
metadata: {name: pod}
spec: {containers: [{name: c, image: "a/b:1", resources: {limits: {cpu: 1}}}]}
""",
    "Ingress": """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  ingressClassName: nginx
  tls: [{hosts: [h], secretName: s}]
  rules:
  - host: h.example
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: s}}}]}
""",
    "ConfigMap": """
apiVersion: v1
kind: ConfigMap
metadata: {name: config}
data: {A: b}
binaryData: {C: ZA==}
""",
    "Secret": """
apiVersion: v1
kind: Secret
metadata: {name: secret}
data: {A: ZA==}
stringData: {B: b}
""",
    "StatefulSet": """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {resources: {requests: {storage: 1Gi}}, storageClassName: x}
""",
    "Rollout": """
apiVersion: example.com/v1
kind: Rollout
metadata: {name: odd}
spec:
  strategy: {steps: [{weight: 1}, {weight: 2}]}
  template: {spec: {containers: [{name: c, resources: {limits: {cpu: 1}}}]}}
""",
}


def poisoned(value: Json, poison: str) -> Iterator[Json]:
    """Yield the value with one key, name or text after the other replaced."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            rest = {k: v for k, v in value.items() if k != key}
            yield {poison: item, **rest}
            yield {**value, poison: item}
            yield from ({**value, key: changed} for changed in poisoned(item, poison))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, item in enumerate(value):
            yield [*value, poison]
            for changed in poisoned(item, poison):
                yield [*value[:index], changed, *value[index + 1 :]]
    else:
        yield poison


def side(body: Json) -> dict[str, Manifests]:
    assert isinstance(body, Mapping)
    metadata = body.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else ""
    manifest = Manifest(
        api_version=str(body.get("apiVersion", "v1")),
        kind=str(body.get("kind", "Odd")),
        namespace="",
        name=str(name),
        body=body,
    )
    return {OVERLAY: Manifests(path=OVERLAY, text=b"", objects=(manifest,))}


def live(result: Review) -> list[str]:
    """Return what a forge would act on."""
    outside = re.sub(r"(?ms)^(`{3,})diff\n.*?^\1$", "", result.body)
    # a block of HTML, where Markdown means nothing, and code spans
    unquoted = re.sub(r"(?m)^<details><summary>[^<]*</summary>$", "", outside)
    unquoted = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", unquoted)
    found = re.findall(r"@\w|#\d|GH-\d|<script|</details>\S", outside)
    found += re.findall(r"(?m)^\s*/\w+", result.body)
    found += re.findall(r"\]\(", unquoted)
    return found + re.findall(r"@\w|#\d|GH-\d", result.commit_message + result.title)


@pytest.mark.parametrize("poison", [HOSTILE, LONG], ids=["words", "lines"])
@pytest.mark.parametrize("kind", OBJECTS)
def test_nothing_of_an_object_is_live_wherever_it_stands(
    kind: str, poison: str
) -> None:
    plain = yaml.safe_load(OBJECTS[kind])
    bodies = list(poisoned(plain, poison))
    assert len(bodies) > 10
    for body in bodies:
        for before, after in ((plain, body), (body, plain)):
            result = review(BUMP, before=side(before), after=side(after))
            assert live(result) == [], body


def test_the_test_would_see_live_text() -> None:
    result = review(BUMP)
    for bad in ("@org", "Fixes #1", "\n/approve", "[x](javascript:y)", "<script>"):
        broken = type(result)(
            title=result.title,
            body=f"{result.body}\n{bad}",
            summary=(),
            rendered_diff="",
            commit_message="",
        )
        assert live(broken), bad


def test_an_object_of_very_many_fields_is_told_too() -> None:
    def odd(value: Json, *, count: int = 20_000) -> dict[str, Manifests]:
        fields: dict[str, Json] = {f"k{number}": value for number in range(count)}
        return side({"kind": "Odd", "metadata": {"name": "x"}, "spec": fields})

    # Each of these was looked for among all of them: minutes for one file.
    changed = review(BUMP, before=odd(1), after=odd(2))
    assert "Odd x: 19960 more changes" in changed.summary
    gone = review(BUMP, before=odd({}), after=odd(1, count=0))
    assert "Odd x: 19960 more changes" in gone.summary
