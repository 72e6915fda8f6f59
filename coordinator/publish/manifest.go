package publish

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"slices"

	"rescore/coordinator/ledger"
	"rescore/partition"
	"rescore/partition/contest"
	"rescore/partition/job"
	"rescore/partition/store"
)

// Manifest is a version, complete: _MANIFEST.json.
type Manifest struct {
	Format      int             `json:"format"` // 1
	Dataset     string          `json:"dataset"`
	Version     string          `json:"version"`
	Job         job.ID          `json:"job"`
	Month       int32           `json:"month"`
	Digest      string          `json:"digest"` // of the rows: see Digest
	Rows        job.Counts      `json:"rows"`
	Tally       job.Tally       `json:"tally"`
	Schema      string          `json:"schema"` // fingerprint of the score record
	Model       string          `json:"model_digest"`
	Features    []string        `json:"model_features"` // code n of reason1 to reason3 is the n-th
	Rules       string          `json:"rules_digest"`
	Challengers []Challenger    `json:"challengers,omitempty"`
	Stability   []Stability     `json:"stability,omitempty"` // of the propensity and of features, where the model's package has bins
	Spec        json.RawMessage `json:"spec"`                // effective configuration
	Input       []job.InputFile `json:"input"`
	Tables      []Table         `json:"tables,omitempty"`   // what became of the events of the job's tables
	Released    *Released       `json:"released,omitempty"` // nil: every gate passed
	Rerun       *Rerun          `json:"rerun,omitempty"`    // nil: it stands on no other version
	Origins     []Origin        `json:"origins,omitempty"`  // of the partitions that other jobs scored
	Intake      []Partition     `json:"intake,omitempty"`   // of a preparation: what became of the rows of its slices of the input, and of those that were rejected where they are
	Partitions  []Partition     `json:"partitions"`         // by range

	base string // folder of the version it stands on; "" = none
}

// Rerun says what version a version stands on, and what was asked to be scored again.
type Rerun struct {
	Base  string            `json:"base"`
	Again []partition.Range `json:"again,omitempty"` // none: everything
}

// Origin is a job of an earlier version that scored partitions of this one: how their
// rows were judged, where the manifest's own fields do not say so.
type Origin struct {
	Job         job.ID          `json:"job"`
	Model       string          `json:"model_digest"`
	Features    []string        `json:"model_features"`
	Rules       string          `json:"rules_digest"`
	Challengers []string        `json:"challenger_digests,omitempty"` // in the order of the version's own
	Spec        json.RawMessage `json:"spec"`
}

// Released says that a version was published although gates refused it.
type Released struct {
	Who    string `json:"who"`
	Reason string `json:"reason"` // theirs
	Gates  string `json:"gates"`  // what was refused, with its figures
}

// Challenger is a model that was scored beside the champion, and how far the two
// agree.
type Challenger struct {
	Name  string `json:"name"`
	Model string `json:"model_digest"`
	contest.Figures
}

// Table is a table of the job and what became of its events.
type Table struct {
	Name string `json:"name"`
	job.TableCounts
}

// Tables adds up what became of the events of the job's tables.
func Tables(j *ledger.Job, spec job.Spec) []Table {
	if len(spec.Input.Tables) == 0 {
		return nil
	}
	tables := make([]Table, len(spec.Input.Tables))
	for i, t := range spec.Input.Tables {
		tables[i].Name = t.Name
	}
	score := j.Score()
	for i := range score.Tasks {
		counts := score.Tasks[i].Result().Tables
		for k := range min(len(tables), len(counts)) { // a worker that tells of more tells of no events: the ledger checked it
			tables[k].TableCounts = tables[k].Add(counts[k])
		}
	}
	return tables
}

// Partition is one partition of a version.
type Partition struct {
	Range  string        `json:"segments"`      // 1380013-1380096
	Job    job.ID        `json:"job,omitempty"` // that scored it, one of Origins; "" = the version's own
	Rows   job.Counts    `json:"rows"`
	Keys   partition.Sum `json:"keys"`
	RowSum partition.Sum `json:"row_sum"`
	// Explained are the scored rows by how their reasons were found.
	Explained job.Explained `json:"explained"`
	Token     job.Token     `json:"token"` // of the attempt that made the score file
	Files     []job.File    `json:"files"` // paths relative to the version folder
	staged    []string
}

// Digest is the version's own digest: SHA-256 over the score record's
// fingerprint, the month, the counts and the row sum. It depends on rows alone:
// not on how they were partitioned, who scored them, or how often it was tried (I5).
func Digest(schema string, month int32, rows job.Counts, sum partition.Sum) string {
	h := sha256.New()
	fmt.Fprintf(h, "rescore version 1\nschema %s\nmonth %d\nin %d\nscored %d\nexcluded %d\nrejected %d\nduplicate %d\nrows %s\n",
		schema, month, rows.In, rows.Scored, rows.Excluded, rows.Rejected, rows.Duplicate, sum)
	return hex.EncodeToString(h.Sum(nil))
}

// NewManifest works a sealed job's manifest out of the ledger and of what the survey
// found; figures are those of the challengers, in the spec's order.
func NewManifest(j *ledger.Job, spec job.Spec, fingerprint string, survey job.Survey, figures []contest.Figures) Manifest {
	v, score, selected := j.Version, j.Score(), j.Select()
	m := Manifest{
		Format: 1, Dataset: v.Dataset, Version: v.ID, Job: j.ID, Month: spec.Month,
		Digest: Digest(fingerprint, spec.Month, v.Counts, v.Digest),
		Rows:   v.Counts, Tally: j.Totals().Tally, Schema: fingerprint,
		Model: j.Facts.Model, Features: append([]string{}, survey.Features...), Stability: Stabilities(survey.Bins, j.Drift()), Rules: j.Facts.Rules, Spec: j.Spec, Input: j.Facts.Files, Tables: Tables(j, spec),
	}
	for i, one := range spec.Model.Challengers {
		m.Challengers = append(m.Challengers, Challenger{Name: one.Name, Model: j.Facts.Challengers[i], Figures: figures[i]})
	}
	if j.Released != nil {
		m.Released = &Released{Who: j.Released.Who, Reason: j.Released.Reason, Gates: j.Held.Reason}
	}
	for _, i := range score.ByRange() {
		t := &score.Tasks[i]
		scored := t.Result()
		p := Partition{Range: t.Range.String(), Job: t.From, Rows: scored.Counts, Keys: scored.Keys, RowSum: scored.Rows, Explained: scored.Tally.Explained, Token: t.Token}
		scores := scored.Files
		if selected != nil { // then the score stage's scores stay where they were staged
			s := &selected.Tasks[i]
			placed := s.Result()
			p.RowSum, p.Token, scores = p.RowSum.Add(placed.Rows), s.Token, placed.Files
			p.Explained = p.Explained.Add(placed.Tally.Explained)
		}
		p.take(job.FileScores, scores, "")
		p.take(job.FileBase, scored.Files, "")
		p.take(job.FileRejects, scored.Files, "_rejects/")
		m.Partitions = append(m.Partitions, p)
	}
	if exchange := j.Exchange(); exchange != nil {
		for i := range exchange.Tasks {
			t := &exchange.Tasks[i]
			read := t.Result()
			p := Partition{Range: t.Range.String(), Rows: read.Counts, Keys: read.Keys, RowSum: read.Rows, Token: t.Token, Files: []job.File{}}
			p.take(job.FileRejects, read.Files, "_rejects/exchange-")
			m.Intake = append(m.Intake, p)
		}
	}
	return m
}

// Over says what the version of a rerun was made of: base is the manifest of the
// version it stands on.
func (m Manifest) Over(base Manifest, again []partition.Range) (Manifest, error) {
	m.base = VersionPath(base.Month, base.Version)
	m.Rerun = &Rerun{Base: base.Version, Again: again}
	m.Origins = nil
	for _, p := range m.Partitions {
		if p.Job == "" || slices.ContainsFunc(m.Origins, func(o Origin) bool { return o.Job == p.Job }) {
			continue
		}
		if p.Job == base.Job {
			m.Origins = append(m.Origins, base.origin())
			continue
		}
		i := slices.IndexFunc(base.Origins, func(o Origin) bool { return o.Job == p.Job })
		if i < 0 {
			return m, fmt.Errorf("partition %s is of job %s, of which version %s knows nothing: %w", p.Range, p.Job, base.Version, ErrDamaged)
		}
		m.Origins = append(m.Origins, base.Origins[i])
	}
	return m, nil
}

// origin is how the version's own job judged.
func (m Manifest) origin() Origin {
	return Origin{Job: m.Job, Model: m.Model, Features: m.Features, Rules: m.Rules, Challengers: m.Models()[1:], Spec: m.Spec}
}

// By returns the manifest as it would be if the job that scored a partition had made
// all of it: what its rows mean.
func (m Manifest) By(p Partition) (Manifest, error) {
	if p.Job == "" {
		return m, nil
	}
	i := slices.IndexFunc(m.Origins, func(o Origin) bool { return o.Job == p.Job })
	if i < 0 || len(m.Origins[i].Challengers) != len(m.Challengers) {
		return m, fmt.Errorf("partition %s is of job %s, of which the manifest says nothing: %w", p.Range, p.Job, ErrDamaged)
	}
	o := m.Origins[i]
	m.Model, m.Features, m.Rules, m.Spec = o.Model, o.Features, o.Rules, o.Spec
	m.Challengers = slices.Clone(m.Challengers)
	for k := range m.Challengers {
		m.Challengers[k].Model = o.Challengers[k]
	}
	return m, nil
}

// Asked returns what the version's job is called, given what it would be called if it
// stood on no other version.
func (m Manifest) Asked(id job.ID) job.ID {
	if m.Rerun == nil {
		return id
	}
	return job.RerunID(id, m.Rerun.Base, m.Rerun.Again)
}

// Models returns the digests of all models, the champion's first.
func (m Manifest) Models() []string {
	list := []string{m.Model}
	for _, c := range m.Challengers {
		list = append(list, c.Model)
	}
	return list
}

// take adds the files of a kind, to be published with dir in front of their names.
func (p *Partition) take(kind job.FileKind, files []job.File, dir string) {
	for _, f := range files {
		if f.Kind == kind {
			p.staged = append(p.staged, f.Path)
			f.Path = dir + path.Base(f.Path)
			p.Files = append(p.Files, f)
		}
	}
}

// ReadManifest returns the manifest a pointer names, checked against its SHA-256.
func ReadManifest(ctx context.Context, st store.Store, p Pointer) (Manifest, error) {
	var m Manifest
	data, err := st.Get(ctx, p.Path+"/_MANIFEST.json", manifestMax)
	if err != nil {
		return m, fmt.Errorf("read manifest of %s: %w", p.Version, err)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != p.Manifest {
		return m, fmt.Errorf("manifest of %s is not the one the pointer names: %w", p.Version, ErrDamaged)
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("read manifest of %s: %w", p.Version, err)
	}
	return m, nil
}
