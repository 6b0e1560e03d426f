# The shop's worker: what docker-compose.yml runs. No dev server, no tests, no compiler in it.

FROM python:3.13.14-slim AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/euryale
# The packages change less often than the code, so they are a layer of their own.
COPY requirements-worker.lock /src/
RUN /opt/euryale/bin/pip install --no-deps --require-hashes -r /src/requirements-worker.lock
COPY pyproject.toml README.md LICENSE /src/
COPY euryale /src/euryale
RUN /opt/euryale/bin/pip install --no-deps --no-build-isolation /src

FROM python:3.13.14-slim

# The container is read-only: bytecode is compiled here, and never written where it runs.
ENV PATH=/opt/euryale/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin shop
# What the shop writes; a volume that is mounted here begins with this owner.
RUN mkdir -m 0750 /data && chown 10001 /data
COPY --from=build /opt/euryale /opt/euryale
WORKDIR /app
COPY pyproject.toml ./
COPY activities ./activities
COPY jobs ./jobs
COPY worker ./worker
COPY workflows ./workflows
RUN python -m compileall -q activities jobs worker workflows && euryale check

USER 10001
CMD ["python", "-m", "worker"]
