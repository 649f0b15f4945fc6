# A stand-in of the public image: the user, folders, command line and variables that docker-compose.yml uses of it.
FROM python:3.11-slim-bookworm
RUN groupadd -r -g 999 redis && useradd -r -u 999 -g redis redis && apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends redis-server >/dev/null \
    && install -d -o redis -g redis /data && rm -rf /var/lib/apt/lists/*
VOLUME /data
WORKDIR /data
CMD ["redis-server"]
