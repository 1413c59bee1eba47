"""A set of Kubernetes objects without a fault, and ways to put faults into it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from gitops.model import Manifest, Manifests
from gitops.schemas import load_schemas
from gitops.validate import check_manifests
from gitops.yamltext import parse_documents

Edit: TypeAlias = tuple[str, str, Any]

GONE: Final = object()

CLEAN: Final = b"""\
apiVersion: v1
kind: Namespace
metadata: {name: cms}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: cms, namespace: cms}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: cms-env, namespace: cms}
data:
  PUBLIC_URL: https://cms.example.com
  IP_TRUST_PROXY: "true"
  DB_CLIENT: mysql
  DB_HOST: cms-db
  DB_DATABASE: cms
  DB_USER: cms
  STORAGE_LOCATIONS: local
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: uploads, namespace: cms}
spec:
  accessModes: [ReadWriteMany]
  resources: {requests: {storage: 5Gi}}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: cms
  namespace: cms
  labels: &labels
    app.kubernetes.io/name: cms
    app.kubernetes.io/component: server
spec:
  replicas: 1
  selector: {matchLabels: *labels}
  template:
    metadata: {labels: *labels}
    spec:
      serviceAccountName: cms
      enableServiceLinks: false
      securityContext:
        runAsNonRoot: true
        runAsUser: 1000
        seccompProfile: {type: RuntimeDefault}
      containers:
        - name: directus
          image: directus/directus:12.4.1
          ports: [{name: http, containerPort: 8055}]
          envFrom: [{configMapRef: {name: cms-env}}]
          env:
            - name: SECRET
              valueFrom: {secretKeyRef: {name: directus-secrets, key: SECRET}}
            - name: DB_PASSWORD
              valueFrom: {secretKeyRef: {name: directus-secrets, key: DB_PASSWORD}}
            - {name: LOG_LEVEL, value: info}
          startupProbe:
            httpGet: {path: /server/ping, port: http}
            failureThreshold: 30
          livenessProbe:
            httpGet: {path: /server/ping, port: http}
            failureThreshold: 6
          readinessProbe: {httpGet: {path: /server/info, port: http}}
          securityContext: &rights
            allowPrivilegeEscalation: false
            capabilities: {drop: [ALL]}
          resources: &resources
            requests: {cpu: 100m, memory: 256Mi}
            limits: {memory: 512Mi}
          volumeMounts: [{name: uploads, mountPath: /directus/uploads}]
      volumes:
        - {name: uploads, persistentVolumeClaim: {claimName: uploads}}
---
apiVersion: v1
kind: Service
metadata: {name: cms, namespace: cms}
spec:
  selector:
    app.kubernetes.io/name: cms
    app.kubernetes.io/component: server
  ports: [{name: http, port: 80, targetPort: http}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: cms, namespace: cms}
spec:
  ingressClassName: nginx
  rules:
    - host: cms.example.com
      http:
        paths:
          - path: /
            pathType: Prefix
            backend: {service: {name: cms, port: {name: http}}}
  tls: [{hosts: [cms.example.com], secretName: cms-tls}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: cms-db, namespace: cms}
spec:
  serviceName: cms-db
  selector: {matchLabels: {app.kubernetes.io/name: cms-db}}
  template:
    metadata: {labels: {app.kubernetes.io/name: cms-db}}
    spec:
      securityContext:
        runAsNonRoot: true
        seccompProfile: {type: RuntimeDefault}
      containers:
        - name: mariadb
          image: mariadb:11.4.8
          ports: [{name: sql, containerPort: 3306}]
          envFrom: [{secretRef: {name: directus-secrets}}]
          startupProbe: {exec: {command: [healthcheck.sh, --connect]}}
          livenessProbe: {exec: {command: [healthcheck.sh, --connect]}}
          readinessProbe: {exec: {command: [healthcheck.sh, --connect]}}
          securityContext:
            allowPrivilegeEscalation: false
            capabilities: {drop: [ALL]}
          resources:
            requests: {cpu: 100m, memory: 256Mi}
            limits: {memory: 512Mi}
          volumeMounts: [{name: data, mountPath: /var/lib/mysql}]
  volumeClaimTemplates:
    - metadata: {name: data}
      spec:
        accessModes: [ReadWriteOnce]
        resources: {requests: {storage: 5Gi}}
---
apiVersion: v1
kind: Service
metadata: {name: cms-db, namespace: cms}
spec:
  clusterIP: None
  selector: {app.kubernetes.io/name: cms-db}
  ports: [{name: sql, port: 3306, targetPort: sql}]
"""


def clean_objects() -> dict[str, Any]:
    """Return the set as plain data, by ``Kind/name``."""
    found: dict[str, Any] = {}
    for document in parse_documents(CLEAN, "clean.yaml"):
        body: Any = copy.deepcopy(document.data)
        found[f"{body['kind']}/{body['metadata']['name']}"] = body
    return found


def with_edits(edits: Sequence[Edit], more: Sequence[Any] = ()) -> list[Any]:
    """Return the set after edits.

    Args:
        edits: object, dotted place ("" for the whole object) and value; GONE removes,
            a place that ends in ``+`` appends.
        more: further objects.
    """
    objects = clean_objects()
    for key, place, value in edits:
        if not place:
            if value is GONE:
                del objects[key]
            else:
                objects[key] = value
            continue
        _put(objects[key], place.split("."), value)
    return [*objects.values(), *more]


def _put(holder: Any, parts: Sequence[str], value: Any) -> None:
    for part in parts[:-1]:
        if isinstance(holder, list):
            holder = holder[int(part)]
        else:
            holder = holder.setdefault(part, {})
    last: Any = (
        int(parts[-1]) if isinstance(holder, list) and parts[-1] != "+" else (parts[-1])
    )
    if last == "+":
        holder.append(value)
    elif value is GONE:
        del holder[last]
    else:
        holder[last] = value


def manifests(bodies: Sequence[Mapping[str, Any]]) -> Manifests:
    """Make a rendered set of plain data; lines are unknown."""
    objects = []
    for body in bodies:
        metadata = body.get("metadata") or {}
        objects.append(
            Manifest(
                api_version=body["apiVersion"],
                kind=body["kind"],
                namespace=metadata.get("namespace", ""),
                name=metadata.get("name", ""),
                body=body,
            )
        )
    return Manifests(path="overlays/test", text=b"", objects=tuple(objects))


def broken_rules(edits: Sequence[Edit], more: Sequence[Any] = ()) -> set[str]:
    """Return the rules that the clean set breaks after edits."""
    found = check_manifests(manifests(with_edits(edits, more)), load_schemas())
    return {finding.rule for finding in found}
