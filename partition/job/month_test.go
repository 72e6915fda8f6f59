package job

import (
	"slices"
	"testing"
)

func TestMonthsWithoutFilesAreMissing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		month  int32
		layout string
		kind   string
		back   []int // of each file
		want   []int32
	}{
		"all are there":              {202610, "months", "", []int{0, 1, 2, 3, 4, 5}, nil},
		"in any order, and twice":    {202610, "months", "", []int{5, 3, 3, 1, 0, 0, 4, 2}, nil},
		"one gap":                    {202610, "months", KindScore, []int{0, 1, 3, 4, 5}, []int32{202608}},
		"the last first":             {202610, "months", "", []int{0, 2, 4}, []int32{202609, 202607, 202605}},
		"over the year's end":        {202602, "months", "", []int{0, 4}, []int32{202601, 202512, 202511, 202509}},
		"of January":                 {202601, "months", "", []int{0, 2, 3, 4, 5}, []int32{202512}},
		"nothing was found yet":      {202606, "months", "", nil, []int32{202606, 202605, 202604, 202603, 202602, 202601}},
		"tables fill no month":       {202610, "months", "", []int{0, 1, 2, 3, 4, 6, 7}, []int32{202605}},
		"nor what comes after":       {202610, "months", "", []int{-1, 0, 1, 2, 3, 4}, []int32{202605}},
		"months are columns":         {202610, "wide", "", []int{0}, nil},
		"nothing of columns yet":     {202610, "wide", "", nil, nil},
		"a preparation reads none":   {202610, "months", KindPrepare, []int{0}, nil},
		"a spec of another release":  {0, "", "", []int{0}, nil},
		"the scoring month was gone": {202610, "months", "", []int{1, 2, 3, 4, 5}, []int32{202610}},
	} {
		s := Spec{Kind: c.kind, Month: c.month, Input: Input{Layout: c.layout}}
		var files []InputFile
		for _, k := range c.back {
			files = append(files, InputFile{Month: k})
		}
		if got := s.MissingMonths(files); !slices.Equal(got, c.want) || (got == nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
