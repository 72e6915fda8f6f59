package program

import (
	"bytes"
	"errors"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"rescore/worker/feature"
	"rescore/worker/kernel"
	"rescore/worker/score"
)

// TestEverythingSaysWhatTheJobSays runs a job's program, the one that makes
// every column, and the one of the triggers over the same rows.
func TestEverythingSaysWhatTheJobSays(t *testing.T) {
	t.Parallel()
	const size = 500
	spec, m := standard(t)
	jobs := planned(t, spec, m)
	all, err := Everything(spec, m)
	if err != nil {
		t.Fatal(err)
	}
	triggers, err := ForRules(spec, func() (Model, error) { return Model{}, errors.New("no rule asks for the model") })
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(all.Wanted(), func(f kernel.Field) bool { return f.Name == "fault_cnt3" }) {
		t.Error("a feature the model does not use is not there")
	}
	for _, c := range triggers.Columns() {
		if slices.Contains([]string{"elogin_cnt_m0", "sms_cnt_m0", "balance_fen_m0", "city_code", "region"}, c) {
			t.Errorf("the triggers read %s", c)
		}
	}
	r := draw(rand.New(rand.NewPCG(5, 5)), all, size)
	rec := r.record(memory.DefaultAllocator, 0, size)
	answers := map[*Plan]arrow.Record{}
	for _, p := range []*Plan{jobs, all, triggers} {
		g := p.Program(size, memory.DefaultAllocator)
		defer g.Release()
		var fields []arrow.Field
		var columns []arrow.Array
		for _, f := range p.read {
			at := rec.Schema().FieldIndices(f.Name)[0]
			fields, columns = append(fields, rec.Schema().Field(at)), append(columns, rec.Column(at))
		}
		mine := array.NewRecord(arrow.NewSchema(fields, nil), columns, size)
		if answers[p], err = g.Eval(mine, r.key, r.bad); err != nil {
			t.Fatal(err)
		}
	}
	compared := 0
	for p, answer := range answers {
		for c, f := range p.Wanted() {
			at := answers[all].Schema().FieldIndices(f.Name)
			if len(at) == 0 {
				t.Errorf("%s is not among everything", f.Name)
				continue
			}
			if !bytes.Equal(answer.Column(c).Data().Buffers()[1].Bytes(), answers[all].Column(at[0]).Data().Buffers()[1].Bytes()) {
				t.Errorf("column %s differs", f.Name)
			}
			compared++
		}
	}
	if least := len(jobs.want) + 2 + len(feature.Dictionary); compared < least {
		t.Errorf("%d columns were compared", compared)
	}
	column := func(name string) arrow.Array { return answers[all].Column(answers[all].Schema().FieldIndices(name)[0]) }
	decided, applies := column("retain_decision").(*array.Uint8), column("decision_ranks").(*array.Uint16)
	taken := map[score.Decision]bool{}
	for i := range size {
		taken[decided.Value(i)] = true
		if first := score.Ranks()[bits.TrailingZeros16(applies.Value(i))]; first != decided.Value(i) {
			t.Fatalf("row %d: decided %d, and the first that applies is %d", i, decided.Value(i), first)
		}
	}
	if len(taken) < 7 {
		t.Errorf("only %d decisions are taken", len(taken))
	}
}
