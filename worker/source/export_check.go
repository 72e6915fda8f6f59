package source

import (
	"context"
	"fmt"

	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/store"
	"rescore/worker/intake"
)

// Proof is what a partition of a prepared base turned out to hold.
type Proof struct {
	Rows        int64
	Keys        partition.Sum    // over the numbers
	Sum         partition.Sum    // over every column of every row: intake.Hash
	First, Last partition.Number // 0 when there are no rows
}

// Prove reads a partition of a prepared base that was just written, as whoever reads it
// after will, and works out what it holds. The numbers must rise, or, where all rows are
// kept, not fall. Its bytes are not compared with their digest.
func Prove(ctx context.Context, st store.Store, file job.File, fields []intake.Field, made job.Prepare) (p Proof, err error) {
	all := made.Keep == job.KeepAll
	obj, err := st.Open(ctx, file.Path)
	if err != nil {
		return p, fmt.Errorf("verify %s: %w", file.Path, err)
	}
	defer func() { _ = obj.Close() }() // opened for reading only
	defer guard(file.Path, &err)
	f, found, err := openTable(obj, made.Format)
	if err != nil {
		return p, inFile(file.Path, err)
	}
	if len(found) != len(fields) {
		return p, inFile(file.Path, corrupt("%d columns where %d were written", len(found), len(fields)))
	}
	var c codecs
	defer c.close()
	columns := make([]tableColumn, len(fields))
	for i, fd := range found {
		if fd.name != fields[i].Name {
			return p, inFile(file.Path, corrupt("column %s where %s was written", fd.name, fields[i].Name))
		}
		columns[i] = f.column(fd, nil, &c)
		defer columns[i].close()
		columns[i].seek(0)
	}
	const batch = 512
	values := make([]cells, len(fields))
	var row intake.Cells
	for left := f.count(); left > 0; {
		n := int(min(left, batch))
		for i, column := range columns {
			if err := column.cells(n, &values[i]); err != nil {
				return p, inFile(file.Path, err)
			}
		}
		for i := range n {
			number := partition.Number(values[0].fixed[i])
			if values[0].null[i] || !number.Valid() || number < p.Last || number == p.Last && !all {
				return p, inFile(file.Path, corrupt("a number is missing, or smaller than the one before"))
			}
			if p.First == 0 {
				p.First = number
			}
			p.Last = number
			row.Begin(len(fields) - 1)
			for k := 1; k < len(fields); k++ {
				v := &values[k]
				switch {
				case v.null[i]:
					row.Null()
				case fields[k].Type == intake.ByteArray:
					row.Bytes(v.text(i))
				default:
					row.Fixed(v.fixed[i], fields[k].Type.Width())
				}
			}
			p.Keys = p.Keys.AddNumber(number)
			p.Sum = p.Sum.AddHash(intake.Hash(number, row.Encoded()))
		}
		p.Rows += int64(n)
		if left -= int64(n); ctx.Err() != nil {
			return p, ctx.Err()
		}
	}
	for _, column := range columns {
		if err := column.finish(); err != nil {
			return p, inFile(file.Path, err)
		}
	}
	return p, nil
}
