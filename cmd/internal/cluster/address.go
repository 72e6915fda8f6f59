package cluster

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"rescore/cmd/internal/boot"
)

// What listens above a coordinator's base port.
const (
	raftPort    = 0
	clientsPort = 1 // NATS: workers
	routesPort  = 2 // NATS: the other coordinators
	apiPort     = 3
	lastPort    = apiPort
)

// Base is a coordinator's base address, HOST:PORT. Its ports are that one and the
// three above.
type Base struct {
	Host string
	Port int
}

// ParseBase reads a base address.
func ParseBase(s string) (Base, error) {
	host, text, err := net.SplitHostPort(s)
	port, numeric := strconv.Atoi(text)
	if err != nil || numeric != nil || host == "" || port < 1 || port+lastPort > 65535 {
		return Base{}, boot.Usagef("write HOST:PORT, such as h1:7300; the three ports above are used too", "%q is no coordinator's address", s)
	}
	return Base{host, port}, nil
}

func (b Base) at(offset int) string { return net.JoinHostPort(b.Host, strconv.Itoa(b.Port+offset)) }

// String returns HOST:PORT.
func (b Base) String() string { return b.at(raftPort) }

// Peer is a coordinator of a cluster.
type Peer struct {
	ID   string
	Base Base
}

// ParsePeers reads c1=h1:7300,c2=h2:7300,c3=h3:7300.
func ParsePeers(s string) (peers []Peer, err error) {
	const hint = "write --peers c1=h1:7300,c2=h2:7300,c3=h3:7300, the same at every coordinator"
	for _, part := range strings.Split(s, ",") {
		id, address, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok || id == "" {
			return nil, boot.Usagef(hint, "peer %q is no ID=HOST:PORT", part)
		}
		base, err := ParseBase(address)
		if err != nil {
			return nil, err
		}
		for _, other := range peers {
			if other.ID == id || other.Base == base {
				return nil, boot.Usagef(hint, "peer %s is listed twice, or its address is", id)
			}
		}
		peers = append(peers, Peer{id, base})
	}
	return peers, nil
}

// ParseCoordinators reads h1:7300,h2:7300,h3:7300.
func ParseCoordinators(s string) (bases []Base, err error) {
	if s == "" {
		return nil, boot.Usagef("name them with --coordinators h1:7300,h2:7300,h3:7300 or in RESCORE_COORDINATORS", "no coordinator is named")
	}
	for _, part := range strings.Split(s, ",") {
		base, err := ParseBase(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		bases = append(bases, base)
	}
	return bases, nil
}

// unsealed returns the hosts of nats-servers' URLs that do not ask for TLS themselves.
func unsealed(urls []string) (hosts []string, err error) {
	for _, text := range urls {
		if !strings.Contains(text, "://") {
			text = "nats://" + text // as the client of NATS reads it
		}
		u, err := url.Parse(text)
		if err != nil || u.Hostname() == "" {
			return nil, boot.Usagef("write --nats nats://n1:4222,nats://n2:4222", "a URL of --nats names no host") // which may hold a password
		}
		if u.Scheme != "tls" {
			hosts = append(hosts, u.Hostname())
		}
	}
	return hosts, nil
}

// Near refuses to speak without TLS to what is not on this machine.
func Near(insecure bool, hosts ...string) error {
	if insecure {
		return nil
	}
	for _, host := range hosts {
		addresses, err := net.LookupIP(host)
		if err != nil {
			return fmt.Errorf("find %s: %w", host, err)
		}
		for _, ip := range addresses {
			if !ip.IsLoopback() {
				return boot.Usagef("give --tls-ca, --tls-cert and --tls-key, or, on a network that you trust with the token and every message, --insecure",
					"%s is not this machine, and nothing is encrypted without TLS", host)
			}
		}
	}
	return nil
}
