package bench

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"rescore/cmd/internal/boot"
	"rescore/cmd/internal/machine"
	"rescore/cmd/internal/progress"
	"rescore/cmd/internal/province"
	"rescore/partition/store"
	"rescore/partition/synth"
)

// Records: what a base has of each subscriber.
const (
	Full   = "full"   // the whole canonical record, six months
	Narrow = "narrow" // the number and forty columns
)

// Records are their names.
var Records = []string{Full, Narrow}

// models are what scores a record when nothing else is named.
var models = map[string]string{Full: "builtin:baseline", Narrow: narrowName}

const (
	seed  = 1
	month = 202610
	// rowBytes is free space that a subscriber takes while the bench runs: base,
	// staged files and version.
	rowBytes = 400
)

// narrowColumns are the forty columns of the narrow record: six months of what is
// billed and used, three of calls, and four that do not change by the month. The
// narrow model reads each of them as it is.
func narrowColumns() (list []string) {
	for _, c := range []struct {
		name   string
		months int
	}{{"fee", 6}, {"out_sec", 6}, {"in_sec", 6}, {"data_kb", 6}, {"sms_cnt", 6}, {"out_cnt", 3}, {"in_cnt", 3}} {
		for k := range c.months {
			list = append(list, fmt.Sprintf("%s_m%d", c.name, k))
		}
	}
	return append(list, "balance_fen", "arrears_fen", "tenure_months", "pay_mode")
}

// base is a synthetic base on disk.
type base struct {
	subscribers int64
	dir         string
	bytes       int64 // of its files
	fits        bool  // into half of the machine's memory
	made        bool  // by this call
}

// jobFile is the last thing that is written of a base: where it is, all is.
const jobFile = "job.yaml"

// prepare makes the base, or finds the one that an earlier call kept.
func (j Job) prepare(ctx context.Context, subscribers int64) (b base, err error) {
	b.subscribers, b.dir = subscribers, filepath.Join(j.Dir, fmt.Sprintf("base-%s-%d-seed%d", j.Record, subscribers, seed))
	if _, err := os.Stat(filepath.Join(b.dir, jobFile)); err == nil {
		return b, b.settle()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return b, fmt.Errorf("look for a base: %w", err)
	}
	if err := j.roomFor(subscribers); err != nil {
		return b, err
	}
	draft, err := os.MkdirTemp(j.Dir, "making-")
	if err != nil {
		return b, fmt.Errorf("make a folder for the base: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(draft))
		}
	}()
	st, err := store.NewFile(draft)
	if err != nil {
		return b, err
	}
	o := province.Options{Province: synth.Default(seed, subscribers, month), Workers: runtime.GOMAXPROCS(0)}
	o.Files = int(max(1, min(subscribers, max(int64(o.Workers), (subscribers+999_999)/1_000_000)))) // as rescore synth has it
	if j.Record == Narrow {
		o.Columns = append([]string{"msisdn"}, narrowColumns()...)
	}
	o.Progress = func(rows int64) {
		j.show(progress.Sample{Stage: "base", RowsDone: min(rows, subscribers), RowsTotal: subscribers})
	}
	if _, err := province.Write(ctx, st, o); err != nil {
		return b, fmt.Errorf("make the base: %w", err)
	}
	if j.Record == Narrow {
		text, err := narrowModel()
		if err != nil {
			return b, err
		}
		if err := os.WriteFile(filepath.Join(draft, narrowName), text, 0o644); err != nil {
			return b, fmt.Errorf("write the narrow record's model: %w", err)
		}
	}
	text := fmt.Appendf(nil, "# The job that rescore bench job runs on the base beside this file.\nversion: 1\nname: bench\nmonth: %d\ninput:\n  format: parquet\n  path: %s\nmodel:\n  path: %s\noutput:\n  path: out\n", month, province.BaseFolder, models[j.Record])
	if err := os.WriteFile(filepath.Join(draft, jobFile), text, 0o644); err != nil {
		return b, fmt.Errorf("write the job file: %w", err)
	}
	if err := os.Rename(draft, b.dir); err != nil {
		return b, fmt.Errorf("keep the base: %w", err)
	}
	b.made = true
	return b, b.settle()
}

// settle sums the files up, and has the system forget what it keeps of them in memory: they
// are read from the disk before the first run. What was just written is kept in small pages,
// what is read in larger ones, and to map the small ones took 24 ns a row more; of bases
// alone that fit into memory.
func (b *base) settle() (err error) {
	dir := filepath.Join(b.dir, province.BaseFolder)
	if b.bytes, err = size(dir); err != nil {
		return err
	}
	b.fits = b.bytes <= machine.Describe(b.dir, "").Memory/2
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			err = machine.Forget(name)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("forget the base: %w", err)
	}
	return nil
}

// recall has the system keep a base in memory that fits there. Others run between two runs
// of a base, and a system may let go meanwhile of what nobody asks for: one that pages out
// what was idle for a minute made a small base slower the more large ones took turns with
// it. What cannot be read is the run's to explain.
func (b *base) recall(ctx context.Context) {
	if !b.fits {
		return
	}
	piece := make([]byte, 1<<20)
	_ = filepath.WalkDir(filepath.Join(b.dir, province.BaseFolder), func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		for err == nil && ctx.Err() == nil {
			_, err = f.Read(piece) // of a folder nothing
		}
		return ctx.Err()
	})
}

// roomFor refuses what the disk cannot hold, before it is full.
func (j Job) roomFor(subscribers int64) error {
	free, need := float64(machine.Describe(j.Dir, "").DiskFree), float64(subscribers)*rowBytes
	if free > 0 && need > free {
		return boot.WithCode(fmt.Errorf("%d subscribers take about %.1f GB while they are measured, and the disk of %s has %.1f GB free", subscribers, need/1e9, j.Dir, free/1e9),
			boot.Failure, "name a folder on a larger disk with --dir, or measure fewer --subscribers")
	}
	return nil
}

// size adds up the files below a folder.
func size(dir string) (total int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		total += info.Size()
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("measure %s: %w", dir, err)
	}
	return total, nil
}

// environ is an environment without what would change the job.
func environ(all []string) []string {
	var kept []string
	for _, pair := range all {
		if !strings.HasPrefix(pair, boot.Prefix) && !strings.HasPrefix(pair, "GOMAXPROCS=") {
			kept = append(kept, pair)
		}
	}
	return kept
}
