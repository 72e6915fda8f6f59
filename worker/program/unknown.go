package program

import (
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/feature"
	"rescore/worker/formula"
)

// Unknown is an output that lacks what it is worked out from.
type Unknown struct {
	Output  string   `json:"output"`
	Missing []string `json:"missing"` // canonical columns the input lacks, flat names
	Effect  string   `json:"effect"`
}

// need says what an output is worked out from and what becomes of it without.
type need struct {
	output  string
	columns []string // one that is absent has the effect …
	every   bool     // … or, with every, only all of them
	effect  string
}

const (
	neverFires = "never fires: absent means none"
	unknown    = "UNKNOWN in every row"
)

// needs is dossier C03's column "UNKNOWN when" and its like for C05 to C11, in
// the direction from column to output, under the job's rules. UNKNOWN is said of
// rows that are judged: who is gone has no triggers, and a hold suppresses T2
// and T3's traffic. TestNeedsAreWhatKernelsDo holds it to the kernels.
func needs(spec job.Spec) []need {
	rules := spec.Rules
	fallFrom := 3
	if rules.T2Mode == "three_point" {
		fallFrom = 2
	}
	bills := months("fee", 0, fallFrom)
	if rules.T2Mode == "non_monotone" {
		bills = slices.Concat(months("fee", 0, 0), months("fee", fallFrom, fallFrom))
	}
	if rules.T2BaseMonths == "mean3" {
		bills = slices.Compact(slices.Concat(bills, months("fee", 3, 5)))
	}
	traffic := slices.Concat(months("out_sec", 0, 2), months("in_sec", 0, 2))
	if rules.T3Activity == "any" {
		traffic = slices.Concat(traffic, months("sms_cnt", 0, 2), months("data_kb", 0, 2))
	}
	payMode, silence := unknown, "UNKNOWN for prepaid, unless the balance is low or a month has traffic"
	if rules.T3PayModes == "all" {
		payMode = "UNKNOWN but for three months without traffic"
		silence = "UNKNOWN unless the balance is low or a month has traffic"
	}
	calls := slices.Concat(months("out_cnt", 0, 0), months("in_cnt", 0, 0))
	use := slices.Concat(calls, months("sms_cnt", 0, 0), months("data_kb", 0, 0))
	suspected := calls // who is silent by these
	if rules.SilentActivity == "any" {
		suspected = use
	}
	var stopped, suspensions []string // needed by an option
	if rules.T6RequireStopped {
		stopped = []string{"bb_status"}
	}
	if spec.Policy.BadDebtSuspends > 0 {
		suspensions = months("suspend_cnt", 1, schema.Months-1)
	}
	return []need{
		{output: "T1", columns: []string{"vip_class"}, effect: neverFires},
		{output: "T1", columns: months("fee", 0, 1), effect: "UNKNOWN for classes A to D"},
		{output: "T2", columns: bills, effect: unknown},
		{output: "T3", columns: []string{"pay_mode"}, effect: payMode},
		{output: "T3", columns: []string{"balance_fen"}, effect: "UNKNOWN for prepaid, unless it fires for three months without traffic"},
		{output: "T3", columns: traffic, effect: silence},
		{output: "T4", columns: []string{"pay_mode"}, effect: unknown},
		{output: "T4", columns: []string{"arrears_fen"}, effect: "UNKNOWN for postpaid"},
		{output: "T5", columns: []string{"service_type"}, effect: "UNKNOWN unless the month has traffic; never fires"},
		{output: "T5", columns: slices.Concat(months("out_sec", 0, 0), months("in_sec", 0, 0)), effect: "UNKNOWN for campus phones, unless the month has traffic; never fires"},
		{output: "T6", columns: []string{"service_type"}, effect: "UNKNOWN unless flow, or broadband in use, is known; never fires"},
		{output: "T6", columns: stopped, effect: "UNKNOWN for broadband, unless flow is known; never fires"},
		{output: "T6", columns: months("bb_flow_kb", 0, 1), effect: "UNKNOWN for stopped broadband"},
		{output: "T7", columns: months("other_ld_sec", 0, 0), effect: unknown},
		{output: "T8", columns: months("fault_cnt", 0, 0), effect: unknown},
		{output: "T9", columns: []string{"complaint_result"}, effect: neverFires},
		{output: "T10", columns: []string{"event_flags"}, effect: neverFires},
		{output: "T11", columns: []string{"contract_end"}, effect: neverFires},
		{output: "T12", columns: []string{"event_flags"}, effect: neverFires},
		{output: "T13", columns: []string{"event_flags"}, effect: neverFires},
		{output: "T14", columns: []string{"event_flags"}, effect: neverFires},
		{output: "T14", columns: []string{"vip_class", "group_id"}, every: true, effect: neverFires},
		{output: "tenure: T1, T2, new_sub", columns: []string{"tenure_months", "activation_date"}, every: true, effect: "history is taken as long enough; new_sub is 2"},
		{output: "silent", columns: calls, effect: "2 unless a call is known; never 1"},
		{output: "silent_any", columns: use, effect: "2 unless some use is known; never 1"},
		{output: "recent_silent", columns: calls, effect: "2 unless it is known not to be; never 1"},
		{output: "recent_silent", columns: slices.Concat(months("out_cnt", 1, 1), months("in_cnt", 1, 1)), every: true, effect: "2 unless a call in the month is known; never 1"},
		{output: "silent_run, last_active_month", columns: calls, effect: "-1 and 0 unless a call in the month is known"},
		{output: "account_state", columns: months("status", 0, 0), effect: "0 in every row"},
		{output: "arpu3_fen, value_tier, expected_loss_fen", columns: months("fee", 0, 2), effect: "from the months there are; NO_VALUE when there is none"},
		{output: "retain_decision MIGRANT", columns: slices.Concat([]string{"city_code"}, months("cell_city_code", 0, 1)), effect: "never taken"},
		{output: "retain_decision GIVE_UP_BAD_DEBT", columns: []string{"arrears_fen"}, effect: "by the mark of malicious arrears alone"},
		{output: "retain_decision GIVE_UP_BAD_DEBT", columns: suspensions, every: true, effect: "by the mark of malicious arrears alone"},
		{output: "churn_kind SWITCH", columns: []string{"silent_class"}, effect: "never suspected"},
		{output: "churn_kind SWITCH", columns: suspected, effect: "never suspected"},
		{output: "churn_kind SWITCH", columns: months("status", 0, 0), effect: "never confirmed"},
		{output: "churn_kind SWITCH", columns: months("status", 1, schema.Months-1), every: true, effect: "confirmed for numbers ported out alone"},
		{output: "churn_kind BRAND_DOWN", columns: months("brand", 0, 0), effect: "never found"},
		{output: "churn_kind BRAND_DOWN", columns: months("brand", 1, schema.Months-1), every: true, effect: "never found"},
		{output: "churn_kind ARPU_DOWN", columns: months("fee", 0, schema.Months-1), effect: unknown},
		{output: "lifecycle_stage", columns: []string{"tenure_months", "activation_date"}, every: true, effect: "0 in every row"},
		{output: "lifecycle_stage", columns: months("fee", 0, schema.Months-1), every: true, effect: "neither forming nor stable"},
		{output: "traffic_class", columns: slices.Concat(months("out_sec", 0, 1), months("in_sec", 0, 1)), effect: "0 in every row"},
		{output: "grade", columns: months("fee", 0, schema.Months-1), every: true, effect: "the record's alone"},
		{output: "cause_evidence MULTI_SIM, INTERNAL_TRANSFER", columns: []string{"silent_class"}, effect: "never found"},
		{output: "complaint_topic", columns: []string{"complaint_tags"}, effect: "0 in every row"},
		{output: "justified", columns: []string{"complaint_justified"}, effect: "2 in every row"},
	}
}

func months(column string, from, to int) []string {
	return schema.Must(schema.Subscriber, column).Between(from, to)
}

// Unknowns lists the outputs that absent canonical columns leave unknown,
// triggers first, then the models' features that are missing in every row.
func Unknowns(spec job.Spec, m Model, absent []string) ([]Unknown, error) {
	var list []Unknown
	for _, n := range needs(spec) {
		missing := among(n.columns, absent)
		if len(missing) == 0 || n.every && len(missing) < len(n.columns) {
			continue
		}
		list = append(list, Unknown{Output: n.output, Missing: missing, Effect: n.effect})
	}
	columns := make(map[string][]string) // of the job's own features
	for _, f := range formula.Describe(spec) {
		if !f.Rule {
			columns[f.Name] = f.Columns
			continue
		}
		if missing := among(f.Columns, absent); len(missing) > 0 {
			list = append(list, Unknown{Output: "rule " + f.Name, Missing: missing, Effect: "UNKNOWN unless the rest of it decides"})
		}
	}
	for i, one := range append([]Model{m}, m.Challengers...) {
		of := "model"
		if i > 0 {
			of = "challenger " + spec.Model.Challengers[i-1].Name
		}
		lost, err := unknownFeatures(spec, one, of, columns, absent)
		if err != nil {
			return nil, err
		}
		list = append(list, lost...)
	}
	return list, nil
}

// unknownFeatures lists the features of one model that are missing in every row.
// columns are those that the job's own features read, by name.
func unknownFeatures(spec job.Spec, m Model, of string, columns map[string][]string, absent []string) ([]Unknown, error) {
	var list []Unknown
	for i, column := range m.Bound {
		if inner, _, ok := feature.FromUnit(column); ok {
			column = inner
		}
		sources := []string{}
		if e, ok := feature.Find(column); ok {
			sources = among(e.Sources, absent)
		} else if own, ok := ownName(column); ok {
			sources = among(columns[own], absent)
		} else if flat, ok := feature.FromFeature(column); ok {
			sources = among([]string{flat}, absent)
		}
		if len(sources) == 0 {
			continue
		}
		lost, err := missingWithout(spec, column, absent)
		if err != nil {
			return nil, err
		}
		if lost {
			list = append(list, Unknown{
				Output:  of + " feature " + m.Features[i],
				Missing: sources, Effect: "missing in every row; the model takes its default branch",
			})
		}
	}
	return list, nil
}

// among returns the names that are in the list, in their order.
func among(names, list []string) []string {
	var found []string
	for _, n := range names {
		if slices.Contains(list, n) {
			found = append(found, n)
		}
	}
	return found
}

// missingWithout reports whether a feature is missing in every row when the
// absent columns are. It asks the kernels: they are given one row that has
// everything else, a subscriber of long standing with 1 in every column.
func missingWithout(spec job.Spec, column string, absent []string) (bool, error) {
	name := column
	if flat, ok := feature.FromFeature(column); ok {
		name = flat
	} else if own, ok := ownName(column); ok {
		name = own
	}
	p, _, err := ForFeatures(spec, []string{name})
	if err != nil {
		return false, fmt.Errorf("work out what %s needs: %w", name, err)
	}
	mem := memory.NewGoAllocator()
	var fields []arrow.Field
	var arrays []arrow.Array
	for i, flat := range p.Columns() {
		typ := p.read[i].Type
		data := memory.NewResizableBuffer(mem)
		data.Resize(8)
		clear(data.Bytes())
		data.Bytes()[0] = 1 // little-endian: 1 in every integer type
		valid, nulls := memory.NewBufferBytes([]byte{1}), 0
		if slices.Contains(absent, flat) {
			valid, nulls = memory.NewBufferBytes([]byte{0}), 1
		}
		fields = append(fields, arrow.Field{Name: flat, Type: typ, Nullable: true})
		arrays = append(arrays, array.MakeFromData(array.NewData(typ, 1, []*memory.Buffer{valid, data}, nil, nulls, 0)))
	}
	program := p.Program(1, mem)
	defer program.Release()
	out, err := program.Eval(array.NewRecord(arrow.NewSchema(fields, nil), arrays, 1), []uint64{13_000_000_000}, nil)
	if err != nil {
		return false, err
	}
	v := out.Column(1).(*array.Float64).Value(0)
	return v != v, nil
}
