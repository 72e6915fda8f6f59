package source

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/job"
	"rescore/partition/schema"
)

// column is one column of the record and where it comes from.
type column struct {
	name     string // flat canonical name, or the extra column's
	typ      arrow.DataType
	month    int    // the month whose files hold it, months back
	field    string // the input's name; "" when the input lacks it or it is constant
	constant *int64
	convs    map[string]*conversion // by path of the file
	long     *longTable             // whose aggregate it is, nil of the base's columns
	k        int                    // month of the aggregate
}

func (c *column) present() bool { return c.field != "" || c.constant != nil }

// units holds what one unit is in the base of its dimension: num/den canonical
// units. Only units of one dimension convert into each other.
var units = map[schema.Unit]struct {
	dimension string
	num, den  int64
}{
	schema.Fen: {"money", 1, 1}, schema.Yuan: {"money", 100, 1},
	schema.Second: {"time", 1, 1}, schema.Minute: {"time", 60, 1},
	schema.Byte: {"volume", 1, 1024}, schema.KB: {"volume", 1, 1}, schema.MB: {"volume", 1024, 1}, schema.GB: {"volume", 1024 * 1024, 1},
	schema.Count: {"count", 1, 1}, schema.Month: {"months", 1, 1}, schema.Day: {"days", 1, 1}, schema.Ratio: {"ratio", 1, 1},
	schema.None: {"", 1, 1},
}

func nullTokens(in job.Input) []string {
	if in.CSV.Null == nil {
		return []string{"", `\N`, "NULL"}
	}
	return in.CSV.Null
}

// resolver collects every problem of a mapping before any is reported.
type resolver struct {
	*Dataset
	problems []error
}

func (r *resolver) problem(format string, args ...any) {
	r.problems = append(r.problems, fmt.Errorf(format, args...))
}

// resolve maps every canonical and extra column to a field of the files.
func (d *Dataset) resolve() error {
	r := &resolver{Dataset: d}
	d.columns = map[string]*column{}
	known := map[string]bool{}
	for _, c := range schema.Subscriber {
		known[c.Name] = true
		m, mapped := d.spec.Input.Columns[c.Name]
		if c.Name == schema.Key {
			r.key(m, mapped)
			continue
		}
		if r.filled(c) {
			continue
		}
		num, den := r.unit(c, m)
		switch {
		case c.Monthly:
			r.monthly(c, m, mapped, num, den)
		default:
			if len(m.Months) > 0 {
				r.problem("columns.%s.months: it is not a monthly column; name one column", c.Name)
			}
			name := c.Name
			if m.Column != "" {
				name = m.Column
			}
			r.add(c, c.Name, name, 0, m, mapped && m.Column != "", num, den)
		}
	}
	names := make([]string, 0, len(d.spec.Input.Columns))
	for name := range d.spec.Input.Columns {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if !known[name] {
			all := make([]string, 0, len(schema.Subscriber))
			for _, c := range schema.Subscriber {
				all = append(all, c.Name)
			}
			r.problem("columns.%s: no such canonical column%s; use extra for columns of your own", name, closest(name, all))
		}
	}
	r.extras()
	r.aggregates()
	if c := d.columns[serviceType]; len(d.spec.Input.Exclude.ServiceTypes) > 0 && !c.present() {
		r.problem("exclude.service_types: the input has no column %s; map it, or exclude nothing by it", serviceType)
	}
	if len(r.problems) > 0 {
		return fmt.Errorf("%w: %w", ErrMapping, errors.Join(r.problems...))
	}
	return nil
}

// key finds the number's field in every file.
func (r *resolver) key(m job.Mapping, mapped bool) {
	if r.spec.Input.MakeNumbers != 0 {
		for _, f := range r.files {
			f.key = -1
		}
		return
	}
	r.keyName = schema.Key
	if m.Column != "" {
		r.keyName = m.Column
	}
	if mapped && (m.Unit != "" || m.Values != nil || m.Constant != nil || m.Months != nil || m.Format != "") {
		r.problem("columns.%s: a number takes a column and nothing else", schema.Key)
	}
	for _, f := range r.files {
		i, ok := f.byName[r.keyName]
		if !ok {
			r.problem("columns.%s: %s has no column %q%s; name it, or set make_numbers for a data set without numbers",
				schema.Key, f.name, r.keyName, closest(r.keyName, fieldNames(f)))
			continue
		}
		f.key = i
		switch fd := f.fields[i]; {
		case fd.refused != "":
			r.problem("columns.%s: column %q of %s cannot be read: %s", schema.Key, fd.name, f.name, fd.refused)
		case fd.scale != 0, fd.kind != kindI64 && fd.kind != kindF64 && fd.kind != kindText:
			r.problem("columns.%s: column %q of %s is a %s, which holds no 11-digit number; write it as INT64 or text", schema.Key, fd.name, f.name, fd.kind)
		}
	}
}

// unit returns what one unit of the mapping is in canonical units.
func (r *resolver) unit(c schema.Column, m job.Mapping) (num, den int64) {
	if m.Unit == "" {
		return 1, 1
	}
	u, ok := units[m.Unit]
	if !ok {
		var all []string
		for name := range units {
			all = append(all, string(name))
		}
		slices.Sort(all)
		r.problem("columns.%s.unit: no unit %q%s", c.Name, m.Unit, closest(string(m.Unit), all))
		return 1, 1
	}
	want := units[c.Unit]
	if u.dimension != want.dimension {
		if want.dimension == "" {
			r.problem("columns.%s.unit: it has no unit, %q cannot be one", c.Name, m.Unit)
		} else {
			r.problem("columns.%s.unit: %q is %s, the column is %s in %s", c.Name, m.Unit, u.dimension, want.dimension, c.Unit)
		}
		return 1, 1
	}
	return u.num, u.den // canonical units are the base of their dimension
}

// monthly maps the six columns of a monthly metric.
func (r *resolver) monthly(c schema.Column, m job.Mapping, mapped bool, num, den int64) {
	if len(m.Months) > schema.Months {
		r.problem("columns.%s.months: %d names, at most %d", c.Name, len(m.Months), schema.Months)
		return
	}
	if len(m.Months) > 0 && m.Column != "" {
		r.problem("columns.%s: give column or months, not both", c.Name)
		return
	}
	byMonth := r.spec.Input.Layout == "months"
	pattern := strings.Contains(m.Column, monthMark) || strings.Contains(m.Column, "{k}")
	if m.Column != "" && !pattern && !byMonth {
		r.problem("columns.%s.column: %q names one column for six months; put {month} or {k} in it, or list months", c.Name, m.Column)
		return
	}
	hits := 0
	for k := range schema.Months {
		month, name, must := 0, c.At(k), false
		if byMonth {
			month, name = k, c.Name
		}
		switch {
		case len(m.Months) > 0:
			name = ""
			if k < len(m.Months) {
				name, must = m.Months[k], m.Months[k] != ""
			}
		case m.Column != "":
			name = strings.ReplaceAll(m.Column, monthMark, fmt.Sprintf("%06d", job.MonthBack(r.spec.Month, k)))
			name = strings.ReplaceAll(name, "{k}", fmt.Sprint(k))
			must = byMonth && len(r.monthFiles(k)) > 0
		}
		r.add(c, c.At(k), name, month, m, must, num, den)
		if r.columns[c.At(k)].present() {
			hits++
		}
	}
	if mapped && m.Column != "" && !byMonth && hits == 0 {
		example := strings.ReplaceAll(strings.ReplaceAll(m.Column, monthMark, fmt.Sprintf("%06d", r.spec.Month)), "{k}", "0")
		r.problem("columns.%s.column: the input has none of the months of %q, such as %q%s", c.Name, m.Column, example, closest(example, fieldNames(r.files[0])))
	}
}

func (r *resolver) monthFiles(k int) []*inputFile {
	var out []*inputFile
	for _, f := range r.files {
		if f.month == k {
			out = append(out, f)
		}
	}
	return out
}

// add maps one flat canonical column; must says that the job names it.
func (r *resolver) add(c schema.Column, flat, name string, month int, m job.Mapping, must bool, num, den int64) {
	col := &column{name: flat, typ: c.Type, month: month, constant: m.Constant, convs: map[string]*conversion{}}
	r.columns[flat] = col
	lo, hi := bounds(c.Type)
	if m.Constant != nil {
		if *m.Constant < lo || *m.Constant > hi {
			r.problem("columns.%s.constant: %d does not fit %s", c.Name, *m.Constant, c.Type)
		}
		if m.Column != "" || len(m.Months) > 0 {
			r.problem("columns.%s: give column or constant, not both", c.Name)
		}
		r.present = append(r.present, flat)
		return
	}
	proto := conversion{
		goal: goalInt, num: num, den: den, lo: lo, hi: hi, exact: c.Unit == schema.None,
		codes: m.Values, nulls: r.Dataset.key.nulls,
	}
	if c.Type.ID() == arrow.DATE32 {
		proto.goal = goalDate
		proto.lo, proto.hi = -719162, 2932896 // years 1 to 9999
		if m.Format != "" {
			proto.layouts = []string{m.Format}
		}
		if m.Values != nil {
			r.problem("columns.%s.values: a date has no codes", c.Name)
		}
	} else if m.Format != "" {
		r.problem("columns.%s.format: it is not a date", c.Name)
	}
	if m.Keywords {
		if why := r.tagging(c, m); why != "" {
			r.problem("columns.%s.keywords: %s", c.Name, why)
		}
		proto.tags = r.tagger()
	}
	for text, v := range m.Values {
		if v < lo || v > hi {
			r.problem("columns.%s.values: the code %d of %q does not fit %s", c.Name, v, text, c.Type)
		}
	}
	if r.bind(col, "columns."+c.Name, name, month, must, proto) {
		r.present = append(r.present, flat)
	} else {
		r.absent = append(r.absent, flat)
	}
}

// bind looks name up in every file of a month.
func (r *resolver) bind(col *column, where, name string, month int, must bool, proto conversion) bool {
	if name == "" {
		return false
	}
	var with, without *inputFile
	for _, f := range r.monthFiles(month) {
		i, ok := f.byName[name]
		if !ok {
			without = f
			continue
		}
		with = f
		conv, why := adapt(proto, f.fields[i])
		if why != "" {
			r.problem("%s: column %q of %s %s", where, name, f.name, why)
			continue
		}
		col.convs[f.name] = conv
	}
	switch {
	case with == nil && must:
		f := r.files[0]
		if without != nil {
			f = without
		}
		r.problem("%s: %s has no column %q%s", where, f.name, name, closest(name, fieldNames(f)))
		return false
	case with == nil:
		return false
	case without != nil:
		r.problem("%s: column %q is in %s and not in %s; all files of a month need the same columns", where, name, with.name, without.name)
	}
	col.field = name
	return true
}

// adapt fits a conversion to a field, or says what is wrong with the field.
func adapt(c conversion, fd field) (*conversion, string) {
	if fd.refused != "" {
		return nil, "cannot be read: " + fd.refused
	}
	c.from, c.unsigned, c.perDay = fd.kind, fd.unsigned && fd.kind == kindI64, fd.perDay
	isDate := fd.kind == kindDay || fd.kind == kindStamp
	switch {
	case c.goal == goalInt && isDate:
		return nil, fmt.Sprintf("is a %s, the record wants a number", fd.kind)
	case c.goal == goalDate && (fd.kind == kindBool || fd.scale != 0):
		return nil, fmt.Sprintf("is a %s, the record wants a date", fd.kind)
	case c.goal == goalFloat && isDate:
		return nil, fmt.Sprintf("is a %s, a model wants a number", fd.kind)
	case c.tags != nil && fd.kind != kindText:
		return nil, fmt.Sprintf("is a %s, keywords are looked for in text", fd.kind)
	}
	for range fd.scale {
		c.den *= 10
		if c.den%10 == 0 && c.num%10 == 0 {
			c.den, c.num = c.den/10, c.num/10
		}
	}
	if c.den > 1<<40 {
		return nil, "is a decimal with too many places"
	}
	if c.codes != nil && fd.kind != kindText {
		c.intCodes = map[int64]int64{}
		for text, code := range c.codes {
			if d, o := parseDecimal([]byte(text)); o == valueOK {
				if v, fits, whole := d.scaled(1, 1); fits && whole {
					c.intCodes[v] = code
				}
			}
		}
	}
	if c.unsigned { // what is past the largest int64 reads as negative
		c.lo = max(c.lo, 0)
	}
	c.digits = c.goal == goalInt && c.codes == nil && c.tags == nil && c.num <= 1<<20 && c.den == 1
	_, listed := c.codes[""]
	c.blank = slices.Contains(c.nulls, "") && !listed
	for _, null := range c.nulls {
		c.digits = c.digits && (null == "" || (null[0] < '0' || null[0] > '9') && null[0] != '.')
	}
	if c.digits {
		c.table.lo, c.table.hi = c.lo, c.hi
		for places := range c.table.scale {
			if c.num%tens[places] == 0 {
				c.table.scale[places] = uint64(c.num / tens[places])
			}
		}
	}
	c.inLo, c.inHi = math.MinInt64/c.num, math.MaxInt64/c.num
	return &c, ""
}

// bounds returns the range of an integer type; uint64 ends at the largest int64.
func bounds(t arrow.DataType) (lo, hi int64) {
	switch t.ID() {
	case arrow.UINT8:
		return 0, math.MaxUint8
	case arrow.UINT32:
		return 0, math.MaxUint32
	case arrow.UINT64:
		return 0, math.MaxInt64
	case arrow.INT16:
		return math.MinInt16, math.MaxInt16
	case arrow.INT32, arrow.DATE32:
		return math.MinInt32, math.MaxInt32
	}
	return math.MinInt64, math.MaxInt64
}

// extras maps the passed-through columns, which come from the scoring month.
func (r *resolver) extras() {
	for i, e := range r.spec.Input.Extra {
		where := fmt.Sprintf("extra[%d] %s", i, e.Name)
		if e.Name == "" {
			r.problem("%s: it needs a name", where)
			continue
		}
		if r.columns[e.Name] != nil || e.Name == schema.Key {
			r.problem("%s: another column has this name", where)
			continue
		}
		name := e.Column
		if name == "" {
			name = e.Name
		}
		col := &column{name: e.Name, typ: arrow.PrimitiveTypes.Float64, convs: map[string]*conversion{}}
		r.columns[e.Name] = col
		proto := conversion{
			goal: goalFloat, num: 1, den: 1, lo: math.MinInt64, hi: math.MaxInt64, nulls: r.Dataset.key.nulls,
		}
		if e.Values != nil {
			proto.codes = make(map[string]int64, len(e.Values))
			for code, text := range e.Values {
				if _, twice := proto.codes[text]; twice {
					r.problem("%s: value %q is listed twice", where, text)
				}
				proto.codes[text] = int64(code)
			}
		}
		r.bind(col, where, name, 0, true, proto)
	}
}

func fieldNames(f *inputFile) []string {
	out := make([]string, len(f.fields))
	for i, fd := range f.fields {
		out[i] = fd.name
	}
	return out
}

// closest returns a suggestion when one of names is near to want.
func closest(want string, names []string) string {
	best, at := len(want)/2+1, ""
	for _, n := range names {
		if d := distance(strings.ToLower(want), strings.ToLower(n)); d < best && n != "" {
			best, at = d, n
		}
	}
	if at == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", at)
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diag := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := diag
			if a[i] != b[j] {
				d = 1 + min(diag, row[j], row[j+1])
			}
			diag, row[j+1] = row[j+1], d
		}
	}
	return row[len(b)]
}
