package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"rescore/cmd/internal/boot"
	"rescore/cmd/internal/capacity"
)

// figuresFormat is the first key of the file of figures.
const figuresFormat = 1

type figures struct {
	Format  int                 `json:"format"`
	Figures []capacity.Measured `json:"figures"`
}

// ReadFigures reads what Keep kept; nothing when there is no such file.
func ReadFigures(path string) ([]capacity.Measured, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read figures: %w", err)
	}
	var f figures
	if err := json.Unmarshal(data, &f); err != nil || f.Format != figuresFormat {
		return nil, boot.WithCode(fmt.Errorf("%s holds no figures that this version can read", path), boot.Failure, "delete it, or name another with --figures: rescore bench job writes it anew")
	}
	return f.Figures, nil
}

// Keep adds figures to a file, in the place of those of the same job, size and machine.
func Keep(path string, m capacity.Measured) error {
	list, err := ReadFigures(path)
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(figures{figuresFormat, capacity.Keep(list, m)}, "", "  ")
	if err != nil {
		return fmt.Errorf("write figures: %w", err)
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write figures: %w", err)
	}
	// Written beside it and renamed: two at once leave one or the other.
	draft, err := os.CreateTemp(dir, "figures-")
	if err != nil {
		return fmt.Errorf("write figures: %w", err)
	}
	_, err = draft.Write(append(data, '\n'))
	err = errors.Join(err, draft.Close())
	if err == nil {
		err = os.Rename(draft.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write figures: %w", errors.Join(err, os.Remove(draft.Name())))
	}
	return nil
}
