package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"rescore/partition/store"
)

// disk is where bytes live: an object store with every fault one has, behind the
// interface that coordinators and workers use.
type disk struct {
	s       *simulation
	objects map[string]*object
	full    bool // every write is refused
}

type object struct {
	data   []byte
	listed time.Duration // in listings from then on
	gone   time.Duration // deleted, and there until then; 0 = not deleted
}

func newDisk(s *simulation) *disk { return &disk{s: s, objects: map[string]*object{}} }

// latency draws how long a disk takes.
func (d *disk) latency() time.Duration {
	if d.s.w.chance(d.s.mix.slowDisk) {
		return d.s.w.within(200*time.Millisecond, 12*time.Second)
	}
	return d.s.w.within(50*time.Microsecond, 3*time.Millisecond)
}

var (
	errServer  = errors.New("503 slow down")
	errTimeout = errors.New("request timed out")
)

// at returns an object that can be read now.
func (d *disk) at(name string) *object {
	o := d.objects[name]
	if o == nil || o.gone != 0 && o.gone <= d.s.w.now() {
		return nil
	}
	return o
}

// put creates, and never overwrites.
func (d *disk) put(name string, data []byte) error {
	if d.full {
		return store.ErrNoSpace
	}
	if d.at(name) != nil {
		return store.ErrExist
	}
	d.objects[name] = &object{data: data, listed: d.s.w.now() + d.s.w.within(0, d.s.mix.stale+1)}
	d.s.check.wrote(name)
	return nil
}

// list is as old as the store likes.
func (d *disk) list(prefix string) []store.Info {
	var list []store.Info
	for _, name := range slices.Sorted(maps.Keys(d.objects)) {
		o := d.objects[name]
		if strings.HasPrefix(name, prefix) && o.listed <= d.s.w.now() && (o.gone == 0 || o.gone > d.s.w.now()) {
			list = append(list, store.Info{Name: name, Size: int64(len(o.data))})
		}
	}
	return list
}

// delete may take its time.
func (d *disk) delete(who, name string) {
	if o := d.at(name); o != nil && o.gone == 0 {
		o.gone = d.s.w.now() + d.s.w.within(0, d.s.mix.stale+1)
		d.s.check.deleted(who, name)
	}
}

// view is the disk as one process sees it, below a folder.
type view struct {
	disk    *disk
	process *process
	folder  string
}

func (v *view) String() string { return "sim://" + v.folder }

// do carries out one request: not at all, or twice as late as its answer, or just so.
func (v *view) do(doing, name string, write bool, act func() error) error {
	w, mix := v.disk.s.w, v.disk.s.mix
	var err error
	v.process.do(doing+" "+name, v.disk.latency, func() {
		switch {
		case w.chance(mix.storeError):
			err = errServer
		case write && w.chance(mix.storeTimeout):
			err = errTimeout
			switch w.rng.IntN(3) {
			case 0: // it never arrived
			case 1:
				_ = act()
			default:
				w.after(w.within(0, 20*time.Second), func() { _ = act() })
			}
		default:
			err = act()
		}
		if w.trace != nil {
			w.say(v.process.name, "%s %s: %v", doing, name, err)
		}
	})
	if err != nil {
		return fmt.Errorf("%s %s: %w", doing, name, err)
	}
	return nil
}

func (v *view) path(name string) string { return v.folder + "/" + name }

func (v *view) Open(_ context.Context, name string) (store.Object, error) {
	var o *object
	err := v.do("open", name, false, func() error {
		if o = v.disk.at(v.path(name)); o == nil {
			return store.ErrNotExist
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return opened{bytes.NewReader(o.data)}, nil
}

type opened struct{ *bytes.Reader }

func (opened) Close() error { return nil }

func (v *view) Create(_ context.Context, name string) (store.Writer, error) {
	err := v.do("create", name, false, func() error {
		if v.disk.at(v.path(name)) != nil {
			return store.ErrExist
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &upload{view: v, name: name}, nil
}

// upload is invisible until it is committed, and nothing is left of one that is not.
type upload struct {
	view *view
	name string
	data []byte
	over bool
}

func (u *upload) Write(p []byte) (int, error) {
	if u.over {
		return 0, store.ErrAbandoned
	}
	u.data = append(u.data, p...)
	return len(p), nil
}

func (u *upload) Commit() error {
	if u.over {
		return store.ErrAbandoned
	}
	u.over = true
	return u.view.do("commit", u.name, true, func() error { return u.view.disk.put(u.view.path(u.name), u.data) })
}

func (u *upload) Close() error {
	u.over = true
	return nil
}

func (v *view) Put(_ context.Context, name string, data []byte) error {
	data = bytes.Clone(data)
	return v.do("put", name, true, func() error { return v.disk.put(v.path(name), data) })
}

func (v *view) Get(_ context.Context, name string, limit int64) (data []byte, err error) {
	err = v.do("get", name, false, func() error {
		o := v.disk.at(v.path(name))
		switch {
		case o == nil:
			return store.ErrNotExist
		case int64(len(o.data)) > limit:
			return store.ErrTooLarge
		}
		data = bytes.Clone(o.data)
		return nil
	})
	return data, err
}

func (v *view) Adopt(_ context.Context, from, to string) error {
	return v.do("adopt "+from+" as", to, true, func() error {
		o := v.disk.at(v.path(from))
		if o == nil {
			return store.ErrNotExist
		}
		return v.disk.put(v.path(to), o.data)
	})
}

func (v *view) List(_ context.Context, prefix string) (list []store.Info, err error) {
	err = v.do("list", prefix, false, func() error {
		for _, info := range v.disk.list(v.path(prefix)) {
			info.Name = strings.TrimPrefix(info.Name, v.folder+"/")
			list = append(list, info)
		}
		return nil
	})
	return list, err
}

func (v *view) Delete(_ context.Context, name string) error {
	return v.do("delete", name, true, func() error {
		v.disk.delete(v.process.name, v.path(name))
		return nil
	})
}
