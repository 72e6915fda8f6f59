// Package role says who may do what in a cluster that speaks TLS. Every certificate
// comes from the cluster's one authority, so the authority alone tells nobody apart:
// a certificate names what its owner is in a URI among its subject alternative names.
//
//	rescore://coordinator    writes the ledger, routes messages
//	rescore://worker         asks for work
//
// Whoever asks over the API shows the token instead, and needs no role.
package role

import (
	"crypto/tls"
	"errors"
	"fmt"
)

// What the owner of a certificate is.
const (
	Coordinator = "coordinator"
	Worker      = "worker"
)

// URI is what a certificate names a role by.
func URI(role string) string { return "rescore://" + role }

// Check returns an error unless the other end showed a certificate that names the
// role. That it is of the cluster's authority is the handshake's to check.
func Check(s *tls.ConnectionState, role string) error {
	if s != nil && len(s.PeerCertificates) > 0 {
		for _, uri := range s.PeerCertificates[0].URIs {
			if uri.String() == URI(role) {
				return nil
			}
		}
	}
	return fmt.Errorf("the other end's certificate does not name the role %s", URI(role))
}

// Mutual turns what the operator gave, this end's certificate and the cluster's
// authority as RootCAs, into TLS 1.3 in which both ends show a certificate of that
// authority. The other's names a role, unless that is "". An error says what is
// missing for it to keep anybody out.
func Mutual(given *tls.Config, other string) (*tls.Config, error) {
	switch {
	case given.RootCAs == nil:
		return nil, errors.New("TLS without an authority of its own would trust the whole world's; give the certificate of the cluster's")
	case len(given.Certificates) == 0 && given.GetCertificate == nil:
		return nil, errors.New("TLS without a certificate of this end; give one with its key")
	case given.InsecureSkipVerify:
		return nil, errors.New("TLS that does not verify the other end keeps nobody out")
	}
	c := given.Clone()
	c.MinVersion = tls.VersionTLS13
	c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, given.RootCAs
	if other != "" {
		c.VerifyConnection = func(s tls.ConnectionState) error { return Check(&s, other) } // of resumed sessions too
	}
	return c, nil
}
