package ledger

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"rescore/partition/job"
)

// The packed form of what a task is told and reports, in memory only. It is about a
// third of the structs: numbers are varints, digests their bytes and not their digits,
// and a file's name is what it does not share with the one before it. Equal values are
// equal bytes.

// packPlan packs what a Task does not hold as fields of its own.
func packPlan(t job.Task) string {
	b := binary.AppendUvarint(nil, uint64(len(t.Slices)))
	for _, s := range t.Slices {
		for _, n := range [...]int64{int64(s.Month), int64(s.File), s.First, s.Rows, s.Offset, s.Bytes} {
			b = binary.AppendVarint(b, n)
		}
	}
	return string(packFiles(b, t.Staged))
}

// unpackPlan is the inverse of packPlan.
func unpackPlan(packed string) (slices []job.Slice, staged []job.File) {
	u := unpacker{rest: packed}
	if n := u.count(); n > 0 {
		slices = make([]job.Slice, n)
	}
	for i := range slices {
		slices[i] = job.Slice{
			Month: int(u.varint()), File: int(u.varint()), First: u.varint(), Rows: u.varint(), Offset: u.varint(), Bytes: u.varint(),
		}
	}
	return slices, u.files()
}

// packResult packs a result: its files, and the rest as it is written to disk.
func packResult(r job.Result) string {
	b := packFiles(nil, r.Files)
	r.Files = nil
	rest, err := encoder.Marshal(r)
	if err != nil { // it has no field that cannot be encoded
		panic(fmt.Sprintf("ledger: pack a result: %v", err))
	}
	return string(append(b, rest...))
}

// unpackResult is the inverse of packResult.
func unpackResult(packed string) job.Result {
	u := unpacker{rest: packed}
	files := u.files()
	var r job.Result
	if err := decoder.Unmarshal([]byte(u.rest), &r); err != nil {
		panic(fmt.Sprintf("ledger: unpack a result: %v", err))
	}
	r.Files = files
	return r
}

func packFiles(b []byte, files []job.File) []byte {
	b = binary.AppendUvarint(b, uint64(len(files)))
	last := ""
	for _, f := range files {
		shared := 0
		for shared < min(len(last), len(f.Path)) && last[shared] == f.Path[shared] {
			shared++
		}
		b = append(b, byte(f.Kind))
		b = binary.AppendUvarint(b, uint64(shared))
		b = packText(b, f.Path[shared:])
		b = binary.AppendVarint(b, f.Rows)
		b = binary.AppendVarint(b, f.Bytes)
		b = packDigest(b, f.SHA256)
		b = packDigest(b, f.Content)
		last = f.Path
	}
	return b
}

func packText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// packDigest packs what should be hexadecimal digits, and is kept whatever it is: a 0
// and the text, or else one more than the number of bytes and the bytes.
func packDigest(b []byte, s string) []byte {
	if data, err := hex.DecodeString(s); err == nil && hex.EncodeToString(data) == s {
		return append(binary.AppendUvarint(b, uint64(len(data))+1), data...)
	}
	return packText(append(b, 0), s)
}

// unpacker reads what was packed here, and panics on anything else.
type unpacker struct{ rest string }

func (u *unpacker) take(n uint64) string {
	s := u.rest[:n]
	u.rest = u.rest[n:]
	return s
}

func (u *unpacker) count() uint64 {
	var n uint64
	for shift := 0; ; shift += 7 {
		c := u.rest[0]
		u.rest = u.rest[1:]
		n |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return n
		}
	}
}

func (u *unpacker) varint() int64 {
	n := u.count()
	return int64(n>>1) ^ -int64(n&1)
}

func (u *unpacker) digest() string {
	n := u.count()
	if n == 0 {
		return u.take(u.count())
	}
	return hex.EncodeToString([]byte(u.take(n - 1)))
}

func (u *unpacker) files() []job.File {
	n := u.count()
	if n == 0 {
		return nil
	}
	files := make([]job.File, n)
	last := ""
	for i := range files {
		f := &files[i]
		f.Kind = job.FileKind(u.take(1)[0])
		f.Path = last[:u.count()] + u.take(u.count())
		f.Rows, f.Bytes = u.varint(), u.varint()
		f.SHA256, f.Content = u.digest(), u.digest()
		last = f.Path
	}
	return files
}
