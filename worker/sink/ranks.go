package sink

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"

	"rescore/partition/ecdf"
	"rescore/partition/job"
	"rescore/partition/store"
)

// histograms keeps empty ones, half a megabyte each, from one attempt to the next.
var histograms = sync.Pool{New: func() any { return new(ecdf.Histogram) }}

var lossColumn, decisionColumn = scored.find("expected_loss_fen"), scored.find("retain_decision")

// countLosses counts the expected losses of the rows that are in the base that
// subscribers are ranked in: eligible, with a bill.
func (g *group) countLosses(h *ecdf.Histogram) {
	losses := g.columns[lossColumn].(*wide[int64]).values
	decisions := g.columns[decisionColumn].(*narrow[uint8]).values[:len(losses)]
	for i, loss := range losses {
		if ecdf.Eligible(decisions[i]) && loss >= 0 {
			h.Add(loss)
		}
	}
}

// putRanks stages a partition's histogram.
func putRanks(ctx context.Context, st store.Store, name string, h *ecdf.Histogram) (job.File, error) {
	data := h.Encode()
	if err := st.Put(ctx, name, data); err != nil {
		return job.File{}, fmt.Errorf("stage ranks: %w", err)
	}
	sum := sha256.Sum256(data)
	digest := hex.EncodeToString(sum[:])
	return job.File{Kind: job.FileRanks, Path: name, Rows: h.Total(), Bytes: int64(len(data)), SHA256: digest, Content: digest}, nil
}
