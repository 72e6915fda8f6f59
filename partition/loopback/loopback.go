// Package loopback gives tests ports that nobody else is given.
package loopback

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// Ports below those that systems hand out to whoever asks for any.
const (
	first = 10_000
	past  = 20_000
)

var given sync.Map

// Listen listens on 127.0.0.1, on a port that no other call of this process was given:
// whoever closes the listener, and listens there again, finds nobody else in between.
func Listen(t testing.TB) net.Listener {
	t.Helper()
	last := errors.New("every port was given")
	for range past - first {
		port := first + rand.IntN(past-first)
		if _, ok := given.LoadOrStore(port, true); ok {
			continue
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return l
		}
		last = err
	}
	t.Fatal(last)
	return nil
}
