// Package chart draws bars and lines as SVG: what a report needs, in a file that a
// browser, a Markdown viewer and a diff can read. The same figures give the same
// bytes. Colours follow the reader's light or dark scheme.
package chart

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Series is one row of values, one a label. NaN is a value that is not there.
type Series struct {
	Name   string
	Values []float64
}

// Chart is bars or lines over labels. Bars of several series are stacked.
type Chart struct {
	Title  string
	Unit   string // of the values
	Axis   string // what the labels are
	Labels []string
	Series []Series
	Lines  bool // lines; otherwise bars
}

const (
	width, height            = 720, 360
	left, right, top, bottom = 76, 20, 56, 56
	room, tall               = width - left - right, height - top - bottom
	lineMarks                = 5 // on the axis of values, about
)

// style gives the series eight colours that are told apart by those who see red and
// green alike too (Okabe and Ito's), somewhat lighter on dark.
const style = `<style>
text{font:12px system-ui,sans-serif;fill:#24292f}
.t{font-size:15px;font-weight:600}
.g{stroke:#d0d7de;stroke-width:1}
.s0{fill:#0072b2;stroke:#0072b2}.s1{fill:#e69f00;stroke:#e69f00}.s2{fill:#009e73;stroke:#009e73}.s3{fill:#cc79a7;stroke:#cc79a7}
.s4{fill:#56b4e9;stroke:#56b4e9}.s5{fill:#d55e00;stroke:#d55e00}.s6{fill:#b8a800;stroke:#b8a800}.s7{fill:#6e7781;stroke:#6e7781}
rect{stroke-width:0}
path{fill:none;stroke-width:2}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.g{stroke:#444c56}.s0{fill:#4aa3df;stroke:#4aa3df}.s2{fill:#2fc79a;stroke:#2fc79a}}
</style>
`

// SVG draws the chart.
func (c Chart) SVG() []byte {
	var b bytes.Buffer
	step, most := scale(c.highest())
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\">\n<title>%s</title>\n%s", width, height, width, height, escape(c.Title), style)
	fmt.Fprintf(&b, "<text class=\"t\" x=\"%d\" y=\"22\">%s</text>\n", left, escape(c.Title))
	y := func(v float64) float64 { return top + tall - tall*v/most }
	for i := 0; float64(i)*step <= most*(1+1e-9); i++ {
		v := float64(i) * step
		fmt.Fprintf(&b, "<path class=\"g\" d=\"M%d %sH%d\"/><text x=\"%d\" y=\"%s\" text-anchor=\"end\">%s</text>\n", left, number(y(v)), width-right, left-8, number(y(v)+4), value(v))
	}
	fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", left-8, top-12, escape(c.Unit))
	n := max(1, len(c.Labels))
	each := float64(room) / float64(n)
	middle := func(i int) float64 { return left + each*(float64(i)+0.5) }
	for i, l := range c.Labels {
		fmt.Fprintf(&b, "<text x=\"%s\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", number(middle(i)), top+tall+18, escape(l))
	}
	fmt.Fprintf(&b, "<text x=\"%s\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", number(left+float64(room)/2), height-12, escape(c.Axis))
	if c.Lines {
		c.lines(&b, middle, y)
	} else {
		c.bars(&b, middle, each, most)
	}
	c.legend(&b)
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func (c Chart) lines(b *bytes.Buffer, x func(int) float64, y func(float64) float64) {
	for k, s := range c.Series {
		var path strings.Builder
		pen := byte('M')
		for i := range c.Labels {
			v := s.at(i)
			if math.IsNaN(v) {
				pen = 'M'
				continue
			}
			fmt.Fprintf(&path, "%c%s %s", pen, number(x(i)), number(y(v)))
			pen = 'L'
			fmt.Fprintf(b, "<circle class=\"s%d\" cx=\"%s\" cy=\"%s\" r=\"3\"><title>%s %s: %s</title></circle>\n", k%8, number(x(i)), number(y(v)), escape(s.Name), escape(c.Labels[i]), value(v))
		}
		fmt.Fprintf(b, "<path class=\"s%d\" style=\"fill:none\" d=\"%s\"/>\n", k%8, path.String())
	}
}

func (c Chart) bars(b *bytes.Buffer, x func(int) float64, each, most float64) {
	wide := min(each*0.7, 80)
	for i := range c.Labels {
		foot := 0.0
		for k, s := range c.Series {
			v := s.at(i)
			if math.IsNaN(v) || v <= 0 {
				continue
			}
			high := tall * v / most
			foot += high
			fmt.Fprintf(b, "<rect class=\"s%d\" x=\"%s\" y=\"%s\" width=\"%s\" height=\"%s\"><title>%s %s: %s</title></rect>\n",
				k%8, number(x(i)-wide/2), number(top+tall-foot), number(wide), number(high), escape(c.Labels[i]), escape(s.Name), value(v))
		}
	}
}

// legend names the series, when there is more than one.
func (c Chart) legend(b *bytes.Buffer) {
	if len(c.Series) < 2 {
		return
	}
	x := float64(left)
	for k, s := range c.Series {
		fmt.Fprintf(b, "<rect class=\"s%d\" x=\"%s\" y=\"32\" width=\"10\" height=\"10\"/><text x=\"%s\" y=\"41\">%s</text>\n", k%8, number(x), number(x+14), escape(s.Name))
		x += 28 + 7*float64(len([]rune(s.Name)))
	}
}

func (s Series) at(i int) float64 {
	if i >= len(s.Values) || math.IsInf(s.Values[i], 0) {
		return math.NaN()
	}
	return s.Values[i]
}

// highest is what has to fit: the highest point, or the highest stack.
func (c Chart) highest() float64 {
	most := 0.0
	for i := range c.Labels {
		sum := 0.0
		for _, s := range c.Series {
			if v := s.at(i); v > 0 {
				if sum += v; c.Lines {
					most = max(most, v)
				}
			}
		}
		if !c.Lines {
			most = max(most, sum)
		}
	}
	return most
}

// scale chooses the distance of the axis' marks, 1, 2 or 5 times a power of ten,
// and where it ends.
func scale(highest float64) (step, most float64) {
	if highest <= 0 {
		return 1, 1
	}
	step = math.Pow(10, math.Floor(math.Log10(highest/lineMarks)))
	for _, m := range []float64{1, 2, 5, 10} {
		if highest/(m*step) <= lineMarks {
			step *= m
			break
		}
	}
	return step, step * math.Ceil(highest/step-1e-9)
}

// number writes a coordinate.
func number(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }

// value writes a figure: 1234567 as 1.235M.
func value(v float64) string {
	for _, u := range []struct {
		size float64
		mark string
	}{{1e9, "G"}, {1e6, "M"}, {1e4, "k"}} {
		if v >= u.size {
			if u.size == 1e4 {
				u.size = 1e3
			}
			return strconv.FormatFloat(v/u.size, 'g', 4, 64) + u.mark
		}
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(s)
}
