package matrix

import (
	"math"
	"strings"

	"rescore/worker/model"
)

// codes are the categories of a pandas column, whose numbers in the list are what
// the trees know. The zero value is that of any other column.
type codes struct {
	text    map[string]float64 // nil for a column that is none
	value   map[float64]float64
	numbers bool // a category's text looks like a number
	unseen  float64
}

// codesOf returns the codes of each feature. The model says which lists of
// categories there were, but not of which columns: they are those it knows
// categories of, where there are as many. Other columns hold numbers.
func codesOf(e *model.Ensemble) []codes {
	list := make([]codes, len(e.Features))
	var columns []int
	for i, r := range e.Ranges {
		if r != "none" && !strings.HasPrefix(r, "[") {
			columns = append(columns, i)
		}
	}
	if len(columns) != len(e.Pandas) {
		return list
	}
	unseen := math.NaN()
	if e.Library == "PMML" { // which tells a category that it does not list from a missing one
		unseen = -1
	}
	for i, categories := range e.Pandas {
		c := codes{text: make(map[string]float64), value: make(map[float64]float64), unseen: unseen}
		for code, category := range categories {
			if c.text[category.Text] = float64(code); category.Number {
				if x, ok := parse([]byte(category.Text)); ok {
					c.value[x] = float64(code)
				}
			}
			if _, ok := parse([]byte(category.Text)); ok {
				c.numbers = true
			}
		}
		list[columns[i]] = c
	}
	return list
}

// find returns the code of a field's category. One that training did not have is
// missing, NaN; of a PMML model it is -1, which is invalid. It is not ok when a number
// stands where no category looks like one.
func (c codes) find(cell []byte) (float64, bool) {
	text := strings.TrimSpace(string(cell))
	if code, ok := c.text[text]; ok {
		return code, true
	}
	x, number := parse(cell)
	if code, ok := c.value[x]; number && ok {
		return code, true
	}
	if number && !math.IsNaN(x) && !c.numbers {
		return 0, false
	}
	if math.IsNaN(x) && number {
		return x, true
	}
	return c.unseen, true
}
