//go:build hdfs

package hdfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/colinmarc/hdfs/v2"

	"rescore/partition/store"
)

// exception is the name of the Java exception that a namenode or a datanode answered
// with, without its package and the class around it, or "".
func exception(err error) string {
	var remote hdfs.Error
	if !errors.As(err, &remote) {
		return ""
	}
	name := remote.Exception()
	return name[strings.LastIndexAny(name, ".$")+1:]
}

func absent(err error) bool {
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	switch exception(err) {
	case "FileNotFoundException", "ParentNotDirectoryException":
		return true
	}
	return false
}

func taken(err error) bool {
	if errors.Is(err, fs.ErrExist) {
		return true
	}
	switch exception(err) {
	case "AlreadyBeingCreatedException", "RecoveryInProgressException":
		return true
	}
	return false
}

// lost reports whether there was no answer, or one that says to come again.
func lost(err error) bool {
	var remote hdfs.Error
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), sentinel(err) != nil,
		errors.Is(err, fs.ErrInvalid):
		return false
	case errors.As(err, &remote):
		switch exception(err) {
		case "SafeModeException", "RetriableException", "StandbyException":
			return true
		}
		return false
	}
	return true
}

// sentinel returns what callers branch on, where it is no matter of the network.
func sentinel(err error) error {
	for _, known := range []error{store.ErrChanged, store.ErrTooLarge, store.ErrExist, store.ErrNotExist, store.ErrAbandoned, store.ErrName, ErrUnfinished} {
		if errors.Is(err, known) {
			return known
		}
	}
	switch {
	case absent(err):
		return store.ErrNotExist
	case taken(err):
		return store.ErrExist
	case errors.Is(err, fs.ErrPermission):
		return store.ErrDenied
	}
	switch exception(err) {
	case "AccessControlException":
		return store.ErrDenied
	case "QuotaExceededException", "DSQuotaExceededException", "NSQuotaExceededException", "DiskOutOfSpaceException":
		return store.ErrNoSpace
	case "InvalidPathException", "PathComponentTooLongException":
		return store.ErrName
	}
	return nil
}

// explain says what was attempted on which object, and adds the sentinel.
func explain(doing, name string, err error) error {
	is := sentinel(err)
	if is == nil && lost(err) {
		is = store.ErrUnavailable
	}
	if is == nil || errors.Is(err, is) {
		return fmt.Errorf("%s %s: %w", doing, name, err)
	}
	return fmt.Errorf("%s %s: %w (%w)", doing, name, is, cause(err))
}

// cause strips the path, which repeats the name.
func cause(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}
