package source

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/endian"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/store"
)

// mappedStore is memoryStore whose objects can be mapped, with nothing behind their end.
type mappedStore struct{ memoryStore }

func (m mappedStore) Open(ctx context.Context, name string) (store.Object, error) {
	obj, err := m.memoryStore.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	b := m.memoryStore[name]
	return &mappedObject{obj, b[:len(b):len(b)]}, nil
}

type mappedObject struct {
	store.Object
	b []byte
}

func (o mappedObject) Map() ([]byte, error) { return o.b, nil }
func (o mappedObject) Forget(int64, int64)  {}

// devourArrow reads an Arrow file in memory every way there is: as extra columns, as
// numbers and as what a preparation keeps. Each must give all rows, or a typed error.
func devourArrow(b []byte, mapped bool) (rows int64, err error) {
	var st store.Store = memoryStore{"in.arrow": b}
	if mapped {
		st = mappedStore{memoryStore{"in.arrow": b}}
	}
	s := spec("in.arrow")
	s.Input.MakeNumbers = 13000000000
	d, err := Open(context.Background(), st, s)
	if err != nil {
		return 0, err
	}
	f := d.files[0].table.(*arrowFile)
	if f.rows > 1<<20 { // time, not memory, is what more would take
		return 0, errors.Join(ErrTooLarge, d.Close())
	}
	var all []error
	for _, fd := range f.fields {
		if fd.refused != "" {
			continue
		}
		if fd.name != "" && fd.kind != kindDay && fd.kind != kindStamp {
			s.Input.Extra = append(s.Input.Extra, job.Extra{Name: "extra." + fd.name, Column: fd.name})
		}
		all = append(all, devourCells(f, fd))
		if fd.kind == kindText || fd.kind == kindI64 || fd.kind == kindF64 {
			all = append(all, devourKeys(f, fd))
		}
	}
	all = append(all, d.Close())
	rows, _, err = devourStore(func() (*Dataset, error) { return Open(context.Background(), st, s) })
	if err == nil && rows != f.rows {
		err = fmt.Errorf("%d rows of %d came out", rows, f.rows)
	}
	for _, e := range append(all, err) {
		if e != nil && (!typed(e) || strings.Contains(e.Error(), "panic")) {
			return rows, fmt.Errorf("untyped error, or a panic: %v", e) //nolint:errorlint // it is not to be taken for a typed one
		}
	}
	return rows, errors.Join(append(all, err)...)
}

func devourCells(f *arrowFile, fd field) (err error) {
	defer guard("cells", &err)
	var c codecs
	defer c.close()
	col := f.column(fd, nil, &c)
	defer col.close()
	col.seek(0)
	var v cells
	for left := f.rows; left > 0; {
		n := int(min(left, 300))
		if err := col.cells(n, &v); err != nil {
			return err
		}
		if len(v.null) != n || len(v.fixed) != n || len(v.end) != n {
			return fmt.Errorf("%d cells for %d rows", len(v.null), n)
		}
		left -= int64(n)
	}
	return col.finish()
}

func devourKeys(f *arrowFile, fd field) (err error) {
	defer guard("keys", &err)
	var c codecs
	defer c.close()
	col := f.column(fd, nil, &c)
	defer col.close()
	col.seek(f.rows / 2)
	rows := f.rows - f.rows/2
	if err := col.keys(rows, keyRule{}, func(numbers []uint64, _ []verdict) { rows -= int64(len(numbers)) }); err != nil {
		return err
	}
	if rows != 0 {
		return fmt.Errorf("%d rows are missing", rows)
	}
	return nil
}

func TestEveryMalformedArrowFileEndsInATypedErrorOrAllItsRows(t *testing.T) {
	root := sharedPath(t, "malformed/arrow-testing")
	outcomes := map[bool]int{}
	err := filepath.WalkDir(root, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.Contains(p, "arrow-ipc") {
			return err
		}
		data, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		for _, mapped := range []bool{false, true} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			rows, err := devourArrow(data, mapped)
			runtime.ReadMemStats(&after)
			if err != nil && !typed(err) {
				t.Errorf("%s: %v", filepath.Base(p), err)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 256<<20 {
				t.Errorf("%s allocated %d MB", filepath.Base(p), grown>>20)
			}
			outcomes[err == nil]++
			if testing.Verbose() {
				t.Logf("%-80s %6d rows %v", filepath.Base(p), rows, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("read %d, refused %d", outcomes[true], outcomes[false])
	if outcomes[false] < 50 {
		t.Errorf("outcomes %v: the corpus was not tried", outcomes)
	}
}

// small are the files that are damaged: every class of column, coded and not, packed and
// not.
func small(t testing.TB) [][]byte {
	t.Helper()
	rows := subscribers(9, 40, 0.3)
	var list [][]byte
	for _, s := range []arrowShape{
		{types: "plain", batches: 25}, {types: "other", batches: 25, stream: true},
		{types: "plain", batches: 25, codec: "lz4", coded: "grown"}, {types: "other", batches: 17, codec: "zstd", stream: true},
		{types: "plain", batches: 25, coded: "grown", stream: true}, {types: "other", batches: 25, coded: "replaced", stream: true},
	} {
		list = append(list, arrowBytes(t, rows, s))
	}
	return list
}

func TestDamagedArrowEndsInATypedErrorOrAllItsRows(t *testing.T) {
	t.Parallel()
	turns := 4000
	if os.Getenv("RESCORE_LONG") != "" {
		turns = 20_000
	}
	files := small(t)
	var before, after runtime.MemStats
	read := 0
	for turn := range turns {
		x := partition.Mix(uint64(turn) + 1)
		base := files[turn%len(files)]
		b := slices.Clone(base)
		for range 1 + x%3 {
			x = partition.Mix(x)
			at := int(x % uint64(len(b)))
			switch x >> 61 {
			case 0, 1, 2:
				b[at] ^= 1 << (x >> 40 & 7)
			case 3, 4: // a number of four bytes: an offset, a count
				binary.LittleEndian.PutUint32(b[min(at&^3, len(b)-4):], [...]uint32{0, 1, 0xffffffff, 0x7fffffff, 1 << 30, uint32(len(b)), 8, 64}[x>>40&7])
			case 5, 6: // and of eight
				binary.LittleEndian.PutUint64(b[min(at&^7, len(b)-8):], [...]uint64{0, 1, math.MaxUint64, math.MaxInt64, 1 << 40, uint64(len(b)), 1 << 20, 1 << 31}[x>>40&7])
			default:
				b = b[:max(at, 16)]
			}
		}
		if turn%64 == 0 {
			runtime.ReadMemStats(&before)
		}
		rows, err := devourArrow(b, turn%2 == 0)
		if err != nil && !typed(err) {
			t.Fatalf("turn %d: %v", turn, err)
		}
		if err == nil {
			read++
			if rows > 4000 {
				t.Fatalf("turn %d: %d rows of 40", turn, rows)
			}
		}
		if turn%64 == 0 {
			runtime.ReadMemStats(&after)
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 2<<30 { // other tests allocate meanwhile
				t.Fatalf("turn %d allocated %d MB", turn, grown>>20)
			}
		}
	}
	if read < turns/20 || read > turns*19/20 {
		t.Errorf("%d of %d were read: that tries little", read, turns)
	}
}

// A file that is cut anywhere has lost something, and says so.
func TestArrowThatIsCutAnywhereIsAnError(t *testing.T) {
	t.Parallel()
	for k, b := range small(t)[:2] {
		for n := 0; n < len(b); n += 1 + n/300 {
			if rows, err := devourArrow(b[:n], n%2 == 0); err == nil || !typed(err) {
				t.Fatalf("file %d cut to %d of %d bytes: %d rows, %v", k, n, len(b), rows, err)
			}
		}
	}
}

// message returns where message i of a stream, or of the stream in a file, begins and ends.
func message(t *testing.T, b []byte, i int) (from, past int) {
	t.Helper()
	if bytes.HasPrefix(b, []byte(arrowMagic)) {
		past = 8
	}
	for range i + 1 {
		from = past
		fl := flat{b: b[from+8:]}
		past = from + 8 + int(binary.LittleEndian.Uint32(b[from+4:])) + int(fl.root().i64(3))
	}
	return from, past
}

func TestWhatIsWrongWithAnArrowFileIsSaid(t *testing.T) {
	rows := subscribers(9, 90, 0.3)
	stream := arrowBytes(t, rows, arrowShape{types: "plain", batches: 30, stream: true})
	file := arrowBytes(t, rows, arrowShape{types: "plain", batches: 30})
	coded := arrowBytes(t, rows, arrowShape{types: "plain", batches: 90, coded: "grown", stream: true})
	end := []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}
	without := func(b []byte, i int) []byte {
		from, past := message(t, b, i)
		return append(slices.Clone(b[:from]), b[past:]...)
	}
	edit := func(b []byte, f func(b []byte)) []byte {
		b = slices.Clone(b)
		f(b)
		return b
	}
	first, _ := message(t, stream, 1)
	body := func(b []byte, i int, name string, buffer int) int { // where a buffer of a batch begins
		f, err := openArrow(object(b))
		if err != nil {
			t.Fatal(err)
		}
		m := f.batches[i].arrowMessage
		var meta []byte
		batch, err := f.load(m, &meta, false)
		if err != nil {
			t.Fatal(err)
		}
		k := slices.IndexFunc(f.fields, func(x field) bool { return x.name == name })
		return int(m.body + batch.buffers.i64(f.layouts[k].buffer+buffer, 0))
	}
	for name, c := range map[string]struct {
		data []byte
		is   error
		says string
	}{
		"without its end":            {bytes.TrimSuffix(stream, end), ErrCorrupt, "without its end mark"},
		"something after the end":    {append(slices.Clone(stream), stream...), ErrCorrupt, "go on"},
		"a second schema":            {append(append(slices.Clone(stream[:first]), stream[:first]...), end...), ErrCorrupt, "second schema"},
		"no schema":                  {stream[first:], ErrCorrupt, "not a schema"},
		"a batch the footer has not": {insert(file, 8, stream[:first]), ErrCorrupt, ""},
		"nothing":                    {nil, ErrFormat, "empty"},
		"Feather of version 1":       {[]byte("FEA1....FEA1"), ErrFormat, "version 2"},
		"Parquet":                    {parquetBytes(t, rows), ErrFormat, "Parquet"},
		"text":                       {csvBytes(rows), ErrFormat, "no Arrow"},
		"half a file":                {file[:len(file)/2], ErrFormat, "truncated"},
		"big-endian":                 {bigEndian(t), ErrFormat, "big-endian"},
		"no dictionary":              {without(coded, 1), ErrCorrupt, "dictionary"},
		"an index past its dictionary": {edit(coded, func(b []byte) {
			binary.LittleEndian.PutUint32(b[body(b, 0, "msisdn", 1):], 1<<20)
		}), ErrCorrupt, "outside its dictionary"},
		"offsets that fall": {edit(stream, func(b []byte) {
			binary.LittleEndian.PutUint32(b[body(b, 1, "city", 1)+8:], 0)
		}), ErrCorrupt, "offset"},
		"an offset past the text": {edit(stream, func(b []byte) {
			binary.LittleEndian.PutUint32(b[body(b, 1, "city", 1)+4*30:], 1<<20)
		}), ErrCorrupt, "buffer"},
		"more nulls than it states": {edit(stream, func(b []byte) {
			clear(b[body(b, 1, "sex", 0):][:4])
		}), ErrCorrupt, "nulls"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, mapped := range []bool{false, true} {
				_, err := devourArrow(c.data, mapped)
				if !errors.Is(err, c.is) || !strings.Contains(fmt.Sprint(err), c.says) {
					t.Errorf("%v, want %v with %q", err, c.is, c.says)
				}
			}
		})
	}
}

// insert puts a message into a file that its footer does not list.
func insert(b []byte, at int, what []byte) []byte {
	return append(append(slices.Clone(b[:at]), what...), b[at:]...)
}

// bigEndian is a stream of another kind of machine.
func bigEndian(t *testing.T) []byte {
	t.Helper()
	fields := []arrow.Field{{Name: "msisdn", Type: arrow.PrimitiveTypes.Int64}}
	var out bytes.Buffer
	if err := ipc.NewWriter(&out, ipc.WithSchema(arrow.NewSchemaWithEndian(fields, nil, endian.NonNativeEndian))).Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// A batch that unpacks to more than there is room for is refused before it is unpacked.
func TestArrowThatUnpacksToTooMuchIsRefused(t *testing.T) {
	for _, codec := range []ipc.Option{ipc.WithZstd(), ipc.WithLZ4()} {
		n := arrowBufferMax/8 + 1000
		b := array.NewInt64Builder(memory.DefaultAllocator)
		b.Reserve(n)
		for range n {
			b.UnsafeAppend(13800000000)
		}
		schema := arrow.NewSchema([]arrow.Field{{Name: "msisdn", Type: arrow.PrimitiveTypes.Int64}}, nil)
		var out bytes.Buffer
		w := ipc.NewWriter(&out, ipc.WithSchema(schema), codec)
		a := b.NewArray()
		if err := errors.Join(w.Write(array.NewRecord(schema, []arrow.Array{a}, int64(n))), w.Close()); err != nil {
			t.Fatal(err)
		}
		a.Release()
		d, err := Open(context.Background(), memoryStore{"in.arrow": out.Bytes()}, spec("in.arrow"))
		if err == nil {
			_, err = d.Survey(context.Background(), 1, nil)
			err = errors.Join(err, d.Close())
		}
		if !typed(err) {
			t.Errorf("%v", err)
		}
	}
}

func TestASchemaOfADeepNestIsRefused(t *testing.T) {
	var typ arrow.DataType = arrow.PrimitiveTypes.Int8
	for range arrowDepthMax + 5 {
		typ = arrow.ListOf(typ)
	}
	schema := arrow.NewSchema([]arrow.Field{{Name: "msisdn", Type: typ}}, nil)
	var out bytes.Buffer
	w := ipc.NewWriter(&out, ipc.WithSchema(schema))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := openArrow(object(out.Bytes())); !errors.Is(err, ErrCorrupt) {
		t.Errorf("%v", err)
	}
}

func FuzzArrow(f *testing.F) {
	for _, b := range small(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, mapped := range []bool{false, true} {
			if _, err := devourArrow(bytes.Clone(b), mapped); err != nil && !typed(err) {
				t.Fatal(err)
			}
		}
	})
}
