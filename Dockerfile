# docker build -t bandog .
#
# The image holds one file, for other Dockerfiles:  COPY --from=bandog /fwatchdog /usr/bin/fwatchdog
ARG DEBIAN_IMAGE=debian:trixie-slim

FROM ${DEBIAN_IMAGE} AS build
WORKDIR /src

# The compiler and the libraries first: this layer stays while the sources change.
COPY scripts/deps scripts/deps
RUN scripts/deps build && scripts/deps path musl && rm -rf /var/lib/apt/lists/*

COPY . .
# .git is not copied: say what is built with --build-arg.
ARG VERSION=dev
ARG SHA=unknown
RUN make VERSION="$VERSION" SHA="$SHA"

FROM scratch
COPY --from=build /src/build/fwatchdog /fwatchdog
EXPOSE 8080
ENTRYPOINT ["/fwatchdog"]
