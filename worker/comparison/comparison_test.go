package comparison

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"rescore/partition"
	"rescore/partition/contest"
	"rescore/partition/ecdf"
	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/partition/store"
	"rescore/worker/sink"
)

// line is a row as the tests have it.
type line struct {
	number                   uint64
	p                        float32
	band, priority, decision uint8
	reason                   [3]uint16
}

const firstSegment = partition.Segment(1380000)

// base is a version of some of the numbers of so many segments, by number.
func base(rng *rand.Rand, segments int, share float64) []line {
	var list []line
	for s := range segments {
		for i := range partition.LinesPerSegment {
			if i%37 == 0 && rng.Float64() < share {
				list = append(list, random(rng, uint64((firstSegment+partition.Segment(s)).First())+uint64(i)))
			}
		}
	}
	return list
}

func random(rng *rand.Rand, number uint64) line {
	return line{
		number, max(min(rng.Float32(), 0.999), 1e-6), uint8(1 + rng.IntN(5)), uint8(rng.IntN(6)), uint8(1 + rng.IntN(11)),
		[3]uint16{uint16(rng.IntN(3)), uint16(rng.IntN(3)), uint16(rng.IntN(4))}, // the fourth is no feature
	}
}

// moved is a version with some rows gone, some new and some changed.
func moved(rng *rand.Rand, list []line) []line {
	var out []line
	last := uint64(0)
	for _, l := range list {
		switch rng.IntN(6) {
		case 0:
			continue
		case 1:
			l = random(rng, l.number)
		case 2:
			l.p = max(min(l.p+float32(rng.IntN(5))/1000, 0.999), 1e-6)
		case 3:
			if l.number-1 > last {
				out = append(out, random(rng, l.number-1))
			}
		}
		last = l.number
		out = append(out, l)
	}
	return out
}

var features = [2][]string{{"fee_last", "tenure"}, {"calls", "complaints", "fee_last"}}

func names(reason [3]uint16, of int) (list []string) {
	for _, r := range reason {
		if r > 0 && int(r) <= len(features[of]) {
			list = append(list, features[of][r-1])
		}
	}
	return list
}

// naive works the figures out from the text of their comments, a row at a time.
func naive(a, b []line, from, to Version) Figures {
	f := Figures{Old: from.side(), New: to.side(), Identical: from.Digest == to.Digest}
	news := map[uint64]line{}
	for _, l := range b {
		news[l.number] = l
	}
	matrices := [3]map[[2]uint8]int64{{}, {}, {}}
	var bins [2][]int64
	bins[0], bins[1] = make([]int64, ecdf.ScoreBins), make([]int64, ecdf.ScoreBins)
	bin := func(p float32) int { return ecdf.ScoreBin(uint16(math.RoundToEven(1000 * float64(p)))) }
	agree := contest.New()
	type delta struct {
		size     float64
		number   uint64
		was, now Row
	}
	var deltas []delta
	var sum int64
	for _, l := range a {
		bins[0][bin(l.p)]++
		n, ok := news[l.number]
		if !ok {
			f.Old.Only++
			continue
		}
		f.Both++
		matrices[0][[2]uint8{l.band, n.band}]++
		matrices[1][[2]uint8{l.priority, n.priority}]++
		matrices[2][[2]uint8{l.decision, n.decision}]++
		grade := func(x line) []contest.Grade {
			return []contest.Grade{{Bin: uint8(bin(x.p)), Band: x.band, Millionths: int32(math.RoundToEven(1e6 * float64(x.p)))}}
		}
		agree.Add(grade(l), grade(n))
		show := func(x line, of int) Row {
			pr, _ := schema.Must(schema.Published, "action_priority").Label(x.priority)
			de, _ := schema.Must(schema.Published, "retain_decision").Label(x.decision)
			return Row{x.p, x.band, pr.Name, de.Name, names(x.reason, of)}
		}
		size := math.Abs(float64(n.p) - float64(l.p))
		if size > 0 {
			f.Change.Rows++
		}
		sum += int64(math.RoundToEven(1e6 * size))
		deltas = append(deltas, delta{size, l.number, show(l, 0), show(n, 1)})
	}
	for _, l := range b {
		bins[1][bin(l.p)]++
	}
	f.New.Only = int64(len(b)) - f.Both
	columns := []string{"risk_band", "action_priority", "retain_decision"}
	for i, column := range columns {
		m := Matrix{Column: column}
		var values []uint8
		if i == 0 {
			values = []uint8{1, 2, 3, 4, 5}
			m.Labels = []string{"1", "2", "3", "4", "5"}
		} else {
			for _, code := range schema.Must(schema.Published, column).Codes {
				values, m.Labels = append(values, code.Value), append(m.Labels, code.Name)
			}
		}
		for _, x := range values {
			var row []int64
			for _, y := range values {
				row = append(row, matrices[i][[2]uint8{x, y}])
				if x != y {
					m.Moved += matrices[i][[2]uint8{x, y}]
				}
			}
			m.Rows = append(m.Rows, row)
		}
		f.Columns = append(f.Columns, m)
	}
	if index, ok := contest.PSI(bins[0], bins[1]); ok {
		f.PSI = &index
		f.Reading = map[bool]string{true: "stable"}[index < 0.1]
		if index >= 0.1 {
			f.Reading = map[bool]string{true: "noticeable", false: "major"}[index <= 0.25]
		}
	}
	f.Propensity = agree.Figures()
	slices.SortFunc(deltas, func(x, y delta) int { return cmp.Or(cmp.Compare(y.size, x.size), cmp.Compare(x.number, y.number)) })
	if f.Both > 0 {
		f.Change.Mean = math.Round(float64(sum)/float64(f.Both)) / 1e6
		up := func(share float64) float64 {
			at := max(int(math.Ceil(share*float64(f.Both)))-1, 0) // so many are not above it
			return math.Ceil(deltas[len(deltas)-1-at].size*1000) / 1000
		}
		f.Change.Median, f.Change.P90, f.Change.P99 = up(0.5), up(0.9), up(0.99)
	}
	for _, d := range deltas[:min(10, int(f.Change.Rows))] {
		f.Largest = append(f.Largest, Largest{d.was, d.now})
		f.Change.Max = max(f.Change.Max, math.Round(d.size*1e6)/1e6)
	}
	return f
}

// groups gives lines as rows, cut anywhere.
func groups(rng *rand.Rand, list []line, of int) iter.Seq2[rows, error] {
	return func(yield func(rows, error) bool) {
		for len(list) > 0 {
			n := min(1+rng.IntN(3000), len(list))
			r := rows{features: features[of]}
			for _, l := range list[:n] {
				r.keys, r.propensity = append(r.keys, l.number), append(r.propensity, l.p)
				r.band, r.priority, r.decision = append(r.band, l.band), append(r.priority, l.priority), append(r.decision, l.decision)
				for k := range r.reason {
					r.reason[k] = append(r.reason[k], l.reason[k])
				}
			}
			if !yield(r, nil) {
				return
			}
			list = list[n:]
		}
	}
}

func versions(a, b []line) (from, to Version) {
	return Version{ID: "v0001-0000000001", Digest: "one", Rows: int64(len(a))}, Version{ID: "v0001-0000000002", Digest: "two", Rows: int64(len(b))}
}

func same(t *testing.T, what string, got, want Figures) {
	t.Helper()
	if reflect.DeepEqual(got, want) {
		return
	}
	x, _ := json.Marshal(got)
	y, _ := json.Marshal(want)
	t.Fatalf("%s:\n%s\nwant\n%s", what, x, y)
}

func TestFiguresAreThoseOfANaiveReader(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 3))
		a := base(rng, int(seed*seed)%40, 0.9)
		b := moved(rng, a)
		switch seed {
		case 1:
			a = nil
		case 2:
			b = nil
		case 3:
			b = a
		}
		from, to := versions(a, b)
		c := newCounts()
		if err := join(groups(rng, a, 0), groups(rng, b, 1), c); err != nil {
			t.Fatal(err)
		}
		got, err := c.figures(from, to)
		if err != nil {
			t.Fatal(err)
		}
		same(t, fmt.Sprint("seed ", seed), got, naive(a, b, from, to))
	}
}

// TestTheWorkedExample is small enough to be followed by hand.
func TestTheWorkedExample(t *testing.T) {
	t.Parallel()
	first := uint64(firstSegment.First())
	a := []line{
		{first, 0.10, 1, 4, 1, [3]uint16{1}}, {first + 1, 0.20, 2, 3, 1, [3]uint16{2}}, {first + 2, 0.90, 5, 1, 1, [3]uint16{1, 2}}, {first + 5, 0.5, 3, 5, 8, [3]uint16{}},
	}
	b := []line{
		{first, 0.10, 1, 4, 1, [3]uint16{1}}, {first + 1, 0.45, 3, 2, 2, [3]uint16{2, 1}}, {first + 2, 0.8995, 4, 1, 1, [3]uint16{1}}, {first + 9, 0.5, 3, 5, 8, [3]uint16{}},
	}
	rng := rand.New(rand.NewPCG(1, 1))
	c := newCounts()
	if err := join(groups(rng, a, 0), groups(rng, b, 1), c); err != nil {
		t.Fatal(err)
	}
	f, err := c.figures(versions(a, b))
	if err != nil {
		t.Fatal(err)
	}
	if f.Both != 3 || f.Old.Only != 1 || f.New.Only != 1 || f.Change.Rows != 2 || f.Change.Mean != 0.0835 || f.Change.Median != 0.001 || f.Change.P90 != 0.25 || f.Change.Max != 0.25 {
		t.Errorf("%+v, %+v", f, f.Change)
	}
	if bands := f.Columns[0]; bands.Moved != 2 || bands.Rows[1][2] != 1 || bands.Rows[4][3] != 1 || bands.Rows[0][0] != 1 {
		t.Errorf("bands %+v", bands)
	}
	if d := f.Columns[2]; d.Moved != 1 || d.Rows[0][1] != 1 || d.Labels[0] != "retain" || d.Labels[1] != "give_up_low_value" {
		t.Errorf("decisions %+v", d)
	}
	want := Largest{
		Row{0.2, 2, "p3", "retain", []string{"tenure"}},
		Row{0.45, 3, "p2", "give_up_low_value", []string{"complaints", "calls"}},
	}
	if len(f.Largest) != 2 || !reflect.DeepEqual(f.Largest[0], want) {
		t.Errorf("largest %+v", f.Largest)
	}
}

func TestNumbersThatDoNotRiseAreRefused(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(4, 4))
	good := base(rng, 3, 1)
	for what, bad := range map[string][]line{
		"twice": slices.Insert(slices.Clone(good), 5, good[5]), "back": append(slices.Clone(good), good[0]),
	} {
		for _, swap := range []bool{false, true} {
			a, b := groups(rng, good, 0), groups(rng, bad, 0)
			if swap {
				a, b = b, a
			}
			err := join(a, b, newCounts())
			if !errors.Is(err, sink.ErrContent) || strings.Contains(err.Error(), fmt.Sprint(good[5].number)) {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
}

// publish writes a version as sink and package publish do: partitions cut where the
// caller says, some of them of an earlier job.
func publish(t *testing.T, st store.Store, id string, index int, list []line, cuts []partition.Segment, of int) {
	t.Helper()
	type file struct {
		Path string `json:"path"`
	}
	type part struct {
		Range partition.Range  `json:"segments"`
		Rows  map[string]int64 `json:"rows"`
		Job   string           `json:"job,omitempty"`
		Files []file           `json:"files"`
	}
	dir := "month=202610/version=" + id
	var parts []part
	first := partition.FirstNumber
	for i, cut := range append(slices.Clone(cuts), partition.PastNumber.Segment()) {
		r := partition.Range{First: first, Past: cut.First()}
		first = r.Past
		var mine []line
		for _, l := range list {
			if r.Contains(partition.Number(l.number)) {
				mine = append(mine, l)
			}
		}
		p := part{Range: r, Rows: map[string]int64{"in": int64(len(mine)), "scored": int64(len(mine))}, Files: []file{{write(t, st, dir, i, r, mine, of)}}}
		if i%2 == 1 {
			p.Job = "earlier"
		}
		parts = append(parts, p)
	}
	manifest, err := json.Marshal(map[string]any{
		"version": id, "job": "j", "month": 202610, "digest": id, "schema": schema.Fingerprint(schema.Published), "model_digest": "m",
		"rules_digest": "r", "rows": map[string]int64{"scored": int64(len(list))}, "model_features": features[of],
		"origins": []any{map[string]any{"job": "earlier", "model_features": features[of]}}, "partitions": parts,
	})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(manifest)
	pointer := fmt.Sprintf(`{"version":%q,"path":%q,"manifest_sha256":%q}`, id, dir, hex.EncodeToString(sum[:]))
	for name, data := range map[string][]byte{dir + "/_MANIFEST.json": manifest, fmt.Sprintf("_published/0001-%020d.json", index): []byte(pointer)} {
		if err := st.Put(t.Context(), name, data); err != nil {
			t.Fatal(err)
		}
	}
}

// write writes a published score file and returns its name in the version's folder.
func write(t *testing.T, st store.Store, dir string, task int, r partition.Range, list []line, of int) string {
	t.Helper()
	ctx := context.Background()
	a := sink.Attempt{Job: "j", Task: task, Token: 1, Nonce: "n", Prefix: dir, Range: r, Month: 202610, Policy: job.Default().Policy, Features: features[of]}
	s, err := sink.Create(ctx, st, a)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	fields := make([]arrow.Field, len(schema.Score))
	for i, c := range schema.Score {
		fields[i] = arrow.Field{Name: c.Name, Type: c.Type}
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	defer b.Release()
	for i, c := range schema.Score {
		for _, l := range list {
			switch c.Name {
			case schema.Key:
				b.Field(i).(*array.Uint64Builder).Append(l.number)
			case "propensity":
				b.Field(i).(*array.Float32Builder).Append(l.p)
			case "risk_band":
				b.Field(i).(*array.Uint8Builder).Append(l.band)
			case "retain_decision":
				b.Field(i).(*array.Uint8Builder).Append(l.decision)
			case "reason1", "reason2", "reason3":
				b.Field(i).(*array.Uint16Builder).Append(l.reason[c.Name[6]-'1'])
			default:
				b.Field(i).AppendEmptyValue()
			}
		}
	}
	rec := b.NewRecord()
	defer rec.Release()
	if err := s.Write(rec, nil); err != nil {
		t.Fatal(err)
	}
	out, err := s.Finish(ctx)
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	a.Token = 2
	out, err = sink.Select(ctx, st, a, sink.Selection{Scores: out.Files[0], Columns: []string{"risk_band"}, BatchRows: 1 << 14, Eval: func(r arrow.Record) (arrow.Record, error) {
		b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{{Name: schema.Selected[0].Name, Type: schema.Selected[0].Type}, {Name: schema.Selected[1].Name, Type: schema.Selected[1].Type}}, nil))
		defer b.Release()
		for range r.NumRows() {
			b.Field(0).(*array.Uint16Builder).Append(7)
			b.Field(1).(*array.Uint8Builder).Append(list[at].priority)
			at++
		}
		return b.NewRecord(), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(out.Files[0].Path, dir+"/")
}

func TestVersionsAreComparedWhereverTheyAreCutAndWhoeverIsFirst(t *testing.T) {
	t.Parallel()
	st, err := store.NewFile(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(9, 9))
	a := base(rng, 12, 0.9)
	b := moved(rng, a)
	cut := func(at ...int) (cuts []partition.Segment) {
		for _, n := range at {
			cuts = append(cuts, firstSegment+partition.Segment(n))
		}
		return cuts
	}
	publish(t, st, "v0001-0000000001", 1, a, cut(0, 3, 6, 9), 0)
	publish(t, st, "v0001-0000000002", 2, b, cut(2, 5, 12), 1)
	publish(t, st, "v0001-0000000003", 3, b, cut(), 1)
	open := func(id string) Version {
		v, err := Open(t.Context(), st, id)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	from := open("v0001-0000000001")
	for _, id := range []string{"v0001-0000000002", "v0001-0000000003"} {
		to := open(id)
		for _, workers := range []int{1, 4} {
			got, err := Compare(t.Context(), st, from, to, workers, nil)
			if err != nil {
				t.Fatal(err)
			}
			same(t, id, got, naive(a, b, from, to))
			text, err := json.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range a { // I8
				if strings.Contains(string(text), fmt.Sprint(l.number)) {
					t.Fatal("the figures name a subscriber")
				}
			}
		}
	}
	one, other := open("v0001-0000000002"), open("v0001-0000000003")
	if f, err := Compare(t.Context(), st, one, other, 2, nil); err != nil || f.Change.Rows != 0 || f.Both != one.Rows || *f.PSI != 0 {
		t.Errorf("the same rows cut otherwise: %+v, %v", f.Change, err)
	}
	if _, err := Open(t.Context(), st, "v0001-0000000004"); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("a version that is not there: %v", err)
	}
	short := from
	short.Parts = slices.Clone(from.Parts)
	short.Parts[2].Rows--
	if _, err := Compare(t.Context(), st, short, other, 2, nil); !errors.Is(err, ErrDamaged) {
		t.Errorf("a file with other rows than its manifest says: %v", err)
	}
	if _, err := Compare(t.Context(), st, other, short, 2, nil); !errors.Is(err, ErrDamaged) {
		t.Errorf("the same of the new version: %v", err)
	}
}
