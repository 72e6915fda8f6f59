package job

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// bounds are the limits of one key, as its jsonschema tag states them: the
// editor's schema and this package's validation cannot disagree.
type bounds struct {
	enum      []string
	low, high float64
	lowOpen   bool // low itself is not allowed
}

func boundsOf(tag string) bounds {
	b := bounds{low: math.Inf(-1), high: math.Inf(1)}
	for part := range strings.SplitSeq(tag, ",") {
		name, text, _ := strings.Cut(part, "=")
		switch name {
		case "enum":
			b.enum = append(b.enum, text)
		case "minimum":
			b.low = number(text)
		case "exclusiveMinimum":
			b.low, b.lowOpen = number(text), true
		case "maximum":
			b.high = number(text)
		}
	}
	return b
}

func number(text string) float64 {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		panic(fmt.Sprintf("job: bound %q is not a number", text))
	}
	return f
}

// check reports what breaks b. Empty text passes: whether a key may be left out
// is for Validate to say.
func (b bounds) check(v reflect.Value) (message, remedy string) {
	var f float64
	switch v.Kind() {
	case reflect.String:
		if len(b.enum) > 0 && v.String() != "" && !slices.Contains(b.enum, v.String()) {
			return fmt.Sprintf("%q is not known", clip(v.String())), writeOneOf(v.String(), b.enum)
		}
		return "", ""
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		f = float64(v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		f = float64(v.Uint())
	case reflect.Float64:
		f = v.Float()
	default:
		return "", ""
	}
	text := strconv.FormatFloat(f, 'f', -1, 64)
	switch {
	case len(b.enum) > 0 && !slices.Contains(b.enum, text):
		return text + " is not known", "write " + oneOf(b.enum)
	case f != f || b.lowOpen && f <= b.low || f < b.low || f > b.high:
		return text + " is out of bounds", "write a number " + b.String()
	}
	return "", ""
}

// String returns the interval in words.
func (b bounds) String() string {
	plain := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
	from := "from " + plain(b.low)
	if b.lowOpen {
		from = "above " + plain(b.low)
	}
	switch {
	case math.IsInf(b.high, 1):
		return from
	case math.IsInf(b.low, -1):
		return "up to " + plain(b.high)
	case b.lowOpen:
		return from + " up to " + plain(b.high)
	}
	return from + " to " + plain(b.high)
}

// outOfBounds walks v and reports every value that breaks the bounds in its
// tag, in the order of the struct.
func outOfBounds(v reflect.Value, path string, b bounds) []Problem {
	var problems []Problem
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			tag := v.Type().Field(i).Tag
			if tag.Get("yaml") == "-" {
				continue
			}
			problems = append(problems, outOfBounds(v.Field(i), join(path, tag.Get("yaml")), boundsOf(tag.Get("jsonschema")))...)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			problems = append(problems, outOfBounds(v.Index(i), fmt.Sprintf("%s[%d]", path, i), b)...)
		}
	case reflect.Map:
		if v.Type().Elem().Kind() != reflect.Struct {
			break // the tag is of the values, which Validate knows by name
		}
		for _, key := range slices.SortedFunc(slices.Values(v.MapKeys()), func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) }) {
			problems = append(problems, outOfBounds(v.MapIndex(key), join(path, key.String()), bounds{})...)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			problems = outOfBounds(v.Elem(), path, b)
		}
	default:
		if message, remedy := b.check(v); message != "" {
			problems = append(problems, Problem{Path: path, Message: message, Remedy: remedy})
		}
	}
	return problems
}
