package program

import (
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/schema"
	"rescore/worker/kernel"
)

// fake is a kernel that is nothing but its spec.
type fake kernel.Spec

func (f fake) Spec() kernel.Spec                        { return kernel.Spec(f) }
func (fake) Eval(int, []kernel.Vector, []kernel.Vector) {}

// makes is a fake kernel: "name: in in -> out out", every column int64 unless it
// is written name/u8.
func makes(text string) kernel.Kernel {
	name, rest, _ := strings.Cut(text, ":")
	in, out, _ := strings.Cut(rest, "->")
	return fake{Name: name, In: fieldsOf(in), Out: fieldsOf(out)}
}

func fieldsOf(text string) []kernel.Field {
	var list []kernel.Field
	for _, word := range strings.Fields(text) {
		f := kernel.Field{Name: word, Type: arrow.PrimitiveTypes.Int64}
		if name, ok := strings.CutSuffix(word, "/u8"); ok {
			f = kernel.Field{Name: name, Type: arrow.PrimitiveTypes.Uint8}
		}
		if f.Name == schema.Key {
			f.Type = arrow.PrimitiveTypes.Uint64
		}
		list = append(list, f)
	}
	return list
}

// available offers columns a to e and the canonical fee and balance as int64, s
// as uint8, and what is handed over beside the record.
func available(name string) (arrow.DataType, bool) {
	switch name {
	case "a", "b", "c", "d", "e", "fee_m0", "fee_m1", "balance_fen":
		return arrow.PrimitiveTypes.Int64, true
	case "s", BadValues:
		return arrow.PrimitiveTypes.Uint8, true
	case schema.Key:
		return arrow.PrimitiveTypes.Uint64, true
	}
	return nil, false
}

func TestSelectOrdersKernelsAndLeavesOutWhatNobodyNeeds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		catalogue []string
		want      string
		kernels   string
		read      string
	}{
		{"one kernel", []string{"k: a -> x"}, "x", "k", "a"},
		{"makers before readers, whatever the catalogue's order", []string{"last: y a -> z", "mid: x -> y", "first: b -> x"}, "z", "first mid last", "b a"},
		{"a kernel nobody needs", []string{"k: a -> x", "idle: b -> y"}, "x", "k", "a"},
		{"one output of two is enough", []string{"k: a -> x y"}, "y", "k", "a"},
		{"a diamond runs its top once", []string{"top: a -> t", "l: t -> l", "r: t b -> r", "end: l r -> z"}, "z", "top l r end", "a b"},
		{"two outputs, in the order wanted", []string{"one: a -> x", "two: b -> y"}, "y x", "two one", "b a"},
		{"canonical columns in the record's order, others after", []string{"k: d balance_fen fee_m1 c fee_m0 -> x"}, "x", "k", "fee_m0 fee_m1 balance_fen d c"},
		{"number and bad values are handed over, not read", []string{"k: msisdn a -> x"}, "msisdn x dq_bad_values/u8", "k", "a"},
		{"a column made is not read, though the input has it", []string{"k: a -> b", "m: b -> x"}, "x", "k m", "a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var catalogue []kernel.Kernel
			for _, text := range c.catalogue {
				catalogue = append(catalogue, makes(text))
			}
			p, err := Select(catalogue, fieldsOf(c.want), available)
			if err != nil {
				t.Fatal(err)
			}
			var kernels []string
			for _, k := range p.kernels {
				kernels = append(kernels, k.Spec().Name)
			}
			if got := strings.Join(kernels, " "); got != c.kernels {
				t.Errorf("kernels %s, want %s", got, c.kernels)
			}
			if got := strings.Join(p.Columns(), " "); got != c.read {
				t.Errorf("columns read %s, want %s", got, c.read)
			}
		})
	}
}

func TestSelectReportsEveryColumnThatCannotBeHad(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		catalogue []string
		want      string
		says      []string
	}{
		{"missing", []string{"k: nowhere a gone -> x"}, "x", []string{"column nowhere, read by k, is neither", "column gone, read by k"}},
		{"mistyped by the input", []string{"k: a/u8 s -> x"}, "x", []string{"column a is int64 and k reads it as uint8", "column s is uint8 and k reads it as int64"}},
		{"mistyped by its maker", []string{"k: a -> x", "m: x/u8 -> y"}, "y", []string{"column x is int64 and m reads it as uint8"}},
		{"output of another type", []string{"k: a -> x"}, "x/u8", []string{"column x is int64 and the output reads it as uint8"}},
		{"handed over as another type", []string{"k: dq_bad_values -> x"}, "x", []string{"column dq_bad_values is uint8 and k reads it as int64"}},
		{"an output nobody makes", []string{"k: a -> x"}, "a x y", []string{"no kernel makes the output a", "no kernel makes the output y"}},
		{"itself", []string{"k: x -> x"}, "x", []string{"kernel k depends on itself through x"}},
		{"itself by way of others", []string{"k: z -> x", "l: x -> y", "m: y -> z"}, "z", []string{"kernel m depends on itself through z"}},
		{"several at once", []string{"k: x nowhere s -> x"}, "x y", []string{"itself through x", "column nowhere", "column s is uint8", "output y"}},
		{"two makers", []string{"k: a -> x y", "l: b -> y"}, "x", []string{"both k and l make column y"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var catalogue []kernel.Kernel
			for _, text := range c.catalogue {
				catalogue = append(catalogue, makes(text))
			}
			p, err := Select(catalogue, fieldsOf(c.want), available)
			if err == nil {
				t.Fatalf("planned %s", p)
			}
			for _, say := range c.says {
				if !strings.Contains(err.Error(), say) {
					t.Errorf("%q does not say %q", err, say)
				}
			}
			if lines := strings.Count(err.Error(), "\n") + 1; lines != len(c.says) {
				t.Errorf("%d problems, want %d: %v", lines, len(c.says), err)
			}
		})
	}
}

func TestAPlanPrintsItself(t *testing.T) {
	t.Parallel()
	p, err := Select([]kernel.Kernel{makes("k: a s/u8 -> x")}, fieldsOf("x"), available)
	if err != nil {
		t.Fatal(err)
	}
	if want := "read 2 columns, 9 bytes a row\n  1  k                            a s -> x\nwrite x\n"; p.String() != want {
		t.Errorf("%q, want %q", p, want)
	}
}

// TestTheDefaultPlanReadsWhatItNeeds holds the program of a job without
// features to the columns of the rules and the policy.
func TestTheDefaultPlanReadsWhatItNeeds(t *testing.T) {
	t.Parallel()
	spec, m := standard(t)
	columns := planned(t, spec, m).Columns()
	for _, unread := range []string{schema.Key, BadValues, "imei_m0", "roam_sec_m1", "sex", "ld_sec_m0", "sms_cnt_m1"} {
		if slices.Contains(columns, unread) {
			t.Errorf("column %s is read and nothing needs it", unread)
		}
	}
	if columns[0] != "service_type" || columns[len(columns)-1] != "region" {
		t.Errorf("columns are not in the record's order, extra ones last: %v", columns)
	}
	if slices.Contains(columns, "complaint_cnt_m3") || !slices.Contains(columns, "complaint_cnt_m2") {
		t.Error("complaint_cnt3 reads three months")
	}
}
