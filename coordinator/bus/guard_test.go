package bus

import (
	"crypto/sha256"
	"crypto/tls"
	"net"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"rescore/partition/role"
)

// caller is a connection that asks to be let in; at is nil once it hung up.
type caller struct {
	server.ClientAuthentication
	at       net.Addr
	password string
	let      *server.User
}

func (c *caller) GetOpts() *server.ClientOpts {
	return &server.ClientOpts{Username: role.Worker, Password: c.password}
}
func (c *caller) RemoteAddress() net.Addr                     { return c.at }
func (c *caller) GetTLSConnectionState() *tls.ConnectionState { return nil }
func (c *caller) RegisterUser(u *server.User)                 { c.let = u }

// TestACallerThatHangsUpWhileItIsLetInEndsNothing: on a busy machine its connection is
// gone before it is asked where it comes from.
func TestACallerThatHangsUpWhileItIsLetInEndsNothing(t *testing.T) {
	t.Parallel()
	here := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}
	for name, c := range map[string]struct {
		at       net.Addr
		password string
		tls, let bool
	}{
		"as it should be":      {at: here, password: "token", let: true},
		"it hung up":           {password: "token"},
		"it hung up, with TLS": {password: "token", tls: true},
		"no certificate":       {at: here, password: "token", tls: true},
		"another token":        {at: here, password: "other"},
	} {
		g := guard{token: sha256.Sum256([]byte("token")), tls: c.tls}
		who := &caller{at: c.at, password: c.password}
		if let := g.Check(who); let != c.let || (who.let != nil) != c.let {
			t.Errorf("%s: let in %t, as %v", name, let, who.let)
		}
	}
}
