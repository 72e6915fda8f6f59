package sink

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"rescore/partition/job"
)

// createdBy is fixed: a newer build of the same layout writes the same bytes.
const createdBy = "rescore score file version 1.0.0"

// Keys of the footer's metadata.
const (
	keyFeatures    = "rescore.model_features" // a JSON array: code n of reason1 to reason3 is its n-th
	keyJob         = "rescore.job"
	keyModelDigest = "rescore.model_digest"
	keyMonth       = "rescore.month"
	keyPartition   = "rescore.partition"
	keyRulesDigest = "rescore.rules_digest"
	keySchema      = "rescore.schema"
	keySeal        = "rescore.seal" // of a staged score file alone, see seal
	keyToken       = "rescore.token"
)

// writeFooter ends the file; more is what its metadata also says. The token takes 20
// digits whatever it is, so footers of two attempts have the same length.
func (e *encoder) writeFooter(a Attempt, l *layout, rows int64, more ...format.KeyValue) error {
	features, err := json.Marshal(append([]string{}, a.Features...))
	if err != nil {
		return fmt.Errorf("encode the names of the model's features: %w", err)
	}
	meta := format.FileMetaData{
		Version:   2,
		Schema:    l.elements(),
		NumRows:   rows,
		RowGroups: e.groups,
		KeyValueMetadata: append([]format.KeyValue{
			{Key: keyFeatures, Value: string(features)},
			{Key: keyJob, Value: string(a.Job)},
			{Key: keyModelDigest, Value: a.ModelDigest},
			{Key: keyMonth, Value: strconv.Itoa(int(a.Month))},
			{Key: keyPartition, Value: a.Range.String()},
			{Key: keyRulesDigest, Value: a.RulesDigest},
			{Key: keySchema, Value: l.fingerprint},
			{Key: keyToken, Value: fmt.Sprintf("%020d", a.Token)},
		}, more...),
		CreatedBy: createdBy,
	}
	if meta.RowGroups == nil {
		meta.RowGroups = []format.RowGroup{} // required, even when empty
	}
	for range l.columns {
		meta.ColumnOrders = append(meta.ColumnOrders, format.ColumnOrder{Value: new(format.TypeDefinedOrder)})
	}
	var footer bytes.Buffer
	if err := thrift.NewEncoder(new(thrift.CompactProtocol).NewWriter(&footer)).Encode(&meta); err != nil {
		return fmt.Errorf("encode the footer: %w", err)
	}
	tail := binary.LittleEndian.AppendUint32(footer.Bytes(), uint32(footer.Len()))
	_, err = e.out.Write(append(tail, magic...))
	return err
}

// Provenance is what a score file's footer says of where it came from.
type Provenance struct {
	Job         job.ID
	ModelDigest string
	RulesDigest string
	Partition   string // range of segments
	Month       int32
	Token       job.Token
}

// provenance reads the footer's metadata and says which layout the file has. It
// returns ErrLayout when that is none of this package's.
func provenance(meta *format.FileMetaData) (Provenance, *layout, error) {
	text := map[string]string{}
	for _, pair := range meta.KeyValueMetadata {
		text[pair.Key] = pair.Value
	}
	for _, key := range []string{keyJob, keyModelDigest, keyMonth, keyPartition, keyRulesDigest, keySchema, keyToken} {
		if _, found := text[key]; !found {
			return Provenance{}, nil, fmt.Errorf("%w: footer without %s", ErrLayout, key)
		}
	}
	l, ok := layoutOf(meta.Schema, text[keySchema])
	if !ok {
		return Provenance{}, nil, fmt.Errorf("%w: its columns are not those of this version of rescore", ErrLayout)
	}
	month, err := strconv.ParseInt(text[keyMonth], 10, 32)
	if err != nil {
		return Provenance{}, nil, fmt.Errorf("%w: footer's %s is no month", ErrLayout, keyMonth)
	}
	token, err := strconv.ParseUint(text[keyToken], 10, 64)
	if err != nil || len(text[keyToken]) != 20 {
		return Provenance{}, nil, fmt.Errorf("%w: footer's %s is no token", ErrLayout, keyToken)
	}
	return Provenance{
		Job: job.ID(text[keyJob]), ModelDigest: text[keyModelDigest], RulesDigest: text[keyRulesDigest],
		Partition: text[keyPartition], Month: int32(month), Token: job.Token(token),
	}, l, nil
}

// features are the names that the reasons of the file's rows mean; none when the
// footer has none that can be read.
func (f *scoreFile) features() (names []string) {
	for _, pair := range f.meta.KeyValueMetadata {
		if pair.Key == keyFeatures && json.Unmarshal([]byte(pair.Value), &names) != nil {
			return nil
		}
	}
	return names
}
