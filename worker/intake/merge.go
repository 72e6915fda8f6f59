package intake

import (
	"context"
	"errors"
	"fmt"
	"io"

	"rescore/partition"
)

// ErrMemory is returned when there are more pieces to merge than memory for a block
// of each.
var ErrMemory = errors.New("too little memory")

// windowMax is the most that is read of a piece at once.
const windowMax = 1 << 20

// Merge calls keep with the row to keep of every number in the pieces, by rising
// number, and drop with every other row of it, the better ones first. Rows are valid
// until the call returns. It takes about memory bytes, and more only where single rows
// are longer than a block.
func Merge(ctx context.Context, pieces []Piece, memory int, keep, drop func(*Row) error) error {
	if len(pieces) == 0 {
		return nil
	}
	window := memory/len(pieces) - 2*blockBytes // a block of rows, and what a long one leaves over
	if window < blockBytes {
		return fmt.Errorf("merge %d sorted pieces in %d MB: %w: %d MB are needed; make prepare.memory_mb larger, or run.partition_rows",
			len(pieces), memory>>20, ErrMemory, (3*blockBytes*len(pieces))>>20+1)
	}
	heap := make([]*cursor, 0, len(pieces))
	for _, p := range pieces {
		c := &cursor{piece: p, next: p.Offset, window: make([]byte, 0, min(int64(min(window, windowMax)), p.Bytes))}
		switch err := c.advance(); {
		case errors.Is(err, io.EOF):
		case err != nil:
			return err
		default:
			heap = append(heap, c)
		}
	}
	for i := len(heap)/2 - 1; i >= 0; i-- {
		sink(heap, i)
	}
	last := partition.Number(0)
	for n := 0; len(heap) > 0; n++ {
		if n&0xfff == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		c := heap[0]
		out := keep
		switch number := c.row.Number; {
		case number < last:
			return fmt.Errorf("%w: rows are out of order", ErrRun)
		case number == last:
			out = drop
		default:
			last = number
		}
		if err := out(&c.row); err != nil {
			return err
		}
		switch err := c.advance(); {
		case errors.Is(err, io.EOF):
			heap[0] = heap[len(heap)-1]
			heap = heap[:len(heap)-1]
		case err != nil:
			return err
		}
		sink(heap, 0)
	}
	return nil
}

// sink lets the cursor at i sink to its place: the lowest row is on top.
func sink(heap []*cursor, i int) {
	for {
		low := 2*i + 1
		if low >= len(heap) {
			return
		}
		if r := low + 1; r < len(heap) && compare(&heap[r].row, &heap[low].row) < 0 {
			low = r
		}
		if compare(&heap[low].row, &heap[i].row) >= 0 {
			return
		}
		heap[i], heap[low] = heap[low], heap[i]
		i = low
	}
}
