package chart

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// element is one of a drawing's, with its attributes.
type element struct {
	name string
	of   map[string]string
}

func parse(t *testing.T, svg []byte) (all []element) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(string(svg)))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("it is not XML: %v\n%s", err, svg)
		}
		if s, ok := token.(xml.StartElement); ok {
			e := element{s.Name.Local, map[string]string{}}
			for _, a := range s.Attr {
				e.of[a.Name.Local] = a.Value
			}
			all = append(all, e)
		}
	}
}

func (e element) number(t *testing.T, key string) float64 {
	t.Helper()
	f, err := strconv.ParseFloat(e.of[key], 64)
	if err != nil {
		t.Fatalf("%s of %s: %v", key, e.name, err)
	}
	return f
}

func TestBarsAreAsHighAsTheirValuesAndStacked(t *testing.T) {
	t.Parallel()
	c := Chart{Title: "a < b & \"c\"", Unit: "ns", Axis: "stage", Labels: []string{"x", "y"}, Series: []Series{{"read", []float64{10, 20}}, {"score", []float64{30, math.NaN()}}}}
	var bars []element
	for _, e := range parse(t, c.SVG()) {
		if e.name == "rect" && e.of["width"] != "10" { // that is the legend's
			bars = append(bars, e)
		}
	}
	if len(bars) != 3 {
		t.Fatalf("%d bars, want 3", len(bars))
	}
	const unit = tall / 40.0
	for i, want := range []struct{ high, foot float64 }{{10, 0}, {30, 10}, {20, 0}} {
		high, foot := bars[i].number(t, "height")/unit, (top+tall-bars[i].number(t, "y")-bars[i].number(t, "height"))/unit
		if math.Abs(high-want.high) > 0.1 || math.Abs(foot-want.foot) > 0.1 {
			t.Errorf("bar %d is %.1f high from %.1f, want %v", i, high, foot, want)
		}
	}
}

func TestLinesGoThroughTheirPoints(t *testing.T) {
	t.Parallel()
	c := Chart{Title: "t", Labels: []string{"1", "2", "4"}, Series: []Series{{"a", []float64{1, 2, math.NaN()}}, {"b", []float64{1, 2, 4}}}, Lines: true}
	points := 0
	for _, e := range parse(t, c.SVG()) {
		if e.name == "circle" {
			points++
			if y := e.number(t, "cy"); y < top || y > top+tall {
				t.Errorf("a point at %v is outside", y)
			}
		}
	}
	if points != 5 {
		t.Errorf("%d points, want 5", points)
	}
}

func TestTheAxisEndsAtOrAboveTheHighest(t *testing.T) {
	t.Parallel()
	for _, highest := range []float64{0, 1e-9, 0.3, 1, 5, 7, 99, 100, 101, 1234567, 5e12} {
		step, most := scale(highest)
		if marks := most / step; most < highest*(1-1e-12) || marks > lineMarks+1 || step <= 0 {
			t.Errorf("up to %v: steps of %v to %v", highest, step, most)
		}
	}
}

func TestTheSameFiguresGiveTheSameBytes(t *testing.T) {
	t.Parallel()
	c := Chart{Title: "t", Labels: []string{"1", "2"}, Series: []Series{{"a", []float64{1, 2}}}}
	first := c.SVG()
	if !slices.Equal(first, c.SVG()) {
		t.Error("two drawings differ")
	}
	for _, empty := range []Chart{{}, {Lines: true, Series: []Series{{}}}, {Labels: []string{"x"}, Series: []Series{{"a", []float64{math.Inf(1)}}}}} {
		if text := string(empty.SVG()); strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
			t.Errorf("%+v is drawn as %s", empty, text)
		}
		parse(t, empty.SVG())
	}
	for scheme, want := range map[string]string{"dark": "prefers-color-scheme:dark", "plain": "role=\"img\""} {
		if !strings.Contains(string(first), want) {
			t.Errorf("%s: no %s", scheme, want)
		}
	}
}

func TestFiguresAreShort(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]string{0: "0", 0.25: "0.25", 999: "999", 9999: "9999", 12345: "12.35k", 2_000_000: "2M", 1.5e9: "1.5G"} {
		if got := value(v); got != want {
			t.Errorf("%v is written %s, want %s", v, got, want)
		}
	}
}
