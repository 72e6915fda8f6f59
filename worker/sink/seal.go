package sink

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"fmt"
	"hash"

	"rescore/partition/job"
)

// seal is what a score file's footer says of the bytes in front of it, so that the
// select stage can go on behind them without hashing them once more:
//
//	score file:      pages ───────────► SHA-256, so far ──► footer ──► SHA-256
//	                   │                 checks     │ in the footer       │ reported
//	                   ▼                    │       ▼                     ▼
//	published file:  pages, checked by ─────┘    goes on over the pages behind them
//
// The state of the hash comes to the reported SHA-256 of the file only when it is
// carried on over the very footer that holds it, so neither can be another; and the
// pages are held to the two checksums that stand there beside it.
type seal struct {
	checks checks
	state  []byte // of SHA-256, as encoding.BinaryMarshaler has it
}

// text is the seal in a footer.
func (s seal) text() string {
	return fmt.Sprintf("%08x%08x%x", s.checks.ieee, s.checks.castagnoli, s.state)
}

// seal seals what has been written.
func (o *output) seal() (seal, error) {
	state, err := o.hash.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return seal{}, fmt.Errorf("seal the pages: %w", err)
	}
	return seal{o.checks, state}, nil
}

// sealed returns the seal of a score file's pages. It returns ErrLayout when the footer
// has none, and ErrDamaged unless the seal and the footer are those of the file that was
// reported.
func (f *scoreFile) sealed(ctx context.Context, want job.File) (s seal, err error) {
	text := ""
	for _, pair := range f.meta.KeyValueMetadata {
		if pair.Key == keySeal {
			text = pair.Value
		}
	}
	if text == "" {
		return seal{}, fmt.Errorf("%w: its footer has no %s: another version of rescore wrote it; delete run.work and run the job again", ErrLayout, keySeal)
	}
	if _, err := fmt.Sscanf(text, "%08x%08x%x", &s.checks.ieee, &s.checks.castagnoli, &s.state); err != nil {
		return seal{}, fmt.Errorf("%w: %s: %w", ErrDamaged, keySeal, err)
	}
	whole, err := s.resume()
	if err != nil {
		return seal{}, err
	}
	content := hex.EncodeToString(whole.Sum(nil)) // Sum leaves the state as it is
	if err := pieces(ctx, f.object, f.end, f.object.Size(), whole.Write); err != nil {
		return seal{}, err
	}
	if f.object.Size() != want.Bytes || content != want.Content || hex.EncodeToString(whole.Sum(nil)) != want.SHA256 {
		return seal{}, errAltered
	}
	return s, nil
}

// resume returns the hash of the sealed bytes, to go on with.
func (s seal) resume() (hash.Hash, error) {
	h := sha256.New()
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(bytes.Clone(s.state)); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrDamaged, keySeal, err)
	}
	return h, nil
}

// errAltered is said of a score file that is not the one that was verified.
var errAltered = fmt.Errorf("%w: bytes or length differ from what the score stage verified; delete run.work and run the job again", ErrDamaged)
