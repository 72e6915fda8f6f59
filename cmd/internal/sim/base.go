package sim

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"rescore/partition"
	"rescore/partition/ecdf"
	"rescore/partition/job"
)

// base is an input: a few files of a few numbers. What a row comes to is part of the
// row, so that a worker model needs no rules and the checker no worker.
type base struct {
	files   [][]row
	survey  job.Survey
	exports bool // for a preparation, which surveys them so:
	intake  job.Intake
}

type row struct {
	number partition.Number // 0 where kind is rejected
	kind   kind
	load   int64  // of an export: the latest is kept
	value  uint64 // of an export
}

type kind uint8

const (
	scored kind = iota
	excluded
	rejected
	duplicate
)

const modelDigest = "5d41402abc4b2a76b9719d911017c5925d41402abc4b2a76b9719d911017c592"

// newBase draws segments of very different weight, in one file or two.
func newBase(s *simulation) *base {
	w := s.w
	b := &base{files: make([][]row, 1+w.rng.IntN(2))}
	segment := 1_380_000 + w.rng.IntN(1000)
	for range 2 + w.rng.IntN(10) {
		segment += 1 + w.rng.IntN(3)*w.rng.IntN(200)
		line := 0
		var last partition.Number
		for range 1 + w.rng.IntN(6) {
			r := row{}
			switch {
			case w.chance(0.05):
				r.kind = rejected
			case last != 0 && w.chance(0.05):
				r.number, r.kind = last, duplicate
			default:
				line += 1 + w.rng.IntN(1500)
				last = partition.Segment(segment).First() + partition.Number(line)
				r.number = last
				if w.chance(0.05) {
					r.kind = excluded
				}
			}
			f := 0
			if r.kind == scored && line > 3000 {
				f = len(b.files) - 1
			}
			b.add(f, partition.Segment(segment), r)
		}
	}
	b.seal()
	return b
}

// altered is the base a while later: a file has other rows of as many numbers.
func (b *base) altered(s *simulation) *base {
	f := s.w.rng.IntN(len(b.files))
	c := &base{files: make([][]row, len(b.files))}
	for i, file := range b.files {
		for k, r := range file {
			if i == f && r.kind == scored && (k+1 == len(file) || file[k+1].number != r.number) {
				r.number = r.number.Segment().First() + partition.Number(9000+k%1000)
			}
			c.add(i, b.segmentOf(i, k), r)
		}
	}
	c.seal()
	return c
}

// seal says of the files what a survey would.
func (b *base) seal() {
	b.survey.Model = modelDigest
	for f := range b.files {
		b.survey.Files = append(b.survey.Files, job.InputFile{
			Path: fmt.Sprintf("base-%d.parquet", f), Rows: int64(len(b.files[f])), Bytes: int64(100 * len(b.files[f])),
			SHA256: digest(b.bytes(f)),
		})
	}
}

// bytes stand for a file's.
func (b *base) bytes(f int) (data []byte) {
	for _, r := range b.files[f] {
		data = fmt.Appendf(data, "%s %d", r.number.Digits(), r.kind)
		if b.exports {
			data = fmt.Appendf(data, " %d %d", r.load, r.value)
		}
		data = append(data, '\n')
	}
	return data
}

func (b *base) add(f int, segment partition.Segment, r row) {
	if len(b.survey.Segments) == 0 {
		b.survey.Segments = make([][]job.SegmentRows, 1)
	}
	month := &b.survey.Segments[0]
	i := slices.IndexFunc(*month, func(run job.SegmentRows) bool { return run.Segment == segment && run.File == f })
	if i < 0 {
		i = len(*month)
		*month = append(*month, job.SegmentRows{Segment: segment, File: f, First: int64(len(b.files[f]))})
	}
	run := &(*month)[i]
	run.Rows++
	if r.number != 0 {
		run.Keys = run.Keys.AddNumber(r.number)
	}
	b.files[f] = append(b.files[f], r)
}

// rows are those of a task, as a worker reads them.
func (b *base) rows(slices []job.Slice) []row {
	var list []row
	for _, s := range slices {
		list = append(list, b.files[s.File][s.First:s.First+s.Rows]...)
	}
	return list
}

// made is what an attempt makes of rows: the same of the same rows.
type made struct {
	content []byte // of the score file, all that does not name the attempt
	rejects []byte
	counts  job.Counts
	keys    partition.Sum
	sum     partition.Sum
}

// score is the whole of the simulated model.
func score(n partition.Number) uint64 { return partition.Mix(uint64(n)) % 4000 }

func scoreRows(rows []row) made {
	m := made{counts: job.Counts{In: int64(len(rows))}}
	var numbers []partition.Number
	for i, r := range rows {
		if r.number != 0 {
			m.keys = m.keys.AddNumber(r.number)
		}
		switch r.kind {
		case scored:
			m.counts.Scored++
			numbers = append(numbers, r.number)
		case excluded:
			m.counts.Excluded++
		case rejected:
			m.counts.Rejected++
			m.rejects = fmt.Appendf(m.rejects, "row %d\n", i)
		case duplicate:
			m.counts.Duplicate++
		}
	}
	slices.Sort(numbers) // files come in any order, rows of a range in one
	for _, n := range numbers {
		m.content = fmt.Appendf(m.content, "%s %d\n", n.Digits(), score(n))
		m.sum = m.sum.AddHash(scoreHash(n))
	}
	return m
}

func scoreHash(n partition.Number) uint64 {
	return partition.Mix(uint64(n)) ^ partition.Mix(score(n)+1)
}

func placeHash(n partition.Number, below int64) uint64 {
	return partition.Mix(uint64(n)+1) ^ partition.Mix(uint64(below)+2)
}

// histogram counts the scores of a content.
func histogram(content []byte) *ecdf.Histogram {
	h := ecdf.New(ecdf.Amounts)
	for _, l := range lines(content) {
		h.Add(ecdf.Bin(int64(l.score)))
	}
	return h
}

// line is one row of a score file.
type line struct {
	number partition.Number
	score  uint64
	below  int64
}

// lines reads a file's rows up to its footer.
func lines(file []byte) []line {
	var list []line
	for text := range bytes.Lines(file) {
		if text[0] == '#' {
			break
		}
		var l line
		var n uint64
		if _, err := fmt.Sscanf(string(text), "%d %d %d", &n, &l.score, &l.below); err != nil && l.score == 0 && n == 0 {
			return nil
		}
		l.number = partition.Number(n)
		list = append(list, l)
	}
	return list
}

// placeRows is the select stage: a score file's rows, and where they stand.
func placeRows(scores []byte, below func(uint64) int64) made {
	var m made
	for _, l := range lines(scores) {
		at := below(l.score)
		m.content = fmt.Appendf(m.content, "%s %d %d\n", l.number.Digits(), l.score, at)
		m.sum = m.sum.AddHash(placeHash(l.number, at))
		m.counts.In++
		m.counts.Scored++
	}
	return m
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// segmentOf is the segment that a row of a file belongs to. Every row has one: the
// survey is made with the rows, and plan refuses a survey that leaves one out.
func (b *base) segmentOf(file, row int) partition.Segment {
	for _, run := range b.survey.Segments[0] {
		if run.File == file && int64(row) >= run.First && int64(row) < run.First+run.Rows {
			return run.Segment
		}
	}
	panic("sim: a row of no segment")
}
