# A static binary on an empty base: no shell, no libc, no root.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /out/sallyport ./cmd/sallyport \
 && mkdir -p /out/data && chown 65532:65532 /out/data

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/sallyport /sallyport
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
VOLUME /data
EXPOSE 8080
# The address is not a loopback one, so SALLYPORT_ISSUER must be set to the
# public https URL, and the proxy in front named in SALLYPORT_TRUSTED_PROXIES.
ENV SALLYPORT_DATA=/data SALLYPORT_LISTEN=0.0.0.0:8080
ENTRYPOINT ["/sallyport"]
CMD ["serve"]
