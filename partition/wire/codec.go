package wire

import (
	"fmt"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"
)

// Message is one of the structs that stand alone on a subject.
type Message interface {
	WorkRequest | WorkReply | Report | ReportReply | Heartbeat | Lead | CheckRequest | CheckReply | CompareRequest | CompareReply
	number() byte
	check() error
}

// The numbers are on the wire: append, never renumber, never reuse.
func (WorkRequest) number() byte    { return 1 }
func (WorkReply) number() byte      { return 2 }
func (Report) number() byte         { return 3 }
func (ReportReply) number() byte    { return 4 }
func (Heartbeat) number() byte      { return 5 }
func (Lead) number() byte           { return 6 }
func (CheckRequest) number() byte   { return 7 }
func (CheckReply) number() byte     { return 8 }
func (CompareRequest) number() byte { return 9 }
func (CompareReply) number() byte   { return 10 }

// version is the format of every message so far.
const version = 1

// Encode writes a message. The same message gives the same bytes.
func Encode[M Message](m M) ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("encode %T: %w: %w", m, ErrMessage, err)
	}
	body, err := encoder.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", m, err)
	}
	if len(body)+2 > BytesMax {
		return nil, fmt.Errorf("encode %T of %d bytes, limit %d: %w", m, len(body)+2, BytesMax, ErrTooLarge)
	}
	return append([]byte{m.number(), version}, body...), nil
}

// Decode reads exactly one message. It keeps no part of data.
func Decode[M Message](data []byte) (M, error) {
	var m, none M
	switch {
	case len(data) > BytesMax:
		return none, fmt.Errorf("decode %T of %d bytes, limit %d: %w", m, len(data), BytesMax, ErrTooLarge)
	case len(data) < 2 || data[0] != m.number():
		return none, fmt.Errorf("decode %T: %w", m, ErrMessage)
	case data[1] != version:
		return none, fmt.Errorf("decode %T format %d: %w", m, data[1], ErrVersion)
	}
	if err := decoder.Unmarshal(data[2:], &m); err != nil {
		return none, fmt.Errorf("decode %T: %w: %w", m, ErrMessage, err)
	}
	if err := m.check(); err != nil {
		return none, fmt.Errorf("decode %T: %w: %w", m, ErrMessage, err)
	}
	return m, nil
}

func (m WorkRequest) check() error {
	if m.Slots < 1 || m.Slots > SlotsMax {
		return fmt.Errorf("%d slots, allowed are 1 to %d", m.Slots, SlotsMax)
	}
	if len(m.Ready) > ReadyMax || len(m.Unfit) > ReadyMax {
		return fmt.Errorf("ready for %d jobs and unfit for %d, limit %d", len(m.Ready), len(m.Unfit), ReadyMax)
	}
	for _, id := range m.Ready {
		if err := name("job", string(id)); err != nil {
			return err
		}
	}
	for _, u := range m.Unfit {
		if err := text("reason", u.Reason, ReasonMax); err != nil {
			return err
		}
		if err := name("job", string(u.Job)); err != nil {
			return err
		}
	}
	if err := text("version", m.Version, NameMax); err != nil {
		return err
	}
	return name("worker", m.Worker)
}

func (m WorkReply) check() error {
	if m.RetryMillis < 0 || len(m.Assignments) > SlotsMax {
		return fmt.Errorf("%d assignments, retry after %d ms", len(m.Assignments), m.RetryMillis)
	}
	for i, a := range m.Assignments {
		if err := a.check(); err != nil {
			return fmt.Errorf("assignment %d: %w", i, err)
		}
	}
	if len(m.Offers) > ReadyMax {
		return fmt.Errorf("%d offers, limit %d", len(m.Offers), ReadyMax)
	}
	for _, o := range m.Offers {
		if err := name("job", string(o.Job)); err != nil {
			return err
		}
	}
	return nil
}

func (a Assignment) check() error {
	if a.Kind == 0 || a.Task.Rows < 0 {
		return fmt.Errorf("%s of %d rows", a.Kind, a.Task.Rows)
	}
	for i, s := range a.Task.Slices {
		bad := s.Month < 0 || s.First < 0 || s.Rows < 0 || s.Offset < 0 || s.Bytes < 0
		if bad || s.File < 0 || s.File >= len(a.Files) || a.Files[s.File].Month != s.Month {
			return fmt.Errorf("slice %d lies in no file of its month", i)
		}
	}
	return a.Lease().check()
}

func (l Lease) check() error {
	if l.Stage < 0 || l.Task < 0 || l.Token == 0 {
		return fmt.Errorf("lease of stage %d task %d token %d", l.Stage, l.Task, l.Token)
	}
	return name("job", string(l.Job))
}

func (m Report) check() error {
	if n := count(m.Result != nil, m.Failure != nil, m.Returned); n != 1 {
		return fmt.Errorf("needs either a result or a failure, or to give the task back; it has %d of them", n)
	}
	if m.Failure != nil {
		if err := text("reason", m.Failure.Reason, ReasonMax); err != nil {
			return err
		}
	}
	if err := m.Lease.check(); err != nil {
		return err
	}
	return name("worker", m.Worker)
}

func (m ReportReply) check() error {
	if m.Status < OK || m.Status > Lost {
		return fmt.Errorf("unknown %s", m.Status)
	}
	return text("message", m.Message, ReasonMax)
}

func (m Heartbeat) check() error {
	if len(m.Tasks) > TasksMax {
		return fmt.Errorf("%d tasks, limit %d", len(m.Tasks), TasksMax)
	}
	for i, p := range m.Tasks {
		if p.RowsDone < 0 {
			return fmt.Errorf("task %d has %d rows done", i, p.RowsDone)
		}
		if err := p.Lease.check(); err != nil {
			return fmt.Errorf("task %d: %w", i, err)
		}
	}
	if m.Slots < 0 || m.MemoryBytes < 0 {
		return fmt.Errorf("%d slots, %d bytes of memory", m.Slots, m.MemoryBytes)
	}
	if err := text("version", m.Version, NameMax); err != nil {
		return err
	}
	if err := text("host", m.Host, NameMax); err != nil {
		return err
	}
	return name("worker", m.Worker)
}

func (m Lead) check() error { return name("leader", m.Leader) }

func (m CheckRequest) check() error {
	if len(m.Spec) == 0 || len(m.Cities) > CitiesMax {
		return fmt.Errorf("a spec of %d bytes and %d cities, limit %d", len(m.Spec), len(m.Cities), CitiesMax)
	}
	return text("folder", m.SpecBase, PathMax)
}

func (m CheckReply) check() error {
	if len(m.Segments) > SegmentsMax {
		return fmt.Errorf("%d segments, limit %d", len(m.Segments), SegmentsMax)
	}
	for i, s := range m.Segments {
		if i > 0 && s <= m.Segments[i-1] {
			return fmt.Errorf("segment %d of the answer is not above the one before", i)
		}
	}
	if err := one("job", string(m.Job), m.Problem, m.Working); err != nil {
		return err
	}
	if err := text("job", string(m.Job), NameMax); err != nil {
		return err
	}
	return text("problem", m.Problem, ReasonMax)
}

func (m CompareRequest) check() error {
	if err := name("version", m.Old); err != nil {
		return err
	}
	if err := name("version", m.New); err != nil {
		return err
	}
	if err := text("folder", m.SpecBase, PathMax); err != nil {
		return err
	}
	return text("folder", m.Output, PathMax)
}

func (m CompareReply) check() error {
	if err := one("figures", string(m.Figures), m.Problem, m.Working); err != nil {
		return err
	}
	return text("problem", m.Problem, ReasonMax)
}

// one is what every long answer is: the answer, a problem, or the word that it is
// being worked on.
func one(what, answer, problem string, working bool) error {
	if n := count(answer != "", problem != "", working); n != 1 {
		return fmt.Errorf("needs either %s or a problem, or to be working on it; it has %d of them", what, n)
	}
	return nil
}

func count(said ...bool) (n int) {
	for _, it := range said {
		if it {
			n++
		}
	}
	return n
}

func name(what, s string) error {
	if s == "" {
		return fmt.Errorf("no %s is named", what)
	}
	return text(what, s, NameMax)
}

func text(what, s string, most int) error {
	if len(s) > most || !utf8.ValidString(s) {
		return fmt.Errorf("%s of %d bytes: limit %d, UTF-8 only", what, len(s), most)
	}
	return nil
}

var (
	encoder = mustEncoder()
	decoder = mustDecoder()
)

func mustEncoder() cbor.EncMode {
	opts := cbor.CoreDetEncOptions()
	opts.NilContainers = cbor.NilContainerAsEmpty
	mode, err := opts.EncMode()
	if err != nil {
		panic(err)
	}
	return mode
}

func mustDecoder() cbor.DecMode {
	mode, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		MaxNestedLevels:   16,
		MaxArrayElements:  1 << 18,
		MaxMapPairs:       64, // the fields of a struct; there are no maps
	}.DecMode()
	if err != nil {
		panic(err)
	}
	return mode
}
