package program

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"rescore/partition/job"
	"rescore/partition/schema"
)

const month = 201011

// typical are values worth drawing often, by base name of the canonical column:
// the codes the rules look for, and amounts on both sides of their thresholds.
var typical = map[string][]int64{
	"service_type": {1, 1, 1, 2, 3, 4, 4, 5}, "pay_mode": {0, 1, 1, 2}, "brand": {0, 1, 2, 3}, "status": {1, 1, 1, 1, 2, 3, 4, 5, 6, 7},
	"activation_date": {0, 12_000, 14_700, 14_800, 14_850, 14_884, 14_900, 14_943, 14_944, 15_000}, "tenure_months": {-1, 0, 1, 2, 3, 4, 6, 30},
	"fee": {-100, 0, 1, 3499, 3500, 5000, 9999, 10_000, 31_000, 170_001}, "recharge_cnt": {0, 0, 1, 3}, "recharge_fen": {0, 5000, 10_000},
	"balance_fen": {-20, 0, 499, 500, 4000}, "arrears_fen": {0, 0, 1, 9999, 10_000, 50_000},
	"out_sec": {0, 0, 0, 60, 7000}, "in_sec": {0, 0, 0, 30, 900}, "out_cnt": {0, 0, 0, 1, 40}, "in_cnt": {0, 0, 0, 2, 9},
	"sms_cnt": {0, 0, 0, 30}, "data_kb": {0, 0, 0, 1 << 20}, "roam_sec": {0, 60}, "ld_sec": {0, 60}, "other_ld_sec": {0, 2400, 2401},
	"fault_cnt": {0, 0, 1, 2, 3}, "complaint_cnt": {0, 0, 1}, "complaint_result": {0, 1, 2, 3, 4}, "complaint_date": {14_800, 14_853, 14_854, 14_943, 14_950},
	"suspend_cnt": {0, 0, 1, 2}, "contract_end": {14_900, 14_943, 14_944, 15_000, 15_005, 15_006}, "vip_class": {0, 0, 1, 2, 3, 4}, "vip_grade": {0, 1, 2, 3},
	"event_flags": {0, 0, 1, 2, 4, 8, 16, 64, 128, 256, 511}, "bb_status": {0, 1, 1}, "bb_flow_kb": {0, 0, 500}, "imei": {35_000_000_000_000, 35_000_000_000_001},
	"elogin_cnt": {0, 0, 4}, "sex": {0, 1, 2}, "birth_year": {1950, 1992}, "city_code": {7, 8}, "cell_city_code": {7, 8, 9}, "group_id": {0, 5},
	"fault_cnt_30d": {0, 0, 1, 2, 3}, "complaint_tags": {0, 1, 2, 3, 4, 8, 16, 32, 63}, "complaint_justified": {0, 1},
	"silent_class": {0, 0, 1, 2, 3, 4, 5, 6, 7, 8}, "city_cnt": {0, 1, 1, 2, 3}, "lifecycle_prev": {0, 1, 2, 3, 4}, "cause_confirmed": {0, 1, 2, 3, 5, 8, 12},
}

// rows are random canonical rows: what a reader would hand over.
type rows struct {
	plan    *Plan
	columns [][]uint64 // by column of the plan, bits
	null    [][]bool
	key     []uint64
	bad     []uint8
	at      map[string]int // column of the plan by name
}

// draw makes n rows for a plan's columns. Each column has its own share of
// nulls, a third of them none.
func draw(rng *rand.Rand, p *Plan, n int) *rows {
	r := &rows{plan: p, key: make([]uint64, n), bad: make([]uint8, n), at: map[string]int{}}
	for i := range n {
		r.key[i] = 13_000_000_000 + rng.Uint64N(7_000_000_000)
		if rng.IntN(8) == 0 {
			r.bad[i] = uint8(rng.IntN(256))
		}
	}
	seed := rng.Uint64()
	for _, f := range p.read {
		// Each column has its own source: what it draws is not moved by the columns
		// that a new kernel reads.
		h := fnv.New64a()
		h.Write([]byte(f.Name))
		rng := rand.New(rand.NewPCG(seed, h.Sum64()))
		values, null := make([]uint64, n), make([]bool, n)
		name := f.Name
		if k := len(name) - 3; k > 0 && name[k:k+2] == "_m" {
			name = name[:k]
		}
		list, known := typical[name]
		share := []int{0, 0, 5, 20, 60, 100}[rng.IntN(6)]
		for i := range n {
			null[i] = rng.IntN(100) < share
			switch {
			case f.Type.ID() == arrow.FLOAT64: // NaN is the null of an extra column
				values[i] = math.Float64bits(rng.NormFloat64() * 100)
				if null[i] {
					values[i] = math.Float64bits(math.NaN())
				}
				null[i] = false
			case !known:
				panic("no typical values of " + name)
			case rng.IntN(20) == 0: // any value of the type, money within its promise
				values[i] = rng.Uint64N(1 << min(8*uint(f.Type.(arrow.FixedWidthDataType).Bytes()), 43))
			default:
				values[i] = uint64(list[rng.IntN(len(list))])
			}
		}
		r.at[f.Name] = len(r.columns)
		r.columns, r.null = append(r.columns, values), append(r.null, null)
	}
	return r
}

// without makes columns null in every row.
func (r *rows) without(names ...string) {
	for c, f := range r.plan.read {
		for _, n := range names {
			if f.Name == n {
				for i := range r.null[c] {
					r.null[c][i] = true
				}
			}
		}
	}
}

// known reports whether a column has a value in row i, and which.
func (r *rows) known(name string, i int) (int64, bool) {
	c, ok := r.at[name]
	if !ok {
		panic("the plan does not read " + name)
	}
	f := r.plan.read[c]
	shift := 64 - 8*f.Type.(arrow.FixedWidthDataType).Bytes()
	v := r.columns[c][i] << shift
	if arrow.IsUnsignedInteger(f.Type.ID()) {
		return int64(v >> shift), !r.null[c][i]
	}
	return int64(v) >> shift, !r.null[c][i]
}

// record returns rows from to past-1 as Arrow arrays that begin at an odd place,
// with garbage around them and behind nulls.
func (r *rows) record(mem memory.Allocator, from, past int) arrow.Record {
	return r.recordAt(mem, from, past, 5)
}

// recordAt is record of arrays with so many rows before the first.
func (r *rows) recordAt(mem memory.Allocator, from, past, before int) arrow.Record {
	const after = 3
	n := past - from
	fields, arrays := make([]arrow.Field, len(r.columns)), make([]arrow.Array, len(r.columns))
	for c, f := range r.plan.read {
		width := f.Type.(arrow.FixedWidthDataType).Bytes()
		data, valid := memory.NewResizableBuffer(mem), memory.NewResizableBuffer(mem)
		data.Resize((before + n + after) * width)
		valid.Resize((before + n + after + 7) / 8)
		for i := range data.Bytes() {
			data.Bytes()[i] = 0x5a
		}
		for i := range valid.Bytes() {
			valid.Bytes()[i] = 0xff
		}
		nulls := 0
		var word [8]byte
		for i := range n {
			at := before + i
			if r.null[c][from+i] {
				nulls++
				valid.Bytes()[at>>3] &^= 1 << (at & 7)
				continue
			}
			binary.LittleEndian.PutUint64(word[:], r.columns[c][from+i])
			copy(data.Bytes()[at*width:], word[:width])
		}
		buffers := []*memory.Buffer{valid, data}
		if nulls == 0 {
			buffers[0] = nil
		}
		d := array.NewData(f.Type, n, buffers, nil, nulls, before)
		arrays[c] = array.MakeFromData(d)
		d.Release()
		data.Release()
		valid.Release()
		fields[c] = arrow.Field{Name: f.Name, Type: f.Type, Nullable: true}
	}
	rec := array.NewRecord(arrow.NewSchema(fields, nil), arrays, int64(n))
	for _, a := range arrays {
		a.Release()
	}
	return rec
}

// cells appends every value of a record, row after row, so that rows evaluated
// in different batches can be compared bit by bit.
func cells(dst []uint64, rec arrow.Record) []uint64 {
	first := len(dst)
	width := int(rec.NumCols())
	for range int(rec.NumRows()) * width {
		dst = append(dst, 0)
	}
	for c, a := range rec.Columns() {
		for i := range a.Len() {
			dst[first+i*width+c] = cell(a, i)
		}
	}
	return dst
}

func cell(a arrow.Array, i int) uint64 {
	switch a := a.(type) {
	case *array.Uint8:
		return uint64(a.Value(i))
	case *array.Int8:
		return uint64(a.Value(i))
	case *array.Uint16:
		return uint64(a.Value(i))
	case *array.Int32:
		return uint64(a.Value(i))
	case *array.Int64:
		return uint64(a.Value(i))
	case *array.Uint64:
		return a.Value(i)
	case *array.Float32:
		return uint64(math.Float32bits(a.Value(i)))
	case *array.Float64:
		return math.Float64bits(a.Value(i))
	}
	panic(fmt.Sprintf("no cell of %s", a.DataType()))
}

// forty are the features of the test model: of the dictionary, canonical, a
// trigger's bit, and an extra column.
var forty = strings.Fields(`fee_last fee_avg3 fee_avg6 fee_chg1 fee_chg3 fee_slope fee_cv fee_zero_run
	out_sec_last out_sec_avg3 out_sec_chg1 out_sec_chg3 out_sec_slope in_sec_last in_sec_chg1 in_sec_slope
	data_kb_last data_kb_chg1 data_kb_chg3 data_kb_cv sms_cnt_last recharge_fen_avg3 recharge_cnt_chg1 elogin_cnt_last
	out_in_ratio suspend_cnt6 complaint_cnt3 days_to_contract_end has_contract tenure tenure_band bill_shock
	balance_fen arrears_fen pay_mode vip_class brand_m0 birth_year trg_2 region`)

// lightGBM is the text of a binary model of so many trees, the same every time.
func lightGBM(trees, leaves int, features []string) []byte {
	rng := rand.New(rand.NewPCG(40, 31))
	var b bytes.Buffer
	var text []string
	for t := range trees {
		left, right := make([]int, leaves-1), make([]int, leaves-1)
		at := make([]*int, leaves) // where each leaf hangs
		var feature, threshold, decision, value []string
		for i := range leaves - 1 {
			leaf := 0
			if i > 0 {
				leaf = rng.IntN(i + 1)
				*at[leaf] = i
			}
			left[i], right[i] = ^leaf, ^(i + 1)
			at[leaf], at[i+1] = &left[i], &right[i]
			feature = append(feature, fmt.Sprint(rng.IntN(len(features))))
			threshold = append(threshold, fmt.Sprint([]float64{-0.5, -0.05, 1e-35, 0.5, 2.5, 31, 4500, 100_000}[rng.IntN(8)]))
			decision = append(decision, fmt.Sprint([]int{8, 10, 8, 10, 2, 4}[rng.IntN(6)]))
		}
		for range leaves {
			value = append(value, fmt.Sprint(rng.NormFloat64()/4-0.1))
		}
		numbers := func(list []int) string { return strings.Trim(fmt.Sprint(list), "[]") }
		text = append(text, fmt.Sprintf("Tree=%d\nnum_leaves=%d\nnum_cat=0\nsplit_feature=%s\nthreshold=%s\ndecision_type=%s\nleft_child=%s\nright_child=%s\nleaf_value=%s\nis_linear=0\nshrinkage=1\n\n\n",
			t, leaves, strings.Join(feature, " "), strings.Join(threshold, " "), strings.Join(decision, " "), numbers(left), numbers(right), strings.Join(value, " ")))
	}
	fmt.Fprintf(&b, "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=%d\nobjective=binary sigmoid:1\nfeature_names=%s\nfeature_infos=%s\ntree_sizes=",
		len(features)-1, strings.Join(features, " "), strings.TrimSpace(strings.Repeat("[-1e300:1e300] ", len(features))))
	for i, t := range text {
		fmt.Fprintf(&b, "%s%d", strings.Repeat(" ", min(i, 1)), len(t))
	}
	b.WriteString("\n\n" + strings.Join(text, "") + "end of trees\n\nfeature_importances:\n\nparameters:\n[boosting: gbdt]\n\nend of parameters\n\npandas_categorical:null\n")
	return b.Bytes()
}

// standard is the default job with the test model.
func standard(t testing.TB) (job.Spec, Model) {
	t.Helper()
	spec := job.Default()
	spec.Name, spec.Month, spec.Model.Path = "test", month, "model.txt"
	spec.Input.Extra = []job.Extra{{Name: "region"}}
	m, err := LoadModel(spec, lightGBM(20, 31, forty))
	if err != nil {
		t.Fatal(err)
	}
	return spec, m
}

func planned(t testing.TB, spec job.Spec, m Model) *Plan {
	t.Helper()
	p, err := ForJob(spec, m)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// scoreColumn returns where a column of the score record is.
func scoreColumn(name string) int {
	for i, c := range schema.Score {
		if c.Name == name {
			return i
		}
	}
	panic("no score column " + name)
}
