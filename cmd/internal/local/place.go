package local

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"rescore/deploy"
	"rescore/partition/store"
	"rescore/worker"
	"rescore/worker/bundle"
)

// Places is where the paths of a job file lead on this machine.
var Places = worker.Places{Input: inputStore, Output: outputStore, Model: readModel}

// builtin is the prefix of models that are part of the binary.
const builtin = "builtin:"

// place turns a path of a job file into an absolute one.
func place(base, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(base, path)
}

// inputStore opens the deepest folder that a pattern names plainly, and returns
// the rest of the pattern: usage/month={month} is month={month} below usage.
func inputStore(base, pattern string) (store.Store, string, error) {
	root := filepath.ToSlash(place(base, pattern))
	var rest []string
	for strings.ContainsAny(root, "*?[{") {
		dir, last := filepath.Split(root)
		rest = append([]string{last}, rest...)
		root = filepath.Clean(dir)
	}
	info, err := os.Stat(root)
	if err != nil {
		return nil, "", fmt.Errorf("%w; give input.path a file, a folder or a pattern that exists", err)
	}
	if !info.IsDir() {
		dir, last := filepath.Split(root)
		rest = append([]string{last}, rest...)
		root = filepath.Clean(dir)
	}
	st, err := store.NewFile(root)
	if err != nil {
		return nil, "", err
	}
	if len(rest) == 0 {
		rest = []string{"."}
	}
	return st, strings.Join(rest, "/"), nil
}

// outputStore opens the dataset's folder, and makes it when it is not there.
func outputStore(base, path string) (store.Store, error) {
	dir := place(base, path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make output folder: %w", err)
	}
	return store.NewFile(dir)
}

// readModel reads a model file or package below base, or one of the models in the
// binary.
func readModel(base, path string) ([]byte, error) {
	if strings.HasPrefix(path, builtin) {
		return ReadModel(path)
	}
	return ReadModel(place(base, path))
}

// ReadModel reads a model file, a package's folder, or one of the models in the
// binary, as bundle.Read takes them.
func ReadModel(path string) ([]byte, error) {
	if name, ok := strings.CutPrefix(path, builtin); ok {
		return deploy.Model(name)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return bundle.Pack(os.DirFS(path))
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()                        // opened for reading only
	return io.ReadAll(io.LimitReader(file, bundle.BytesMax+1)) // what is longer is refused for its length
}
