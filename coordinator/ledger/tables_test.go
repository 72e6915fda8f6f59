package ledger

import (
	"errors"
	"testing"

	"rescore/partition/job"
)

func TestEveryEventOfATaskIsAccountedFor(t *testing.T) {
	t.Parallel()
	slices := []job.Slice{{Month: 0, Rows: 7}, {Month: 5, Rows: 9}, {Month: 6, Rows: 3}, {Month: 7, Rows: 4}, {Month: 7, File: 1, Rows: 1}}
	first := job.TableCounts{In: 3, Within: 1, Outside: 1, Orphan: 1}
	second := job.TableCounts{In: 5, Within: 4, Rejected: 1, BadValues: 2}
	for name, c := range map[string]struct {
		tables []job.TableCounts
		good   bool
	}{
		"all":              {[]job.TableCounts{first, second}, true},
		"a table of none":  {[]job.TableCounts{first, second, {}}, true},
		"nothing":          {nil, false},
		"a table lost":     {[]job.TableCounts{first}, false},
		"exchanged":        {[]job.TableCounts{second, first}, false},
		"an event lost":    {[]job.TableCounts{first, {In: 4, Within: 3, Rejected: 1}}, false},
		"events of nobody": {[]job.TableCounts{first, second, {In: 1, Within: 1}}, false},
		"not conserved":    {[]job.TableCounts{first, {In: 5, Within: 5, Rejected: 1}}, false},
		"below none":       {[]job.TableCounts{first, {In: 5, Within: 6, Rejected: -1}}, false},
	} {
		if err := checkTables(slices, c.tables); (err == nil) != c.good || err != nil && !errors.Is(err, ErrCounts) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
