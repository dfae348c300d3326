package protocol

import (
	"crypto/x509"
	"fmt"
	"strings"
	"time"
)

// The names that TLS carries. The agent's identity is the URI in its client
// certificate; aggregators are known by one server name under the private CA.
const (
	ALPN       = "unmogrowp/1"        // a session: mutual TLS
	EnrollALPN = "unmogrowp-enroll/1" // enrolment: the agent has a token, no certificate yet
	RenewALPN  = "unmogrowp-renew/1"  // renewal of a certificate that has expired: the agent proves its key
	ServerName = "aggregator.unmogrowp.internal"

	agentURI = "spiffe://unmogrowp/agent/"
)

// RenewWithin is for how long after its end a certificate can be renewed.
const RenewWithin = 90 * 24 * time.Hour

// AgentURI is the subject alternative name of an agent's certificate.
func AgentURI(id string) string { return agentURI + id }

// AgentID returns the id in an agent's certificate, and an error for any
// other certificate.
func AgentID(cert *x509.Certificate) (string, error) {
	if len(cert.URIs) != 1 {
		return "", fmt.Errorf("certificate %s names %d URIs, exactly one agent wanted", cert.SerialNumber, len(cert.URIs))
	}
	id, ok := strings.CutPrefix(cert.URIs[0].String(), agentURI)
	if !ok || id == "" || strings.Contains(id, "/") {
		return "", fmt.Errorf("certificate %s is not an agent's", cert.SerialNumber)
	}
	return id, nil
}
