# Sluice's images for people with a registry; hack/image packs the same files without one.
#   docker build --target broker -t REGISTRY/sluice-broker:TAG .      targets: broker, operator, worker, cli
FROM debian:12 AS build
WORKDIR /src
COPY hack/packages.txt hack/install-packages hack/
RUN ./hack/install-packages
COPY . .
RUN ./hack/build release sluice-broker sluice-operator sluice-worker sluice \
 && for part in broker operator worker cli; do ./hack/image --folder "/files/$part" "$part"; done

FROM scratch AS broker
COPY --from=build /files/broker /
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/sluice-broker"]

FROM scratch AS operator
COPY --from=build /files/operator /
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/sluice-operator"]

FROM scratch AS worker
COPY --from=build /files/worker /
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/sluice-worker"]

FROM scratch AS cli
COPY --from=build /files/cli /
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/sluice"]
