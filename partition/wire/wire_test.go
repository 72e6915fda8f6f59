package wire

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"rescore/partition"
	"rescore/partition/job"
)

// samples has one message of each kind with every field set.
var (
	lease = Lease{Job: "202405-0123456789ab", Stage: 1, Task: 7, Token: 42}

	workRequest = WorkRequest{Worker: "w1", Slots: 2}
	workReply   = WorkReply{
		RetryMillis: 250, NotLeader: true,
		Assignments: []Assignment{{
			Job: lease.Job, Stage: lease.Stage, Kind: job.StageScore, Index: lease.Task, Token: lease.Token,
			Epoch: 3, Spec: []byte(`{"name":"base"}`), SpecBase: "jobs", Model: "aa", Rules: "bb",
			Task: job.Task{
				Range: partition.Range{First: 13800130000, Past: 13800960000}, Rows: 10, Keys: partition.Sum{Hi: 1, Lo: 2},
				Slices: []job.Slice{{Month: 0, File: 0, First: 5, Rows: 10, Offset: 100, Bytes: 900}},
			},
			Files: []job.InputFile{{Path: "base.csv", Bytes: 1000, Rows: 15, SHA256: "cc"}},
		}},
	}
	reportResult = Report{Worker: "w1", Lease: lease, Result: &job.Result{
		Counts: job.Counts{In: 10, Scored: 7, Excluded: 1, Rejected: 1, Duplicate: 1},
		Keys:   partition.Sum{Hi: 1, Lo: 2}, Rows: partition.Sum{Hi: 3, Lo: 4},
		Files:  []job.File{{Kind: job.FileScores, Path: "part", Rows: 7, Bytes: 70, SHA256: "dd", Content: "ee"}},
		Tally:  job.Tally{Warn: 5, BadValues: 1},
		Timing: job.Timing{Read: 1, Score: 2, Write: 3, Verify: 4},
	}}
	reportFailure = Report{Worker: "w1", Lease: lease, Failure: &Failure{Reason: "read base.csv: unexpected end", Fatal: true}}
	reportReply   = ReportReply{Status: Fenced, Message: "lease is not current"}
	heartbeat     = Heartbeat{Worker: "w1", Tasks: []Progress{{Lease: lease, RowsDone: 4}}}
)

// TestGoldenMessagesDecodeForEver reads messages as an earlier release sent
// them. A golden file is never changed once a release has sent its like.
func TestGoldenMessagesDecodeForEver(t *testing.T) {
	golden(t, "work-request", workRequest)
	golden(t, "work-reply", workReply)
	golden(t, "work-request-ready", WorkRequest{Worker: "w1", Slots: 2, Ready: []job.ID{lease.Job}, Unfit: []Unfit{{Job: "202406-0123456789ab", Reason: "golden row 3"}}})
	golden(t, "work-reply-offer", WorkReply{Assignments: []Assignment{}, RetryMillis: 25, Offers: []Offer{{Job: lease.Job, Spec: []byte(`{"name":"base"}`), SpecBase: "jobs"}}})
	golden(t, "report-result", reportResult)
	golden(t, "report-failure", reportFailure)
	golden(t, "report-reply", reportReply)
	golden(t, "heartbeat", heartbeat)

	golden(t, "work-request-version", WorkRequest{Worker: "w1", Slots: 2, Version: "v1.2.3"})
	golden(t, "work-reply-drain", WorkReply{Assignments: []Assignment{}, RetryMillis: 25, Drain: true})
	golden(t, "report-returned", Report{Worker: "w1", Lease: lease, Returned: true})
	golden(t, "report-reply-lost", ReportReply{Status: Lost, Message: "another attempt was first"})
	golden(t, "heartbeat-registry", Heartbeat{Worker: "w1", Tasks: []Progress{}, Slots: 4, Version: "v1.2.3", Draining: true, Host: "h1", MemoryBytes: 1 << 30})
	golden(t, "lead", Lead{Leader: "c1", Since: 7})
	golden(t, "check-request", CheckRequest{Spec: []byte(`{"name":"base"}`), SpecBase: "jobs", Cities: []uint32{755}})
	golden(t, "check-reply", CheckReply{Job: lease.Job, Segments: []partition.Segment{1380000, 1380001}})
	golden(t, "check-reply-problem", CheckReply{Problem: "input.path is not there"})
	golden(t, "check-reply-working", CheckReply{Working: true})
	golden(t, "compare-request", CompareRequest{SpecBase: "jobs", Output: "out", Old: "202405-0123456789ab.1", New: "202405-0123456789ab.2"})
	golden(t, "compare-reply", CompareReply{Figures: []byte(`{}`)})
	golden(t, "compare-reply-problem", CompareReply{Figures: []byte{}, Problem: "no such version"})
	golden(t, "compare-reply-working", CompareReply{Figures: []byte{}, Working: true})
}

func golden[M Message](t *testing.T, name string, m M) {
	t.Helper()
	data, err := Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", name+"-v1.bin")
	if os.Getenv("RESCORE_GOLDEN") == "write" { // only for a message that no release has sent yet
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(data, want) {
		t.Errorf("%s encodes to other bytes than the golden file", name)
	}
	got, err := Decode[M](want)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if !reflect.DeepEqual(got, m) {
		t.Errorf("%s: got %+v, want %+v", name, got, m)
	}
}

func TestDecodeRefusesAnotherKindVersionOrBytesLeftOver(t *testing.T) {
	t.Parallel()
	data, err := Encode(heartbeat)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Decode[WorkRequest](data); !errors.Is(err, ErrMessage) {
		t.Errorf("a heartbeat as a work request: %v", err)
	}
	if _, err := Decode[Heartbeat](append(bytes.Clone(data), 0)); !errors.Is(err, ErrMessage) {
		t.Errorf("one byte left over: %v", err)
	}
	for n := range len(data) {
		if _, err := Decode[Heartbeat](data[:n]); !errors.Is(err, ErrMessage) {
			t.Errorf("first %d bytes: %v", n, err)
		}
	}
	other := bytes.Clone(data)
	other[1]++
	if _, err := Decode[Heartbeat](other); !errors.Is(err, ErrVersion) {
		t.Errorf("next version: %v", err)
	}
	if _, err := Decode[Heartbeat](make([]byte, BytesMax+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	unknown := append([]byte{1, 1}, 0xa3, 1, 0x61, 'w', 2, 1, 9, 1) // a work request with a field 9
	if _, err := Decode[WorkRequest](unknown); !errors.Is(err, ErrMessage) {
		t.Errorf("unknown field: %v", err)
	}
	if _, err := Decode[WorkRequest]([]byte{1, 1, 0xa2, 1, 0x61, 'w', 2, 1}); err != nil {
		t.Errorf("the same without field 9: %v", err)
	}
}

func TestEncodeAndDecodeRefuseWhatIsOutsideItsLimits(t *testing.T) {
	t.Parallel()
	refused(t, "no worker", WorkRequest{Slots: 1})
	refused(t, "no slot", WorkRequest{Worker: "w"})
	refused(t, "ready for nothing", WorkRequest{Worker: "w", Slots: 1, Ready: []job.ID{""}})
	refused(t, "ready for too much", WorkRequest{Worker: "w", Slots: 1, Ready: slices.Repeat([]job.ID{"a"}, ReadyMax+1)})
	refused(t, "unfit for nothing", WorkRequest{Worker: "w", Slots: 1, Unfit: []Unfit{{}}})
	refused(t, "unfit for too much", WorkRequest{Worker: "w", Slots: 1, Unfit: slices.Repeat([]Unfit{{Job: "a"}}, ReadyMax+1)})
	refused(t, "a long reason", WorkRequest{Worker: "w", Slots: 1, Unfit: []Unfit{{Job: "a", Reason: strings.Repeat("x", ReasonMax+1)}}})
	refused(t, "an offer of nothing", WorkReply{Offers: []Offer{{}}})
	refused(t, "too many offers", WorkReply{Offers: slices.Repeat([]Offer{{Job: "a"}}, ReadyMax+1)})
	refused(t, "too many slots", WorkRequest{Worker: "w", Slots: SlotsMax + 1})
	refused(t, "long worker", WorkRequest{Worker: strings.Repeat("w", NameMax+1), Slots: 1})
	refused(t, "worker not UTF-8", WorkRequest{Worker: "\xff", Slots: 1})
	refused(t, "negative wait", WorkReply{RetryMillis: -1})
	refused(t, "too many assignments", WorkReply{Assignments: make([]Assignment, SlotsMax+1)})
	refused(t, "empty assignment", WorkReply{Assignments: make([]Assignment, 1)})
	for name, spoil := range map[string]func(*Assignment){
		"no token":            func(a *Assignment) { a.Token = 0 },
		"no job":              func(a *Assignment) { a.Job = "" },
		"no kind":             func(a *Assignment) { a.Kind = 0 },
		"negative stage":      func(a *Assignment) { a.Stage = -1 },
		"negative index":      func(a *Assignment) { a.Index = -1 },
		"negative rows":       func(a *Assignment) { a.Task.Rows = -1 },
		"slice in no file":    func(a *Assignment) { a.Task.Slices[0].File = 1 },
		"slice of file -1":    func(a *Assignment) { a.Task.Slices[0].File = -1 },
		"slice of the month":  func(a *Assignment) { a.Task.Slices[0].Month = 1 },
		"slice before row 0":  func(a *Assignment) { a.Task.Slices[0].First = -1 },
		"slice of -1 rows":    func(a *Assignment) { a.Task.Slices[0].Rows = -1 },
		"slice before byte 0": func(a *Assignment) { a.Task.Slices[0].Offset = -1 },
		"slice of -1 bytes":   func(a *Assignment) { a.Task.Slices[0].Bytes = -1 },
	} {
		a := workReply.Assignments[0]
		a.Task.Slices = append([]job.Slice(nil), a.Task.Slices...)
		spoil(&a)
		refused(t, name, WorkReply{Assignments: []Assignment{a}})
	}
	refused(t, "neither result nor failure", Report{Worker: "w", Lease: lease})
	refused(t, "both", Report{Worker: "w", Lease: lease, Result: &job.Result{}, Failure: &Failure{}})
	refused(t, "no lease", Report{Worker: "w", Failure: &Failure{}})
	refused(t, "no worker in report", Report{Lease: lease, Failure: &Failure{}})
	refused(t, "long reason", Report{Worker: "w", Lease: lease, Failure: &Failure{Reason: strings.Repeat("x", ReasonMax+1)}})
	refused(t, "a result given back", Report{Worker: "w", Lease: lease, Result: &job.Result{}, Returned: true})
	refused(t, "a failure given back", Report{Worker: "w", Lease: lease, Failure: &Failure{}, Returned: true})
	refused(t, "a long version", WorkRequest{Worker: "w", Slots: 1, Version: strings.Repeat("v", NameMax+1)})
	refused(t, "no status", ReportReply{})
	refused(t, "unknown status", ReportReply{Status: Lost + 1})
	refused(t, "long message", ReportReply{Status: OK, Message: strings.Repeat("x", ReasonMax+1)})
	refused(t, "no worker in heartbeat", Heartbeat{})
	refused(t, "too many tasks", Heartbeat{Worker: "w", Tasks: make([]Progress, TasksMax+1)})
	refused(t, "no lease in heartbeat", Heartbeat{Worker: "w", Tasks: make([]Progress, 1)})
	refused(t, "negative slots", Heartbeat{Worker: "w", Slots: -1})
	refused(t, "negative memory", Heartbeat{Worker: "w", MemoryBytes: -1})
	refused(t, "a long host", Heartbeat{Worker: "w", Host: strings.Repeat("h", NameMax+1)})
	refused(t, "a long version in heartbeat", Heartbeat{Worker: "w", Version: strings.Repeat("v", NameMax+1)})
	refused(t, "nobody leads", Lead{Since: 1})
	refused(t, "a check of nothing", CheckRequest{})
	refused(t, "too many cities", CheckRequest{Spec: []byte("{}"), Cities: make([]uint32, CitiesMax+1)})
	refused(t, "a long folder", CheckRequest{Spec: []byte("{}"), SpecBase: strings.Repeat("x", PathMax+1)})
	refused(t, "an empty answer", CheckReply{})
	refused(t, "an answer and a problem", CheckReply{Job: "a", Problem: "b"})
	refused(t, "an answer and at work", CheckReply{Job: "a", Working: true})
	refused(t, "a long job", CheckReply{Job: job.ID(strings.Repeat("a", NameMax+1))})
	refused(t, "a long problem", CheckReply{Problem: strings.Repeat("a", ReasonMax+1)})
	refused(t, "a segment twice", CheckReply{Job: "a", Segments: []partition.Segment{1, 1}})
	refused(t, "segments falling", CheckReply{Job: "a", Segments: []partition.Segment{2, 1}})
	refused(t, "too many segments", CheckReply{Job: "a", Segments: make([]partition.Segment, SegmentsMax+1)})
	refused(t, "one version", CompareRequest{Old: "a"})
	refused(t, "the other version", CompareRequest{New: "a"})
	refused(t, "a long dataset folder", CompareRequest{Old: "a", New: "b", Output: strings.Repeat("x", PathMax+1)})
	refused(t, "a long base folder", CompareRequest{Old: "a", New: "b", SpecBase: strings.Repeat("x", PathMax+1)})
	refused(t, "no figures", CompareReply{})
	refused(t, "figures and a problem", CompareReply{Figures: []byte("{}"), Problem: "b"})
	refused(t, "a long problem of versions", CompareReply{Problem: strings.Repeat("a", ReasonMax+1)})
	refused(t, "negative rows done", Heartbeat{Worker: "w", Tasks: []Progress{{Lease: lease, RowsDone: -1}}})
}

// refused checks both sides: a sender that skips its own check meets the receiver's.
func refused[M Message](t *testing.T, name string, m M) {
	t.Helper()
	if _, err := Encode(m); !errors.Is(err, ErrMessage) {
		t.Errorf("%s: encoded: %v", name, err)
	}
	body, err := encoder.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Decode[M](append([]byte{m.number(), version}, body...)); !errors.Is(err, ErrMessage) {
		t.Errorf("%s: decoded: %v", name, err)
	}
}

func TestEncodeRefusesAMessageOverTheLimit(t *testing.T) {
	t.Parallel()
	m := workReply
	m.Assignments = []Assignment{m.Assignments[0]}
	m.Assignments[0].Spec = make([]byte, BytesMax)
	if _, err := Encode(m); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
}

func TestCutKeepsWholeCharactersWithinTheLimit(t *testing.T) {
	t.Parallel()
	for pad := range 4 {
		long := strings.Repeat("x", pad) + strings.Repeat("号", ReasonMax)
		got := Cut(long)
		if len(got) > ReasonMax || len(got) < ReasonMax-6 || !utf8.ValidString(got) || !strings.HasSuffix(got, "…") {
			t.Errorf("pad %d: %d bytes", pad, len(got))
		}
	}
	if short := strings.Repeat("x", ReasonMax); Cut(short) != short {
		t.Error("a reason at the limit was cut")
	}
}

func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/*.bin")
	if err != nil || len(files) == 0 {
		f.Fatal("no golden message to start from", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		roundTrip[WorkRequest](t, data)
		roundTrip[WorkReply](t, data)
		roundTrip[Report](t, data)
		roundTrip[ReportReply](t, data)
		roundTrip[Heartbeat](t, data)
		roundTrip[Lead](t, data)
		roundTrip[CheckRequest](t, data)
		roundTrip[CheckReply](t, data)
		roundTrip[CompareRequest](t, data)
		roundTrip[CompareReply](t, data)
	})
}

// roundTrip: what decodes, encodes; and from there on the bytes stand still.
func roundTrip[M Message](t *testing.T, data []byte) {
	m, err := Decode[M](data)
	if err != nil {
		return
	}
	once, err := Encode(m)
	if err != nil {
		t.Fatalf("decoded but does not encode: %v", err)
	}
	again, err := Decode[M](once)
	if err != nil {
		t.Fatalf("own bytes do not decode: %v", err)
	}
	twice, err := Encode(again)
	if err != nil || !bytes.Equal(once, twice) {
		t.Fatalf("encoding is not stable: %v", err)
	}
}
