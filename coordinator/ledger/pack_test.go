package ledger

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"rescore/partition/job"
)

// fill sets every field below v, in lists of two, to values that differ.
func fill(t testing.TB, v reflect.Value, next *int64) {
	t.Helper()
	*next++
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), next)
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i), next)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(t, v.Index(i), next)
		}
	case reflect.String:
		v.SetString(digest("text", int(*next)))
	case reflect.Uint8:
		v.SetUint(uint64(*next%255 + 1))
	case reflect.Uint64:
		v.SetUint(uint64(*next) << 40)
	case reflect.Int, reflect.Int64:
		v.SetInt(*next << 33)
	default:
		t.Fatalf("fill knows no field of kind %s; add it", v.Kind())
	}
}

// TestNoFieldIsLostInPacking fails when a field is added to what is packed by hand, and
// not to the packing.
func TestNoFieldIsLostInPacking(t *testing.T) {
	t.Parallel()
	var n int64
	var plan job.Task
	var result job.Result
	fill(t, reflect.ValueOf(&plan).Elem(), &n)
	fill(t, reflect.ValueOf(&result).Elem(), &n)
	shelf := new(loose)
	task := newTask(shelf, plan)
	if got := task.Plan(); !reflect.DeepEqual(got, plan) {
		t.Errorf("planned %+v\nbecame  %+v", plan, got)
	}
	task.result = put(shelf, packResult(result))
	if got := *task.Result(); !reflect.DeepEqual(got, result) {
		t.Errorf("reported %+v\nbecame   %+v", result, got)
	}
	n = 0
	disk := task.onDisk()
	fill(t, reflect.ValueOf(&disk.State).Elem(), &n)
	fill(t, reflect.ValueOf(&disk.Token).Elem(), &n)
	fill(t, reflect.ValueOf(&disk.Worker).Elem(), &n)
	fill(t, reflect.ValueOf(&disk.Attempts).Elem(), &n)
	fill(t, reflect.ValueOf(&disk.Failures).Elem(), &n)
	fill(t, reflect.ValueOf(&disk.Silences).Elem(), &n)
	fill(t, reflect.ValueOf(&disk.Reason).Elem(), &n)
	fill(t, reflect.ValueOf(&disk.From).Elem(), &n)
	disk.Second = &Second{Token: 7, Worker: "w"}
	back, err := disk.task(shelf)
	if err != nil {
		t.Fatal(err)
	}
	if got := back.onDisk(); !reflect.DeepEqual(got, disk) {
		t.Errorf("written %+v\nread    %+v", disk, got)
	}
}

// TestWhatIsPackedComesBackAndEqualIsEqualBytes takes names and digests of any form.
func TestWhatIsPackedComesBackAndEqualIsEqualBytes(t *testing.T) {
	t.Parallel()
	text := rapid.OneOf(
		rapid.SampledFrom([]string{"", "ab", "AB", "abc", "_staging/a/p1", "_staging/a/p2", digest("x", 1), digest("x", 2)}),
		rapid.StringN(0, 12, 40),
	)
	file := rapid.Custom(func(t *rapid.T) job.File {
		return job.File{
			Kind: job.FileKind(rapid.Uint8().Draw(t, "kind")), Path: text.Draw(t, "path"), Rows: rapid.Int64().Draw(t, "rows"),
			Bytes: rapid.Int64().Draw(t, "bytes"), SHA256: text.Draw(t, "sha256"), Content: text.Draw(t, "content"),
		}
	})
	slice := rapid.Custom(func(t *rapid.T) job.Slice {
		n := rapid.OneOf(rapid.Int64Range(-2, 2), rapid.Int64())
		return job.Slice{
			Month: int(n.Draw(t, "month")), File: int(n.Draw(t, "file")), First: n.Draw(t, "first"), Rows: n.Draw(t, "rows"),
			Offset: n.Draw(t, "offset"), Bytes: n.Draw(t, "bytes"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		lists := func() ([]job.Slice, []job.File) {
			s, f := rapid.SliceOfN(slice, 0, 3).Draw(t, "slices"), rapid.SliceOfN(file, 0, 3).Draw(t, "files")
			if len(s) == 0 {
				s = nil
			}
			if len(f) == 0 {
				f = nil
			}
			return s, f
		}
		s, f := lists()
		plan, result := packPlan(job.Task{Slices: s, Staged: f}), packResult(job.Result{Files: f})
		gotSlices, gotFiles, err := unpackPlan(plan)
		if err != nil || !reflect.DeepEqual(gotSlices, s) || !reflect.DeepEqual(gotFiles, f) {
			t.Fatalf("%+v %+v became %+v %+v", s, f, gotSlices, gotFiles)
		}
		if got, err := unpackResult(result); err != nil || !reflect.DeepEqual(got.Files, f) {
			t.Fatalf("%+v became %+v: %v", f, got.Files, err)
		}
		s2, f2 := lists()
		if same := reflect.DeepEqual(s, s2) && reflect.DeepEqual(f, f2); same != (packPlan(job.Task{Slices: s2, Staged: f2}) == plan) {
			t.Fatalf("the same: %t, and the bytes say otherwise", same)
		}
	})
}

// FuzzUnpack: whatever bytes a snapshot or an entry of the log brings, they are what
// was packed, to the byte, or refused.
func FuzzUnpack(f *testing.F) {
	var n int64
	var plan job.Task
	var result job.Result
	fill(f, reflect.ValueOf(&plan).Elem(), &n)
	fill(f, reflect.ValueOf(&result).Elem(), &n)
	f.Add(packPlan(plan))
	f.Add(packPlan(job.Task{}))
	f.Add(packResult(result))
	f.Add(packResult(job.Result{}))
	f.Fuzz(func(t *testing.T, data string) {
		if slices, staged, err := unpackPlan(data); err == nil && packPlan(job.Task{Slices: slices, Staged: staged}) != data {
			t.Errorf("%q is taken for a plan", data)
		}
		if r, err := unpackResult(data); err == nil && packResult(r) != data {
			t.Errorf("%q is taken for a result", data)
		}
	})
}

func TestWhatIsCutShortOrGoesOnIsRefused(t *testing.T) {
	t.Parallel()
	var n int64
	var plan job.Task
	var result job.Result
	fill(t, reflect.ValueOf(&plan).Elem(), &n)
	fill(t, reflect.ValueOf(&result).Elem(), &n)
	for n, packed := 0, packPlan(plan); n < len(packed); n++ {
		if _, _, err := unpackPlan(packed[:n]); err == nil {
			t.Errorf("the first %d bytes of a plan are one", n)
		}
	}
	for n, packed := 0, packResult(result); n < len(packed); n++ {
		if _, err := unpackResult(packed[:n]); err == nil {
			t.Errorf("the first %d bytes of a result are one", n)
		}
	}
	if _, err := unpackResult(packResult(result) + "\x00"); err == nil {
		t.Error("a result with a byte behind it is one")
	}
}
