"""Which rendered objects differ, and what is said of them."""

from __future__ import annotations

from gitops.model import Difference, Manifests
from gitops.review import ObjectChange, diff_manifests, rendered_diff, summary
from tests.support.rendered import rendered

OVERLAY = "overlays/staging/example"

CONFIG = """
apiVersion: v1
kind: ConfigMap
metadata: {name: directus-env-gm4872tk25, namespace: example-staging}
data: {CACHE_ENABLED: "false", LOG_LEVEL: info}
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: directus, namespace: example-staging}
spec:
  replicas: 1
  template:
    metadata: {annotations: {example.com/team: blue}}
    spec:
      initContainers:
      - {name: wait, image: "directus/directus:12.3.0"}
      containers:
      - name: directus
        image: directus/directus:12.3.0
        args: [start]
        env:
        - {name: PORT, value: "8055"}
        - name: DB_PASSWORD
          valueFrom: {secretKeyRef: {name: directus-secrets, key: DB_PASSWORD}}
        envFrom: [{configMapRef: {name: directus-env-gm4872tk25}}]
        livenessProbe: {periodSeconds: 10, failureThreshold: 6}
        resources: {requests: {memory: 512Mi}, limits: {memory: 1Gi}}
"""
INGRESS = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: directus}
spec:
  tls: [{hosts: [a.example.com], secretName: tls}]
  rules:
  - {host: a.example.com, http: {paths: [{path: /, pathType: Prefix}]}}
"""
CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: uploads}
spec: {resources: {requests: {storage: 10Gi}}}
"""


def side(*documents: str, overlay: str = OVERLAY) -> dict[str, Manifests]:
    return {overlay: rendered(overlay, "---".join(documents))}


def said(before: str, after: str) -> tuple[str, ...]:
    return summary(side(before), side(after), ())


def test_equal_trees_differ_in_nothing() -> None:
    assert diff_manifests(side(CONFIG, DEPLOYMENT), side(CONFIG, DEPLOYMENT)) == ()
    assert rendered_diff(side(CONFIG), side(CONFIG)) == ""


def test_layout_and_order_of_documents_are_no_difference() -> None:
    assert diff_manifests(side(CONFIG, CLAIM), side(CLAIM, CONFIG)) == ()


def test_an_object_of_another_version_of_its_group_is_the_same_object_changed() -> None:
    after = CLAIM.replace("apiVersion: v1", "apiVersion: v2")
    (diff,) = diff_manifests(side(CLAIM), side(after))
    assert diff.change is ObjectChange.CHANGED
    assert said(CLAIM, after) == (
        "PersistentVolumeClaim uploads: API version v1 -> v2",
    )


def test_objects_of_one_name_in_two_groups_or_namespaces_are_two_objects() -> None:
    one = "apiVersion: a.io/v1\nkind: Thing\nmetadata: {name: x}\n"
    other_group = one.replace("a.io", "b.io")
    other_space = one.replace("{name: x}", "{name: x, namespace: n}")
    for other in (other_group, other_space):
        changes = {diff.change for diff in diff_manifests(side(one), side(other))}
        assert changes == {ObjectChange.ADDED, ObjectChange.REMOVED}


def test_twins_are_paired_in_order() -> None:
    twins = (CLAIM, CLAIM.replace("10Gi", "11Gi"))
    changed = (CLAIM, CLAIM.replace("10Gi", "12Gi"))
    (diff,) = diff_manifests(side(*twins), side(*changed))
    assert "+      storage: 12Gi" in diff.lines


# --- generated names ---


def test_a_new_content_hash_is_a_change_and_its_references_are_told_once() -> None:
    after = [
        text.replace("gm4872tk25", "22222bbbbb").replace('"false"', '"true"')
        for text in (CONFIG, DEPLOYMENT)
    ]
    diffs = diff_manifests(side(CONFIG, DEPLOYMENT), side(*after))
    config, deployment = diffs
    assert (config.kind, config.name, config.change) == (
        "ConfigMap",
        "directus-env",
        ObjectChange.CHANGED,
    )
    assert config.renamed == ("directus-env-gm4872tk25", "directus-env-22222bbbbb")
    assert config.counts == (1, 1)
    assert deployment.only_references
    assert summary(side(CONFIG, DEPLOYMENT), side(*after), ()) == (
        "ConfigMap directus-env: configuration CACHE_ENABLED false -> true",
        "ConfigMap directus-env: 1 object refers to its new content hash;"
        " pods that read it restart",
    )
    assert "22222bbbbb" not in "".join(
        line
        for line in rendered_diff(side(CONFIG, DEPLOYMENT), side(*after)).splitlines(
            keepends=True
        )
        if line.startswith(("+", "-"))
    )


def test_several_followers_are_counted() -> None:
    second = DEPLOYMENT.replace("name: directus,", "name: worker,")
    before = (CONFIG, DEPLOYMENT, second)
    after = [text.replace("gm4872tk25", "22222bbbbb") for text in before]
    lines = summary(side(*before), side(*after), ())
    assert any("2 objects refer to its new content hash" in line for line in lines)


def test_a_hash_that_changes_alone_is_told_as_a_new_name() -> None:
    after = CONFIG.replace("gm4872tk25", "22222bbbbb")
    assert said(CONFIG, after) == (
        "ConfigMap directus-env: name directus-env-gm4872tk25"
        " -> directus-env-22222bbbbb",
    )


def test_a_name_that_only_looks_longer_is_another_object() -> None:
    after = CONFIG.replace("directus-env-gm4872tk25", "directus-env-production")
    changes = [diff.change for diff in diff_manifests(side(CONFIG), side(after))]
    assert sorted(changes) == ["added", "removed"]


def test_only_generated_kinds_lose_their_suffix() -> None:
    before = CLAIM.replace("uploads", "uploads-gm4872tk25")
    after = CLAIM.replace("uploads", "uploads-22222bbbbb")
    changes = [diff.change for diff in diff_manifests(side(before), side(after))]
    assert sorted(changes) == ["added", "removed"]


def test_two_generated_objects_of_one_stem_are_paired_once_each() -> None:
    more = CONFIG.replace("gm4872tk25", "44444ccccc")
    after = CONFIG.replace("gm4872tk25", "22222bbbbb")
    changes = [diff.change for diff in diff_manifests(side(CONFIG, more), side(after))]
    assert sorted(changes) == ["changed", "removed"]


# --- plain words ---


def test_a_version_is_told_once_for_all_containers() -> None:
    assert said(DEPLOYMENT, DEPLOYMENT.replace("12.3.0", "12.4.1")) == (
        "version of image directus/directus: 12.3.0 -> 12.4.1 (Deployment directus)",
    )


def test_a_version_lists_every_object_that_runs_it() -> None:
    job = DEPLOYMENT.replace("kind: Deployment", "kind: Job").replace(
        "name: directus,", "name: migrate,"
    )
    before, after = (
        side(DEPLOYMENT, job),
        [text.replace("12.3.0", "12.4.1") for text in (DEPLOYMENT, job)],
    )
    assert summary(before, side(*after), ()) == (
        "version of image directus/directus: 12.3.0 -> 12.4.1"
        " (Deployment directus, Job migrate)",
    )


def test_a_digest_that_goes_is_part_of_the_version() -> None:
    digest = "@sha256:" + "a" * 64
    before = DEPLOYMENT.replace("12.3.0", f"12.3.0{digest}")
    (line,) = said(before, DEPLOYMENT)
    assert line.startswith("version of image directus/directus: 12.3.0@sha256:aaa")
    assert line.endswith("-> 12.3.0 (Deployment directus)")


def test_another_image_is_told_whole() -> None:
    after = DEPLOYMENT.replace("directus/directus:", "reg.example.com:5000/directus:")
    assert said(DEPLOYMENT, after) == (
        "image: directus/directus:12.3.0 -> reg.example.com:5000/directus:12.3.0"
        " (Deployment directus)",
    )


def test_replicas_resources_probes_and_arguments_are_named() -> None:
    after = (
        DEPLOYMENT.replace("replicas: 1", "replicas: 3")
        .replace("memory: 512Mi", "memory: 1Gi, cpu: 250m")
        .replace("periodSeconds: 10, failureThreshold: 6", "periodSeconds: 5")
        .replace("[start]", "[start, --fast]")
    )
    assert said(DEPLOYMENT, after) == (
        "Deployment directus: replicas 1 -> 3",
        'Deployment directus: args of container directus [start] -> [start, "--fast"]',
        "Deployment directus: liveness probe of container directus:"
        " failureThreshold removed, was 6, periodSeconds 10 -> 5",
        "Deployment directus: cpu request of container directus added: 250m",
        "Deployment directus: memory request of container directus 512Mi -> 1Gi",
    )


def test_a_probe_that_comes_or_goes_is_told_so() -> None:
    probe = "livenessProbe: {periodSeconds: 10, failureThreshold: 6}"
    without = DEPLOYMENT.replace(f"        {probe}\n", "")
    assert said(DEPLOYMENT, without) == (
        "Deployment directus: liveness probe of container directus removed",
    )
    assert said(without, DEPLOYMENT) == (
        "Deployment directus: liveness probe of container directus added",
    )


def test_a_long_list_of_details_is_counted() -> None:
    few = DEPLOYMENT.replace("periodSeconds: 10", "periodSeconds: 10, a: 1")
    many = few.replace(
        "failureThreshold: 6, a: 1", "failureThreshold: 7, a: 2, b: 1, c: 1, d: 1"
    ).replace("periodSeconds: 10, a: 1", "periodSeconds: 11, a: 2, b: 1, c: 1, d: 1")
    (line,) = said(few, many)
    assert line.endswith(", and 1 more")


def test_environment_variables_are_told_one_by_one() -> None:
    after = DEPLOYMENT.replace(
        '- {name: PORT, value: "8055"}',
        "- {name: HOST, value: 0.0.0.0}\n        - {name: NODE_OPTIONS, value: -x}",
    )
    assert said(DEPLOYMENT, after) == (
        "Deployment directus: environment variable HOST of container directus"
        " added: 0.0.0.0",
        "Deployment directus: environment variable NODE_OPTIONS of container directus"
        " added: -x",
        "Deployment directus: environment variable PORT of container directus"
        " removed, was 8055",
    )


def test_where_a_variable_comes_from_is_told() -> None:
    after = DEPLOYMENT.replace("key: DB_PASSWORD", "key: OTHER")
    assert said(DEPLOYMENT, after) == (
        "Deployment directus: environment variable DB_PASSWORD of container directus:"
        " valueFrom.secretKeyRef.key DB_PASSWORD -> OTHER",
    )


def test_a_container_that_comes_is_one_change() -> None:
    extra = "      - {name: side, image: 'busybox:1', env: [{name: A, value: b}]}\n"
    assert said(DEPLOYMENT, DEPLOYMENT + extra) == (
        "Deployment directus: container side added",
    )
    without = DEPLOYMENT.replace(
        "      initContainers:\n"
        '      - {name: wait, image: "directus/directus:12.3.0"}\n',
        "",
    )
    assert said(DEPLOYMENT, without) == (
        "Deployment directus: init container wait removed",
    )


def test_annotations_and_labels_are_named_with_their_owner() -> None:
    after = DEPLOYMENT.replace("blue", "green").replace(
        "{name: directus, namespace",
        "{name: directus, labels: {a: b}, namespace",
    )
    assert said(DEPLOYMENT, after) == (
        "Deployment directus: label a added: b",
        "Deployment directus: pod annotation example.com/team blue -> green",
    )


def test_hosts_are_told_together() -> None:
    after = INGRESS.replace("a.example.com", "b.example.com")
    assert said(INGRESS, after) == (
        "Ingress directus: hosts a.example.com -> b.example.com",
        "Ingress directus: TLS: [0].hosts [a.example.com] -> [b.example.com]",
    )


def test_a_path_of_a_host_that_stays_is_told() -> None:
    assert said(INGRESS, INGRESS.replace("path: /,", "path: /cms,")) == (
        "Ingress directus: spec.rules[a.example.com].http.paths[0].path / -> /cms",
    )


def test_storage_of_a_claim_and_of_a_claim_template_is_told() -> None:
    assert said(CLAIM, CLAIM.replace("10Gi", "20Gi")) == (
        "PersistentVolumeClaim uploads: storage size 10Gi -> 20Gi",
    )
    stateful = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {resources: {requests: {storage: 5Gi}}}
"""
    assert said(stateful, stateful.replace("5Gi", "6Gi")) == (
        "StatefulSet db: storage size of data 5Gi -> 6Gi",
    )


def test_a_cron_jobs_containers_are_found() -> None:
    cron = """
apiVersion: batch/v1
kind: CronJob
metadata: {name: backup}
spec:
  schedule: "0 1 * * *"
  jobTemplate: {spec: {template: {spec: {containers: [
    {name: dump, image: "postgres:16.1"}]}}}}
"""
    after = cron.replace("16.1", "16.2").replace("0 1 *", "0 2 *")
    assert said(cron, after) == (
        "version of image postgres: 16.1 -> 16.2 (CronJob backup)",
        "CronJob backup: schedule 0 1 * * * -> 0 2 * * *",
    )


def test_what_no_rule_knows_is_told_by_its_path() -> None:
    thing = (
        "apiVersion: a.io/v1\nkind: Thing\nmetadata: {name: x}\nspec: {deep: {a: 1}}\n"
    )
    assert said(thing, thing.replace("a: 1", "a: 2")) == (
        "Thing x: spec.deep.a 1 -> 2",
    )


def test_a_change_of_order_or_type_is_told() -> None:
    thing = (
        "apiVersion: a.io/v1\nkind: Thing\nmetadata: {name: x}\n"
        "spec: {l: [{name: a}, {name: b}]}\n"
    )
    swapped = thing.replace("[{name: a}, {name: b}]", "[{name: b}, {name: a}]")
    words = ("Thing x: only the order or the type of values changes",)
    assert said(thing, swapped) == words
    typed = thing.replace("l: [{name: a}, {name: b}]", 'n: "1"')
    assert said(typed, typed.replace('"1"', "1")) == words


def test_long_and_multi_line_values_are_counted_not_quoted() -> None:
    before = CONFIG.replace("info", '"a\\nb\\n"')
    after = CONFIG.replace("info", '"a\\nb\\nc\\n"')
    assert said(before, after) == (
        "ConfigMap directus-env-gm4872tk25: configuration LOG_LEVEL"
        " changed (2 -> 3 lines)",
    )
    assert said(CONFIG.replace(", LOG_LEVEL: info", ""), after)[0].endswith(
        "LOG_LEVEL added"
    )
    assert said(after, CONFIG.replace(", LOG_LEVEL: info", ""))[0].endswith(
        "LOG_LEVEL removed"
    )


def test_an_object_with_very_many_changes_counts_the_rest() -> None:
    def config(value: int) -> str:
        data = "".join(f"  K{n}: v{value}\n" for n in range(60))
        return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\ndata:\n{data}"

    lines = said(config(1), config(2))
    assert len(lines) == 41
    assert lines[-1] == "ConfigMap c: 20 more changes"


# --- objects and overlays that come and go ---


def test_few_objects_that_come_are_named_and_many_are_counted() -> None:
    assert summary(side(CONFIG), side(CONFIG, CLAIM, INGRESS), ()) == (
        "Ingress directus added",
        "PersistentVolumeClaim uploads added",
    )
    many = [CLAIM.replace("uploads", f"u{n}") for n in range(6)]
    assert summary({}, side(INGRESS, *many), ()) == (
        "7 objects added: 1 Ingress, 6 PersistentVolumeClaim",
    )
    assert summary(side(INGRESS, *many), {}, ()) == (
        "7 objects removed: 1 Ingress, 6 PersistentVolumeClaim",
    )


def test_an_added_object_is_shown_whole_and_a_removed_one_too() -> None:
    text = rendered_diff({}, side(CLAIM))
    assert text.startswith(f"--- /dev/null\n+++ b/{OVERLAY}/PersistentVolumeClaim/upl")
    assert "+      storage: 10Gi\n" in text
    assert "-      storage: 10Gi\n" in rendered_diff(side(CLAIM), {})


def test_the_same_words_in_many_overlays_are_said_once() -> None:
    names = [f"overlays/staging/s{n}" for n in range(6)]
    before = {name: rendered(name, DEPLOYMENT) for name in names}
    bumped = DEPLOYMENT.replace("12.3.0", "12.4.1")
    after = {name: rendered(name, bumped) for name in names}
    assert summary(before, after, ()) == (
        "version of image directus/directus: 12.3.0 -> 12.4.1 (Deployment directus)"
        " in 6 overlays, among them overlays/staging/s0, overlays/staging/s1,"
        " overlays/staging/s2, overlays/staging/s3",
    )


def test_two_overlays_with_different_changes_are_told_apart() -> None:
    names = ("overlays/staging/a", "overlays/staging/b")
    before = {name: rendered(name, DEPLOYMENT) for name in names}
    after = {
        names[0]: rendered(names[0], DEPLOYMENT.replace("replicas: 1", "replicas: 2")),
        names[1]: rendered(names[1], DEPLOYMENT.replace("replicas: 1", "replicas: 4")),
    }
    assert summary(before, after, ()) == (
        "Deployment directus: replicas 1 -> 2 in overlays/staging/a",
        "Deployment directus: replicas 1 -> 4 in overlays/staging/b",
    )


def test_without_a_rendered_change_the_files_fields_are_told() -> None:
    differences = (
        Difference(path="f.yaml", field="b", before=None, after="1"),
        Difference(path="f.yaml", field="a", before="1", after=None),
        Difference(path="e.env", field="DB_PASSWORD", before="old", after="new"),
    )
    assert summary(side(CONFIG), side(CONFIG), differences) == (
        "e.env DB_PASSWORD *** -> ***",
        "f.yaml a removed, was 1",
        "f.yaml b added: 1",
    )
