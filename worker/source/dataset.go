package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/partition/store"
)

// Dataset is an input that was found, opened and mapped: every file's header or
// footer is checked, no row is read yet. It is safe for concurrent use.
type Dataset struct {
	spec    job.Spec
	st      store.Store
	files   []*inputFile // by month, then name
	byPath  map[string]*inputFile
	present []string // canonical flat names, schema order
	absent  []string
	columns map[string]*column // by flat or extra name; absent ones too
	key     keyRule
	keyName string // the input's name of the key column; "" when numbers are made
	tables  []*longTable
}

// inputFile is one open file of one month.
type inputFile struct {
	name    string
	month   int // months back
	obj     store.Object
	table   table // nil for CSV
	csv     *csvFile
	fields  []field
	byName  map[string]int
	key     int      // index of the key's field, -1 when numbers are made
	control *control // nil: the job asks for none
}

func (f *inputFile) format() string {
	if f.csv != nil {
		return "csv"
	}
	return f.table.format()
}

func (f *inputFile) close() error {
	if f.csv != nil {
		return errors.Join(f.csv.close(), f.obj.Close())
	}
	return f.obj.Close()
}

// File is what a Dataset knows of one file before it is surveyed.
type File struct {
	Path   string // relative to the input's root
	Month  int    // months back; 0 = scoring month
	Bytes  int64
	Rows   int64 // by what the file says; -1 for CSV, whose rows only a survey counts
	Format string
}

// Open finds the input of a job in st, which is rooted at the folder that Root
// returns for spec.Input.Path, and checks that it can be read as the job says.
// All mapping problems are reported at once. tables are rooted likewise for each of
// spec.Input.Tables.
//
// It returns ErrNoInput, ErrMissingMonth, ErrFormat, ErrCorrupt or ErrMapping,
// wrapped with what was found.
func Open(ctx context.Context, st store.Store, spec job.Spec, tables ...store.Store) (d *Dataset, err error) {
	d = &Dataset{spec: spec, st: st, byPath: map[string]*inputFile{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close())
			d = nil
		}
	}()
	d.key = keyRule{iot: spec.Input.Exclude.IoT, nulls: nullTokens(spec.Input)}
	if err := d.findFiles(ctx); err != nil {
		return d, err
	}
	if err := d.openTables(ctx, tables); err != nil {
		return d, err
	}
	return d, d.resolve()
}

// Close closes the files. Readers must be closed before.
func (d *Dataset) Close() error {
	var all []error
	for _, f := range d.files {
		all = append(all, f.close())
	}
	for _, l := range d.tables {
		all = append(all, l.Close())
	}
	d.files, d.tables = nil, nil
	return errors.Join(all...)
}

// Columns returns the canonical columns the input has, by flat name in the
// schema's order, and the ones it lacks, which read as null.
func (d *Dataset) Columns() (present, absent []string) { return d.present, d.absent }

// Files returns the input's files by month, then name.
func (d *Dataset) Files() []File {
	out := make([]File, len(d.files))
	for i, f := range d.files {
		out[i] = File{Path: f.name, Month: f.month, Bytes: f.obj.Size(), Rows: -1, Format: f.format()}
		if f.table != nil {
			out[i].Rows = f.table.count()
		}
	}
	return out
}

// findFiles opens the files of each month.
func (d *Dataset) findFiles(ctx context.Context) error {
	in := d.spec.Input
	_, rest := splitRoot(in.Path)
	if in.Path == "" {
		return fmt.Errorf("input.path is empty: %w", ErrNoInput)
	}
	if in.Layout != "months" {
		return d.openAll(ctx, rest, 0)
	}
	if !strings.Contains(in.Path, monthMark) {
		return fmt.Errorf("input.path %s holds no %s, which layout months needs: %w", in.Path, monthMark, ErrNoInput)
	}
	if in.MakeNumbers != 0 {
		return fmt.Errorf("input.make_numbers cannot join months by number; use layout wide: %w", ErrMapping)
	}
	var missing []string
	for k := range schema.Months {
		month := fmt.Sprintf("%06d", job.MonthBack(d.spec.Month, k))
		err := d.openAll(ctx, strings.ReplaceAll(rest, monthMark, month), k)
		switch {
		case errors.Is(err, ErrNoInput):
			if k == 0 || in.MissingMonths != "null" {
				missing = append(missing, month)
			}
		case err != nil:
			return err
		}
	}
	if len(missing) > 0 {
		remedy := "; set input.missing_months to null to read them as missing"
		if missing[0] == fmt.Sprintf("%06d", d.spec.Month) {
			remedy = "; the scoring month is always required"
		}
		return fmt.Errorf("input %s has no files for %s%s: %w", in.Path, strings.Join(missing, ", "), remedy, ErrMissingMonth)
	}
	return nil
}

func (d *Dataset) openAll(ctx context.Context, rest string, month int) error {
	list, err := find(ctx, d.st, rest)
	if err != nil {
		return err
	}
	if suffix := d.spec.Input.Control.Suffix; suffix != "" {
		list = slices.DeleteFunc(list, func(i store.Info) bool { return strings.HasSuffix(i.Name, suffix) })
	}
	if len(list) == 0 {
		return fmt.Errorf("nothing at %s; give input.path a file, a folder or a pattern that holds files: %w", strings.ReplaceAll(d.spec.Input.Path, monthMark, fmt.Sprintf("%06d", job.MonthBack(d.spec.Month, month))), ErrNoInput)
	}
	files, failed := make([]*inputFile, len(list)), make([]error, len(list))
	var group errgroup.Group
	group.SetLimit(openAtOnce)
	for i, info := range list {
		group.Go(func() error {
			defer guard("", &failed[i])
			if failed[i] = ctx.Err(); failed[i] != nil {
				return nil
			}
			got := d.spec.Input.Format
			if got == "" {
				if got, failed[i] = formatOf(info.Name); failed[i] != nil {
					return nil
				}
			}
			files[i], failed[i] = d.openFile(ctx, info.Name, got, month)
			return nil
		})
	}
	_ = group.Wait() // failed says what of which
	for _, f := range files {
		if f != nil {
			d.files = append(d.files, f) // to be closed whatever follows
		}
	}
	for i, f := range files {
		if failed[i] != nil {
			return inFile(list[i].Name, failed[i])
		}
		if d.byPath[f.name] != nil {
			return fmt.Errorf("input %s: %s belongs to two months: %w", d.spec.Input.Path, f.name, ErrMapping)
		}
		d.byPath[f.name] = f
		if first := d.files[0]; first.format() != f.format() {
			return fmt.Errorf("input holds two formats, %s and %s; set input.path to one of them: %w", first.name, f.name, ErrFormat)
		}
	}
	return nil
}

// openAtOnce is how many files are opened at a time: the footer of one with a hundred columns
// takes milliseconds to decode, and of a store that is far tens of them to come.
const openAtOnce = 8

func (d *Dataset) openFile(ctx context.Context, name, format string, month int) (*inputFile, error) {
	obj, err := d.st.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	f := &inputFile{name: name, month: month, obj: obj, byName: map[string]int{}}
	switch format {
	case "parquet", "arrow":
		f.table, f.fields, err = openTable(obj, format)
	case "csv":
		if f.csv, err = openCSV(obj, d.spec.Input.CSV); err == nil {
			f.fields = f.csv.fields
		}
	default:
		err = fmt.Errorf("input.format %q is neither parquet, arrow nor csv: %w", format, ErrFormat)
	}
	if err != nil {
		return nil, errors.Join(err, obj.Close())
	}
	for i, fd := range f.fields {
		if _, twice := f.byName[fd.name]; twice {
			return nil, errors.Join(fmt.Errorf("two columns are named %q: %w", fd.name, ErrFormat), f.close())
		}
		f.byName[fd.name] = i
	}
	if d.spec.Input.Control.Suffix != "" {
		if f.control, err = openControl(ctx, d.st, name, d.spec.Input.Control); err == nil {
			err = f.control.holds(f)
		}
		if err != nil {
			return nil, errors.Join(err, f.close())
		}
	}
	return f, nil
}

// openTable opens a file of one of the formats whose columns lie apart.
func openTable(obj store.Object, format string) (table, []field, error) {
	if format == "arrow" {
		f, err := openArrow(obj)
		if err != nil {
			return nil, nil, err
		}
		return f, f.fields, nil
	}
	f, err := openParquet(obj)
	if err != nil {
		return nil, nil, err
	}
	return f, f.fields, nil
}

// tailBytes is how much of a file's end goes into the fingerprint: the footer
// of a Parquet file and the last rows of a CSV file.
const tailBytes = 64 << 10

// Fingerprint identifies the input quickly: SHA-256, in hexadecimal, over the
// names, sizes and last 64 KiB of its files, in order of month and name. The
// survey's digests are the ones that prove content.
func (d *Dataset) Fingerprint(ctx context.Context) (string, error) {
	h := sha256.New()
	for _, f := range d.files {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		tail, err := fileTail(f)
		if err != nil {
			return "", inFile(f.name, err)
		}
		fmt.Fprintf(h, "%d %d %d %s\n", f.month, f.obj.Size(), len(f.name), f.name)
		h.Write(tail)
	}
	for _, l := range d.tables {
		sum, err := l.Fingerprint(ctx)
		if err != nil {
			return "", l.named(err)
		}
		fmt.Fprintf(h, "table %s %s\n", l.asked.Name, sum)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func fileTail(f *inputFile) ([]byte, error) {
	b := make([]byte, min(tailBytes, f.obj.Size()))
	return b, readFull(f.obj, b, f.obj.Size()-int64(len(b)))
}
