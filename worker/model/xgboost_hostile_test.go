package model

import (
	"bytes"
	"encoding/binary"
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

// mutateJSON damages a document in one to four places.
func mutateJSON(r *rand.Rand, data, other []byte) []byte {
	spite := append([]string{`"`, `\`, `{}`, `{`, `}`, `]`, `,`, `:`, `"learner":{}`, `NaN`, `Infinity`, `-Infinity`, `false`, `16777215`, `16777216`, `[0`, `"1"`, `"[1,2]"`}, spite...)
	out := slices.Clone(data)
	for range 1 + r.IntN(4) {
		if len(out) == 0 {
			return out
		}
		at := r.IntN(len(out))
		switch r.IntN(10) {
		case 0:
			out[at] ^= 1 << r.IntN(8)
		case 1: // lose a part
			out = slices.Delete(out, at, min(len(out), at+1+r.IntN(20)))
		case 2: // repeat a part
			out = slices.Insert(out, at, out[at:min(len(out), at+1+r.IntN(60))]...)
		case 3: // cut short
			out = out[:at]
		case 4: // splice another model in
			out = append(out[:at:at], other[r.IntN(len(other)):]...)
		default: // another value
			first := bytes.LastIndexAny(out[:at], " ,:[]{}") + 1
			end := bytes.IndexAny(out[at:], " ,:[]{}")
			if end < 0 {
				end = len(out) - at
			}
			value := spite[r.IntN(len(spite))]
			if r.IntN(2) == 0 { // one of the model's own kind
				value = fmt.Sprint(r.IntN(12) - 2)
			}
			out = slices.Replace(out, first, at+end, []byte(value)...)
		}
	}
	return out
}

// mutateUBJ damages a document in one to four places.
func mutateUBJ(r *rand.Rand, data, other []byte) []byte {
	out := slices.Clone(data)
	for range 1 + r.IntN(4) {
		if len(out) < 16 {
			return out
		}
		at := r.IntN(len(out) - 8)
		switch r.IntN(10) {
		case 0, 1:
			out[at] ^= 1 << r.IntN(8)
		case 2:
			out[at] = `{}[]$#SLlIUidDTFZCNH`[r.IntN(20)]
		case 3:
			out = slices.Delete(out, at, min(len(out), at+1+r.IntN(12)))
		case 4:
			out = slices.Insert(out, at, out[at:min(len(out), at+1+r.IntN(60))]...)
		case 5:
			out = out[:at]
		case 6:
			out = append(out[:at:at], other[r.IntN(len(other)):]...)
		default: // another number behind a marker
			for ; at < len(out)-9; at++ {
				if m := out[at]; (m == 'L' || m == 'l' || m == 'd' || m == 'i') && (at == 0 || out[at-1] != '$') {
					n := []uint64{0, 1, 2, 3, 127, 1 << 20, 1 << 31, 1<<31 - 1, 1 << 40, 1<<63 - 1, math.MaxUint64, uint64(r.IntN(60)) - 3,
						uint64(math.Float32bits(float32(math.NaN()))), uint64(math.Float32bits(float32(math.Inf(1)))), uint64(math.Float32bits(3e38))}[r.IntN(15)]
					switch m {
					case 'L':
						binary.BigEndian.PutUint64(out[at+1:], n)
					case 'i':
						out[at+1] = byte(n)
					default:
						binary.BigEndian.PutUint32(out[at+1:], uint32(n))
					}
					break
				}
			}
		}
	}
	return out
}

func TestXGBoostMutantsAreRefusedOrSound(t *testing.T) {
	t.Parallel()
	for end, mutate := range map[string]func(r *rand.Rand, data, other []byte) []byte{".json": mutateJSON, ".ubj": mutateUBJ} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			mutants, largest := 30_000, 16<<10
			if os.Getenv("RESCORE_LONG") != "" {
				mutants, largest = 300_000, 64<<10
			}
			list := samples(t, end, 2)
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
			r := rand.New(rand.NewPCG(20, uint64(len(end))))
			accepted := 0
			for range mutants {
				if sound(t, mutate(r, list[r.IntN(len(list))], list[r.IntN(len(list))])) {
					accepted++
				}
			}
			if accepted == 0 || accepted > mutants/2 {
				t.Errorf("%d of %d mutants accepted: the test proves little", accepted, mutants)
			}
			t.Logf("%d mutants, %d of them sound models", mutants, accepted)
		})
	}
}

// Not parallel: allocations are counted.
func TestXGBoostMemoryIsBoundedByTheFile(t *testing.T) {
	const size = 24 << 20
	const head = `{"learner":{"learner_model_param":{"base_score":"0.5","num_class":"0","num_feature":"1"},"objective":{"name":"reg:squarederror"},`
	const model = head + `"gradient_booster":{"name":"gbtree","model":{`
	fill := func(prefix, unit, suffix string) []byte {
		return []byte(prefix + strings.Repeat(unit, (size-len(prefix)-len(suffix))/len(unit)) + suffix)
	}
	// A chain: node 2k has the leaf 2k+1 and the node 2k+2.
	chain := func(nodes int) string {
		var left, right strings.Builder
		for i := range nodes {
			if i%2 == 0 && i < nodes-1 {
				fmt.Fprintf(&left, ",%d", i+1)
				fmt.Fprintf(&right, ",%d", i+2)
			} else {
				left.WriteString(",-1")
				right.WriteString(",-1")
			}
		}
		zero := strings.Repeat(",0", nodes)[1:]
		return `{"left_children":[` + left.String()[1:] + `],"right_children":[` + right.String()[1:] + `],"split_indices":[` + zero + `],"split_conditions":[` + zero +
			`],"default_left":[` + zero + `],"sum_hessian":[` + zero + `]}`
	}
	small := chain(9)
	smalls := (size - 600) / (len(small) + 1 + 2)
	const leaf = `{"left_children":[-1],"right_children":[-1],"split_indices":[0],"split_conditions":[1],"default_left":[0]}`
	leaves := (size - 600) / (len(leaf) + 1 + 2)
	forest := func(tree string, n int) []byte {
		return []byte(model + `"tree_info":[` + strings.Repeat(",0", n)[1:] + `],"trees":[` + strings.Repeat(","+tree, n)[1:] + `]}}}}`)
	}
	wide := fmt.Sprintf(`{"left_children":[1,-1,-1],"right_children":[2,-1,-1],"split_indices":[0,0,0],"split_conditions":[0,1,2],"default_left":[0,0,0],"split_type":[1,0,0],`+
		`"categories_nodes":[0],"categories_segments":[0],"categories_sizes":[1],"categories":[%d]}`, categoriesEnd-1)
	typed := func(count uint64) []byte {
		data := []byte("{L\x00\x00\x00\x00\x00\x00\x00\x07learner{L\x00\x00\x00\x00\x00\x00\x00\x0dfeature_names[$i#L")
		return append(binary.BigEndian.AppendUint64(data, count), make([]byte, size)...)
	}
	for _, c := range []struct {
		name  string
		data  []byte
		sound bool
	}{
		{"trees of one leaf", forest(leaf, leaves), true},
		{"trees of five leaves", forest(small, smalls), true},
		{"one long tree", forest(chain(900_001), 1), true},
		{"a tree that is too long", forest(chain(1_100_001), 1), false},
		{"growing trees", []byte(model + `"tree_info":[0,0,0,0,0],"trees":[` + strings.Join([]string{chain(1001), chain(50_001), chain(100_001), chain(200_001), chain(400_001)}, ",") + `]}}}}`), true},
		{"sets of one large category", forest(wide, size/len(wide)), false},
		{"many names", fill(head+`"feature_names":[`, `"x",`, `"y"]}}`), false},
		{"many classes", fill(model+`"tree_info":[`, `0,`, `0]}}}}`), false},
		{"many weights", fill(model+`"weights":[`, `0,`, `0]}}}}`), false},
		{"many base scores", fill(`{"learner":{"learner_model_param":{"base_score":"[`, `0,`, `0]"}}}`), false},
		{"one long name", fill(head+`"feature_names":["`, `x`, `"]}}`), false},
		{"one long name of escapes", fill(head+`"feature_names":["`, `\n`, `"]}}`), false},
		{"a long text of escapes", fill(head+`"attributes":{"x":"`, `\n`, `"}}}`), false},
		{"a long number", fill(model+`"weights":[`, `1`, `]}}}}`), false},
		{"deep brackets", fill(head+`"x":`, `[`, ``), false},
		{"deep objects", fill(head+`"x":`, `{"x":`, ``), false},
		{"many members", fill(head, `"x":0,`, `"y":0}}`), false},
		{"blanks", fill(head, ` `, `"y":0}}`), false},
		{"a typed array that is short", typed(1 << 40), false},
		{"a typed array of numbers", typed(size), false},
	} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		_, err := XGBoost(c.data)
		runtime.ReadMemStats(&after)
		if (err == nil) != c.sound {
			t.Errorf("%s: error %v", c.name, err)
		}
		if used, most := after.TotalAlloc-before.TotalAlloc, uint64(2*len(c.data)+64<<20); used > most {
			t.Errorf("%s: %d MiB allocated for a file of %d MiB, want %d at most", c.name, used>>20, len(c.data)>>20, most>>20)
		} else {
			t.Logf("%s: %d MiB allocated for a file of %d MiB", c.name, used>>20, len(c.data)>>20)
		}
		if err != nil && len(err.Error()) > 1500 {
			t.Errorf("%s: an error of %d bytes", c.name, len(err.Error()))
		}
	}
}
