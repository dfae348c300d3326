package authority

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// encodePair is the form in which the authority's key and certificate are
// kept: two PEM blocks.
func encodePair(key, cert []byte) []byte {
	var b bytes.Buffer
	b.Write(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
	return b.Bytes()
}

func parseAuthority(data []byte) (crypto.Signer, *x509.Certificate, error) {
	keyBlock, rest := pem.Decode(data)
	if keyBlock == nil {
		return nil, nil, errors.New("no key in the stored secret")
	}
	certBlock, _ := pem.Decode(rest)
	if certBlock == nil {
		return nil, nil, errors.New("no certificate in the stored secret")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("read key: %w", err)
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, nil, fmt.Errorf("key of type %T cannot sign", parsed)
	}
	cert, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("read certificate: %w", err)
	}
	return key, cert, nil
}
