package local

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"rescore/cmd/internal/province"
	"rescore/partition/job"
)

// asStream writes the batches of an Arrow file as a stream in dir: compressed, and its
// columns by dictionaries of their own in every batch where coded.
func asStream(t *testing.T, file, dir string, coded bool, options ...ipc.Option) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r, err := ipc.NewFileReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	schema := r.Schema()
	if coded {
		var fields []arrow.Field
		for _, f := range schema.Fields() {
			if id := f.Type.ID(); id == arrow.UINT8 || id == arrow.INT16 {
				f.Type = &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int16, ValueType: f.Type}
			}
			fields = append(fields, f)
		}
		schema = arrow.NewSchema(fields, nil)
	}
	var out bytes.Buffer
	w := ipc.NewWriter(&out, append(options, ipc.WithSchema(schema))...)
	for {
		rec, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for from := int64(0); from < rec.NumRows(); from += 1500 {
			part := rec.NewSlice(from, min(from+1500, rec.NumRows()))
			columns := part.Columns()
			for i, f := range schema.Fields() {
				if d, ok := f.Type.(*arrow.DictionaryType); ok {
					columns[i] = byDictionary(t, d, columns[i])
				}
			}
			if err := w.Write(array.NewRecord(schema, columns, part.NumRows())); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(w.Close(), os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, filepath.Base(file)), out.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func byDictionary(t *testing.T, typ *arrow.DictionaryType, a arrow.Array) arrow.Array {
	t.Helper()
	values, indices := array.NewBuilder(memory.DefaultAllocator, typ.ValueType), array.NewInt16Builder(memory.DefaultAllocator)
	at := map[string]int{}
	for i := range a.Len() {
		if a.IsNull(i) {
			indices.AppendNull()
			continue
		}
		v := a.ValueStr(i)
		k, ok := at[v]
		if !ok {
			k = len(at)
			at[v] = k
			if err := values.AppendValueFromString(v); err != nil {
				t.Fatal(err)
			}
		}
		indices.Append(int16(k))
	}
	return array.NewDictionaryArray(typ, indices.NewArray(), values.NewArray())
}

// The rows of a version do not depend on what the base was written as.
func TestABaseInAnyFormatGivesTheSameVersion(t *testing.T) {
	t.Parallel()
	base := clean(8_000)
	base.DuplicateRate, base.NullKeyRate, base.WrongNumberRate = 0.002, 0.001, 0.001
	dir := t.TempDir()
	inputs := map[string]string{}
	for _, o := range []province.Options{{Format: "parquet"}, {Format: "csv"}, {Format: "arrow"}, {Format: "arrow", Compression: "zstd"}} {
		o.Province, o.Files = base, 2
		made, _ := write(t, o)
		name := o.Format + o.Compression
		inputs[name] = filepath.Join(made, "base")
	}
	files, err := filepath.Glob(filepath.Join(inputs["arrow"], "*.arrow"))
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	for name, s := range map[string]struct {
		coded   bool
		options []ipc.Option
	}{"stream": {}, "stream of lz4": {options: []ipc.Option{ipc.WithLZ4()}}, "stream of dictionaries": {coded: true}, "stream of dictionaries in zstd": {true, []ipc.Option{ipc.WithZstd()}}} {
		inputs[name] = filepath.Join(dir, name)
		for _, file := range files {
			asStream(t, file, inputs[name], s.coded, s.options...)
		}
	}
	want := scored(t, dir, inputs["parquet"])
	for name, input := range inputs {
		t.Run(name, func(t *testing.T) {
			got := run(t, options(t, dir, func(s *job.Spec) { s.Input.Path, s.Run.PartitionRows = input, 3000 }))
			if got.Digest != want.Digest || got.Rows != want.Rows {
				t.Errorf("digest %s of %+v, want %s of %+v", got.Digest, got.Rows, want.Digest, want.Rows)
			}
		})
	}
	if want.Rows.Scored != 8000 || want.Rows.Rejected == 0 || want.Rows.Duplicate == 0 {
		t.Errorf("%+v", want.Rows)
	}
}

// A preparation of Arrow keeps every column as the type it is.
func TestPreparedArrowScoresAsItWas(t *testing.T) {
	t.Parallel()
	dir, _ := write(t, province.Options{Province: clean(6_000), Format: "arrow", Files: 2})
	want := scored(t, dir, "base")
	out := run(t, preparation(t, dir, func(s *job.Spec) { s.Input.Path = "base" }))
	if out.Rows.Scored != 6_000 {
		t.Fatalf("rows %+v", out.Rows)
	}
	if got := scored(t, dir, out.Path); got.Digest != want.Digest || got.Rows != want.Rows {
		t.Errorf("scored from the prepared base: digest %s, rows %+v; from Arrow %s, %+v", got.Digest, got.Rows, want.Digest, want.Rows)
	}
}
