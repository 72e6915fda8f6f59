package fault

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

func TestEveryFailpointIsListed(t *testing.T) {
	hit := regexp.MustCompile(`failpoint\.Hit\("([^"]+)"\)`)
	var code, listed []string
	for _, room := range []string{"coordinator", "worker", "partition"} {
		err := filepath.WalkDir(filepath.Join("..", "..", "..", room), func(path string, d fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" || filepath.Base(filepath.Dir(path)) == "failpoint" {
				return err
			}
			data, err := os.ReadFile(path)
			for _, m := range hit.FindAllSubmatch(data, -1) {
				code = append(code, string(m[1]))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range failpoints {
		listed = append(listed, p.name)
	}
	slices.Sort(code)
	code = slices.Compact(code) // a store's points are the same in each store
	if !slices.Equal(code, listed) {
		t.Errorf("the code has the failpoints %q\nthe list has %q", code, listed)
	}
}
