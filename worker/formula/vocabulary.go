package formula

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/feature"
	"rescore/worker/kernel"
)

// kind is what a value is.
type kind uint8

const (
	invalid    kind = iota // a mistake was reported; whatever is done with it is no other
	numeric                // a number with a unit
	boolean                // true, false or unknown
	coded                  // one of a column's codes
	flags                  // a set of bits
	identifier             // a number that names something: equal or not
	text                   // a text in quotes
)

// String returns the kind as the check prints it.
func (k kind) String() string {
	return [...]string{"nothing", "number", "boolean", "code", "flags", "identifier", "text"}[k]
}

// origin is where a column comes from.
type origin uint8

const (
	ofRecord     origin = iota + 1 // schema.Subscriber
	ofDictionary                   // feature.Dictionary
	ofExtra                        // input.extra
	ofFeatures                     // the users' own
	ofTriggers                     // t1 … t14
	ofScore                        // schema.Score
)

// String returns the origin as rescore features list prints it.
func (o origin) String() string {
	return [...]string{"", "record", "dictionary", "extra column", "features file", "trigger", "score"}[o]
}

// column is something a formula can name.
type column struct {
	name    string
	origin  origin
	typ     arrow.DataType
	kind    kind
	unit    unit
	monthly bool
	codes   []code    // of coded columns and flags, without what means null
	null    []float64 // values that mean null, beside the bitmap
	zero    bool      // null means 0
	bit     uint      // of a trigger
	says    string    // when it is null, in words
}

// code is a value, or a bit, and what it is called.
type code struct {
	value int64
	names []string
}

// field is the column of the program that holds month k.
func (c *column) field(k int) kernel.Field {
	f := kernel.Field{Name: c.name, Type: c.typ}
	switch {
	case c.monthly:
		f.Name += "_m" + strconv.Itoa(k)
	case c.origin == ofExtra:
		f.Name = Extra(c.name)
	case c.origin == ofFeatures:
		f.Name = Column(c.name)
	}
	return f
}

// Column is what a user's own feature is called inside the program.
func Column(name string) string { return "formula(" + name + ")" }

// Extra is what an extra column of the job is called inside the program, where
// its own name may be a feature's: a base that brings its own tenure is scored
// with it.
func Extra(name string) string { return "extra(" + name + ")" }

// names are what formulas can name.
type names map[string]*column

// near returns the name that was probably meant.
func (v names) near(name string) (string, bool) {
	return job.Closest(name, slices.Sorted(maps.Keys(v)))
}

// early are the columns of the score that are there before the model is asked,
// so that features may read them. Rules run last and read them all.
var early = []string{"silent", "silent_any", "recent_silent", "silent_run", "account_state", "arpu3_fen", "value_tier", "new_sub", "dq_bad_values"}

// late are the columns that are worked out over the whole base after the rules,
// and the rules themselves.
var late = []string{schema.Key, Fired, Unknown, "action_priority_score", "action_priority"}

// vocabulary returns what the features or the rules of a job can name beside the
// users' own features. Extra columns come before what has the same name.
func vocabulary(spec job.Spec, rules bool) names {
	v := names{}
	add := func(c *column) {
		if _, taken := v[c.name]; !taken {
			v[c.name] = c
		}
	}
	for _, x := range spec.Input.Extra {
		c := &column{name: x.Name, origin: ofExtra, typ: arrow.PrimitiveTypes.Float64, kind: numeric, unit: bare, says: "missing in the input"}
		if len(x.Values) > 0 {
			c.kind = coded
			for i, value := range x.Values {
				c.codes = append(c.codes, code{int64(i), []string{value}})
			}
		}
		add(c)
	}
	for _, name := range spec.Input.Extras()[len(spec.Input.Extra):] {
		add(&column{name: name, origin: ofExtra, typ: arrow.PrimitiveTypes.Float64, kind: numeric, unit: bare, says: "no event"})
	}
	for _, e := range feature.Dictionary {
		u := unitOf(e.Unit)
		u.bare = e.Unit == schema.None
		add(&column{name: e.Name, origin: ofDictionary, typ: e.Type, kind: numeric, unit: u, says: e.Null})
	}
	for t := range triggers {
		add(&column{name: fmt.Sprintf("t%d", t+1), origin: ofTriggers, kind: boolean, bit: uint(t), says: "not evaluable"})
	}
	for _, c := range schema.Subscriber {
		if c.Name != schema.Key {
			add(described(c, ofRecord))
		}
	}
	for _, c := range schema.Score {
		if !slices.Contains(late, c.Name) && (rules || slices.Contains(early, c.Name)) {
			add(described(c, ofScore))
		}
	}
	return v
}

// triggers is how many there are (domain C03).
const triggers = 14

// described turns a column of a record into one of the language.
func described(c schema.Column, from origin) *column {
	out := &column{name: c.Name, origin: from, typ: c.Type, kind: numeric, unit: unitOf(c.Unit), monthly: c.Monthly, says: c.Null}
	out.unit.bare = c.Unit == schema.None
	list := c.Codes
	switch {
	case c.Type.ID() == arrow.DATE32:
		out.unit = date
	case len(c.Codes) > 0:
		out.kind = coded
	case len(c.Flags) > 0:
		out.kind, list = flags, c.Flags
	case c.Type.ID() == arrow.UINT32 || c.Type.ID() == arrow.UINT64:
		out.kind = identifier
	}
	for _, known := range list {
		if known.Name == "unknown" {
			out.null = append(out.null, float64(known.Value)) // what is not known is null, whatever stands for it
			continue
		}
		out.codes = append(out.codes, code{int64(known.Value), []string{known.Name, known.Chinese}})
	}
	if from == ofRecord {
		switch as0 := strings.HasSuffix(c.Null, ", as 0"); {
		case as0 && out.kind == identifier:
			out.null = []float64{0} // no group has the number 0
		case as0 && len(out.null) == 0:
			out.zero, out.says = true, ""
		}
		return out
	}
	if sentinel, _, ok := strings.Cut(c.Null, ":"); ok {
		if value, err := strconv.ParseInt(sentinel, 10, 64); err == nil && !slices.Contains(out.null, float64(value)) {
			out.null = append(out.null, float64(value))
		}
	}
	return out
}

// find returns the code of a name.
func (c *column) find(name string) (int64, bool) {
	for _, known := range c.codes {
		if slices.Contains(known.names, name) {
			return known.value, true
		}
	}
	return 0, false
}

// words lists the codes' first names.
func (c *column) words() []string {
	list := make([]string, len(c.codes))
	for i, known := range c.codes {
		list[i] = known.names[0]
	}
	return list
}
