# The aggregator with the console, from nothing but its static binary; see agent.dockerfile.
FROM scratch
LABEL org.opencontainers.image.title="unmogrowp-aggregator" \
      org.opencontainers.image.description="Stores events in ClickHouse, computes attribution, serves the API and the console" \
      org.opencontainers.image.source="https://github.com/unmogrowp/unmogrowp" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY unmogrowp-aggregator /unmogrowp-aggregator
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY LICENSE THIRD_PARTY_LICENCES /
USER 65532:65532
ENV UNMOGROWP_LOG_FORMAT=json \
    UNMOGROWP_METRICS_LISTEN=:9102 \
    UNMOGROWP_GOSSIP_LISTEN=:7946
EXPOSE 3001/tcp 7443/udp 7946/tcp 7946/udp 9102/tcp
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 CMD ["/unmogrowp-aggregator", "ready"]
ENTRYPOINT ["/unmogrowp-aggregator"]
CMD ["run"]
