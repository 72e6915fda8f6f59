package api

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"rescore/coordinator"
	"rescore/coordinator/ledger"
	"rescore/coordinator/publish"
	"rescore/partition/job"
	"rescore/partition/lazy"
	"rescore/partition/schema"
	"rescore/partition/store"
	"rescore/partition/store/address"
	"rescore/partition/wire"
)

// Version is a published version of a dataset.
type Version struct {
	Job       job.ID     `json:"job"`
	Version   string     `json:"version"`
	Path      string     `json:"path"` // of its folder
	Rows      job.Counts `json:"rows"`
	Digest    string     `json:"digest"`
	Seconds   float64    `json:"seconds"`
	Month     int32      `json:"month"` // yyyymm
	Current   bool       `json:"current"`
	Base      string     `json:"base"`         // version that a rerun stood on; "" = none
	Published time.Time  `json:"published_at"` // by the leader's clock
}

// Rolling is a rollback.
type Rolling struct {
	Version string `json:"version"`
	Who     string `json:"who"`
	Reason  string `json:"reason"`
	Index   uint64 `json:"index"`
	Pointed bool   `json:"pointed"` // false: readers do not see it yet
}

// Versions is a dataset's history, oldest first.
type Versions struct {
	Dataset   string    `json:"dataset"`
	Versions  []Version `json:"versions"`
	Rollbacks []Rolling `json:"rollbacks"`
}

// datasetShape is what job.Validate lets a dataset be called.
var datasetShape = lazy.Regexp(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

// datasetIn returns the dataset that a path names.
func datasetIn(r *http.Request) (string, error) {
	name := r.PathValue("name")
	if !datasetShape().MatchString(name) || namesSubscriber(name) {
		return "", Error{Code: NotFound, Message: "the path names no dataset", Hint: "a dataset is named by name: in its job file"}
	}
	return name, nil
}

// noVersion is the error of a version that is not there, "" for any.
func noVersion(dataset, version string) error {
	if version == "" {
		return Error{Code: NotFound, Message: "nothing is published of dataset " + dataset, Hint: "rescore jobs lists every job with its dataset"}
	}
	return Error{Code: NotFound, Message: "version " + version + " of dataset " + dataset + " is not published", Hint: "rescore versions --dataset " + dataset + " lists what is"}
}

// versions lists what is published of a dataset.
func (h *Handler) versions(r *http.Request) (any, error) {
	name, err := datasetIn(r)
	if err != nil {
		return nil, err
	}
	list := Versions{Dataset: name, Versions: []Version{}, Rollbacks: []Rolling{}}
	type source struct {
		spec    []byte
		base    string
		version ledger.Version
	}
	var from []source
	h.cfg.Node.View(func(s *ledger.State) {
		current, _ := s.Current(name)
		for _, v := range s.Versions(name) {
			j := s.Job(v.Job)
			list.Versions = append(list.Versions, Version{
				Job: v.Job, Version: v.ID, Rows: v.Counts, Seconds: v.Seconds, Current: v.ID == current.ID,
				Base: j.Base, Published: time.Unix(0, v.At).UTC(),
			})
			from = append(from, source{j.Spec, j.SpecBase, v})
		}
		for _, r := range s.Rollbacks(name) {
			list.Rollbacks = append(list.Rollbacks, Rolling{Version: r.Version, Who: r.Who, Reason: r.Reason, Index: r.Index, Pointed: r.Pointed})
		}
	})
	for i, f := range from {
		m, v := madeOf(f.spec, f.base, &f.version), &list.Versions[i]
		v.Month, v.Path, v.Digest = m.spec.Month, m.path, m.digest
	}
	return list, nil
}

// made is what of a job's version follows from its spec. The zero value is that of a
// spec of another release.
type made struct {
	spec   job.Spec
	path   string // of the version's folder
	digest string // as in its manifest
}

// madeOf reads a job's spec; v is nil when it has no version.
func madeOf(canonical []byte, base string, v *ledger.Version) made {
	spec, err := job.ParseCanonical(canonical)
	if err != nil {
		return made{}
	}
	m := made{spec: spec}
	if v != nil {
		m.path = address.Join(place(spec, base), publish.VersionPath(spec.Month, v.ID))
		m.digest = publish.Digest(schema.Fingerprint(schema.PublishedWith(spec.Model.Names())), spec.Month, v.Counts, v.Digest)
	}
	return m
}

// open opens the folder of a dataset and says under which job's base it lies.
func (h *Handler) open(r *http.Request) (name string, st store.Store, err error) {
	if name, err = datasetIn(r); err != nil {
		return "", nil, err
	}
	st, err = coordinator.OpenDataset(h.cfg.Node, h.cfg.Output, name)
	return name, st, err
}

// Back is the body of a rollback.
type Back struct {
	Version string `json:"version"`
	Reason  string `json:"reason"` // kept in the ledger
}

// Pointed answers a rollback.
type Pointed struct {
	Dataset string `json:"dataset"`
	Version string `json:"version"` // that readers get from now on
	Path    string `json:"path"`    // of its folder, in the dataset's
}

var versionShape = lazy.Regexp(`^v[0-9]{4}-[0-9]{10}$`)

func checkVersion(id string) error {
	if !versionShape().MatchString(id) {
		return usagef("a version is named like v0001-0000000042; rescore versions lists them", "the request names no version")
	}
	return nil
}

// rollback makes an older version the current one again.
func (h *Handler) rollback(r *http.Request) (any, error) {
	var b Back
	if err := decode(r, &b); err != nil {
		return nil, err
	}
	who, err := userOf(r)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(checkVersion(b.Version), checkReason(b.Reason, true)); err != nil {
		return nil, err
	}
	name, st, err := h.open(r)
	if err != nil {
		return nil, err
	}
	p, err := coordinator.Rollback(r.Context(), h.cfg.Node, st, ledger.Rollback{Dataset: name, Version: b.Version, Who: who, Reason: b.Reason})
	if err != nil {
		return nil, err
	}
	h.cfg.Log.Info("rolled back", "dataset", name, "version", b.Version, "who", who)
	return Pointed{Dataset: name, Version: p.Version, Path: p.Path}, nil
}

// Difference is what two versions of a dataset differ in.
type Difference struct {
	Dataset string `json:"dataset"`
	Old     string `json:"old"`
	New     string `json:"new"`
	// Figures are worker/comparison's: moves between tiers, stability, largest changes.
	// They name nobody.
	Figures json.RawMessage `json:"figures"`
}

// diff has a worker compare two versions: ?old=…&new=…, by default the current one with
// the one before.
func (h *Handler) diff(r *http.Request) (any, error) {
	name, err := datasetIn(r)
	if err != nil {
		return nil, err
	}
	d := Difference{Dataset: name, Old: r.URL.Query().Get("old"), New: r.URL.Query().Get("new")}
	var q wire.CompareRequest
	var spec []byte
	h.cfg.Node.View(func(s *ledger.State) {
		versions := s.Versions(name)
		current, _ := s.Current(name)
		if d.New == "" {
			d.New = current.ID
		}
		for i, v := range versions {
			if j := s.Job(v.Job); v.ID == d.New && j != nil {
				spec, q.SpecBase = j.Spec, j.SpecBase
				if d.Old == "" && i > 0 {
					d.Old = versions[i-1].ID
				}
			}
		}
	})
	if d.New != "" {
		if err := checkVersion(d.New); err != nil {
			return nil, err
		}
	}
	if spec == nil {
		return nil, noVersion(name, d.New)
	}
	if d.Old == "" {
		return nil, Error{Code: NotFound, Message: "version " + d.New + " of " + name + " is the first: there is none before it", Hint: "name two versions"}
	}
	if err := checkVersion(d.Old); err != nil {
		return nil, err
	}
	parsed, err := job.ParseCanonical(spec)
	if err != nil {
		return nil, err
	}
	q.Output, q.Old, q.New = parsed.Output.Path, d.Old, d.New
	reply, err := h.cfg.Compare(r.Context(), q)
	if err != nil {
		return nil, err
	}
	if reply.Problem != "" {
		return nil, Error{Code: Failure, Message: reply.Problem}
	}
	d.Figures = reply.Figures
	return d, nil
}

// Collect is the body of a garbage collection.
type Collect struct {
	// Step is "" to count what nobody needs, mark to list it, sweep to delete what was
	// listed at least a day ago.
	Step string `json:"step"`
	Keep int    `json:"keep"` // newest versions whose staged files are kept; 0 = 3
}

// Collected answers it.
type Collected struct {
	Dataset string `json:"dataset"`
	Step    string `json:"step"`
	Files   int    `json:"files"` // that nobody needs
	Bytes   int64  `json:"bytes"` // that they hold; of a sweep, that were freed
	Marked  *Mark  `json:"marked,omitempty"`
	Deleted int    `json:"deleted"` // by a sweep
	Spared  int    `json:"spared"`  // by a sweep: needed again since they were marked
}

// Mark is a list of files that was written and waits for its sweep.
type Mark struct {
	Files int       `json:"files"`
	Bytes int64     `json:"bytes"`
	At    time.Time `json:"at"`
	Due   time.Time `json:"due"` // it may be swept from then on
}

// garbage collects what nobody needs, a step at a time.
func (h *Handler) garbage(r *http.Request) (any, error) {
	var c Collect
	if err := decode(r, &c); err != nil {
		return nil, err
	}
	who, err := userOf(r)
	if err != nil {
		return nil, err
	}
	if c.Keep < 0 || c.Keep > 1000 {
		return nil, usagef("keep 1 to 1000 versions", "a collection that keeps %d versions", c.Keep)
	}
	name, st, err := h.open(r)
	if err != nil {
		return nil, err
	}
	collector := coordinator.Collector{
		Ledger: h.cfg.Node, Verify: h.cfg.Cluster.Verify, Store: st, Dataset: name, Keep: cmp.Or(c.Keep, coordinator.Keep), Now: time.Now,
	}
	done := Collected{Dataset: name, Step: c.Step}
	var g coordinator.Garbage
	switch c.Step {
	case "":
		g, err = collector.Preview(r.Context())
	case "mark":
		g, err = collector.Mark(r.Context())
	case "sweep":
		var s coordinator.Swept
		s, err = collector.Sweep(r.Context(), coordinator.Grace)
		done.Deleted, done.Spared, done.Bytes = s.Deleted, s.Spared, s.Bytes
	default:
		return nil, usagef("write mark, or sweep a day later; nothing to count only", "a collection has no such step")
	}
	if err != nil {
		return nil, err
	}
	if c.Step != "" {
		h.cfg.Log.Info("garbage", "dataset", name, "step", c.Step, "who", who)
	}
	if c.Step != "sweep" {
		done.Files, done.Bytes = g.Files, g.Bytes
	}
	if m := g.Marked; m != nil {
		at := time.Unix(0, m.At).UTC()
		done.Marked = &Mark{Files: m.Files, Bytes: m.Bytes, At: at, Due: at.Add(coordinator.Grace)}
	}
	return done, nil
}
