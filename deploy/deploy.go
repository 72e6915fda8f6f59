// Package deploy holds what is installed beside the binary, and the parts of it
// that the binary carries: the models a job file names as builtin:NAME.
package deploy

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

//go:embed model/*/model.txt model/*/model.yaml
var models embed.FS

// Model returns a built-in model file, LightGBM's or a scorecard. The error lists the
// names there are.
func Model(name string) ([]byte, error) {
	for _, file := range []string{"model.txt", "model.yaml"} {
		if data, err := models.ReadFile(path.Join("model", name, file)); err == nil {
			return data, nil
		}
	}
	entries, err := fs.ReadDir(models, "model")
	if err != nil {
		return nil, fmt.Errorf("list built-in models: %w", err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, "builtin:"+e.Name())
	}
	return nil, fmt.Errorf("there is no built-in model %q; there are %s", name, strings.Join(names, ", "))
}
