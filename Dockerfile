# One image for every service; docker-compose.yml gives each its command.
FROM python:3.12-slim AS build
WORKDIR /app
RUN python -m venv /venv
COPY requirements/run.txt requirements/run.txt
RUN /venv/bin/pip install --no-cache-dir --require-hashes -r requirements/run.txt

FROM python:3.12-slim
RUN useradd --system --uid 10001 --home-dir /app trunkline && mkdir /data && chown trunkline /data
COPY --from=build /venv /venv
WORKDIR /app
COPY manage.py pyproject.toml ./
COPY config config
COPY telephony telephony
COPY campaigns campaigns
COPY bridge bridge
COPY templates templates
COPY static static
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 DATA_DIR=/data
USER trunkline
VOLUME /data
EXPOSE 8000 8001
CMD ["daphne", "-b", "0.0.0.0", "-p", "8000", "config.asgi:application"]
