# The images of tagger. `docker build --target tagger -t tagger .` makes the small one: API, delivery, reconciler, Flower, and tag workers with
# the small models. `docker build --target gpu -t tagger-gpu .` adds torch and what the large models need.
#
# The base is pinned by its tag. A digest pins more exactly, but it also stops the security fixes that a rebuild brings, and it must be
# looked up in the registry that you trust: --build-arg PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:…
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# --- what both images install; every file that pip installs has its hash in the lock
FROM ${PYTHON_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
# Debian removes old versions from its mirrors, so a pinned version would soon fail to build.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /opt/tagger
COPY requirements/image.lock /src/requirements/
RUN /opt/tagger/bin/pip install --require-hashes -r /src/requirements/image.lock

# --- the package itself, without the tools that install it
FROM build AS build-tagger
COPY pyproject.toml README.md LICENSE NOTICE /src/
COPY tagger /src/tagger
COPY workers /src/workers
RUN /opt/tagger/bin/pip install --no-deps --no-build-isolation /src \
    && /opt/tagger/bin/pip uninstall -y setuptools pip \
    && find /opt/tagger -type d -path '*/numpy/*' -name tests -prune -exec rm -rf {} +

# --- what both images run as: no root, nothing to write but the home and /tmp
FROM ${PYTHON_IMAGE} AS runtime
RUN groupadd --gid 10001 tagger \
    && useradd --uid 10001 --gid tagger --no-log-init --home-dir /var/lib/tagger --shell /usr/sbin/nologin tagger \
    && install -d -o tagger -g tagger -m 700 /var/lib/tagger
COPY --from=build /usr/bin/tini /usr/bin/tini
ENV PATH=/opt/tagger/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    TAGGER_HOME=/var/lib/tagger \
    TAGGER_API_HOST=0.0.0.0 \
    TAGGER_METRICS_HOST=0.0.0.0 \
    TAGGER_METRICS_PORT=9400
USER 10001:10001
WORKDIR /var/lib/tagger
VOLUME /var/lib/tagger
# the API, and the probes and metrics of every role
EXPOSE 8400 9400
# tini passes SIGTERM on, on which each role finishes its work in progress, and reaps what a killed decoder leaves behind
ENTRYPOINT ["/usr/bin/tini", "--", "tagger"]
CMD ["api"]
HEALTHCHECK --interval=10s --timeout=10s --start-period=300s --retries=3 CMD ["python", "-m", "tagger.telemetry.probe"]
LABEL org.opencontainers.image.title="tagger" \
      org.opencontainers.image.description="Alt text, captions and tags for the images of content-management systems" \
      org.opencontainers.image.licenses="Apache-2.0"

# --- docker build --target tagger
FROM runtime AS tagger
COPY --from=build-tagger /opt/tagger /opt/tagger
ARG VERSION=0.2.0
ARG REVISION=unknown
LABEL org.opencontainers.image.version="${VERSION}" org.opencontainers.image.revision="${REVISION}"

# --- the large models: the exact torch of pyproject.toml, outside the lock because its CPU and CUDA builds carry different hashes
FROM build AS build-gpu
COPY requirements/gpu.lock /src/requirements/
RUN /opt/tagger/bin/pip install --require-hashes -r /src/requirements/gpu.lock \
    && /opt/tagger/bin/pip install torch==2.13.0
COPY pyproject.toml README.md LICENSE NOTICE /src/
COPY tagger /src/tagger
COPY workers /src/workers
RUN /opt/tagger/bin/pip install --no-deps --no-build-isolation /src

# --- docker build --target gpu
FROM runtime AS gpu
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=build-gpu /opt/tagger /opt/tagger
ARG VERSION=0.2.0
ARG REVISION=unknown
LABEL org.opencontainers.image.version="${VERSION}" org.opencontainers.image.revision="${REVISION}"
