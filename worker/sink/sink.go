// Package sink turns the scored batches of one task into one attempt's files,
// proves that what lies in the store is what was meant, and reads it back.
//
//	batches ──► columns of one row group ──► pages ──► store, SHA-256 on the way
//	                    │                                   │
//	                    └─► row sum, keys, tally            └─► Verify: read again,
//	                                                            decode, compare
//
// When the whole base is scored, Select makes of a score file the published one:
// its pages as they are, and behind them the columns that say where each row
// stands in the base.
//
// # The score file
//
// One Parquet file holds the columns of schema.Score or, published, of
// schema.Published, in order, all REQUIRED; of a job with challengers those of
// schema.ScoreWith and schema.PublishedWith.
// Types are what every reader has had for ten years: msisdn and amounts in fen
// are signed INT64, propensity is FLOAT, everything else is plain INT32. Spark
// reads UINT_64 as a decimal and, before 3.2, refuses UINT_8; every value fits
// the signed type, and the exact type of a column is in schema.Score.
//
// Low-cardinality columns are dictionary-coded with sorted dictionaries, 64-bit
// columns delta-coded, propensity plain. Rows are cut into row groups of
// RowGroupRows and pages of pageRows whatever the batches were, dictionaries
// and statistics are worked out from a whole row group, and nothing depends on
// time or chance: the same rows give the same bytes (invariant I5). Everything
// that names the attempt is one footer value of exactly 20 digits, so two
// attempts of a task differ in these bytes and in the file's name alone.
//
// # Privacy
//
// Bounds of the key column would put real numbers into every footer, so msisdn
// has none, and there is no page index. Footers name segments, reject files
// name rows and fields, errors name neither numbers nor values (invariant I8).
package sink

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"path"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/parquet-go/parquet-go/format"
	"golang.org/x/sync/errgroup"

	"rescore/partition"
	"rescore/partition/contest"
	"rescore/partition/ecdf"
	"rescore/partition/job"
	"rescore/partition/store"
)

// RowGroupRows is how many rows a full row group holds.
const RowGroupRows = 1 << 17

var (
	// ErrBatch is returned for a batch that is not a score record: other columns,
	// nulls, or as many drop reasons as it has rows it has not.
	ErrBatch = errors.New("batch is not a score record")
	// ErrValue is returned for a value that schema.Score does not allow. It is a
	// defect of the program that scored, never of the input.
	ErrValue = errors.New("value outside its column's range")
	// ErrFinished is returned by a sink that was finished, closed or broken.
	ErrFinished = errors.New("sink takes no more rows")
	// ErrDamaged is returned when a file's bytes are not the ones recorded, or are
	// no whole score file. Score the partition again.
	ErrDamaged = errors.New("file is damaged")
	// ErrLayout is returned for a score file with other columns than schema.Score or
	// schema.Published: another version of rescore wrote it.
	ErrLayout = errors.New("file has another layout")
	// ErrContent is returned when a whole file breaks an invariant: keys that do
	// not increase (I1), rows or sums that differ from what was written (I2), keys
	// outside the partition, a propensity that is no probability.
	ErrContent = errors.New("file breaks an invariant")
)

// Attempt says whose files these are. Month, digests, job and range go into the
// footer; task, epoch, token and nonce into the file's name; the token into both.
type Attempt struct {
	Job         job.ID
	Task        int
	Epoch       uint64 // of the coordinator that granted
	Token       job.Token
	Nonce       string          // fresh for every attempt: letters and digits
	Prefix      string          // staging folder in the store; may be empty
	Range       partition.Range // the task's numbers
	Month       int32           // yyyymm
	ModelDigest string
	RulesDigest string
	Policy      job.Policy // by whose priority the rows of a score file are ranked, and by whose bands challengers are compared
	Challengers []string   // whose columns stand beside the champion's
	Features    []string   // of the model, in its order
	Compression string     // none (also ""), zstd or snappy
	// Written is called when all is encoded, and what is left is to wait for the store and
	// to read again what it keeps. An error ends the attempt. It may be nil.
	Written func(context.Context) error
	// Spare says whether a core has nothing to do: what is verified is verified by two then.
	// It is called now and then, and may be nil: none has.
	Spare        func() bool
	rowGroupRows int // 0: RowGroupRows; tests take fewer
}

// name returns the name of the attempt's file of that kind.
func (a Attempt) name(kind, extension string) string {
	return path.Join(a.Prefix, fmt.Sprintf("%s-%05d-%04d-%020d-%s.%s", kind, a.Task, a.Epoch, a.Token, a.Nonce, extension))
}

func (a Attempt) written(ctx context.Context) error {
	if a.Written == nil {
		return nil
	}
	return a.Written(ctx)
}

func (a Attempt) spare() bool { return a.Spare != nil && a.Spare() }

func (a Attempt) check() error {
	if a.Task < 0 || a.Nonce == "" || a.Range.Empty() {
		return fmt.Errorf("attempt of task %d of job %s: task, nonce or range is missing", a.Task, a.Job)
	}
	for _, r := range a.Nonce {
		if (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return fmt.Errorf("attempt of task %d of job %s: nonce %q is not letters and digits", a.Task, a.Job, a.Nonce)
		}
	}
	return nil
}

// Sink writes the files of one attempt. It serves one goroutine.
type Sink struct {
	attempt Attempt
	store   store.Store
	name    string
	out     *output
	enc     *encoder
	group   *group // rows of the row group being filled
	spans   []span // of the batch, that are to be taken
	left    int    // room of the row group behind them
	schema  *arrow.Schema
	ranks   *ecdf.Histogram
	by      *ecdf.Ranking // that ranks counts
	contest []*contest.Counts
	scale   contest.Scale
	rejects *rejects // nil until there is something to say
	result  Output
	err     error // the first error, or ErrFinished: the sink does nothing more
}

// Output is what an attempt wrote. The counts other than Scored follow from the
// drop reasons.
type Output struct {
	Files  []job.File    // scores, then rejects where there are any, then ranks, then the contest where there are challengers; of Select the scores alone
	Counts job.Counts    // In is the rows given to Write
	Keys   partition.Sum // over the numbers of the scored rows; of Select empty
	Rows   partition.Sum // over every column of the scored rows, see rowSum
	Tally  job.Tally

	within  partition.Range
	spare   func() bool
	whole   place    // the end of the score file
	groups  []place  // the ends of its row groups; of Select none
	carried *carried // of a file that Select made
}

// Create starts the score file of an attempt. It fails with store.ErrExist when
// the file is there, which only a repeated nonce can cause.
func Create(ctx context.Context, st store.Store, a Attempt) (*Sink, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	codec, err := codecFor(a.Compression)
	if err != nil {
		return nil, fmt.Errorf("stage task %d of job %s: %w", a.Task, a.Job, err)
	}
	if a.rowGroupRows == 0 {
		a.rowGroupRows = RowGroupRows
	}
	name := a.name("scores", "parquet")
	w, err := st.Create(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("stage task %d of job %s: %w", a.Task, a.Job, err)
	}
	out := newOutput(w)
	by := ecdf.NewRanking(a.Policy)
	return &Sink{
		attempt: a,
		store:   st,
		name:    name,
		out:     out,
		enc:     newEncoder(out, codec),
		group:   layoutsOf(a.Challengers).scored.full.Get(),
		left:    a.rowGroupRows,
		ranks:   histograms[by.Kind()].Get(),
		by:      by,
		contest: newContest(len(a.Challengers)),
		scale:   contest.NewScale(a.Policy.RiskBandCut),
		result:  Output{within: a.Range, spare: a.spare},
	}, nil
}

// Write adds a batch of schema.ScoreWith columns. drop holds, for every row, why it
// is not scored, 0 for a row that is; nil scores all. Rows with a reason are
// counted and left out. The batch stays the caller's.
func (s *Sink) Write(scores arrow.Record, drop []job.Reason) error {
	if s.err != nil {
		return s.err
	}
	if s.err = s.write(scores, drop); s.err != nil {
		s.err = fmt.Errorf("write %s: %w", s.name, s.err)
	}
	return s.err
}

func (s *Sink) write(scores arrow.Record, drop []job.Reason) error {
	if scores.Schema() != s.schema {
		if err := checkSchema(scores.Schema(), s.group.layout.columns); err != nil {
			return err
		}
		s.schema = scores.Schema()
	}
	n := int(scores.NumRows())
	if drop != nil && len(drop) != n {
		return fmt.Errorf("%w: %d rows, %d drop reasons", ErrBatch, n, len(drop))
	}
	if err := checkNulls(scores); err != nil {
		return err
	}
	s.result.Counts.In += int64(n)
	if drop == nil {
		if err := s.add(scores, 0, n); err != nil {
			return err
		}
		s.take(scores)
		return nil
	}
	for from := 0; from < n; {
		if r := drop[from]; r != 0 {
			if err := s.result.count(r); err != nil {
				return err
			}
			from++
			continue
		}
		to := from + 1
		for to < n && drop[to] == 0 {
			to++
		}
		if err := s.add(scores, from, to); err != nil {
			return err
		}
		from = to
	}
	s.take(scores)
	return nil
}

// count books one row that is not scored.
func (o *Output) count(r job.Reason) error {
	switch r {
	case job.NullKey, job.BadNumber, job.BadValue, job.BadWidth:
		o.Counts.Rejected++
	case job.RepeatedNumber:
		o.Counts.Duplicate++
	case job.IoTNumber, job.ExcludedSegment, job.ExcludedService:
		o.Counts.Excluded++
	default:
		return fmt.Errorf("%w: drop reason %s is not one this program knows", ErrBatch, r)
	}
	o.Tally.Reason[r]++
	return nil
}

// add is to take rows from to to-1 of a batch, and closes row groups as they fill.
func (s *Sink) add(scores arrow.Record, from, to int) error {
	for from < to {
		n := min(to-from, s.left)
		s.spans = append(s.spans, span{from, from + n})
		from += n
		if s.left -= n; s.left == 0 {
			s.take(scores)
			if err := s.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// take takes the rows of a batch that are to be taken, and adds them to the result while
// they are near the processor.
func (s *Sink) take(scores arrow.Record) {
	g, first := s.group, s.group.rows
	g.take(scores, s.spans)
	if s.spans = s.spans[:0]; g.rows == first {
		return
	}
	s.result.Counts.Scored += int64(g.rows - first)
	s.result.Rows = s.result.Rows.Add(g.rowSum(first))
	s.result.Keys = s.result.Keys.Add(g.keySum(first))
	g.countRanks(first, s.ranks, s.by)
	g.countContest(first, s.contest, &s.scale)
}

// flush writes the row group.
func (s *Sink) flush() error {
	if s.group.rows == 0 {
		return nil
	}
	if err := s.enc.writeGroup(s.group, &s.result.Tally); err != nil {
		return err
	}
	s.result.groups = append(s.result.groups, s.out.place())
	s.group.reset()
	s.left = s.attempt.rowGroupRows
	return nil
}

// Reject adds a line to the attempt's reject file: where a row is and what is
// wrong with it, never the value. File is relative to the input's root, row is
// 0-based, field is the input's column name.
func (s *Sink) Reject(ctx context.Context, file string, row int64, field string, reason job.Reason) error {
	if s.err != nil {
		return s.err
	}
	if s.rejects == nil {
		r, err := createRejects(ctx, s.store, s.attempt.name("rejects", "csv"))
		if err != nil {
			s.err = err
			return err
		}
		s.rejects = r
	}
	s.err = s.rejects.add(file, row, field, reason)
	return s.err
}

// Finish closes and commits the files, and proves them: it reads the scores again, holds
// their bytes to the checks of those that were given to the store, whose SHA-256 is
// reported, decodes every value, and compares the sums with those of the rows as they
// were given to Write; the other files are held to their SHA-256. Where the store shows
// what is not durable yet, it is read while the disk is waited for. After an error nothing
// of the attempt is left that could be removed.
//
// What was just written is read from the operating system's cache: this proves what
// reached the store, not what the platter keeps.
func (s *Sink) Finish(ctx context.Context) (Output, error) {
	if s.err != nil {
		return Output{}, errors.Join(s.err, s.abandon())
	}
	if err := s.finish(ctx); err != nil {
		s.err = fmt.Errorf("finish %s: %w", s.name, err)
		return Output{}, errors.Join(s.err, s.abandon())
	}
	s.err = ErrFinished
	s.release()
	return s.result, nil
}

func (s *Sink) finish(ctx context.Context) error {
	content, err := s.end()
	if err != nil {
		return err
	}
	s.releaseGroup() // the next task may take it
	if err := s.attempt.written(ctx); err != nil {
		return err
	}
	return s.commit(ctx, content)
}

// end gives the store what is left of the score file, and returns the SHA-256 of the bytes
// before its footer.
func (s *Sink) end() (content string, err error) {
	if err := s.flush(); err != nil {
		return "", err
	}
	if err := s.enc.begin(); err != nil {
		return "", err
	}
	content = hex.EncodeToString(s.out.hash.Sum(nil)) // Sum leaves the state as it is
	sealed, err := s.out.seal()
	if err != nil {
		return "", err
	}
	if err := s.enc.writeFooter(s.attempt, s.group.layout, s.result.Counts.Scored, format.KeyValue{Key: keySeal, Value: sealed.text()}); err != nil {
		return "", err
	}
	s.result.whole = s.out.place() // what is committed was given to the store
	return content, s.out.end()
}

// commit commits and proves the files side by side, for each waits for the disk.
func (s *Sink) commit(ctx context.Context, content string) error {
	commits := []func() (job.File, error){func() (job.File, error) { return s.commitScores(ctx, content) }}
	if s.rejects != nil {
		commits = append(commits, s.proven(ctx, s.rejects.commit))
	}
	commits = append(commits, s.proven(ctx, func() (job.File, error) {
		return putCounts(ctx, s.store, job.FileRanks, s.attempt.name("ranks", "bin"), s.ranks.Encode(), s.ranks.Total())
	}))
	if len(s.contest) > 0 {
		commits = append(commits, s.proven(ctx, func() (job.File, error) {
			return putCounts(ctx, s.store, job.FileContest, s.attempt.name("contest", "bin"), contest.Encode(s.contest), s.contest[0].Rows())
		}))
	}
	files := make([]job.File, len(commits))
	var group errgroup.Group
	for i, commit := range commits {
		group.Go(func() (err error) {
			files[i], err = commit()
			return err
		})
	}
	if err := group.Wait(); err != nil {
		for _, f := range files {
			if f.Path != "" { // Nobody was told of this file, so it may go; if not, garbage finds it.
				err = errors.Join(err, s.store.Delete(context.WithoutCancel(ctx), f.Path))
			}
		}
		return err
	}
	s.result.Files = files
	return nil
}

func (s *Sink) commitScores(ctx context.Context, content string) (job.File, error) {
	file := job.File{
		Kind: job.FileScores, Path: s.name, Rows: s.result.Counts.Scored, Bytes: s.out.offset,
		SHA256: hex.EncodeToString(s.out.hash.Sum(nil)), Content: content,
	}
	if err := settle(ctx, s.store, s.out.writer, s.name, func(o store.Object) error { return s.result.verify(ctx, o, file) }); err != nil {
		return job.File{}, err // settle has deleted it
	}
	return file, nil
}

// proven has what commit committed read again. Of an error, the file is there still.
func (s *Sink) proven(ctx context.Context, commit func() (job.File, error)) func() (job.File, error) {
	return func() (job.File, error) {
		file, err := commit()
		if err == nil {
			err = reread(ctx, s.store, file.Path, func(o store.Object) error { return s.result.verify(ctx, o, file) })
		}
		return file, err
	}
}

// Close abandons what Finish did not commit. It may be called at any time, also
// after Finish, and more than once.
func (s *Sink) Close() error {
	if s.err == nil {
		s.err = ErrFinished
	}
	return s.abandon()
}

// release gives the memory to the next attempt.
func (s *Sink) release() {
	s.releaseGroup()
	if s.ranks != nil {
		s.ranks.Reset()
		histograms[s.ranks.Kind()].Put(s.ranks)
		releaseContest(s.contest)
		s.ranks, s.contest = nil, nil
	}
}

// releaseGroup gives back what rows are kept and encoded in: most of the memory.
func (s *Sink) releaseGroup() {
	if s.group != nil {
		s.group.release()
		s.enc.release()
		s.group = nil
	}
}

func (s *Sink) abandon() error {
	s.release()
	err := s.out.writer.Close()
	if s.rejects != nil {
		err = errors.Join(err, s.rejects.out.writer.Close())
	}
	return err
}
