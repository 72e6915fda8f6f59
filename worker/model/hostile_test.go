package model

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
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

// sound proves that bytes are refused with an error that helps, or give a model
// whose every walk ends in a leaf and whose every score is a number.
func sound(t testing.TB, data []byte) (accepted bool) {
	t.Helper()
	e, err := Load(data)
	if err != nil {
		var typed *Error
		if e != nil || !errors.As(err, &typed) || typed.Problem == "" || typed.Remedy == "" || errors.Is(err, ErrMalformed) == errors.Is(err, ErrUnsupported) || len(err.Error()) > 1500 {
			t.Fatalf("refused with %v and model %v:\n%q", err, e, data)
		}
		return false
	}
	rows := [][]float64{nil, nil, nil, nil, nil}
	for i := range e.Features {
		for k, x := range []float64{math.NaN(), 0, math.Inf(1), -3.5, float64(i)} {
			rows[k] = append(rows[k], x)
		}
	}
	raw, again := make([]float64, e.Classes), make([]float64, e.Classes)
	for _, row := range rows {
		e.RawInto(raw, row)
		for k, x := range raw {
			if !e.Linear() && (math.IsNaN(x) || math.IsInf(x, 0)) {
				t.Fatalf("row %v scores %v for class %d:\n%q", row, x, k, data)
			}
		}
		e.TransformInto(again, raw)
		for _, x := range again {
			if !e.Linear() && x != x {
				t.Fatalf("row %v predicts NaN:\n%q", row, data)
			}
		}
		for k := range e.Trees() {
			tree := e.Tree(k)
			if leaf := tree.Find(row); leaf < 0 || leaf >= len(tree.Leaf) {
				t.Fatalf("row %v reaches leaf %d of %d", row, leaf, len(tree.Leaf))
			}
		}
	}
	if e.Trees()%e.Classes != 0 || e.Ranges != nil && len(e.Ranges) != len(e.Features) || len(e.Types) > 0 && len(e.Types) != len(e.Features) {
		t.Fatalf("%d trees, %d classes, %d ranges, %d types, %d features", e.Trees(), e.Classes, len(e.Ranges), len(e.Types), len(e.Features))
	}
	return true
}

func FuzzLightGBM(f *testing.F) {
	for _, data := range samples(f, ".txt", 6) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) { sound(t, data) })
}

func FuzzXGBoostJSON(f *testing.F) {
	for _, data := range samples(f, ".json", 5) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) { sound(t, data) })
}

func FuzzXGBoostUBJSON(f *testing.F) {
	for _, data := range samples(f, ".ubj", 2) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) { sound(t, data) })
}

var spite = []string{
	"", "0", "-0", "-1", "1", "2", "3", "99", "2147483647", "-2147483648", "4294967295", "4294967296", "99999999999999999999",
	"nan", "inf", "-inf", "1e308", "1e309", "1e-320", "0x1p3", "1_0", "1.5", ".", "-", "+", "e", "true", "null", "[[[[", "[]", "\x00", "\xff\xfe",
	" ", "\n", "\n\n", "=", "Tree=0", "Tree=1\n", "end of trees\n", "parameters:\n", "num_leaves=1\n", "is_linear=1\n", "objective=none\n",
}

// mutate damages a model in one to four places.
func mutate(r *rand.Rand, data, other []byte) []byte {
	out := slices.Clone(data)
	for range 1 + r.IntN(4) {
		if len(out) == 0 {
			return out
		}
		at := r.IntN(len(out))
		switch r.IntN(10) {
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
			end := bytes.IndexByte(out[at:], '\n')
			if end >= 0 {
				out = slices.Delete(out, bytes.LastIndexByte(out[:at], '\n')+1, at+end+1)
			}
		case 6: // splice another model in
			out = append(out[:at:at], other[r.IntN(len(other)):]...)
		default: // another value, at times of the same length so that tree_sizes holds
			first := bytes.LastIndexAny(out[:at], " =\n") + 1
			end := bytes.IndexAny(out[at:], " =\n")
			if end < 0 {
				end = len(out) - at
			}
			value := []byte(spite[r.IntN(len(spite))])
			if width := at + end - first; len(value) < width && r.IntN(2) == 0 {
				value = append(bytes.Repeat([]byte(" "), width-len(value)), value...)
			}
			out = slices.Replace(out, first, at+end, value...)
		}
	}
	return out
}

func TestMutantsAreRefusedOrSound(t *testing.T) {
	t.Parallel()
	mutants := 40_000
	if os.Getenv("RESCORE_LONG") != "" {
		mutants = 400_000
	}
	list := samples(t, ".txt", 6)
	r := rand.New(rand.NewPCG(20, 26))
	accepted := 0
	for range mutants {
		data := list[r.IntN(len(list))]
		if r.IntN(2) == 0 { // without byte counts, so that longer and shorter trees are read at all
			if at := bytes.Index(data, []byte("tree_sizes=")); at >= 0 {
				end := at + bytes.IndexByte(data[at:], '\n') + 1
				data = slices.Concat(data[:at], data[end:])
			}
		}
		if sound(t, mutate(r, data, list[r.IntN(len(list))])) {
			accepted++
		}
	}
	if accepted == 0 || accepted > mutants/2 {
		t.Errorf("%d of %d mutants accepted: the test proves little", accepted, mutants)
	}
	t.Logf("%d mutants, %d of them sound models", mutants, accepted)
}

// Everything the loader ever allocates is within what it may hold at once. Not
// parallel: allocations are counted.
func TestMemoryIsBoundedByTheFile(t *testing.T) {
	const head = "tree\nversion=v2\nnum_class=1\nmax_feature_idx=0\nfeature_names=x\nfeature_infos=none\n\n"
	const size = 24 << 20
	fill := func(prefix, unit, suffix string) []byte {
		return []byte(prefix + strings.Repeat(unit, (size-len(prefix)-len(suffix))/len(unit)) + suffix)
	}
	var stumps strings.Builder
	stumps.WriteString(head)
	for i := 0; stumps.Len() < size; i++ {
		fmt.Fprintf(&stumps, "Tree=%d\nnum_leaves=1\nnum_cat=0\nleaf_value=1\n", i)
	}
	var chain strings.Builder // one tree, every value as short as can be
	const leaves = 1_000_000
	chain.WriteString(head + "Tree=0\nnum_cat=0\n")
	fmt.Fprintf(&chain, "num_leaves=%d\nsplit_feature=%s\nthreshold=%s\ndecision_type=%s\nleaf_value=%s\nleaf_count=%s\ninternal_count=%s\nleft_child=", leaves,
		strings.Repeat("0 ", leaves-1), strings.Repeat("0 ", leaves-1), strings.Repeat("2 ", leaves-1), strings.Repeat("1 ", leaves), strings.Repeat("1 ", leaves), strings.Repeat("1 ", leaves-1))
	for i := range leaves - 1 {
		fmt.Fprintf(&chain, "%d ", ^i)
	}
	chain.WriteString("\nright_child=")
	for i := range leaves - 2 {
		fmt.Fprintf(&chain, "%d ", i+1)
	}
	fmt.Fprintf(&chain, "%d\n", ^(leaves - 1))

	for _, c := range []struct {
		name  string
		data  []byte
		sound bool
	}{
		{"trees of one leaf", []byte(stumps.String()), true},
		{"one long tree", []byte(chain.String()), true},
		{"linear leaves of many terms", []byte(head + "Tree=0\nnum_leaves=1\nnum_cat=0\nis_linear=1\nleaf_value=1\nleaf_const=1\n" +
			fmt.Sprintf("num_features=%d\nleaf_features=%s\nleaf_coeff=%s\n", termsMax, strings.Repeat("0 ", termsMax), strings.Repeat("1 ", termsMax))), true},
		{"linear leaves of too many terms", []byte(head + "Tree=0\nnum_leaves=1\nnum_cat=0\nis_linear=1\nleaf_value=1\nleaf_const=1\n" +
			fmt.Sprintf("num_features=%d\nleaf_features=%s\nleaf_coeff=%s\n", termsMax+1, strings.Repeat("0 ", termsMax+1), strings.Repeat("1 ", termsMax+1))), false},
		{"a set of many words", fill(head+"Tree=0\nnum_leaves=2\nnum_cat=1\nsplit_feature=0\nthreshold=0\ndecision_type=1\nleft_child=-1\nright_child=-2\nleaf_value=1 2\n"+
			fmt.Sprintf("cat_boundaries=0 %d\ncat_threshold=", (size-205)/2), "0 ", "\n"), false},
		{"many names", fill("tree\nversion=v2\nnum_class=1\nmax_feature_idx=65535\nfeature_infos=\nfeature_names=", "x ", "\n"), false},
		{"many sizes", fill(head[:len(head)-1]+"tree_sizes=", "1 ", "\n\nTree=0\n"), false},
		{"many header lines", fill("tree\nversion=v2\n", "a=\n", ""), false},
		{"many categories", fill(head+"Tree=0\nnum_leaves=1\nnum_cat=0\nleaf_value=1\n\npandas_categorical:[[", "0,", "0]]\n"), false},
		{"many empty columns", fill(head+"Tree=0\nnum_leaves=1\nnum_cat=0\nleaf_value=1\n\npandas_categorical:[", "[],", "[]]\n"), false},
		{"deep brackets", fill(head+"Tree=0\nnum_leaves=1\nnum_cat=0\nleaf_value=1\n\npandas_categorical:", "[", "\n"), false},
		{"one long category", fill(head+"Tree=0\nnum_leaves=1\nnum_cat=0\nleaf_value=1\n\npandas_categorical:[[\"", "x", "\"]]\n"), true},
		{"a long number", fill(head+"Tree=0\nnum_leaves=1\nnum_cat=0\nleaf_value=", "1", "\n"), false},
		{"a long key", fill(head+"Tree=0\n", "k", "=1\n"), false},
		{"a long objective", fill("tree\nversion=v2\nobjective=", "x", "\n"), false},
		{"blank lines", fill(head, "\n", ""), false},
	} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		_, err := LightGBM(c.data)
		runtime.ReadMemStats(&after)
		if (err == nil) != c.sound {
			t.Errorf("%s: error %v", c.name, err)
		}
		if used, most := after.TotalAlloc-before.TotalAlloc, uint64(2*len(c.data)+64<<20); used > most {
			t.Errorf("%s: %d MiB allocated for a file of %d MiB, want %d at most", c.name, used>>20, len(c.data)>>20, most>>20)
		} else {
			t.Logf("%s: %d MiB allocated for a file of %d MiB", c.name, used>>20, len(c.data)>>20)
		}
		if err != nil && len(err.Error()) > 1000 {
			t.Errorf("%s: an error of %d bytes", c.name, len(err.Error()))
		}
	}
}
