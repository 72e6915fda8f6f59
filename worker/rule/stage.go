package rule

import (
	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/kernel"
	"rescore/worker/lane"
)

// Stages of the lifecycle, as published.
const (
	trial    = 1
	forming  = 2
	stable   = 3
	declined = 4
)

// lifecycle says how a subscriber stands with the operator (domain C18).
//
//	tenure below trial_months ────────────► trial 考察期
//	any sign of decline ──────────────────► decline 衰退期
//	tenure below stable_months ───────────► forming 形成期
//	fee falls by at most stable_slope_pct ► stable 稳定期
//	between ──────────────────────────────► as before (hysteresis)
//
// Signs of decline are a fee that falls by more than decline_slope_pct a month,
// so many triggers fired, so many silent months. One that holds decides; where
// none holds and one is unknown, so is the stage. Unknown triggers count as not
// fired. A stage is kept from forming on: what was on trial is past it, and on a
// first run, or after an unknown stage, there is nothing to keep.
type lifecycle struct {
	spec  kernel.Spec
	rules job.Rules

	left, x, y    lane.Mask
	decline, sign lane.Truth
	stage         [3]lane.Mask // its bits
	bits          []*lane.Mask
	slope         [lane.Rows]float64
}

// NewLifecycle returns the kernel of lifecycle_stage.
func NewLifecycle(rules job.Rules) kernel.Kernel {
	l := &lifecycle{rules: rules}
	u8 := arrow.PrimitiveTypes.Uint8
	silence := silence(rules)
	if rules.DeclineSilentMonths > 1 {
		silence = kernel.Field{Name: "silent_run", Type: arrow.PrimitiveTypes.Int8}
	}
	l.spec = kernel.Spec{
		Name: "rule.lifecycle",
		In: append([]kernel.Field{
			kernel.HistoryTenure, {Name: "fee_slope", Type: arrow.PrimitiveTypes.Float64}, {Name: "trg_count", Type: u8}, silence,
		}, kernel.Columns("lifecycle_prev", 0, 0)...),
		Out: []kernel.Field{{Name: "lifecycle_stage", Type: u8}},
	}
	l.bits = []*lane.Mask{&l.stage[0], &l.stage[1], &l.stage[2]}
	return l
}

func (l *lifecycle) Spec() kernel.Spec { return l.spec }

func (l *lifecycle) Eval(n int, in, out []kernel.Vector) {
	for lo := 0; lo < n; lo += lane.Rows {
		hi := min(lo+lane.Rows, n)
		slope, tenure, prev := l.slope[:hi-lo], in[0].I16[lo:hi], in[4].U8[lo:hi]
		lane.Scale(slope, in[1].F64[lo:hi], 100)
		l.signs(slope, in[2].U8[lo:hi], &in[3], lo, hi)
		for _, b := range l.bits {
			b.Fill(false)
		}
		// left holds the rows that have no stage yet.
		lane.Less(&l.left, tenure, 0)
		l.left.Not(&l.left)
		lane.Less(&l.x, tenure, int16(l.rules.TrialMonths))
		l.enter(trial, &l.x)
		l.enter(declined, &l.decline.Is)
		l.left.And(&l.left, &l.decline.Not)
		lane.Less(&l.x, tenure, int16(l.rules.StableMonths))
		l.enter(forming, &l.x)
		lane.Less(&l.x, slope, -l.rules.StableSlopePct)
		l.x.Not(&l.x)
		l.enter(stable, &l.x)
		l.x.Valid(in[4].Valid, lo, hi-lo)
		l.left.And(&l.left, &l.x)
		for stage := uint8(forming); stage <= declined; stage++ {
			lane.Equal(&l.x, prev, stage)
			l.enter(stage, &l.x)
		}
		lane.Pack(out[0].U8[lo:hi], l.bits)
	}
}

// enter gives a stage to the rows of m that are left.
func (l *lifecycle) enter(stage uint8, m *lane.Mask) {
	m.And(m, &l.left)
	l.left.AndNot(&l.left, m)
	for k, b := range l.bits {
		if stage>>k&1 != 0 {
			b.Or(b, m)
		}
	}
}

// signs works out whether there is a sign of decline.
func (l *lifecycle) signs(slope []float64, fired []uint8, silence *kernel.Vector, lo, hi int) {
	lane.Less(&l.x, slope, -l.rules.DeclineSlopePct)
	lane.Known(&l.y, slope)
	l.decline.Know(&l.x, &l.y)

	lane.Less(&l.sign.Not, fired, uint8(l.rules.DeclineTriggers))
	l.sign.Is.Not(&l.sign.Not)
	l.decline.Or(&l.decline, &l.sign)

	switch months := l.rules.DeclineSilentMonths; {
	case months > schema.Months:
		return // never
	case months == 1: // a silent month may begin before the window, or after a gap
		lane.Equal(&l.sign.Is, silence.U8[lo:hi], yes)
		lane.Equal(&l.sign.Not, silence.U8[lo:hi], no)
	default:
		run := silence.I8[lo:hi]
		lane.Less(&l.x, run, int8(months))
		l.sign.Is.Not(&l.x)
		lane.Less(&l.y, run, 0)
		l.sign.Not.AndNot(&l.x, &l.y)
	}
	l.decline.Or(&l.decline, &l.sign)
}
