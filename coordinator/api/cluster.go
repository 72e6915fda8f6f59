package api

import (
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"rescore/coordinator"
	"rescore/coordinator/ledger"
	"rescore/partition/job"
	"rescore/partition/lazy"
)

// Worker is a worker that was heard of lately.
type Worker struct {
	Worker  string  `json:"worker"`
	Host    string  `json:"host"`
	Version string  `json:"version"` // of rescore
	Slots   int     `json:"slots"`   // tasks it does at once; 0 until it says
	Tasks   int     `json:"tasks"`   // at work on
	Rows    int64   `json:"rows"`    // of them, read by now
	Memory  int64   `json:"memory_bytes"`
	Silent  float64 `json:"silent_seconds"` // since it was last heard of
	// Draining: it is given nothing more, and leaves when its tasks are done.
	Draining bool `json:"draining"`
	// Unfit are the jobs that it cannot work on. It is given none of them.
	Unfit []Unfit `json:"unfit,omitempty"`
}

// Unfit is a worker that cannot work on a job, and why: models that score other than
// they should on its machine, a mount that is missing. It looks again after a minute.
type Unfit struct {
	Worker string `json:"worker"`
	Job    job.ID `json:"job"`
	Reason string `json:"reason"`
}

// Workers is the list of workers, by name. It is what the leader has heard, not what
// the ledger holds: a new leader fills it within seconds.
type Workers struct {
	Workers []Worker `json:"workers"`
}

// Drained answers a drain.
type Drained struct {
	Worker   string `json:"worker"`
	Draining bool   `json:"draining"`
}

// workers lists who works.
func (h *Handler) workers(*http.Request) (any, error) {
	list, now := Workers{Workers: []Worker{}}, time.Now()
	for _, w := range h.cfg.Node.Workers() {
		list.Workers = append(list.Workers, Worker{
			Worker: w.ID, Host: w.Host, Version: w.Version, Slots: w.Slots, Tasks: w.Tasks, Rows: w.Rows, Memory: w.MemoryBytes,
			Silent: max(0, now.Sub(w.Heard).Seconds()), Draining: w.Draining, Unfit: unfitIn(w),
		})
	}
	slices.SortFunc(list.Workers, func(a, b Worker) int { return strings.Compare(a.Worker, b.Worker) })
	return list, nil
}

// unfitIn lists the jobs that a worker is unfit for.
func unfitIn(w coordinator.Worker) (list []Unfit) {
	for _, u := range w.Unfit {
		list = append(list, Unfit{Worker: w.ID, Job: u.Job, Reason: u.Reason})
	}
	return list
}

// nameShape is what workers and members may be called.
var nameShape = lazy.Regexp(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// named returns a name in a path. One that can be nobody's is not repeated.
func named(r *http.Request, key string) (string, error) {
	name := r.PathValue(key)
	if !nameShape().MatchString(name) || namesSubscriber(name) {
		return "", Error{Code: NotFound, Message: "the path names no " + key, Hint: "names are letters, digits, points and dashes"}
	}
	return name, nil
}

// drain tells a worker to finish what it has and leave.
func (h *Handler) drain(r *http.Request) (any, error) {
	worker, err := named(r, "worker")
	if err != nil {
		return nil, err
	}
	who, err := userOf(r)
	if err != nil {
		return nil, err
	}
	if err := h.cfg.Node.Drain(worker); err != nil {
		return nil, err
	}
	h.cfg.Log.Info("drain worker", "worker", worker, "who", who)
	return Drained{Worker: worker, Draining: true}, nil
}

// Member is a coordinator of the cluster.
type Member struct {
	ID      string `json:"id"`
	Address string `json:"address"` // base address, HOST:PORT
	Voter   bool   `json:"voter"`   // its vote counts; one without only listens
	Leader  bool   `json:"leader"`
}

// Members is the list of coordinators.
type Members struct {
	Members []Member `json:"members"`
}

// Joining is the body of a request that adds a coordinator.
type Joining struct {
	ID      string `json:"id"`
	Address string `json:"address"` // base address, HOST:PORT
}

// members lists the coordinators.
func (h *Handler) members(r *http.Request) (any, error) {
	found, err := h.cfg.Cluster.Members(r.Context())
	if err != nil {
		return nil, err
	}
	list := Members{Members: []Member{}}
	for _, m := range found {
		list.Members = append(list.Members, Member(m))
	}
	return list, nil
}

// addMember brings a coordinator in that listens and has no vote yet.
func (h *Handler) addMember(r *http.Request) (any, error) {
	var j Joining
	if err := decode(r, &j); err != nil {
		return nil, err
	}
	if !nameShape().MatchString(j.ID) || namesSubscriber(j.ID) {
		return nil, usagef("a name is letters, digits, points and dashes, as --id has it", "the request names no member")
	}
	if host, port, err := net.SplitHostPort(j.Address); err != nil || host == "" || port == "" {
		return nil, usagef("write its base address, host:port", "the request names no address")
	}
	if _, err := userOf(r); err != nil {
		return nil, err
	}
	return h.changeMember(r, "add", j.ID, h.cfg.Cluster.Add(r.Context(), j.ID, j.Address))
}

// promoteMember gives a coordinator its vote once it has caught up.
func (h *Handler) promoteMember(r *http.Request) (any, error) {
	return h.memberNamed(r, "promote", func(id string) error { return h.cfg.Cluster.Promote(r.Context(), id) })
}

// removeMember takes a coordinator out.
func (h *Handler) removeMember(r *http.Request) (any, error) {
	return h.memberNamed(r, "remove", func(id string) error { return h.cfg.Cluster.Remove(r.Context(), id, forced(r)) })
}

func forced(r *http.Request) bool { return r.URL.Query().Get("force") == "true" }

func (h *Handler) memberNamed(r *http.Request, what string, do func(id string) error) (any, error) {
	id, err := named(r, "member")
	if err != nil {
		return nil, err
	}
	if _, err := userOf(r); err != nil {
		return nil, err
	}
	return h.changeMember(r, what, id, do(id))
}

// changeMember writes down who changed the members, and answers with them.
func (h *Handler) changeMember(r *http.Request, what, id string, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	h.cfg.Log.Warn("members changed", "what", what, "member", id, "who", r.Header.Get(User)) // an event worth a line at every level
	return h.members(r)
}

// Restored answers a restore.
type Restored struct {
	Cluster string `json:"cluster"` // the ledger's new name
	Jobs    int    `json:"jobs"`
	// Retry are jobs that were under way in the backup: each goes on when it is retried.
	Retry []string `json:"retry"`
}

// backup writes the whole ledger.
func (h *Handler) backup(w http.ResponseWriter, r *http.Request) {
	out := &begun{w: w}
	err := h.cfg.Cluster.Backup(r.Context(), out)
	switch {
	case err == nil:
	case !out.yes:
		refuse(w, errorOf(err))
	default: // too late to say so: the client misses bytes that the first line promised
		h.cfg.Log.Warn("write backup", "err", err)
		panic(http.ErrAbortHandler)
	}
}

// begun is a backup on its way, which takes its header when the first byte comes.
type begun struct {
	w   http.ResponseWriter
	yes bool
}

func (b *begun) Write(data []byte) (int, error) {
	if !b.yes {
		b.yes = true
		b.w.Header().Set("Content-Type", "application/octet-stream")
	}
	return b.w.Write(data)
}

// restore puts a backup in the ledger's place. The ledger takes a new name: the one it
// was copied from may live on, and what that one claimed is not this one's.
func (h *Handler) restore(r *http.Request) (any, error) {
	who, err := userOf(r)
	if err != nil {
		return nil, err
	}
	ctx := r.Context()
	name, err := h.cfg.Cluster.Restore(ctx, r.Body, forced(r))
	if err != nil {
		return nil, err
	}
	h.cfg.Log.Warn("ledger restored", "cluster", name, "who", who) // an event worth a line at every level
	done := Restored{Cluster: name, Retry: []string{}}
	h.cfg.Node.View(func(s *ledger.State) {
		for j := range s.Jobs() {
			done.Jobs++
			if j.State.String() == "failed" {
				done.Retry = append(done.Retry, string(j.ID))
			}
		}
	})
	return done, nil
}
