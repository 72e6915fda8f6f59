// Package api is how people and programs outside the cluster speak to it: HTTP and
// JSON, the same at every coordinator.
//
//	client ──► any coordinator ──► the one that leads ──► ledger
//	              (forwards)          verified reads, proposals
//
// Who asks needs the cluster's token and nothing else; who changes something is
// written down with it (the header User). Everything goes on in the cluster: a
// client that goes away changes nothing.
//
// # What is promised
//
//   - An answer is the truth: it is read by a leader that made sure, after the
//     question came, that it still leads.
//   - A change that was answered is in the ledger, and one whose answer was lost can
//     be asked for again: it is made once.
//   - No answer, error or log line names a subscriber (I8). Ranges are by segments.
//   - A status costs the same whatever the number of partitions: its figures are
//     maintained by the ledger. Tasks come in pages, when they are asked for.
//
// Names in the JSON are stable: fields are added, never renamed. Units are in the
// names: _seconds, _bytes; everything else that is a number is a count.
package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rescore/coordinator"
	"rescore/coordinator/ledger"
	"rescore/coordinator/replica"
	"rescore/partition/job"
	"rescore/partition/store"
	"rescore/partition/wire"
)

// User is the header that says who asks. It is believed: whoever has the token may
// call himself what he likes.
const User = "X-Rescore-User"

// forwarded marks a request that came through another coordinator; its value is that
// coordinator's ID. Such a request is not passed on again.
const forwarded = "X-Rescore-Forwarded"

// Node is what the API needs of a coordinator: coordinator.Node.
type Node interface {
	View(read func(*ledger.State))
	// Propose returns when the outcome is known, or ctx ends.
	Propose(ctx context.Context, cmd ledger.Command) (ledger.Reply, error)
	InFlight(id job.ID, stage int) (rows int64, tasks int)
	Workers() []coordinator.Worker
	Drain(worker string) error
}

// Cluster is what the API needs of raft: replica.Replica.
type Cluster interface {
	ID() string
	// Leader names the coordinator that leads, as far as this one knows.
	Leader() (id string, ok bool)
	Progress() replica.Progress
	// Verify returns an error unless this coordinator leads, has seen everything that
	// was committed before the call, and was still the leader after it.
	Verify(ctx context.Context) error
	Members(ctx context.Context) ([]replica.Member, error)
	Add(ctx context.Context, id, address string) error
	Promote(ctx context.Context, id string) error
	Remove(ctx context.Context, id string, force bool) error
	Backup(ctx context.Context, w io.Writer) error
	Restore(ctx context.Context, r io.Reader, force bool) (cluster string, err error)
}

// Config says what an API serves from.
type Config struct {
	Node    Node
	Cluster Cluster
	// Token is what every request must bear. Required.
	Token string
	// Address returns where a coordinator serves its API, HOST:PORT, by its ID.
	Address func(id string) (address string, ok bool)
	// TLS is used to speak to other coordinators; nil is plain HTTP.
	TLS *tls.Config
	// Check has a worker look at what a job names, before any work.
	Check func(ctx context.Context, r wire.CheckRequest) (wire.CheckReply, error)
	// Compare has a worker compare two versions.
	Compare func(ctx context.Context, r wire.CompareRequest) (wire.CompareReply, error)
	// Output opens a dataset's folder, as coordinator.Config has it.
	Output func(base, path string) (store.Store, error)
	// Metrics is what GET /metrics shows; the metrics of this package are added to it.
	// Defaults to a registry of their own.
	Metrics *prometheus.Registry
	Log     *slog.Logger
}

// Handler serves one coordinator's requests.
type Handler struct {
	cfg    Config
	token  [sha256.Size]byte
	mux    *http.ServeMux
	leader *http.Transport // to other coordinators
}

// ErrNoToken is returned for a handler without a token, which would let everybody in.
var ErrNoToken = errors.New("the API has no token")

// New returns the handler. Serve it with Server, and Close it after. It returns
// ErrNoToken without a token.
func New(cfg Config) (*Handler, error) {
	if cfg.Token == "" {
		return nil, ErrNoToken
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	h := &Handler{cfg: cfg, token: sha256.Sum256([]byte(cfg.Token)), mux: http.NewServeMux()}
	if h.cfg.Metrics == nil {
		h.cfg.Metrics = prometheus.NewRegistry()
	}
	h.cfg.Metrics.MustRegister(collector{h}) // panics when a registry is given twice
	h.leader = &http.Transport{
		DialContext:     (&net.Dialer{Timeout: 3 * time.Second}).DialContext,
		TLSClientConfig: cfg.TLS, MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute, TLSHandshakeTimeout: 5 * time.Second,
		ResponseHeaderTimeout: longTime,
	}
	for _, r := range routes {
		h.mux.HandleFunc(r.pattern, func(w http.ResponseWriter, q *http.Request) { h.serve(w, q, r) })
	}
	return h, nil
}

// Close lets go of the connections to other coordinators.
func (h *Handler) Close() { h.leader.CloseIdleConnections() }

// Times that bound what a client may keep open.
const (
	bodyTime   = 30 * time.Second // to send a request's body
	answerTime = time.Minute      // to be answered, but for streams
	longTime   = 10 * time.Minute // for a whole ledger to go over the wire, or a member to catch up
	sayTime    = 10 * time.Second // to be told that it took too long
)

// Server returns a server for New's handler that nobody can keep busy by being
// slow. The caller sets its TLSConfig, serves and shuts it down.
func Server(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // what strangers send is not worth a log line
	}
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if (strings.HasPrefix(r.URL.Path, "/v1/") || r.URL.Path == "/metrics") && !h.admits(r) {
		w.Header().Set("WWW-Authenticate", "Bearer")
		refuse(w, Error{Code: Denied, Message: "the request does not bear the cluster's token", Hint: "give the token file of this cluster: --token-file or RESCORE_TOKEN_FILE"})
		return
	}
	if _, pattern := h.mux.Handler(r); pattern != "" {
		h.mux.ServeHTTP(w, r)
		return
	}
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		other := *r
		other.Method = method
		if _, pattern := h.mux.Handler(&other); pattern != "" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) > 0 {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		refuse(w, Error{Code: Usage, Message: "the path takes " + strings.Join(allowed, " or ") + " alone", status: http.StatusMethodNotAllowed})
		return
	}
	refuse(w, Error{Code: NotFound, Message: "there is nothing under that path", Hint: "docs/cluster.md lists every path"})
}

// admits reports whether a request bears the token. Digests are compared, so that
// neither the token's length nor its beginning shows in the time it takes.
func (h *Handler) admits(r *http.Request) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	sum := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(sum[:], h.token[:]) == 1 && ok
}
