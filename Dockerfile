FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY runtime/ runtime/
COPY sources/ sources/
COPY broker/ broker/
COPY receiver/ receiver/
COPY worker/ worker/
COPY inspector/ inspector/
COPY launcher/ launcher/
COPY hookline/ hookline/
# Locked: the first constrains installed packages and, until pip 25.2, the build tools; since pip 25.3 the second does that.
ENV PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt
# Extras of pyproject.toml, separated by commas, such as apprise.
ARG EXTRAS=
RUN python -m venv /opt/hookline && /opt/hookline/bin/pip install --no-cache-dir ".[$EXTRAS]"

FROM python:3.13-slim
# A new volume for webhooks that wait on disk gets the owner of this directory.
RUN useradd --system --no-create-home --uid 10001 hookline && install --directory --owner=hookline /var/lib/hookline/spill
COPY --from=build /opt/hookline /opt/hookline
ENV PATH="/opt/hookline/bin:$PATH" PYTHONUNBUFFERED=1
# Hookline reads hookline.toml from the working directory, if it exists.
WORKDIR /etc/hookline
USER hookline
EXPOSE 8080 8081 8082 8083
ENTRYPOINT ["hookline"]
