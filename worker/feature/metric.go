package feature

import (
	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/kernel"
	"rescore/worker/lane"
)

// metricOf says how a monthly column becomes features.
type metricOf struct {
	column string
	usage  bool // compared per day; money only where the rules say so
}

// metrics are the monthly columns with features, in dictionary order.
var metrics = []metricOf{
	{"fee", false}, {"out_sec", true}, {"in_sec", true}, {"sms_cnt", true}, {"data_kb", true},
	{"recharge_fen", false}, {"recharge_cnt", false}, {"elogin_cnt", true},
}

// metric computes the statistics asked for of one monthly column.
type metric struct {
	spec   kernel.Spec
	months int // that are read
	stats  []stat
	window window

	compared int           // months
	all      lane.Compared // of the chunk
}

func newMetric(of metricOf, stats []stat, rules job.Rules, month int32) *metric {
	column := schema.Must(schema.Subscriber, of.column)
	m := &metric{stats: stats}
	there, compared := 0, 0
	for _, s := range stats {
		m.months = max(m.months, s.months)
		if s.compare {
			compared = max(compared, s.months)
		} else {
			there = max(there, s.months)
		}
		m.spec.Out = append(m.spec.Out, field(of.column+"_"+s.suffix))
	}
	m.spec.Name = "feature." + of.column
	m.spec.In = kernel.Columns(of.column, 0, m.months-1)
	m.spec.In = append(m.spec.In, kernel.History, kernel.HistoryCompare)

	m.compared = compared
	m.window.months = newMonthly(column.Type)
	m.window.there, m.window.compared = newPresence(there), newPresence(compared)
	factors := raw()
	if of.usage || column.Unit == schema.Fen && rules.FeeNormaliseDays {
		factors = perDay(month)
	}
	for k := range factors {
		m.window.w[k] = float64(factors[k])
	}
	return m
}

// field returns a feature's field.
func field(name string) kernel.Field {
	return kernel.Field{Name: name, Type: arrow.PrimitiveTypes.Float64}
}

func (m *metric) Spec() kernel.Spec { return m.spec }

func (m *metric) Eval(n int, in, out []kernel.Vector) {
	history, compare := in[m.months].U8, in[m.months+1].U8
	for lo := 0; lo < n; lo += chunk {
		hi := min(lo+chunk, n)
		m.window.open(in[:m.months], lo, history[lo:hi], compare[lo:hi])
		for j, s := range m.stats {
			if dst := out[j].F64[lo:hi]; s.into != nil {
				*s.into(&m.all) = dst
			} else {
				s.fill(dst, &m.window)
			}
		}
		switch {
		case m.compared == schema.Months:
			m.window.months.compare(&m.all, hi-lo, m.window.compared, &m.window.w)
		case m.all.Change != nil: // alone: nothing else compares two months
			m.window.months.change(m.all.Change, m.window.compared, &m.window.w)
		}
	}
}
