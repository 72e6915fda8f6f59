package ledger

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"rescore/partition"
	"rescore/partition/job"
)

// The packed form of what a task is told and reports: in memory, in snapshots since
// format 4, and in log entries of Complete since format 2. It is about a third of the
// structs: numbers are varints, digests their bytes and not their digits, and a file's
// name is what it does not share with the one before it. Equal values are equal bytes,
// and no other bytes are taken for them.

// errPacked is returned for bytes that were not packed here.
var errPacked = errors.New("damaged: it is not the packed form of anything")

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
func unpackPlan(packed string) (slices []job.Slice, staged []job.File, err error) {
	u := unpacker{rest: packed}
	if n := u.count(); n > 0 {
		slices = make([]job.Slice, n)
	}
	for i := range slices {
		slices[i] = job.Slice{
			Month: int(u.varint()), File: int(u.varint()), First: u.varint(), Rows: u.varint(), Offset: u.varint(), Bytes: u.varint(),
		}
	}
	staged = u.files()
	return slices, staged, u.end()
}

// packResult packs a result.
func packResult(r job.Result) string {
	b := packFiles(packTables(make([]byte, 0, 512), r.Tables), r.Files)
	for _, s := range [...]partition.Sum{r.Keys, r.Rows} {
		b = packSum(b, s)
	}
	numbers(&r, func(n *int64) { b = binary.AppendVarint(b, *n) })
	b = binary.AppendUvarint(b, uint64(len(r.Drift)))
	for _, counts := range r.Drift {
		b = packNumbers(b, counts)
	}
	return string(packNumbers(b, r.Nulls))
}

// unpackResult is the inverse of packResult.
func unpackResult(packed string) (r job.Result, err error) {
	u := unpacker{rest: packed}
	r.Tables = u.tables()
	r.Files = u.files()
	r.Keys, r.Rows = u.sum(), u.sum()
	numbers(&r, func(n *int64) { *n = u.varint() })
	if n := u.count(); n > 0 {
		r.Drift = make([][]int64, n)
	}
	for i := range r.Drift {
		r.Drift[i] = u.numbers()
	}
	r.Nulls = u.numbers()
	return r, u.end()
}

// withTables begins a result with tables. As a result without any it would have no files,
// and a sum that is neither of nothing nor of something.
const withTables = "\x00\x02"

// packTables packs what became of the events of tables, nothing where there are none: as
// results were before jobs had tables.
func packTables(b []byte, tables []job.TableCounts) []byte {
	if len(tables) == 0 {
		return b
	}
	b = binary.AppendUvarint(append(b, withTables...), uint64(len(tables)))
	for i := range tables {
		events(&tables[i], func(n *int64) { b = binary.AppendVarint(b, *n) })
	}
	return b
}

func (u *unpacker) tables() []job.TableCounts {
	if !strings.HasPrefix(u.rest, withTables) {
		return nil
	}
	u.take(uint64(len(withTables)))
	tables := make([]job.TableCounts, u.count())
	if len(tables) == 0 {
		u.tear()
	}
	for i := range tables {
		events(&tables[i], func(n *int64) { *n = u.varint() })
	}
	return tables
}

// events calls do with every number of what became of a table's events.
func events(c *job.TableCounts, do func(*int64)) {
	for _, n := range [...]*int64{&c.In, &c.Within, &c.Outside, &c.Orphan, &c.Rejected, &c.BadValues} {
		do(n)
	}
}

// numbers calls do with every number of a result that stands in no list, in the order
// in which they are packed.
func numbers(r *job.Result, do func(*int64)) {
	c, t := &r.Counts, &r.Tally
	for _, n := range [...]*int64{&c.In, &c.Scored, &c.Excluded, &c.Rejected, &c.Duplicate, &t.Warn, &t.BadValues,
		&t.Explained.None, &t.Explained.Path, &t.Explained.Exact,
		&r.Timing.Read, &r.Timing.Score, &r.Timing.Write, &r.Timing.Verify} {
		do(n)
	}
	for _, list := range [...][]int64{t.Fired[:], t.Unknown[:], t.Risk[:], t.Decision[:], t.Reason[:], t.Priority[:]} {
		for i := range list {
			do(&list[i])
		}
	}
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

func packNumbers(b []byte, list []int64) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, n := range list {
		b = binary.AppendVarint(b, n)
	}
	return b
}

// packSum packs a sum, which is spread over all its bits unless it is of nothing.
func packSum(b []byte, s partition.Sum) []byte {
	if s == (partition.Sum{}) {
		return append(b, 0)
	}
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(append(b, 1), s.Hi), s.Lo)
}

// packDigest packs what should be hexadecimal digits, and is kept whatever it is: a 0
// and the text, or else one more than the number of bytes and the bytes.
func packDigest(b []byte, s string) []byte {
	if n := len(s) / 2; len(s)%2 == 0 && n <= digestMax {
		start := len(b)
		b = binary.AppendUvarint(b, uint64(n)+1)
		for i := range n {
			high, low := digits[s[2*i]], digits[s[2*i+1]]
			if high|low > 15 {
				return packText(append(b[:start], 0), s)
			}
			b = append(b, high<<4|low)
		}
		return b
	}
	return packText(append(b, 0), s)
}

// digestMax is the longest digest, in bytes, that is packed as one.
const digestMax = 64

// digits is what a hexadecimal digit stands for; above 15 is none, as are capitals,
// which do not come back as they were.
var digits = func() (d [256]byte) {
	for i := range d {
		d[i] = 0xff
	}
	for i, c := range []byte("0123456789abcdef") {
		d[c] = byte(i)
	}
	return d
}()

// unpacker reads what was packed here. After anything else it is torn, and everything it
// reads is nothing.
type unpacker struct {
	rest string
	torn bool
}

// end returns an error unless what was packed here was read, and all of it.
func (u *unpacker) end() error {
	if u.torn || u.rest != "" {
		return errPacked
	}
	return nil
}

func (u *unpacker) tear() { u.rest, u.torn = "", true }

func (u *unpacker) take(n uint64) string {
	if n > uint64(len(u.rest)) {
		u.tear()
		return ""
	}
	s := u.rest[:n]
	u.rest = u.rest[n:]
	return s
}

func (u *unpacker) uvarint() uint64 {
	var n uint64
	for i := range len(u.rest) {
		c := u.rest[i]
		if i == binary.MaxVarintLen64-1 && c > 1 {
			break
		}
		n |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			if c == 0 && i > 0 {
				break // there is a shorter way to write it
			}
			u.rest = u.rest[i+1:]
			return n
		}
	}
	u.tear()
	return 0
}

// count reads how many of something follow, each of a byte at least.
func (u *unpacker) count() uint64 {
	n := u.uvarint()
	if n > uint64(len(u.rest)) {
		u.tear()
		return 0
	}
	return n
}

func (u *unpacker) varint() int64 {
	n := u.uvarint()
	return int64(n>>1) ^ -int64(n&1)
}

func (u *unpacker) numbers() []int64 {
	n := u.count()
	if n == 0 {
		return nil
	}
	list := make([]int64, n)
	for i := range list {
		list[i] = u.varint()
	}
	return list
}

func (u *unpacker) sum() (s partition.Sum) {
	switch u.take(1) {
	case "\x00":
	case "\x01":
		if b := u.take(16); b != "" {
			s.Hi, s.Lo = binary.BigEndian.Uint64([]byte(b[:8])), binary.BigEndian.Uint64([]byte(b[8:]))
		}
		if s == (partition.Sum{}) {
			u.tear()
		}
	default:
		u.tear()
	}
	return s
}

func (u *unpacker) digest() string {
	n := u.uvarint()
	if n == 0 {
		s := u.take(u.count())
		if len(s)%2 == 0 && len(s)/2 <= digestMax && isDigest(s) {
			u.tear() // there is a shorter way to write it
		}
		return s
	}
	if n-1 > digestMax {
		u.tear()
		return ""
	}
	var text [2 * digestMax]byte
	return string(text[:hex.Encode(text[:], []byte(u.take(n-1)))])
}

func isDigest(s string) bool {
	for i := range len(s) {
		if digits[s[i]] > 15 {
			return false
		}
	}
	return true
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
		if kind := u.take(1); kind != "" {
			f.Kind = job.FileKind(kind[0])
		}
		shared := u.uvarint()
		if shared > uint64(len(last)) {
			u.tear()
			shared = 0
		}
		own := u.take(u.count())
		if own != "" && shared < uint64(len(last)) && last[shared] == own[0] {
			u.tear() // it shares more
		}
		f.Path = strings.Clone(last[:shared] + own) // not a piece of all that was packed
		f.Rows, f.Bytes = u.varint(), u.varint()
		f.SHA256, f.Content = u.digest(), u.digest()
		last = f.Path
	}
	return files
}

// must returns what was unpacked of bytes that a task holds: they were packed here, or
// checked when they were read.
func must[T any](what T, err error) T {
	if err != nil {
		panic(fmt.Sprintf("ledger: unpack a task: %v", err))
	}
	return what
}
