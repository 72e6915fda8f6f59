// Package bundle is a model with all that must not part from it: a folder with
// the model's file, a card that says how to use it, and rows with known scores that
// prove it is scored right.
//
//	churn-2026-10/
//	├── model.yaml    the card: id, features, policies, calibration, PSI bins
//	├── model.txt     the model, as the library saved it
//	└── golden.csv    rows, and what they score
//
// A bare model file is a bundle without a card: everything has its default.
//
// # What becomes of a row
//
//	columns ─► policies ─► trees ─► raw ─► link ─► undersampling ─► calibration ─► p
//	           (Card.Features)             │       (of training)
//	                                       └─► prediction, the library's own
//
// Policies see the values as training had them: what is invalid becomes missing or
// is clipped, then what training never saw, and what is missing then is filled.
// Calibration comes last: it was fitted on what the model says of the whole base.
//
// # One form
//
// Pack makes of a folder one sequence of bytes, a tar file in its one canonical
// form, and Read takes nothing else. So a bundle travels where a model file does,
// its SHA-256 stands for every byte of every file, and no change goes unnoticed.
package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"rescore/partition/job"
	"rescore/worker/model"
)

// Bundle is a model and its card, read and checked. It is immutable.
type Bundle struct {
	Card   Card
	Model  *model.Ensemble
	Golden *Rows  // nil without
	Digest string // SHA-256 of all bytes
	Packed bool   // it is a package, not a bare model file
	Files  []File // of a package
}

// File is one file of a package.
type File struct {
	Name string
	Data []byte
}

// Read reads a package that Pack made, or a bare model file; name is for errors.
// All that is wrong with a card is reported at once: the error is then job.Problems.
func Read(name string, data []byte) (*Bundle, error) {
	sum := sha256.Sum256(data)
	b := &Bundle{Card: Default(), Digest: hex.EncodeToString(sum[:]), Packed: packed(data)}
	var err error
	if !b.Packed {
		if b.Model, err = model.Load(data); err != nil {
			if p := (job.Problems{}); errors.As(err, &p) { // of a scorecard, which does not know its name
				for i := range p {
					p[i].File = name
				}
			}
			return nil, fmt.Errorf("model %s: %w", name, err)
		}
		return b, nil
	}
	if b.Files, err = unpack(data); err != nil {
		return nil, fmt.Errorf("model package %s: %w", name, err)
	}
	card, ok := b.file(CardFile)
	if !ok {
		return nil, fmt.Errorf("model package %s: there is no %s; rescore model import makes a package of a model file", name, CardFile)
	}
	if err := job.DecodeFile(job.Text{Name: name + "/" + CardFile, Data: card}, "a model's card", &b.Card, b.check); err != nil {
		return nil, err
	}
	return b, nil
}

// file returns a file's content.
func (b *Bundle) file(name string) ([]byte, bool) {
	i := slices.IndexFunc(b.Files, func(f File) bool { return f.Name == name })
	if i < 0 {
		return nil, false
	}
	return b.Files[i].Data, true
}
