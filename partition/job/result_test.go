package job

import "testing"

func TestOnlyRunsThatFollowEachOtherInAFileAreJoined(t *testing.T) {
	t.Parallel()
	s := Slice{Month: 1, File: 2, First: 10, Rows: 5, Offset: 100, Bytes: 50}
	for name, after := range map[string]Slice{
		"another month": {Month: 0, File: 2, First: 15, Rows: 1, Offset: 150, Bytes: 9},
		"another file":  {Month: 1, File: 3, First: 15, Rows: 1, Offset: 150, Bytes: 9},
		"a row between": {Month: 1, File: 2, First: 16, Rows: 1, Offset: 150, Bytes: 9},
		"a blank line":  {Month: 1, File: 2, First: 15, Rows: 1, Offset: 151, Bytes: 9},
	} {
		if got := s; got.Join(after) || got != s {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if !s.Join(Slice{Month: 1, File: 2, First: 15, Rows: 1, Offset: 150, Bytes: 9}) || s != (Slice{Month: 1, File: 2, First: 10, Rows: 6, Offset: 100, Bytes: 59}) {
		t.Errorf("joined they are %+v", s)
	}
}
