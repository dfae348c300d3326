# The agent, from nothing but its static binary. deploy/docker/build makes the directory that it is
# built from.
FROM scratch
LABEL org.opencontainers.image.title="unmogrowp-agent" \
      org.opencontainers.image.description="Takes events from SDKs, keeps them safe on its disk and ships them to aggregators" \
      org.opencontainers.image.source="https://github.com/unmogrowp/unmogrowp" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY unmogrowp-agent /unmogrowp-agent
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY LICENSE THIRD_PARTY_LICENCES /
COPY --chown=65532:65532 state /var/lib/unmogrowp/agent
USER 65532:65532
ENV UNMOGROWP_DATA_DIR=/var/lib/unmogrowp/agent \
    UNMOGROWP_LOG_FORMAT=json \
    UNMOGROWP_METRICS_LISTEN=:9101
VOLUME /var/lib/unmogrowp/agent
EXPOSE 8080/tcp 9101/tcp
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["/unmogrowp-agent", "ready"]
ENTRYPOINT ["/unmogrowp-agent"]
CMD ["run"]
