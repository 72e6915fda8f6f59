// Package replica keeps the ledger in hashicorp/raft: it puts commands into the
// log, applies what was committed, takes snapshots and says who leads. It
// decides nothing; package ledger does.
//
//	Propose ──► raft log (fsync) ──► committed ──► ledger.Apply ──► Reply
//	                                                   │
//	            View, Changed ◄────────────────────────┘
//
// # Alone or three
//
// Without Peers the ledger lives in this process and has no others. With them the
// same ledger is kept by each, over TCP: raft's messages go through layer, which
// checks on both ends that a coordinator speaks (package role). Verify makes a read as good as
// a write; Add, Promote and Remove change who votes; Backup and Restore are for the
// day on which a quorum is lost for good.
//
// # On disk
//
//	server-id    who this replica is; written once
//	raft.db      log and votes (bbolt, every append is synced)
//	snapshots/   the last two ledgers, so that the log can be cut
//
// Results spill to a file there that has no name and is gone with the process.
//
// The three belong together. Open refuses a folder in which one is missing or
// damaged: a replica that forgot part of its log would hand out tokens a second
// time, and a token that is not unique fences nothing (I3). Every entry, vote and
// snapshot carries a sum, and bbolt's pages are walked before bbolt trusts them. A
// write that fails, or takes too long, ends the replica's use (Failed); the others
// of three go on.
//
// # Unknown outcomes
//
// Propose returns ErrNotLeader when the command is surely not in the log. Every
// other error of raft (lost leadership, a timeout, shutdown) is
// ErrUnknownOutcome: the command may be applied already, or later, or never.
// Every command is idempotent or fenced, so the answer is to send the same one
// again. ErrBroken is the end of asking: the disk refused a write.
//
// # Leading
//
// Lead waits until this replica leads and has applied everything that earlier
// leaders committed; it returns a context that ends with the leadership. Work
// done under it may still run a moment after another replica has taken over;
// whatever leaves the process must carry a log index.
//
// # Stopping
//
// A log entry that cannot be decoded, or that this build does not know, panics:
// to skip it would be to hold another ledger than everyone else (I7).
package replica

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	berrors "go.etcd.io/bbolt/errors"

	"rescore/coordinator/ledger"
	"rescore/partition/failpoint"
	"rescore/partition/role"
)

var (
	// ErrNotLeader is returned by Propose when this replica does not lead; the
	// command is not in the log.
	ErrNotLeader = errors.New("this replica does not lead")
	// ErrUnknownOutcome is returned by Propose when the command may or may not
	// have been applied. Send the same command again.
	ErrUnknownOutcome = errors.New("outcome of the command is unknown")
	// ErrLocked is returned by Open when another process has the folder open.
	ErrLocked = errors.New("ledger is open in another process")
	// ErrIdentity is returned by Open when the folder has a log but no usable
	// server-id, or another one than the configuration says.
	ErrIdentity = errors.New("ledger folder has no matching server-id")
	// ErrHistory is returned by Open when part of the log, or every snapshot that
	// the log needs before it, is missing or damaged.
	ErrHistory = errors.New("ledger history is incomplete")
	// ErrBroken is returned by Propose and Lead after a write to raft.db failed, as
	// on a full disk. The outcome of the command is unknown; the replica is of no
	// more use until it is opened again.
	ErrBroken = errors.New("the ledger cannot be written")
	// ErrClosed is the cause of a leadership that ended because of Close.
	ErrClosed = errors.New("replica is closed")

	errLost = errors.New("leadership lost")
)

// Config says where a replica lives and how it speaks to others.
type Config struct {
	// Dir is the folder of the log. It is created; nobody else may write in it.
	Dir string
	// ID is the server's name in the cluster. Made up at the first Open and read
	// from the folder ever after when empty; otherwise it must match the folder.
	ID string
	// Peers are the voters the cluster begins with, an odd number and the same list
	// everywhere; this replica is one of them by its ID. What the list says of an
	// address goes before what the cluster says. None: a ledger of this process alone.
	Peers []Peer
	// Join waits to be added to a cluster that has begun, instead of beginning one.
	Join bool
	// Advertise is where others reach this replica, host:port. Defaults to its
	// address in Peers.
	Advertise string
	// Listener takes the others' connections. Defaults to one on Advertise. The
	// replica closes it.
	Listener net.Listener
	// TLS is this replica's certificate and the cluster's authority (RootCAs). Both
	// ends then show a certificate of that authority that names the coordinator's role. None: plain
	// TCP, which is for one machine only.
	TLS *tls.Config
	// Stall is how long a write to the log may take before it counts as failed.
	// Defaults to 10 s.
	Stall time.Duration
	// Log takes raft's own log lines. Defaults to none.
	Log *slog.Logger
	// Timeout bounds how long Propose waits to be taken in. Defaults to 10 s.
	Timeout time.Duration
	// Watch, when set, is told every event as it is applied, those of the log that
	// is read at Open included. It must not block and not call the replica.
	Watch func(index uint64, events []ledger.Event)

	tune func(*raft.Config)                                            // tests: small snapshots
	dial func(address string, timeout time.Duration) (net.Conn, error) // tests: a network that fails
}

// alone reports a ledger that lives in this process and has no others.
func (c *Config) alone() bool { return len(c.Peers) == 0 && !c.Join }

// Replica is one voter's ledger. It is safe for concurrent use.
type Replica struct {
	id      string
	raft    *raft.Raft
	asked   atomic.Pointer[raft.Raft] // raft, for those who ask while it begins
	fsm     *fsm
	store   *disk
	snaps   *snapshots
	trans   raft.Transport
	layer   *layer // nil when alone
	peers   map[raft.ServerID]raft.ServerAddress
	timeout time.Duration

	failing sync.Once
	failure error         // why; read it after failed is closed
	failed  chan struct{} // closed by the first failure

	mu      sync.Mutex
	closed  bool
	pending sync.WaitGroup // proposals and others that wait for raft
	leads   context.Context
	term    uint64        // raft's, at the latest, when leads began
	changed chan struct{} // closed when leads changes

	life    context.Context // ends with Close
	stop    context.CancelFunc
	stopped chan struct{}  // closed when watch has ended
	minding sync.WaitGroup // heed and watchLeader
	close   func() error
}

// Open opens or begins a ledger of one voter. Whoever opens must Close.
func Open(cfg Config) (*Replica, error) {
	r, err := open(cfg)
	if err != nil {
		return nil, fmt.Errorf("open ledger %s: %w", cfg.Dir, err)
	}
	return r, nil
}

func open(cfg Config) (_ *Replica, err error) {
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.Stall == 0 {
		cfg.Stall = 10 * time.Second
	}
	if err := os.MkdirAll(cfg.Dir, 0o755); err != nil {
		return nil, err
	}
	peers, err := cfg.check()
	if err != nil {
		return nil, err
	}
	log := newLog(cfg.Log)
	r := &Replica{
		peers: peers, timeout: cfg.Timeout, failed: make(chan struct{}),
		changed: make(chan struct{}), stopped: make(chan struct{}),
	}
	r.life, r.stop = context.WithCancel(context.Background())
	store, snaps, err := r.openFolder(cfg, log)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, store.Close())
		}
	}()
	r.fsm = newFSM(shelves(cfg.Dir, log), cfg.Watch, log)
	rc := raft.DefaultConfig()
	rc.Logger = log
	if cfg.alone() {
		// One voter hears from itself: no network to be patient with, and every job waits
		// for the first of these times to be over. It is the least raft takes. A term and a
		// vote take a slow disk longer, and an election that is given up writes them again.
		rc.HeartbeatTimeout = 5 * time.Millisecond
		rc.ElectionTimeout = time.Second
		rc.LeaderLeaseTimeout = 5 * time.Millisecond
		rc.PreVoteDisabled = true // nobody is disturbed by an election
		_, r.trans = raft.NewInmemTransport("self")
	} else {
		// A leader that hangs is missed after one to three heartbeat timeouts; one that is
		// gone, sooner (vigil.go). Half as long, and a leader whose processors a thousand
		// workers kept busy lost its place again and again.
		rc.HeartbeatTimeout = time.Second
		rc.ElectionTimeout = time.Second
		rc.LeaderLeaseTimeout = 500 * time.Millisecond
		if err := r.connect(cfg, log); err != nil {
			return nil, err
		}
	}
	defer func() {
		if c, ok := r.trans.(raft.WithClose); ok && err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	var joining bool
	rc.LocalID, joining, err = identity(cfg, rc, store, snaps, r.trans)
	if err != nil {
		return nil, err
	}
	// Many small commands: what waits while an append is synced goes together with the
	// next. The log is cut often, so that it stays small beside what it leads to.
	rc.MaxAppendEntries, rc.BatchApplyCh = 256, true
	rc.SnapshotInterval = 7 * time.Second
	if cfg.tune != nil {
		cfg.tune(rc)
	}
	r.id = string(rc.LocalID)
	r.raft, err = raft.NewRaft(rc, r.fsm, store, store, snaps, r.trans)
	if err != nil {
		return nil, err
	}
	r.asked.Store(r.raft)
	r.close = sync.OnceValue(r.shut)
	go r.watch(r.raft.LeaderCh())
	if !cfg.alone() {
		r.minding.Go(func() { r.heed(cfg.Dir, joining) })
		r.minding.Go(r.watchLeader)
	}
	return r, nil
}

// openFolder opens the log and the snapshots, and reads them through once.
func (r *Replica) openFolder(cfg Config, log hclog.Logger) (_ *disk, _ *snapshots, err error) {
	bolt, err := openBolt(filepath.Join(cfg.Dir, "raft.db"))
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, nil, ErrLocked
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		return nil, nil, fmt.Errorf("%w: raft.db is damaged; "+mend+": %w", ErrHistory, err)
	case err != nil:
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, bolt.Close())
		}
	}()
	if r.store, err = newDisk(bolt, cfg.Stall, r.fail, r.Err); err != nil {
		return nil, nil, err
	}
	if r.snaps, err = newSnapshots(cfg.Dir, log); err != nil {
		return nil, nil, err
	}
	return r.store, r.snaps, checkHistory(r.store, r.snaps, shelves(cfg.Dir, log), cfg.alone())
}

// check returns the peers' addresses.
func (c *Config) check() (map[raft.ServerID]raft.ServerAddress, error) {
	peers := map[raft.ServerID]raft.ServerAddress{}
	at := map[string]string{}
	for _, p := range c.Peers {
		if !plain(p.ID) || p.Address == "" {
			return nil, fmt.Errorf("%w: peer %q at %q: a name is 1 to 128 letters, digits and dashes, an address is host:port", ErrIdentity, p.ID, p.Address)
		}
		if _, twice := peers[raft.ServerID(p.ID)]; twice {
			return nil, fmt.Errorf("%w: peer %q is listed twice", ErrIdentity, p.ID)
		}
		if other, twice := at[p.Address]; twice {
			return nil, fmt.Errorf("%w: peers %q and %q have the same address %s", ErrIdentity, other, p.ID, p.Address)
		}
		peers[raft.ServerID(p.ID)], at[p.Address] = raft.ServerAddress(p.Address), p.ID
	}
	if c.alone() {
		return peers, nil
	}
	if c.Advertise == "" {
		c.Advertise = string(peers[raft.ServerID(c.ID)])
	}
	switch _, listed := peers[raft.ServerID(c.ID)]; {
	case c.ID == "":
		return nil, fmt.Errorf("%w: a replica of several needs its ID", ErrIdentity)
	case !c.Join && !listed:
		return nil, fmt.Errorf("%w: %q is not among the peers; list it, or join", ErrIdentity, c.ID)
	case !c.Join && len(c.Peers)%2 == 0:
		return nil, fmt.Errorf("%w: %d peers stand no more failures than %d; begin with an odd number", ErrIdentity, len(c.Peers), len(c.Peers)-1)
	case c.Advertise == "":
		return nil, fmt.Errorf("%w: %q has no address to be reached at; list it among the peers, or advertise one", ErrIdentity, c.ID)
	}
	return peers, nil
}

// connect opens this replica's end of the network. When it fails, nothing is left
// open but the listener that was given.
func (r *Replica) connect(cfg Config, log hclog.Logger) error {
	var secure *tls.Config
	if cfg.TLS != nil {
		var err error
		if secure, err = role.Mutual(cfg.TLS, role.Coordinator); err != nil {
			return err
		}
	}
	if cfg.Listener == nil {
		var err error
		if cfg.Listener, err = net.Listen("tcp", cfg.Advertise); err != nil {
			return fmt.Errorf("listen for the other coordinators: %w", err)
		}
	}
	r.layer = newLayer(cfg.Listener, cfg.Advertise, secure, func() uint64 {
		if at := r.asked.Load(); at != nil {
			return at.AppliedIndex()
		}
		return 0
	}, r.counts)
	if cfg.dial != nil {
		r.layer.dial = cfg.dial
	}
	r.trans = raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		ServerAddressProvider: r, Logger: log, Stream: r.layer, MaxPool: 3, Timeout: 10 * time.Second,
	})
	return nil
}

// ID is the replica's name, from its server-id file.
func (r *Replica) ID() string { return r.id }

// Propose puts a command into the log and returns what applying it returned.
// An error is ErrNotLeader, ErrUnknownOutcome, ErrBroken, or the ledger's refusal.
func (r *Replica) Propose(ctx context.Context, cmd ledger.Command) (ledger.Reply, error) {
	data, err := ledger.EncodeCommand(cmd)
	if err != nil {
		return nil, err
	}
	var response applied
	err = r.wait(ctx, "propose "+cmd.Kind().String(), func() error {
		failpoint.Hit("replica.propose")
		future := r.raft.Apply(data, r.timeout)
		if err := future.Error(); err != nil {
			return r.raftError(err)
		}
		failpoint.Hit("replica.committed")
		response = future.Response().(applied)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return response.reply, response.err
}

// wait runs what waits for raft, for as long as the caller does. Close waits for
// it to the end.
func (r *Replica) wait(ctx context.Context, what string, ask func() error) error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return fmt.Errorf("%s: %w: %w", what, ErrNotLeader, ErrClosed)
	}
	r.pending.Add(1)
	r.mu.Unlock()
	done := make(chan error, 1)
	go func() {
		defer r.pending.Done()
		done <- ask()
	}()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: %w: %w", what, ErrUnknownOutcome, context.Cause(ctx))
	}
}

// raftError says of raft's error what it means for the one who asked.
func (r *Replica) raftError(err error) error {
	switch broken := r.Err(); {
	case err == nil:
		return nil
	case broken != nil:
		return broken
	case errors.Is(err, raft.ErrNotLeader):
		return ErrNotLeader
	default:
		return fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
	}
}

// Verify reports whether this replica leads at the moment of asking, as a quorum
// says, with everything applied that was ever answered. What View shows after is
// then no older than the call.
func (r *Replica) Verify(ctx context.Context) error {
	return r.wait(ctx, "verify the leadership", func() error {
		leads := r.leading()
		if leads == nil {
			return ErrNotLeader
		}
		if err := r.raft.VerifyLeader().Error(); err != nil || leads.Err() != nil {
			return fmt.Errorf("%w: %w", ErrNotLeader, errors.Join(err, context.Cause(leads)))
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.raft.CurrentTerm() != r.term { // lost and won again, before anybody had word of it: what another committed in between may not be applied yet
			return fmt.Errorf("%w: %w", ErrNotLeader, errLost)
		}
		return nil
	})
}

// Leader returns who leads, as far as this replica knows.
func (r *Replica) Leader() (id string, ok bool) {
	_, leader := r.raft.LeaderWithID()
	return string(leader), leader != ""
}

// Progress is how far a replica has come; all of it grows with its life.
type Progress struct {
	Term      uint64
	Logged    uint64    // index of the last entry it has
	Committed uint64    // index of the last entry a quorum has, as far as it knows
	Applied   uint64    // index of the last entry in its ledger
	Installed uint64    // snapshots it has read, at its start or because its log did not reach
	Contact   time.Time // when the leader last spoke to it; zero on the leader
}

// Progress returns how far this replica has come.
func (r *Replica) Progress() Progress {
	return Progress{
		Term: r.raft.CurrentTerm(), Logged: r.raft.LastIndex(), Committed: r.raft.CommitIndex(), Applied: r.raft.AppliedIndex(),
		Installed: r.fsm.installed.Load(), Contact: r.raft.LastContact(),
	}
}

// Failed is closed when this replica is of no more use and its process has to end:
// its disk refused a write or did not answer, or what it reads is not what it wrote
// (ErrBroken, ErrHistory), or it was removed from the cluster (ErrRemoved). Err says
// which.
func (r *Replica) Failed() <-chan struct{} { return r.failed }

// Err returns why the replica failed, or nil.
func (r *Replica) Err() error {
	select {
	case <-r.failed:
		return r.failure
	default:
		return nil
	}
}

// fail ends the replica's use. Before whoever called it goes on, the others cannot
// reach it any more. Raft lives until Close: it gives up its leadership, answers who
// waits, and gets no vote, not even its own.
func (r *Replica) fail(err error) {
	r.failing.Do(func() {
		r.failure = err
		close(r.failed)
		if r.layer != nil {
			r.layer.cut()
		}
	})
}

// leading returns the leadership that is served, or nil.
func (r *Replica) leading() context.Context {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.leads == nil || r.leads.Err() != nil {
		return nil
	}
	return r.leads
}

// View calls read with the ledger while nothing is applied to it. read must
// not keep, change or block on anything.
func (r *Replica) View(read func(*ledger.State)) { r.fsm.view(read) }

// Changed returns a channel that is closed when the ledger next changes. Take
// it before View, so that no change falls between.
func (r *Replica) Changed() <-chan struct{} { return r.fsm.wake() }

// Snapshot writes a snapshot now. Raft does so by itself as the log grows.
func (r *Replica) Snapshot() error {
	if err := r.raft.Snapshot().Error(); err != nil && !errors.Is(err, raft.ErrNothingNewToSnapshot) {
		return fmt.Errorf("snapshot the ledger: %w", err)
	}
	return nil
}

// Lead waits until this replica leads and its ledger has everything that was
// committed before. The context it returns ends when the leadership does.
func (r *Replica) Lead(ctx context.Context) (context.Context, error) {
	for {
		r.mu.Lock()
		leads, changed := r.leads, r.changed
		r.mu.Unlock()
		if err := r.Err(); err != nil {
			return nil, err
		}
		if leads != nil && leads.Err() == nil {
			return leads, nil
		}
		select {
		case <-changed:
		case <-r.failed:
		case <-r.life.Done():
			return nil, ErrClosed
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// watch turns raft's signals into leaderships. A second true means lost and
// won again, so it begins a new one.
func (r *Replica) watch(signals <-chan bool) {
	defer close(r.stopped)
	end := func(error) {}
	for {
		select {
		case lead := <-signals:
			end(errLost)
			end = func(error) {}
			term := r.raft.CurrentTerm()
			if !lead || r.barrier() != nil { // once a term, before anyone is served
				continue
			}
			failpoint.Hit("replica.lead")
			var ctx context.Context
			ctx, end = context.WithCancelCause(context.Background())
			r.mu.Lock()
			r.leads, r.term = ctx, term
			close(r.changed)
			r.changed = make(chan struct{})
			r.mu.Unlock()
		case <-r.failed:
			end(r.failure)
			return
		case <-r.life.Done():
			end(ErrClosed)
			return
		}
	}
}

// barrier waits until the ledger has everything that was committed before, or the
// replica is closed: raft that was stopped owes answers for ever.
func (r *Replica) barrier() error {
	return r.wait(r.life, "catch up with the log", func() error { return r.raft.Barrier(0).Error() })
}

// Close hands over the leadership where there is someone to take it, and stops.
// Proposals that were not answered are ErrUnknownOutcome. Closing again is the
// same close.
func (r *Replica) Close() error { return r.close() }

// shut follows the order that cannot hang: hand over, stop listening, let raft
// answer those who wait, stop raft, and only then the files under it. Raft that was
// stopped forgets whom it was asked to verify its leadership for; cut off from the
// others it gives it up, and tells them.
func (r *Replica) shut() error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.stop()
	var errs []error
	if r.raft.State() == raft.Leader && r.voters() > 1 {
		for range 3 {
			if r.raft.LeadershipTransfer().Error() == nil {
				break
			}
		}
	}
	if c, ok := r.trans.(raft.WithClose); ok {
		errs = append(errs, c.Close())
	}
	answered := make(chan struct{})
	go func() {
		r.pending.Wait()
		close(answered)
	}()
	select {
	case <-answered:
	case <-time.After(2 * r.timeout): // raft had stopped by itself, removed from the cluster that it led
	}
	errs = append(errs, r.raft.Shutdown().Error())
	<-r.stopped
	r.minding.Wait()
	errs = append(errs, r.store.Close())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close ledger: %w", err)
	}
	return nil
}

func (r *Replica) voters() int {
	future := r.raft.GetConfiguration()
	if future.Error() != nil {
		return 0
	}
	n := 0
	for _, s := range future.Configuration().Servers {
		if s.Suffrage == raft.Voter {
			n++
		}
	}
	return n
}
