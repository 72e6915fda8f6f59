package replica

import (
	"errors"
	"net"
	"sync"
	"time"
)

// network is what the replicas of a test dial through. A cut between two ends what
// is open between them and refuses what is new, whoever dials.
type network struct {
	mu    sync.Mutex
	at    map[string]string // address: whose
	cuts  map[[2]string]bool
	conns map[[2]string][]net.Conn
}

func newNetwork() *network {
	return &network{at: map[string]string{}, cuts: map[[2]string]bool{}, conns: map[[2]string][]net.Conn{}}
}

func pair(a, b string) [2]string { return [2]string{min(a, b), max(a, b)} }

var errCut = errors.New("the network is cut")

// through gives a replica this network; the addresses are those of its peers.
func (n *network) through(cfg *Config) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range cfg.Peers {
		n.at[p.Address] = p.ID
	}
	from := cfg.ID
	cfg.dial = func(address string, timeout time.Duration) (net.Conn, error) {
		conn, err := net.DialTimeout("tcp", address, timeout)
		n.mu.Lock()
		defer n.mu.Unlock()
		between := pair(from, n.at[address])
		if err == nil && n.cuts[between] {
			_ = conn.Close()
			return nil, errCut
		}
		if err == nil {
			n.conns[between] = append(n.conns[between], conn)
		}
		return conn, err
	}
}

// cut ends what is between two.
func (n *network) cut(a, b string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cuts[pair(a, b)] = true
	for _, conn := range n.conns[pair(a, b)] {
		_ = conn.Close()
	}
	delete(n.conns, pair(a, b))
}

// heal mends every cut.
func (n *network) heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.cuts)
}

// isolate cuts one off from all others.
func (n *network) isolate(one string, peers []Peer) {
	for _, p := range peers {
		if p.ID != one {
			n.cut(one, p.ID)
		}
	}
}
