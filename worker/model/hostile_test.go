package model

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"
)

// samples reads the models of testdata whose names end so.
func samples(t testing.TB, end string, atLeast int) [][]byte {
	t.Helper()
	names, err := filepath.Glob("testdata/*" + end)
	if err != nil || len(names) < atLeast {
		t.Fatalf("testdata holds %d models: %v", len(names), err)
	}
	var list [][]byte
	for _, name := range names {
		list = append(list, read(t, filepath.Base(name)))
	}
	return list
}

// trained adds XGBoost's own models, where there are any, that are not too large.
func trained(t testing.TB, end string, list [][]byte) [][]byte {
	t.Helper()
	largest := 16 << 10
	if os.Getenv("RESCORE_LONG") != "" {
		largest = 64 << 10
	}
	names, err := filepath.Glob(oracles + "/leaves/xg*" + end)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if len(data) < largest {
			list = append(list, data)
		}
	}
	return list
}

// sound proves that bytes are refused with an error that helps, or give a model
// whose every walk ends in a leaf and whose every score is a number. PMML alone has
// rows without a score.
func sound(t testing.TB, data []byte, e *Ensemble, err error) (accepted bool) {
	t.Helper()
	if err != nil {
		var typed *Error
		if e != nil || !errors.As(err, &typed) || typed.Problem == "" || typed.Remedy == "" || errors.Is(err, ErrMalformed) == errors.Is(err, ErrUnsupported) {
			t.Fatalf("refused with %v and model %v:\n%q", err, e, data)
		}
		for _, p := range typed.Problems {
			if p.Message == "" || p.Remedy == "" || p.Line == 0 {
				t.Fatalf("refused with %+v:\n%q", p, data)
			}
		}
		if len(err.Error()) > errorMax(err) {
			t.Fatalf("an error of %d bytes:\n%q", len(err.Error()), data)
		}
		return false
	}
	rows := [][]float64{nil, nil, nil, nil, nil}
	for i := range e.Features {
		for k, x := range []float64{math.NaN(), 0, math.Inf(1), -3.5, float64(i)} {
			rows[k] = append(rows[k], x)
		}
	}
	scored := func(x float64) bool {
		return !math.IsNaN(x) && !math.IsInf(x, 0) || e.Linear() || e.Library == "PMML" && math.IsNaN(x)
	}
	raw, again := make([]float64, e.Classes), make([]float64, e.Classes)
	for _, row := range rows {
		e.RawInto(raw, row)
		for k, x := range raw {
			if !scored(x) {
				t.Fatalf("row %v scores %v for class %d:\n%q", row, x, k, data)
			}
		}
		e.TransformInto(again, raw)
		for _, x := range again {
			if x != x && e.Library != "PMML" && !e.Linear() {
				t.Fatalf("row %v predicts NaN:\n%q", row, data)
			}
		}
		if e.Prepare != nil {
			row = e.Prepare.Row(row)
		}
		for k := range e.Trees() {
			tree := e.Tree(k)
			if leaf := tree.Find(row); leaf < 0 || leaf >= len(tree.Leaf) {
				t.Fatalf("row %v reaches leaf %d of %d", row, leaf, len(tree.Leaf))
			}
		}
	}
	for k := range e.Trees() {
		tree := e.Tree(k)
		check := topology{seen: make([]bool, 2*len(tree.Leaf)), queue: make([]int32, 0, len(tree.Leaf))}
		if err := check.prove(k, tree.Left, tree.Right); err != nil {
			t.Fatalf("%v:\n%q", err, data)
		}
		for i, f := range tree.Feature {
			if f < 0 || int(f) >= e.Columns() || tree.Decision[i].Categorical() && int(tree.Threshold[i]) >= len(tree.Bound)-1 {
				t.Fatalf("tree %d, node %d asks for column %d of %d:\n%q", k, i, f, e.Columns(), data)
			}
		}
		if class := e.Class(k); class < 0 || class >= e.Classes {
			t.Fatalf("tree %d is of class %d of %d:\n%q", k, class, e.Classes, data)
		}
	}
	if n := len(e.Features); e.Ranges != nil && len(e.Ranges) != n || len(e.Types) > 0 && len(e.Types) != n || len(e.Labels) > 0 && len(e.Labels) != e.Classes {
		t.Fatalf("%d ranges, %d types, %d features, labels %v, %d classes", len(e.Ranges), len(e.Types), n, e.Labels, e.Classes)
	}
	return true
}

// errorMax returns how many bytes an error may take.
func errorMax(err error) int {
	var typed *Error
	if errors.As(err, &typed) {
		return 1500 + 1000*len(typed.Problems)
	}
	return 0
}

// breed is a format whose damaged models are tried.
type breed struct {
	mutants int
	samples func(testing.TB) [][]byte
	breaks  string                                 // what parts its values from one another
	spite   []string                               // values that hurt it
	before  func(r *rand.Rand, data []byte) []byte // what is done to a sample at times; nil for nothing
	// value puts another value in the place of the one at a place: one that hurts, or one
	// of another model.
	value func(b *breed, r *rand.Rand, data, other []byte, at int) []byte
}

// spite hurts every breed.
var spite = []string{
	"", "0", "-0", "-1", "1", "2", "3", "99", "2147483647", "-2147483648", "4294967295", "4294967296", "99999999999999999999",
	"nan", "inf", "-inf", "1e308", "1e309", "1e-320", "0x1p3", "1_0", "1.5", ".", "-", "+", "e", "true", "null", "[[[[", "[]", "\x00", "\xff\xfe", " ", "\n", "\n\n", "=",
}

var breeds = map[string]breed{
	"LightGBM": {
		mutants: 40_000, breaks: " =\n", before: withoutSizes, value: (*breed).text,
		samples: func(t testing.TB) [][]byte { return samples(t, ".txt", 6) },
		spite:   []string{"Tree=0", "Tree=1\n", "end of trees\n", "parameters:\n", "num_leaves=1\n", "is_linear=1\n", "objective=none\n"},
	},
	"XGBoost JSON": {
		mutants: 25_000, breaks: " ,:[]{}", value: (*breed).text,
		samples: func(t testing.TB) [][]byte { return trained(t, ".json", samples(t, ".json", 5)) },
		spite: []string{`"`, `\`, `{}`, `{`, `}`, `]`, `,`, `:`, `"learner":{}`, `NaN`, `Infinity`, `-Infinity`, `false`, `16777215`, `16777216`, `[0`,
			`"1"`, `"[1,2]"`},
	},
	"XGBoost UBJSON": {
		mutants: 25_000, value: (*breed).number,
		samples: func(t testing.TB) [][]byte { return trained(t, ".ubj", samples(t, ".ubj", 2)) },
		spite:   strings.Split(`{}[]$#SLlIUidDTFZCNH`, ""),
	},
	"PMML": {
		mutants: 25_000, breaks: " \"<>=\n", samples: seedsOfPMML,
		value: func(b *breed, r *rand.Rand, data, other []byte, at int) []byte {
			if r.IntN(4) == 0 {
				return b.text(r, data, other, at)
			}
			return exchange(r, data, other, at)
		},
		spite: []string{`"`, `<`, `>`, `/>`, `</`, `&`, `&lt;`, `&#x41;`, `&#0;`, `<!--`, `-->`, `<![CDATA[`, `]]>`, `<?xml?>`, `<!DOCTYPE a [<!ENTITY b "c">]>`, `<True/>`, `<False/>`,
			`isMissing`, `notEqual`, `isNotIn`, `surrogate`, `weightedConfidence`, `modelChain`, `categorical`, `continuous`, `boolean`, `asIs`, `x="y"`},
	},
	"scorecard": {
		mutants: 20_000, breaks: " :,{}[]\n", value: (*breed).text,
		samples: func(testing.TB) [][]byte {
			r := rand.New(rand.NewPCG(1, 1))
			list := [][]byte{[]byte(example)}
			for len(list) < 6 {
				if text := anyDraft(r).text(r); len(text) < 1500 {
					list = append(list, []byte(text))
				}
			}
			return list
		},
		spite: []string{".inf", "-.inf", ".nan", "~", "&a", "*a", "<<", "!!binary", "!!float 1", "|", ">", "'", `"`, "? ", "- ", "---\n", "...\n", "#", "%YAML 1.1\n", "0o17", "0b1", "1:30",
			"upto", "above", "categories", "missing", "other", "points", "share", "bins", "riskier", "safer", "65535", "65536", "1e9", "-1e9"},
	},
}

// withoutSizes takes the byte counts out, so that longer and shorter trees are read
// at all.
func withoutSizes(_ *rand.Rand, data []byte) []byte {
	at := bytes.Index(data, []byte("tree_sizes="))
	if at < 0 {
		return data
	}
	end := at + bytes.IndexByte(data[at:], '\n') + 1
	return slices.Concat(data[:at], data[end:])
}

// number puts another number behind the next marker of UBJSON, or another marker.
func (b *breed) number(r *rand.Rand, data, _ []byte, at int) []byte {
	if r.IntN(8) == 0 {
		data[at] = b.spite[r.IntN(len(b.spite))][0]
		return data
	}
	for ; at < len(data)-9; at++ {
		m := data[at]
		if m != 'L' && m != 'l' && m != 'd' && m != 'i' || at > 0 && data[at-1] == '$' {
			continue
		}
		n := []uint64{0, 1, 2, 3, 127, 1 << 20, 1 << 31, 1<<31 - 1, 1 << 40, 1<<63 - 1, math.MaxUint64, uint64(r.IntN(60)) - 3,
			uint64(math.Float32bits(float32(math.NaN()))), uint64(math.Float32bits(float32(math.Inf(1)))), uint64(math.Float32bits(3e38))}[r.IntN(15)]
		switch m {
		case 'L':
			binary.BigEndian.PutUint64(data[at+1:], n)
		case 'i':
			data[at+1] = byte(n)
		default:
			binary.BigEndian.PutUint32(data[at+1:], uint32(n))
		}
		break
	}
	return data
}

// token returns where the value around at begins and ends.
func (b *breed) token(data []byte, at int) (first, past int) {
	first = bytes.LastIndexAny(data[:at], b.breaks) + 1
	if past = bytes.IndexAny(data[at:], b.breaks); past < 0 {
		return first, len(data)
	}
	return first, at + past
}

// text puts another text in the place of the one around at: one that hurts, a small
// number, or one of another model. At times it is as long, so that counts of bytes hold.
func (b *breed) text(r *rand.Rand, data, other []byte, at int) []byte {
	first, past := b.token(data, at)
	var value []byte
	switch r.IntN(5) {
	case 0:
		value = []byte(spite[r.IntN(len(spite))])
	case 1:
		value = []byte(b.spite[r.IntN(len(b.spite))])
	case 2:
		value = fmt.Append(nil, r.IntN(12)-2)
	default:
		from, to := b.token(other, r.IntN(len(other)))
		value = slices.Clone(other[from:to])
	}
	if width := past - first; len(value) < width && r.IntN(2) == 0 {
		value = append(bytes.Repeat([]byte(" "), width-len(value)), value...)
	}
	return slices.Replace(data, first, past, value...)
}

// mutant damages a model in one to four places: every other one in its values alone, so
// that it is read further.
func (b breed) mutant(r *rand.Rand, list [][]byte) []byte {
	out, other := slices.Clone(list[r.IntN(len(list))]), list[r.IntN(len(list))]
	if b.before != nil && r.IntN(2) == 0 {
		out = b.before(r, out)
	}
	gentle := r.IntN(2) == 0
	for range 1 + r.IntN(4) {
		if len(out) == 0 {
			return out
		}
		at := r.IntN(len(out))
		way := r.IntN(10)
		if gentle {
			way = 9
		}
		switch way {
		case 0:
			out[at] ^= 1 << r.IntN(8)
		case 1:
			out[at] = byte(r.IntN(256))
		case 2: // lose a part
			out = slices.Delete(out, at, min(len(out), at+1+r.IntN(20)))
		case 3: // repeat a part
			out = slices.Insert(out, at, out[at:min(len(out), at+1+r.IntN(60))]...)
		case 4: // cut short
			out = out[:at]
		case 5: // lose a line
			if end := bytes.IndexByte(out[at:], '\n'); end >= 0 {
				out = slices.Delete(out, bytes.LastIndexByte(out[:at], '\n')+1, at+end+1)
			}
		case 6: // splice another model in
			out = append(out[:at:at], other[r.IntN(len(other)):]...)
		default:
			out = b.value(&b, r, out, other, at)
		}
	}
	return out
}

// allocated returns how many bytes the process has ever allocated.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// Whatever is done to a model, it is refused in words or scored, and all that loading
// it allocates, kept or not, is within what it may hold at once. Not parallel:
// allocations are counted.
func TestMutantsAreRefusedOrSound(t *testing.T) {
	total := 0
	for _, name := range slices.Sorted(maps.Keys(breeds)) {
		b := breeds[name]
		total += b.mutants
		t.Run(name, func(t *testing.T) {
			mutants := b.mutants
			if os.Getenv("RESCORE_LONG") != "" {
				mutants *= 10
			}
			list := b.samples(t)
			for i, data := range list {
				if e, err := Load(data); !sound(t, data, e, err) {
					t.Fatalf("sample %d is refused", i)
				}
			}
			r := rand.New(rand.NewPCG(20, uint64(len(name))))
			accepted, most := 0, uint64(0)
			for range mutants {
				data := b.mutant(r, list)
				before := allocated()
				e, err := Load(data)
				used := allocated() - before
				if used > uint64(2*len(data)+64<<20) {
					t.Fatalf("%d MiB allocated for a file of %d KiB (%v):\n%q", used>>20, len(data)>>10, err, data)
				}
				most = max(most, used)
				if sound(t, data, e, err) {
					accepted++
				}
			}
			if accepted < mutants/200 || accepted > mutants/2 {
				t.Errorf("%d of %d mutants accepted: the test proves little", accepted, mutants)
			}
			t.Logf("%d mutants, %d of them sound models, at most %d KiB allocated", mutants, accepted, most>>10)
		})
	}
	if total < 100_000 {
		t.Errorf("%d mutants in all", total)
	}
}

func fuzz(f *testing.F, name string) {
	b := breeds[name]
	for _, data := range b.samples(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := Load(data)
		sound(t, data, e, err)
	})
}

func FuzzLightGBM(f *testing.F)      { fuzz(f, "LightGBM") }
func FuzzXGBoostJSON(f *testing.F)   { fuzz(f, "XGBoost JSON") }
func FuzzXGBoostUBJSON(f *testing.F) { fuzz(f, "XGBoost UBJSON") }
func FuzzPMML(f *testing.F)          { fuzz(f, "PMML") }
func FuzzScorecard(f *testing.F)     { fuzz(f, "scorecard") }
