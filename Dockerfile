# The service with git and a checked kustomize, as an ordinary user without a shell of its own.
FROM python:3.12-slim-bookworm AS build
COPY . /source
RUN python -m venv /app \
 && /app/bin/pip install --no-cache-dir "/source[postgresql]" \
 && /app/bin/directus-gitops tools install --data /tmp/tools \
 && install -m 0755 "$(find /tmp/tools/cache -type f -perm -100 | head -n 1)" /app/bin/

FROM python:3.12-slim-bookworm
LABEL org.opencontainers.image.title="directus-gitops" \
      org.opencontainers.image.licenses="Apache-2.0"
# openssh-client and gnupg: git over SSH, and signed commits. util-linux: the walls
# around kustomize. tini: reaps what git leaves, and hands signals on.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates git gnupg openssh-client tini util-linux \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 10001 gitops \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin gitops \
 && install -d -o 10001 -g 10001 -m 0700 /data
COPY --from=build /app /app
# The root may be read-only: what is written is in /data, and for moments in /tmp.
ENV PATH=/app/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DIRECTUS_GITOPS_DATA=/data \
    DIRECTUS_GITOPS_HOST=0.0.0.0 \
    DIRECTUS_GITOPS_PORT=8080
USER 10001:10001
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['DIRECTUS_GITOPS_PORT'] + '/healthz', timeout=4)"]
ENTRYPOINT ["tini", "--", "directus-gitops"]
CMD ["serve"]
