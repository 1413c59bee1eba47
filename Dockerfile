# The service with git and a checked kustomize, as an ordinary user.
FROM python:3.12-slim-bookworm AS build
COPY . /source
RUN python -m venv /app \
 && /app/bin/pip install --no-cache-dir /source \
 && /app/bin/directus-gitops tools install --data /app/tools

FROM python:3.12-slim-bookworm
RUN apt-get update \
 && apt-get install -y --no-install-recommends git \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --create-home --shell /usr/sbin/nologin gitops \
 && install -d -o gitops -g gitops -m 0700 /data
COPY --from=build /app /app
ENV PATH=/app/bin:/usr/local/bin:/usr/bin:/bin \
    DIRECTUS_GITOPS_DATA=/data \
    DIRECTUS_GITOPS_HOST=0.0.0.0
RUN ln -s "$(find /app/tools -type f -perm -100 | head -n 1)" /app/bin/kustomize
USER 10001
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
ENTRYPOINT ["directus-gitops"]
CMD ["serve"]
