package sink

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"sync/atomic"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/store"
)

// row is a score record as a naive reader sees it: the types a stranger would
// choose for the file's.
type row struct {
	Msisdn           int64   `parquet:"msisdn"`
	TrgFired         int32   `parquet:"trg_fired"`
	TrgUnknown       int32   `parquet:"trg_unknown"`
	TrgCount         int32   `parquet:"trg_count"`
	TrgFirst         int32   `parquet:"trg_first"`
	TrgReason        int32   `parquet:"trg_reason"`
	Warn             int32   `parquet:"warn"`
	Dunning          int32   `parquet:"dunning"`
	Silent           int32   `parquet:"silent"`
	SilentAny        int32   `parquet:"silent_any"`
	RecentSilent     int32   `parquet:"recent_silent"`
	SilentRun        int32   `parquet:"silent_run"`
	LastActiveMonth  int32   `parquet:"last_active_month"`
	AccountState     int32   `parquet:"account_state"`
	Arpu3Fen         int64   `parquet:"arpu3_fen"`
	ValueTier        int32   `parquet:"value_tier"`
	Propensity       float32 `parquet:"propensity"`
	PropensityScore  int32   `parquet:"propensity_score"`
	RiskBand         int32   `parquet:"risk_band"`
	NewSub           int32   `parquet:"new_sub"`
	DqBadValues      int32   `parquet:"dq_bad_values"`
	ExpectedLossFen  int64   `parquet:"expected_loss_fen"`
	RetainDecision   int32   `parquet:"retain_decision"`
	ChurnLabel       int32   `parquet:"churn_label"`
	ChurnKind        int32   `parquet:"churn_kind"`
	ChurnKindUnknown int32   `parquet:"churn_kind_unknown"`
	ChurnPrimary     int32   `parquet:"churn_primary"`
	SwitchState      int32   `parquet:"switch_state"`
	LifecycleStage   int32   `parquet:"lifecycle_stage"`
	ChurnStage       int32   `parquet:"churn_stage"`
	TrafficClass     int32   `parquet:"traffic_class"`
	TrafficSteps     int32   `parquet:"traffic_steps"`
	Grade            int32   `parquet:"grade"`
	ProductBand      int32   `parquet:"product_band"`
	Cause            int32   `parquet:"cause"`
	CauseEvidence    int32   `parquet:"cause_evidence"`
	Offer            int32   `parquet:"offer"`
	OfferLine        int32   `parquet:"offer_line"`
	ComplaintTopic   int32   `parquet:"complaint_topic"`
	Justified        int32   `parquet:"justified"`
	RuleFired        int64   `parquet:"rule_fired"`
	RuleUnknown      int64   `parquet:"rule_unknown"`
	TenureClass      int32   `parquet:"tenure_class"`
	Reason1          int32   `parquet:"reason1"`
	Reason2          int32   `parquet:"reason2"`
	Reason3          int32   `parquet:"reason3"`
	ReasonMethod     int32   `parquet:"reason_method"`
}

// base makes n rows with numbers growing from the first of segment 1380013.
// wild takes every column to its type's limits; otherwise values are such as a
// real province has.
func base(seed uint64, n int, wild bool) []row {
	r := rand.New(rand.NewPCG(seed, 1))
	rows := make([]row, n)
	number := int64(partition.Segment(1380013).First())
	some := func(p float64, v int32) int32 {
		if r.Float64() < p {
			return v
		}
		return 0
	}
	for i := range rows {
		if i > 0 {
			number += 1 + r.Int64N(3)
		}
		p := math.Pow(r.Float64(), 3)*0.98 + 1e-6
		fired := uint16(0)
		for b := range 14 {
			if r.Float64() < 0.03 {
				fired |= 1 << b
			}
		}
		arpu := int64(math.Exp(r.NormFloat64()*0.8+8.3)) / 10 * 10
		rows[i] = row{
			Msisdn: number, TrgFired: int32(fired), TrgUnknown: some(0.2, 1<<7) | some(0.05, 1<<12), TrgReason: some(0.1, 2),
			Warn: min(int32(fired), 1), Silent: some(0.08, 1), SilentAny: some(0.05, 1), RecentSilent: some(0.02, 1),
			SilentRun: some(0.1, 3) - some(0.02, 1), LastActiveMonth: 202606 - some(0.1, 1), AccountState: 1 + some(0.1, 3),
			Arpu3Fen: arpu, ValueTier: min(int32(arpu/3500), 5), Propensity: float32(p), PropensityScore: int32(math.Round(p * 1000)),
			RiskBand: 1 + int32(p*4.99), NewSub: some(0.03, 1), DqBadValues: some(0.01, 2), ExpectedLossFen: int64(p * float64(arpu)),
			RetainDecision: 1 + int32(r.IntN(3)), ChurnLabel: some(0.03, 1),
			ChurnKind: some(0.1, 1) | some(0.05, 4), ChurnKindUnknown: some(0.1, 2), ChurnPrimary: some(0.1, 1), SwitchState: some(0.1, 1),
			LifecycleStage: 1 + int32(r.IntN(4)), ChurnStage: some(0.3, 1), TrafficClass: 1 + some(0.3, 2), TrafficSteps: some(0.3, 1),
			Grade: some(0.05, 1), ProductBand: 1 | some(0.8, 6), Cause: some(0.2, 12), CauseEvidence: some(0.05, 1<<9), Offer: 15 - some(0.2, 14), OfferLine: 19 - some(0.2, 17),
			ComplaintTopic: some(0.02, 2), Justified: 2 - some(0.02, 1), RuleFired: int64(some(0.02, 1)), TenureClass: int32(r.IntN(7)),
			Reason1: 1 + int32(r.IntN(40)), Reason2: some(0.9, 7), Reason3: some(0.5, 9), ReasonMethod: 1 - some(0.01, 1),
		}
		if wild {
			b := func() int32 { return int32(r.IntN(256)) }
			rows[i] = row{
				Msisdn: number, TrgFired: int32(r.IntN(1 << 14)), TrgUnknown: int32(r.IntN(1 << 14)), TrgCount: b(), TrgFirst: b(), TrgReason: b(),
				Warn: int32(r.IntN(2)), Dunning: b(), Silent: b(), SilentAny: b(), RecentSilent: b(), SilentRun: b() - 128, LastActiveMonth: int32(r.Uint32()),
				AccountState: b(), Arpu3Fen: int64(r.Uint64()), ValueTier: b(), Propensity: r.Float32(), PropensityScore: int32(r.IntN(1 << 16)),
				RiskBand: 1 + int32(r.IntN(5)), NewSub: b(), DqBadValues: b(), ExpectedLossFen: int64(r.Uint64()), RetainDecision: 1 + int32(r.IntN(15)), ChurnLabel: b(),
				ChurnKind: b(), ChurnKindUnknown: b(), ChurnPrimary: b(), SwitchState: b(), LifecycleStage: b(), ChurnStage: b(), TrafficClass: b(), TrafficSteps: b(),
				Grade: b(), ProductBand: b(), Cause: b(), CauseEvidence: int32(r.IntN(1 << 16)), Offer: b(), OfferLine: b(), ComplaintTopic: b(), Justified: b(), RuleFired: int64(r.Uint64()), RuleUnknown: int64(r.Uint64()), TenureClass: b(),
				Reason1: int32(r.IntN(1 << 16)), Reason2: int32(r.IntN(1 << 16)), Reason3: int32(r.IntN(1 << 16)), ReasonMethod: int32(r.IntN(3)),
			}
		}
	}
	return rows
}

// record makes a batch of rows. Its arrays have an offset of lead rows, as
// sliced batches do.
func record(rows []row, lead int) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, scored.arrow)
	defer b.Release()
	for i := range lead + len(rows) {
		var r row
		if i >= lead {
			r = rows[i-lead]
		}
		for c := range b.Fields() {
			v := reflect.ValueOf(r).Field(c)
			switch b := b.Field(c).(type) {
			case *array.Uint64Builder:
				b.Append(uint64(v.Int()))
			case *array.Int64Builder:
				b.Append(v.Int())
			case *array.Int32Builder:
				b.Append(int32(v.Int()))
			case *array.Uint16Builder:
				b.Append(uint16(v.Int()))
			case *array.Uint8Builder:
				b.Append(uint8(v.Int()))
			case *array.Int8Builder:
				b.Append(int8(v.Int()))
			case *array.Float32Builder:
				b.Append(float32(v.Float()))
			}
		}
	}
	whole := b.NewRecord()
	defer whole.Release()
	return whole.NewSlice(int64(lead), int64(lead+len(rows)))
}

// hashes are those that a row of the score stage counts with: of its reasons by
// themselves, and of all else, challengers' propensities last.
func hashes(r row, challengers []float32) [2]uint64 {
	var h [2]uint64
	const reasons = 4
	columns := reflect.TypeFor[row]().NumField() - reasons
	for c := range columns + reasons {
		var v uint64
		if f := reflect.ValueOf(r).Field(c); f.CanInt() {
			v = uint64(f.Int())
		} else {
			v = uint64(math.Float32bits(float32(f.Float())))
		}
		if c < columns {
			h[0] += v * (partition.Mix(uint64(c+1)*0x9e3779b97f4a7c15) | 1)
			continue
		}
		h[1] += v * (partition.Mix(uint64(c-columns+2)*0x9e3779b97f4a7c15^0x726561736f6e3031) | 1)
	}
	for c, p := range challengers {
		h[0] += uint64(math.Float32bits(p)) * (partition.Mix(uint64(columns+c+1)*0x9e3779b97f4a7c15) | 1)
	}
	h[1] += uint64(r.Msisdn) * (partition.Mix(0x9e3779b97f4a7c15^0x726561736f6e3031) | 1)
	return h
}

// sums works out by hand, a row at a time, what the sink works out by column.
func sums(rows []row) (keys, all partition.Sum, t job.Tally) {
	for _, r := range rows {
		for _, h := range hashes(r, nil) {
			all = all.AddHash(h)
		}
		t.Explained.Count(uint8(r.ReasonMethod), 1)
		keys = keys.AddNumber(partition.Number(r.Msisdn))
		for b := range 14 {
			t.Fired[b] += int64(r.TrgFired >> b & 1)
			t.Unknown[b] += int64(r.TrgUnknown >> b & 1)
		}
		t.Warn += int64(r.Warn)
		t.Risk[r.RiskBand]++
		t.Decision[r.RetainDecision]++
		t.BadValues += int64(r.DqBadValues)
	}
	return keys, all, t
}

var theAttempt = Attempt{
	Job: "202606-0123456789ab", Task: 7, Epoch: 3, Token: 42, Nonce: "k3x9", Prefix: "jobs/j/staging",
	Range: partition.Range{First: partition.Segment(1380013).First(), Past: partition.Segment(1390000).Past()}, Month: 202606,
	ModelDigest: "aa11", RulesDigest: "bb22",
	Spare: func() bool { return asked.Add(1)%3 == 0 },
}

// asked counts who asked for a core to spare: now there is one, now there is none.
var asked atomic.Int64

func newStore(t testing.TB) store.Store {
	t.Helper()
	st, err := store.NewFile(t.TempDir())
	check(t, err)
	return st
}

// readAll reads a score file row group by row group, all of its columns.
func readAll(t testing.TB, st store.Store, name string, visit func(arrow.Record) error) (Provenance, error) {
	t.Helper()
	o, err := st.Open(context.Background(), name)
	check(t, err)
	defer o.Close()
	f, err := open(o)
	if err != nil {
		return Provenance{}, err
	}
	return f.from, f.groups(context.Background(), f.layout, func(g *group) error {
		r := g.record()
		defer r.Release()
		return visit(r)
	})
}

// stage writes rows in batches of at most batch rows and returns what Finish did.
func stage(t testing.TB, st store.Store, a Attempt, rows []row, batch int) Output {
	t.Helper()
	out, err := tryStage(t, st, a, rows, batch)
	check(t, err)
	return out
}

// tryStage does so of rows that Finish may refuse.
func tryStage(t testing.TB, st store.Store, a Attempt, rows []row, batch int) (Output, error) {
	t.Helper()
	s, err := Create(context.Background(), st, a)
	check(t, err)
	defer s.Close()
	for len(rows) > 0 {
		n := min(batch, len(rows))
		check(t, s.Write(record(rows[:n], 0), nil))
		rows = rows[n:]
	}
	return s.Finish(context.Background())
}

// decode gives every row group of a file to visit, all columns.
func decode(ctx context.Context, o store.Object, visit func(*group) error) (Provenance, error) {
	f, err := open(o)
	if err != nil {
		return Provenance{}, err
	}
	return f.from, f.groups(ctx, f.layout, visit)
}

func bytesOf(t testing.TB, st store.Store, name string) []byte {
	t.Helper()
	data, err := st.Get(context.Background(), name, 1<<30)
	check(t, err)
	return data
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func same[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, fmt.Sprint(got), fmt.Sprint(want))
	}
}
