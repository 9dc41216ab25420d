# The daemon's image: api, worker, beat, relay and the command line are all this one, with another command.
FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
RUN python -m venv /opt/custody
WORKDIR /source
COPY requirements/build.txt requirements/daemon.txt requirements/
# The build tools are locked too, so nothing is built with whatever happens to be newest.
RUN /opt/custody/bin/pip install --require-hashes -r requirements/build.txt \
 && /opt/custody/bin/pip install --no-build-isolation --require-hashes -r requirements/daemon.txt
COPY pyproject.toml README.md ./
COPY requirements/*.in requirements/
COPY custody custody
COPY policies policies
COPY config config
COPY workers workers
RUN /opt/custody/bin/pip install --no-build-isolation --no-deps .

FROM python:3.11-slim-bookworm
COPY --from=build /opt/custody /opt/custody
ENV PATH=/opt/custody/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# python-bitcoinlib looks libssl up through the loader's cache; failing here is better than at the first payment.
RUN python -c 'import bitcoin.wallet' \
 && useradd --system --uid 10001 --no-create-home custody \
 && install -d -o custody -g custody /state
USER custody
WORKDIR /state
