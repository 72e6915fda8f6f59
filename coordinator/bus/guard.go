package bus

import (
	"crypto/sha256"
	"crypto/subtle"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"rescore/partition/role"
	"rescore/partition/wire"
)

// Inbox is what the subjects of a role's inboxes begin with: no role can listen to
// another's answers.
func Inbox(role string) string { return "_INBOX." + role }

// answering is for how long a question may be answered, and answered again.
const answering = 2 * time.Hour

// may is what each role may say and hear. Roles are the users of a cluster's NATS; the
// password of both is the cluster's token. Everything else is denied: $SYS, $JS and
// the other role's subjects among it.
var may = map[string]*server.Permissions{
	role.Coordinator: {
		Publish:   &server.SubjectPermission{Allow: []string{wire.SubjectLead, wire.SubjectCheck, wire.SubjectCompare}},
		Subscribe: &server.SubjectPermission{Allow: []string{wire.SubjectWork, wire.SubjectReport, wire.SubjectHeartbeat, Inbox(role.Coordinator) + ".>"}},
		Response:  &server.ResponsePermission{MaxMsgs: 1, Expires: answering},
	},
	role.Worker: {
		Publish: &server.SubjectPermission{Allow: []string{wire.SubjectWork, wire.SubjectReport, wire.SubjectHeartbeat}},
		Subscribe: &server.SubjectPermission{Allow: []string{
			wire.SubjectLead, wire.SubjectCheck + " " + wire.QueueWorkers, wire.SubjectCompare + " " + wire.QueueWorkers, Inbox(role.Worker) + ".>",
		}},
		Response: &server.ResponsePermission{MaxMsgs: -1, Expires: answering}, // it says that it is working, and then the answer
	},
}

// guard lets clients in: the coordinator from inside its process, workers over the
// network, and nobody without the token. With TLS a worker's certificate must say
// that it is one: rescore://worker in a URI SAN.
type guard struct {
	token [sha256.Size]byte
	tls   bool
}

// Check implements server.Authentication.
func (g *guard) Check(c server.ClientAuthentication) bool {
	o := c.GetOpts()
	got := sha256.Sum256([]byte(o.Password))
	if subtle.ConstantTimeCompare(got[:], g.token[:]) != 1 {
		return false
	}
	is := role.Worker
	at := c.RemoteAddress()
	if at == nil {
		return false // it hung up meanwhile
	}
	if at.Network() == "pipe" {
		is = role.Coordinator
	} else if g.tls && role.Check(c.GetTLSConnectionState(), is) != nil {
		return false
	}
	if o.Username != is {
		return false
	}
	c.RegisterUser(&server.User{Username: is, Permissions: may[is]})
	return true
}

// routeGuard lets other coordinators' servers in.
type routeGuard struct{ guard }

// Check implements server.Authentication.
func (g *routeGuard) Check(c server.ClientAuthentication) bool {
	o := c.GetOpts()
	got := sha256.Sum256([]byte(o.Password))
	return subtle.ConstantTimeCompare(got[:], g.token[:]) == 1 && o.Username == role.Coordinator &&
		(!g.tls || role.Check(c.GetTLSConnectionState(), role.Coordinator) == nil)
}
