package store

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// TempMark starts the last element of files that a store keeps for itself.
// They are never objects: no name may use it and no listing shows it.
const TempMark = ".put-"

// tailMark starts the last element of what keeps the end of an object that was extended.
const tailMark = ".tail-"

// kept reports whether the last element of a name is a store's own.
func kept(last string) bool {
	return strings.HasPrefix(last, TempMark) || strings.HasPrefix(last, tailMark)
}

// CheckName returns ErrName unless name may name an object: slash-separated
// elements, none of them empty, . or .., that every store can hold.
func CheckName(name string) error {
	if name == "." || !fs.ValidPath(name) || strings.ContainsAny(name, "\\\x00") {
		return fmt.Errorf("object %q: %w", name, ErrName)
	}
	if kept(path.Base(name)) {
		return fmt.Errorf("object %q: names starting %s or %s are kept for the store: %w", name, TempMark, tailMark, ErrName)
	}
	return nil
}

// Leads reports whether names below a folder can start with prefix, which CheckPrefix has
// passed: whether it is worth entering.
func Leads(folder, prefix string) bool {
	return strings.HasPrefix(folder+"/", prefix) || strings.HasPrefix(prefix, folder+"/")
}

// CheckPrefix returns the folder that holds every name starting with prefix,
// or ErrName for a prefix that no name can start with.
func CheckPrefix(prefix string) (folder string, err error) {
	i := strings.LastIndexByte(prefix, '/')
	if i < 0 {
		if strings.ContainsAny(prefix, "\\\x00") {
			return "", fmt.Errorf("prefix %q: %w", prefix, ErrName)
		}
		return ".", nil
	}
	folder = prefix[:i]
	if folder == "." || !fs.ValidPath(folder) || strings.ContainsAny(prefix, "\\\x00") {
		return "", fmt.Errorf("prefix %q: %w", prefix, ErrName)
	}
	return folder, nil
}
