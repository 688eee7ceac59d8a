# An image for one service: docker build --build-arg SERVICE=orders --tag troupe/orders .
# All programs are built in one step, so that the images of all services share it.
FROM --platform=$BUILDPLATFORM golang:1.26.8-alpine AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG VERSION=dev
ARG TARGETOS
ARG TARGETARCH
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -ldflags "-s -w -X troupe/app.Version=$VERSION" -o /out/ ./cmd/...

FROM scratch
ARG SERVICE
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/$SERVICE /service
USER 65532:65532
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s CMD ["/service", "health"]
ENTRYPOINT ["/service"]
