package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"rescore/deploy"
	"rescore/partition/store"
	"rescore/partition/store/address"
	"rescore/worker"
	"rescore/worker/bundle"
)

// Places is where the paths of a job file lead on this machine.
var Places = worker.Places{Input: inputStore, Output: outputStore, Model: readModel}

// builtin is the prefix of models that are part of the binary.
const builtin = "builtin:"

func inputStore(ctx context.Context, base, pattern string) (store.Store, string, error) {
	return address.OpenInput(ctx, address.Resolve(base, pattern))
}

func outputStore(base, path string) (store.Store, error) {
	return address.Open(address.Resolve(base, path))
}

// workFolder is the folder that the ledger of a run lies in.
func workFolder(o Options) (string, error) {
	work := address.Resolve(o.Base, o.Spec.Run.Work)
	if address.Remote(work) {
		return "", inputError(fmt.Errorf("run.work %s: the ledger needs a disk; write a folder of this machine", work))
	}
	return work, nil
}

// readModel reads a model file or package below base, or one of the models in the
// binary.
func readModel(ctx context.Context, base, path string) ([]byte, error) {
	if strings.HasPrefix(path, builtin) {
		return ReadModel(ctx, path)
	}
	return ReadModel(ctx, address.Resolve(base, path))
}

// ReadModel reads a model file, a package's folder, or one of the models in the
// binary, as bundle.Read takes them.
func ReadModel(ctx context.Context, path string) ([]byte, error) {
	if name, ok := strings.CutPrefix(path, builtin); ok {
		return deploy.Model(name)
	}
	if address.Remote(path) {
		return readRemote(ctx, path)
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

// readRemote reads a model that is one object, or a package, whose files are below
// its address.
func readRemote(ctx context.Context, at string) ([]byte, error) {
	dir, name := path.Split(strings.TrimSuffix(at, "/"))
	parent, err := address.Open(strings.TrimSuffix(dir, "/"))
	if err != nil {
		return nil, err
	}
	data, err := parent.Get(ctx, name, bundle.BytesMax)
	if !errors.Is(err, store.ErrNotExist) {
		return data, err
	}
	folder, err := address.Open(at)
	if err != nil {
		return nil, err
	}
	list, err := folder.List(ctx, "")
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s: %w", at, os.ErrNotExist)
	}
	var files []bundle.File
	left := int64(bundle.BytesMax)
	for _, info := range list {
		if hidden(info.Name) {
			continue // no part of a package
		}
		if left -= info.Size; left < 0 || len(files) == bundle.FilesMax {
			return nil, fmt.Errorf("read model package: with %s there are more than %d files or %d MiB; keep only the package's own files below %s", info.Name, bundle.FilesMax, bundle.BytesMax>>20, at)
		}
		data, err := folder.Get(ctx, info.Name, info.Size)
		if err != nil {
			return nil, fmt.Errorf("read model package: %w", err)
		}
		files = append(files, bundle.File{Name: info.Name, Data: data})
	}
	return bundle.PackFiles(files)
}

func hidden(name string) bool { return strings.HasPrefix(name, ".") || strings.Contains(name, "/.") }
