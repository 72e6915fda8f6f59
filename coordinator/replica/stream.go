package replica

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// The first byte of a connection says what it is for.
const (
	forRaft     = 0x31 // raft's own messages follow
	forProgress = 0x32 // eight bytes come back: the index this replica has applied
	forVigil    = 0x33 // nothing is said, and the connection lasts as long as this replica
	forMember   = 0x34 // a byte with the length of a name, and the name; nine bytes come back: 1 if it is a member, and the index of the entry that says so, 0 while that may be taken back
)

// handshake bounds what a connection may take to say what it is for, so that one
// that says nothing is not held.
const handshake = 10 * time.Second

// layer carries raft's messages over TCP, with mutual TLS when it is given. It
// keeps every connection it handed out and closes them all with itself: raft's
// transport forgets those it has pooled and those it is reading from.
type layer struct {
	listener net.Listener
	address  address // others reach this replica at
	tls      *tls.Config
	dial     func(address string, timeout time.Duration) (net.Conn, error)
	applied  func() uint64
	member   func(id string) (in bool, index uint64)

	accepted chan net.Conn
	stop     chan struct{}
	running  sync.WaitGroup

	mu    sync.Mutex
	open  map[net.Conn]struct{}
	ended bool
}

// address is a net.Addr that is told, not found: behind a translated address, a
// listener knows the wrong one.
type address string

// Network implements net.Addr.
func (address) Network() string { return "tcp" }

// String implements net.Addr.
func (a address) String() string { return string(a) }

// newLayer takes the listener over.
func newLayer(listener net.Listener, advertise string, secure *tls.Config, applied func() uint64, member func(string) (bool, uint64)) *layer {
	l := &layer{
		listener: listener, address: address(advertise), tls: secure, applied: applied, member: member,
		dial: func(address string, timeout time.Duration) (net.Conn, error) {
			return net.DialTimeout("tcp", address, timeout)
		},
		accepted: make(chan net.Conn), stop: make(chan struct{}), open: map[net.Conn]struct{}{},
	}
	l.running.Go(l.listen)
	return l
}

func (l *layer) listen() {
	for pause := time.Millisecond; ; {
		conn, err := l.listener.Accept()
		switch {
		case err == nil:
			pause = time.Millisecond
			l.running.Go(func() { l.greet(conn) })
		case errors.Is(err, net.ErrClosed):
			return
		default: // as when the process is out of file descriptors
			select {
			case <-time.After(pause):
				pause = min(2*pause, time.Second)
			case <-l.stop:
				return
			}
		}
	}
}

// greet finds out who calls and what for. It runs beside the others, so that a
// caller that is slow with its handshake delays nobody.
func (l *layer) greet(plain net.Conn) {
	conn, err := l.keep(plain)
	if err != nil {
		return
	}
	_ = conn.SetDeadline(time.Now().Add(handshake)) // fails only on a closed connection, as the reads then do
	if l.tls != nil {
		conn.Conn = tls.Server(plain, l.tls)
	}
	var purpose [1]byte
	if _, err := io.ReadFull(conn, purpose[:]); err != nil {
		_ = conn.Close()
		return
	}
	switch purpose[0] {
	case forRaft:
		_ = conn.SetDeadline(time.Time{})
		select {
		case l.accepted <- conn:
			return
		case <-l.stop:
		}
	case forVigil:
		_ = conn.SetDeadline(time.Time{})
		_, _ = io.Copy(io.Discard, conn) // until either end is gone
	case forProgress:
		_, _ = conn.Write(binary.BigEndian.AppendUint64(nil, l.applied())) // the caller notices
	case forMember:
		var name [256]byte
		if _, err := io.ReadFull(conn, name[:1]); err != nil {
			break
		}
		id := name[1 : 1+int(name[0])]
		if _, err := io.ReadFull(conn, id); err != nil {
			break
		}
		answer := make([]byte, 1, 9)
		in, index := l.member(string(id))
		if in {
			answer[0] = 1
		}
		_, _ = conn.Write(binary.BigEndian.AppendUint64(answer, index))
	}
	_ = conn.Close()
}

// call opens a connection for one purpose.
func (l *layer) call(address string, timeout time.Duration, purpose byte) (net.Conn, error) {
	plain, err := l.dial(address, timeout)
	if err != nil {
		return nil, err
	}
	conn, err := l.keep(plain)
	if err != nil {
		return nil, err
	}
	if l.tls != nil {
		secure := l.tls
		if host, _, err := net.SplitHostPort(address); err == nil && secure.ServerName == "" {
			secure = secure.Clone()
			secure.ServerName = host
		}
		conn.Conn = tls.Client(plain, secure)
	}
	err = conn.SetDeadline(time.Now().Add(timeout))
	if err == nil {
		_, err = conn.Write([]byte{purpose})
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("call %s: %w", address, err)
	}
	return conn, nil
}

// progress asks another replica how far it has applied the log.
func (l *layer) progress(ctx context.Context, address string) (uint64, error) {
	var index [8]byte
	if err := l.ask(ctx, address, forProgress, nil, index[:]); err != nil {
		return 0, fmt.Errorf("ask %s how far it is: %w", address, err)
	}
	return binary.BigEndian.Uint64(index[:]), nil
}

// knows asks another replica whether the one of that name is a member, and which
// entry says so.
func (l *layer) knows(ctx context.Context, address, id string) (in bool, index uint64, err error) {
	var answer [9]byte
	if err := l.ask(ctx, address, forMember, append([]byte{byte(len(id))}, id...), answer[:]); err != nil {
		return false, 0, fmt.Errorf("ask %s who is a member: %w", address, err)
	}
	return answer[0] != 0, binary.BigEndian.Uint64(answer[1:]), nil
}

// ask opens a connection, says one thing and reads an answer of known length.
func (l *layer) ask(ctx context.Context, address string, purpose byte, say, answer []byte) error {
	timeout := handshake
	if at, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(at))
	}
	conn, err := l.call(address, timeout, purpose)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	if _, err := conn.Write(say); err != nil {
		return err
	}
	_, err = io.ReadFull(conn, answer)
	return err
}

// Accept implements net.Listener.
func (l *layer) Accept() (net.Conn, error) {
	select {
	case conn := <-l.accepted:
		return conn, nil
	case <-l.stop:
		return nil, net.ErrClosed
	}
}

// Addr implements net.Listener: the address others reach this replica at.
func (l *layer) Addr() net.Addr { return l.address }

// Dial implements raft.StreamLayer.
func (l *layer) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	return l.call(string(address), timeout, forRaft)
}

// cut ends every connection, and there are no new ones.
func (l *layer) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	l.ended = true
	close(l.stop)
	_ = l.listener.Close()
	for conn := range l.open {
		_ = conn.Close()
	}
	clear(l.open)
}

// Close implements net.Listener. It cuts, and waits for those that were still
// being greeted.
func (l *layer) Close() error {
	l.cut()
	l.running.Wait()
	return nil
}

// kept is a connection the layer closes unless somebody did before.
type kept struct {
	net.Conn
	plain net.Conn
	layer *layer
}

func (l *layer) keep(plain net.Conn) (*kept, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		_ = plain.Close()
		return nil, net.ErrClosed
	}
	l.open[plain] = struct{}{}
	return &kept{plain, plain, l}, nil
}

// Close implements net.Conn.
func (k *kept) Close() error {
	k.layer.mu.Lock()
	delete(k.layer.open, k.plain)
	k.layer.mu.Unlock()
	return k.Conn.Close()
}
