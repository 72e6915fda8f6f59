package job

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// TestASpecOfAnotherReleaseIsRefused takes a key away, and adds one, as a release
// before and one after this would have written the spec.
func TestASpecOfAnotherReleaseIsRefused(t *testing.T) {
	t.Parallel()
	spec := Default()
	spec.Name, spec.Month, spec.Input.Path, spec.Model.Path, spec.Output.Path = "a", 202610, "b<c>", "c", "d"
	spec.Features = []Formula{{Name: "drop", Text: "fee[0] < 1"}}
	whole := spec.Canonical()
	var indented bytes.Buffer // as a manifest has it
	if err := json.Indent(&indented, bytes.ReplaceAll(whole, []byte("<"), []byte(`\u003c`)), "  ", "  "); err != nil {
		t.Fatal(err)
	}
	for _, data := range [][]byte{whole, indented.Bytes()} {
		if got, err := ParseCanonical(data); err != nil || got.Digest() != spec.Digest() {
			t.Errorf("%v", err)
		}
	}
	for _, c := range []struct{ from, to, says string }{
		{`"t2_mode":"four_point",`, "", "rules.t2_mode"},
		{`"save_rate":0.2,`, "", "policy.save_rate"},
		{`"t2_mode":`, `"t2_moods":1,"t2_mode":`, "t2_moods"},
	} {
		data := strings.Replace(string(whole), c.from, c.to, 1)
		if data == string(whole) {
			t.Fatalf("there is no %s in %s", c.from, whole)
		}
		if _, err := ParseCanonical([]byte(data)); !errors.Is(err, ErrRelease) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.says, err)
		}
	}
	if _, err := ParseCanonical(whole[:len(whole)-1]); err == nil || errors.Is(err, ErrRelease) {
		t.Errorf("half a spec: %v", err)
	}
}
