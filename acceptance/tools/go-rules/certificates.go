package main

import (
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"time"
)

// now is when every chain is judged.
var now = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// situation is a chain that a server shows, and who trusts whom.
type situation struct {
	Name  string   `json:"name"`
	Host  string   `json:"host"`
	Roots [][]byte `json:"roots"`
	// Shown begins with the server's own certificate.
	Shown    [][]byte `json:"shown"`
	Accepted bool     `json:"accepted"`
	// Words say why not.
	Words string `json:"words,omitempty"`
}

func certificates() error {
	all := situations()
	for index := range all {
		one := &all[index]
		if err := one.judge(); err != nil {
			one.Words = err.Error()
		}
		one.Accepted = one.Words == ""
	}
	return printTable(all)
}

// judge does with a chain what crypto/tls does in a handshake
// (`verifyServerCertificate`).
func (s *situation) judge() error {
	roots := x509.NewCertPool()
	for _, der := range s.Roots {
		if root, err := x509.ParseCertificate(der); err == nil {
			roots.AddCert(root)
		}
	}
	config := tls.Config{ServerName: s.Host}
	options := x509.VerifyOptions{
		Roots:         roots,
		CurrentTime:   now,
		DNSName:       config.ServerName,
		Intermediates: x509.NewCertPool(),
	}
	var leaf *x509.Certificate
	for index, der := range s.Shown {
		parsed, err := x509.ParseCertificate(der)
		if err != nil {
			return err
		}
		if key, ok := parsed.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() > 8192 {
			return fmt.Errorf("RSA key larger than 8192 bits")
		}
		if index == 0 {
			leaf = parsed
		} else {
			options.Intermediates.AddCert(parsed)
		}
	}
	_, err := leaf.Verify(options)
	return err
}
