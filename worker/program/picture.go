package program

import (
	"reflect"
	"slices"
	"strings"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/schema"
	"rescore/worker/feature"
	"rescore/worker/kernel"
)

// Picture is a program as a reader wants to see it: the way of the data from the
// columns read, room by room, to the columns written.
type Picture struct {
	Read       []Cell   `json:"read"`       // columns of the input, in order
	ReadBytes  int      `json:"read_bytes"` // a row
	Handed     []Cell   `json:"handed"`     // what the reader hands over beside the columns
	Unread     []string `json:"unread"`     // canonical columns nobody needs
	Rooms      []Room   `json:"rooms"`
	Uncomputed []string `json:"uncomputed"` // features nobody needs
	Write      []Cell   `json:"write"`
	WriteBytes int      `json:"write_bytes"` // a row, before encoding
	BatchRows  int      `json:"batch_rows"`
	// Between is what the columns between the kernels take for a batch, Own what
	// the kernels keep for themselves: scratch, tables, the model. Bytes.
	Between int `json:"between_bytes"`
	Own     int `json:"own_bytes"`
}

// Room holds the kernels that do the same kind of thing. The program runs them
// by Place, which may go back and forth between rooms.
type Room struct {
	Name    string `json:"name"`
	Kernels []Step `json:"kernels"`
}

// Step is one kernel.
type Step struct {
	Place int    `json:"place"` // in the order of the program, from 1
	Name  string `json:"name"`
	Reads []Cell `json:"reads"`
	Makes []Cell `json:"makes"`
	Own   int    `json:"own_bytes"`
}

// Cell is a column and its bytes a row; a null costs one bit more.
type Cell struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Bytes int    `json:"bytes"`
	From  string `json:"from,omitempty"` // the kernel that makes it; "" is the input
}

// rooms are the names of rooms by what the kernels in them are called, in the
// order in which a reader goes through the house; the first prefix that fits
// counts.
var rooms = []struct{ prefix, room string }{
	{"feature.history", "history"}, {"feature.", "features"}, {"formula.", "users' own"}, {"rule.", "rules"},
	{"score.propensity", "model"}, {"score.value", "value"}, {"score.loss", "value"}, {"score.", "decision"}, {"", "other"},
}

func roomOf(kernelName string) string {
	for _, r := range rooms {
		if strings.HasPrefix(kernelName, r.prefix) {
			return r.room
		}
	}
	panic("program: no room for " + kernelName) // the last prefix fits everything
}

// Picture draws the program as it is in batches of batchRows rows.
func (p *Plan) Picture(batchRows int) Picture {
	makers := map[string]string{}
	for _, k := range p.kernels {
		for _, f := range k.Spec().Out {
			makers[f.Name] = k.Spec().Name
		}
	}
	cells := func(fields []kernel.Field) (list []Cell, bytes int) {
		list = []Cell{}
		for _, f := range fields {
			width := f.Type.(arrow.FixedWidthDataType).Bytes()
			list = append(list, Cell{Name: f.Name, Type: f.Type.String(), Bytes: width, From: makers[f.Name]})
			bytes += width
		}
		return list, bytes
	}
	c := Picture{BatchRows: batchRows, Rooms: []Room{}, Unread: []string{}, Uncomputed: []string{}}
	c.Read, c.ReadBytes = cells(p.read)
	c.Write, c.WriteBytes = cells(p.want)
	handed, width := cells(p.handed)
	c.Handed, c.Between = handed, width*batchRows
	seen := map[unsafe.Pointer]bool{}
	inside := map[string][]Step{}
	for i, k := range p.kernels {
		spec := k.Spec()
		s := Step{Place: i + 1, Name: spec.Name, Own: held(reflect.ValueOf(k), seen)}
		s.Reads, _ = cells(spec.In)
		s.Makes, width = cells(spec.Out)
		c.Between += width * batchRows
		c.Own += s.Own
		room := roomOf(spec.Name)
		inside[room] = append(inside[room], s)
	}
	for _, r := range rooms {
		if kernels := inside[r.room]; len(kernels) > 0 {
			c.Rooms = append(c.Rooms, Room{Name: r.room, Kernels: kernels})
			delete(inside, r.room)
		}
	}
	for _, column := range schema.Subscriber {
		for _, flat := range column.Names() {
			if !slices.ContainsFunc(append(p.read, p.handed...), func(f kernel.Field) bool { return f.Name == flat }) {
				c.Unread = append(c.Unread, flat)
			}
		}
	}
	for _, e := range feature.Dictionary {
		if makers[e.Name] == "" {
			c.Uncomputed = append(c.Uncomputed, e.Name)
		}
	}
	return c
}

// held counts the bytes of the slices that hang on a kernel: what it keeps
// between batches. It looks at the value itself, so that no kernel can forget to
// say what it keeps. What two kernels share counts once.
func held(v reflect.Value, seen map[unsafe.Pointer]bool) (bytes int) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() || seen[v.UnsafePointer()] {
			return 0
		}
		seen[v.UnsafePointer()] = true
		return held(v.Elem(), seen)
	case reflect.Interface:
		if !v.IsNil() {
			return held(v.Elem(), seen)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[kernel.Spec]() {
			return 0
		}
		for i := range v.NumField() {
			bytes += held(v.Field(i), seen)
		}
	case reflect.Array:
		if !flat(v.Type().Elem()) {
			for i := range v.Len() {
				bytes += held(v.Index(i), seen)
			}
		}
	case reflect.Slice:
		if v.Cap() == 0 || seen[v.UnsafePointer()] {
			return 0
		}
		seen[v.UnsafePointer()] = true
		bytes = v.Cap() * int(v.Type().Elem().Size())
		if !flat(v.Type().Elem()) {
			for i := range v.Len() {
				bytes += held(v.Index(i), seen)
			}
		}
	}
	return bytes
}

// flat reports whether values of a type hold nothing outside themselves.
func flat(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Slice, reflect.Struct, reflect.Map, reflect.String, reflect.Func, reflect.Chan:
		return false
	case reflect.Array:
		return flat(t.Elem())
	}
	return true
}
