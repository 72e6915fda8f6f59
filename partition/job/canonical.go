package job

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Canonical returns what is asked, as bytes that are equal exactly when the
// question is: JSON in the order of the struct, tables sorted by key, sets
// sorted, run left out because it changes neither rows nor the version. It
// panics on NaN and infinities, which Validate refuses.
func (s Spec) Canonical() []byte {
	s.Input.Exclude.Segments = set(s.Input.Exclude.Segments)
	s.Input.Exclude.ServiceTypes = set(s.Input.Exclude.ServiceTypes)
	s.Rules.T5ServiceTypes = set(s.Rules.T5ServiceTypes)
	if s.Input.CSV.Null == nil {
		s.Input.CSV.Null = []string{}
	}
	// Defaults that came with a later release say nothing that was not so before.
	if s.Input.CSV.Encoding == EncodingUTF8 {
		s.Input.CSV.Encoding = ""
	}
	if s.Input.CSV.Quote == "double" {
		s.Input.CSV.Quote = ""
	}
	if s.Input.CSV.Escape == "none" {
		s.Input.CSV.Escape = ""
	}
	if s.Input.Extra == nil {
		s.Input.Extra = []Extra{}
	}
	if s.Kind == KindScore { // as jobs were before there was another kind
		s.Kind = ""
	}
	if s.Kind == "" && s.Prepare.isDefault() {
		s.Prepare = Prepare{}
	} else if s.Prepare.Types == nil {
		s.Prepare.Types = map[string]string{}
	}
	if s.Prepare.Keep == KeepLatest {
		s.Prepare.Keep = ""
	}
	if s.Prepare.Format == FormatParquet {
		s.Prepare.Format = ""
	}
	if s.Input.Columns == nil {
		s.Input.Columns = map[string]Mapping{}
	}
	if s.Model.Features == nil {
		s.Model.Features = map[string]string{}
	}
	return canonical(s)
}

// Digest returns the SHA-256 of the canonical form, in hex.
func (s Spec) Digest() string { return hexSum(s.Canonical()) }

// RulesDigest returns the SHA-256 of the rules, the policy and the users' own
// rules and features alone, in hex: two versions with the same one were judged by
// the same thresholds.
func (s Spec) RulesDigest() string {
	s.Rules.T5ServiceTypes = set(s.Rules.T5ServiceTypes)
	return hexSum(canonical(struct {
		Rules    Rules     `json:"rules"`
		Policy   Policy    `json:"policy"`
		Features []Formula `json:"features,omitempty"`
		Custom   []Formula `json:"custom_rules,omitempty"`
	}{s.Rules, s.Policy, s.Features, s.Custom}))
}

// NewID returns the name of a job: the same question (spec, SHA-256 of each
// model, the champion's first, fingerprint of the input) always has the same one,
// wherever the files lie. The paths are left out: what they lead to is in the others, and a
// version's bytes must not depend on the folder it is published in (I5).
func NewID(spec Spec, models []string, inputFingerprint string) ID {
	spec.Input.Path, spec.Model.Path, spec.Output.Path = "", "", ""
	spec.Input.Tables = slices.Clone(spec.Input.Tables)
	for i := range spec.Input.Tables {
		spec.Input.Tables[i].Path = ""
	}
	spec.Model.Challengers = slices.Clone(spec.Model.Challengers)
	for i := range spec.Model.Challengers {
		spec.Model.Challengers[i].Path = ""
	}
	var b bytes.Buffer
	b.WriteString("rescore job 1\n")
	for _, part := range slices.Concat([]string{spec.Digest()}, models, []string{inputFingerprint}) {
		b.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part)))) // lengths keep the parts apart
		b.WriteString(part)
	}
	return ID(fmt.Sprintf("%06d-%s", spec.Month, hexSum(b.Bytes())[:12]))
}

func canonical(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("job: encode a spec that was not validated: %v", err))
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// set returns the elements in order, each once, never nil.
func set(list []uint32) []uint32 {
	sorted := slices.Clone(list)
	slices.Sort(sorted)
	return append([]uint32{}, slices.Compact(sorted)...)
}

// ErrRelease is returned for a spec that another release of rescore wrote: it
// lacks keys of this one, or has more.
var ErrRelease = errors.New("another release of rescore wrote it; use that release, or run the job again")

// ParseCanonical reads what Canonical wrote, and nothing else: a key that is not
// there has no value, not its default, for nobody knows what a release without
// that key did; unless Canonical leaves it out where it has its default. Run is left at its zero value.
func ParseCanonical(data []byte) (Spec, error) {
	var s Spec
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		if strings.Contains(err.Error(), "unknown field") { // encoding/json has no error of its own for it
			err = fmt.Errorf("%w: %w", err, ErrRelease)
		}
		return Spec{}, fmt.Errorf("read canonical spec: %w", err)
	}
	if s.Kind == "" { // left out by Canonical, which says nothing of what a job is not
		s.Prepare = Default().Prepare
	}
	s.Prepare.Keep, s.Prepare.Format = cmp.Or(s.Prepare.Keep, KeepLatest), cmp.Or(s.Prepare.Format, FormatParquet)
	csv, usual := &s.Input.CSV, Default().Input.CSV // left out where they are usual
	csv.Encoding, csv.Quote, csv.Escape = cmp.Or(csv.Encoding, usual.Encoding), cmp.Or(csv.Quote, usual.Quote), cmp.Or(csv.Escape, usual.Escape)
	var was, is any
	if err := errors.Join(json.Unmarshal(data, &was), json.Unmarshal(s.Canonical(), &is)); err != nil {
		return Spec{}, fmt.Errorf("read canonical spec: %w", err)
	}
	if key, ok := lacking(was, is); ok {
		return Spec{}, fmt.Errorf("read canonical spec: it has no %s: %w", key, ErrRelease)
	}
	return s, nil
}

// lacking returns the first key of is, by name, that was does not have.
func lacking(was, is any) (key string, ok bool) {
	table, isTable := is.(map[string]any)
	if !isTable {
		return "", false
	}
	before, _ := was.(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(table)) {
		value, there := before[name]
		if !there {
			return name, true
		}
		if key, ok := lacking(value, table[name]); ok {
			return join(name, key), true
		}
	}
	return "", false
}
