package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding"

	"rescore/partition/store"
)

// inWays returns the same rows in files of every way that can be looked at in place.
func inWays(t *testing.T, rows []subscriber) map[string][]byte {
	files := map[string][]byte{}
	for name, shape := range map[string]arrowShape{
		"plain.arrow": {types: "plain", batches: 5000}, "lz4.arrow": {types: "plain", batches: 5000, codec: "lz4"},
		"zstd.arrow": {types: "plain", batches: 5000, codec: "zstd"}, "grown.arrow": {types: "plain", batches: 5000, coded: "grown"},
	} {
		files[name] = arrowBytes(t, rows, shape)
	}
	for name, integers := range map[string]encoding.Encoding{
		"plain.parquet": &parquet.Plain, "delta.parquet": &parquet.DeltaBinaryPacked, "coded.parquet": &parquet.RLEDictionary,
	} {
		for _, v := range []int{1, 2} {
			files[fmt.Sprintf("v%d-%s", v, name)] = parquetBytes(t, rows, parquet.DataPageVersion(v), parquet.PageBufferSize(8<<10),
				encoded(map[parquet.Kind]encoding.Encoding{parquet.Int32: integers, parquet.Int64: integers, parquet.ByteArray: &parquet.DeltaByteArray}))
		}
	}
	files["snappy.parquet"] = parquetBytes(t, rows, parquet.Compression(&parquet.Snappy), parquet.PageBufferSize(8<<10))
	return files
}

func TestAMappedFileThatIsCutEndsInAnErrorAndNotInAFault(t *testing.T) {
	for name, data := range inWays(t, subscribers(3, 20_000, 0.1)) {
		dir := t.TempDir()
		write(t, dir, name, data)
		d := open(t, dir, subscriberSpec(name))
		if _, ok := d.files[0].obj.(store.Mapper); !ok {
			t.Skip("this system maps no files")
		}
		sv := survey(t, d)
		task := cut(sv, whole)[0]
		r, err := d.Reader(task, sv.Files, subscriberColumns, 512, memory.DefaultAllocator)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Next(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(filepath.Join(dir, name), 4096); err != nil {
			t.Fatal(err)
		}
		for err == nil {
			_, err = r.Next(context.Background())
		}
		if !typed(err) {
			t.Errorf("%s: %v", name, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		// Whoever opens a task of it now is told as well.
		if _, err := d.Reader(task, sv.Files, subscriberColumns, 512, memory.DefaultAllocator); !typed(err) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := d.Survey(context.Background(), 1, nil); !typed(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Somebody writes the file while it is read. What comes out is anybody's guess, but it
// comes out, or is an error.
func TestAMappedFileThatChangesWhileItIsReadEndsInAnErrorOrInRows(t *testing.T) {
	for name, data := range inWays(t, subscribers(3, 8_000, 0.1)) {
		dir := t.TempDir()
		write(t, dir, name, data)
		d := open(t, dir, subscriberSpec(name))
		sv := survey(t, d)
		task := cut(sv, whole)[0]
		stop, stopped := make(chan struct{}), make(chan error)
		go func() {
			f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY, 0)
			r := rand.New(rand.NewPCG(47, 1))
			for err == nil {
				select {
				case <-stop:
					stopped <- f.Close()
					return
				default:
				}
				// Most of the time the file is as it was: readers get far.
				at := r.IntN(len(data) - 8)
				_, err = f.WriteAt([]byte{byte(r.Uint32()), byte(r.Uint32())}, int64(at))
				if err == nil {
					_, err = f.WriteAt(data[at:at+2], int64(at))
				}
			}
			stopped <- err
		}()
		for range 10 {
			r, err := d.Reader(task, sv.Files, subscriberColumns, 512, memory.DefaultAllocator)
			if err != nil { // its numbers were others
				if !typed(err) {
					t.Errorf("%s: %v", name, err)
				}
				continue
			}
			for err == nil {
				_, err = r.Next(context.Background())
			}
			if !errors.Is(err, io.EOF) && !typed(err) {
				t.Errorf("%s: %v", name, err)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
		close(stop)
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	}
}
