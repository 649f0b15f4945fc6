# A stand-in of the public image: the user, folders, command line and variables that docker-compose.yml uses of it.
FROM python:3.11-slim-bookworm
# the programs and their pages alone: the package depends on many others
RUN apt-get update -qq && cd /tmp && apt-get download -qq prometheus && dpkg-deb -x prometheus_*.deb unpacked \
    && cp unpacked/usr/bin/* /usr/bin/ && cp -r unpacked/usr/share/prometheus /usr/share/ \
    && rm -rf /tmp/* /var/lib/apt/lists/* && install -d -o nobody -g nogroup /prometheus
USER nobody
WORKDIR /prometheus
VOLUME /prometheus
ENTRYPOINT ["/usr/bin/prometheus"]
