package source

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"rescore/partition/store"
)

const monthMark = "{month}"

// splitRoot splits an input path into the folder before its first pattern and the
// rest, by which Open finds the files. Open looks below the store's root for the
// rest alone.
func splitRoot(p string) (root, rest string) {
	p = path.Clean(strings.ReplaceAll(p, `\`, "/"))
	dirs := strings.Split(p, "/")
	cut := len(dirs) - 1
	for i, d := range dirs {
		if isPattern(d) {
			cut = i
			break
		}
	}
	if last := dirs[cut]; last == "." || last == ".." || last == "" {
		return p, ""
	}
	root = strings.Join(dirs[:cut], "/")
	switch {
	case root == "" && strings.HasPrefix(p, "/"):
		root = "/"
	case root == "":
		root = "."
	}
	return root, strings.Join(dirs[cut:], "/")
}

func isPattern(s string) bool { return strings.ContainsAny(s, "*?[") || strings.Contains(s, monthMark) }

// find returns the objects that rest names: itself, everything in the folders
// it names, or everything a pattern matches. Names whose last or inner elements
// start with _ or . are no input.
func find(ctx context.Context, st store.Store, rest string) ([]store.Info, error) {
	prefix := rest
	if i := strings.IndexAny(rest, "*?["); i >= 0 {
		prefix = rest[:strings.LastIndexByte(rest[:i], '/')+1]
	}
	if _, err := path.Match(rest, ""); err != nil {
		return nil, fmt.Errorf("pattern %s: %w", rest, err)
	}
	list, err := st.List(ctx, prefix)
	if err != nil && !errors.Is(err, store.ErrNotExist) {
		return nil, fmt.Errorf("list input: %w", err)
	}
	depth := strings.Count(rest, "/") + 1
	var found []store.Info
	for _, info := range list {
		names := strings.Split(info.Name, "/")
		if rest == "" {
			depth = 0
		}
		if len(names) < depth {
			continue
		}
		head, inner := strings.Join(names[:depth], "/"), names[depth:]
		if ok, _ := path.Match(rest, head); !ok && head != rest {
			continue
		}
		if !hidden(inner) && !wildHidden(rest, names) {
			found = append(found, info)
		}
	}
	return found, nil
}

// wildHidden reports whether a wildcard, rather than a name spelled out, met a
// hidden element.
func wildHidden(pattern string, names []string) bool {
	for i, p := range strings.Split(pattern, "/") {
		if strings.ContainsAny(p, "*?[") && hidden(names[i:i+1]) && p[0] != names[i][0] {
			return true
		}
	}
	return false
}

func hidden(names []string) bool {
	for _, n := range names {
		if strings.HasPrefix(n, "_") || strings.HasPrefix(n, ".") {
			return true
		}
	}
	return false
}

// formatOf tells the format of a file by its name.
func formatOf(name string) (string, error) {
	name = strings.ToLower(name)
	packed := path.Ext(name) == ".gz" || path.Ext(name) == ".zst"
	if packed {
		name = strings.TrimSuffix(name, path.Ext(name))
	}
	switch path.Ext(name) {
	case ".parquet", ".parq", ".pq":
		if !packed {
			return "parquet", nil
		}
		return "", fmt.Errorf("a compressed Parquet file cannot be read, decompress it first: %w", ErrFormat)
	case ".arrow", ".arrows", ".feather", ".ipc":
		if !packed {
			return "arrow", nil
		}
		return "", fmt.Errorf("a compressed Arrow file cannot be read, decompress it first, or compress its record batches: %w", ErrFormat)
	case ".csv", ".tsv", ".txt":
		return "csv", nil
	case ".zip", ".bz2", ".xz":
		return "", fmt.Errorf("of compressed files those of gzip and zstd are read, decompress it first: %w", ErrFormat)
	}
	return "", fmt.Errorf("neither .parquet, .arrow nor .csv; set input.format, or move it out of the input: %w", ErrFormat)
}
