package sim

import (
	"bytes"
	"fmt"
	"strings"

	"rescore/coordinator/ledger"
	"rescore/coordinator/publish"
	"rescore/partition"
	"rescore/partition/job"
)

// sliced: the tasks of an exchange are the exports, each row once (I1, I2).
func (c *checker) sliced(k *jobBook, stage *ledger.Stage) {
	times := map[place]int{}
	rows := int64(0)
	for i := range stage.Tasks {
		for _, s := range stage.Tasks[i].Plan().Slices {
			for n := range s.Rows {
				times[place{s.File, int(s.First + n)}]++
			}
		}
		rows += stage.Tasks[i].Rows
	}
	for f, file := range k.base.files {
		for i := range file {
			if n := times[place{f, i}]; n != 1 {
				c.s.w.fail("I1: a row of the exports of %s is exchanged %d times", k.id, n)
			}
		}
	}
	if rows != k.truth.counts.In {
		c.s.w.fail("I2: %s exchange has tasks over %d rows of %d", k.id, rows, k.truth.counts.In)
	}
}

// honestly is honest for a preparation.
func (k *jobBook) honestly(kind job.StageKind, plan job.Task, cmd ledger.Complete) error {
	want := k.base.exchanged(plan.Slices)
	if kind == job.StageMerge {
		want = k.base.merged(plan.Range)
	}
	switch r := cmd.Result; {
	case r.Counts != want.counts || r.Keys != want.keys:
		return fmt.Errorf("%s reports %+v, its rows are %+v", cmd.Lease, r.Counts, want.counts)
	case r.Rows != want.sum:
		return fmt.Errorf("%s kept other rows than the latest", cmd.Lease)
	}
	return nil
}

// preparedReadable reads a prepared base as a reader would: every number once, in
// order, as it was loaded last; and whatever is not in it, in the reject ledger once.
func (c *checker) preparedReadable(k *jobBook, p publish.Pointer, m publish.Manifest, read func(name, sha256 string) ([]byte, error)) error {
	keep := k.base.keep(partition.Whole)
	refused := map[place]int{}
	note := func(data []byte) error {
		for text := range bytes.Lines(data) {
			if text[0] == '#' {
				break
			}
			var at place
			if _, err := fmt.Sscanf(string(text), "%d %d", &at.file, &at.row); err != nil {
				return fmt.Errorf("read the reject ledger: %w", err)
			}
			refused[at]++
		}
		return nil
	}
	last := partition.Number(0)
	rows := int64(0)
	for _, part := range append(m.Partitions, m.Intake...) {
		for _, f := range part.Files {
			data, err := read(p.Path+"/"+f.Path, f.SHA256)
			if err != nil {
				return err
			}
			if strings.HasPrefix(f.Path, "_rejects/") {
				if err := note(data); err != nil {
					return err
				}
				continue
			}
			for text := range bytes.Lines(data) {
				if text[0] == '#' {
					break
				}
				var n, value uint64
				var load int64
				if _, err := fmt.Sscanf(string(text), "%d %d %d", &n, &value, &load); err != nil {
					return fmt.Errorf("read %s: %w", p.Version, err)
				}
				number := partition.Number(n)
				at, known := keep[number]
				switch {
				case number <= last:
					return fmt.Errorf("I1: numbers of %s are out of order, or one stands twice", p.Version)
				case !known:
					return fmt.Errorf("I1: a number of %s is in no export", p.Version)
				}
				if r := k.base.files[at.file][at.row]; r.value != value || r.load != load {
					return fmt.Errorf("I5: %s has another row of a number than the one loaded last", p.Version)
				}
				last = number
				rows++
			}
		}
	}
	if rows != int64(len(keep)) || rows != k.truth.counts.Scored {
		return fmt.Errorf("I1: %d numbers are in %s, %d in the exports", rows, p.Version, len(keep))
	}
	for f, file := range k.base.files {
		for i, r := range file {
			want := 1
			if at, known := keep[r.number]; known && at == (place{f, i}) {
				want = 0
			}
			if n := refused[place{f, i}]; n != want {
				return fmt.Errorf("I2: a row of the exports stands %d times in the reject ledger of %s, not %d", n, p.Version, want)
			}
		}
	}
	if m.Rows != k.truth.counts || !m.Rows.Conserved() {
		return fmt.Errorf("I2: %+v is published of %+v", m.Rows, k.truth.counts)
	}
	want := publish.Digest(job.BaseSchema(k.base.intake.Columns), k.spec.Month, k.truth.counts, k.truth.sum)
	if m.Digest != want || p.Digest != want {
		return fmt.Errorf("I5: its digest is %s, that of a run without faults %s", m.Digest, want)
	}
	c.published++
	c.prepared++
	return nil
}
