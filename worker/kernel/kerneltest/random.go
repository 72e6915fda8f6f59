package kerneltest

import (
	"math"
	"math/rand/v2"
	"slices"

	"rescore/worker/kernel"
)

// In is one row as a reference sees it.
type In struct {
	pool *pool
	at   map[string]int
	row  int
	ints []int64 // what the pointers point to
}

func newIn(p *pool) *In {
	in := &In{pool: p, at: map[string]int{}, ints: make([]int64, len(p.in))}
	for j, c := range p.in {
		in.at[c.name] = j
	}
	return in
}

// Int returns an integer column's value, nil for null. The pointer is good
// until the next row. Unsigned 64-bit values above the largest int64 wrap.
func (in *In) Int(name string) *int64 {
	j, ok := in.at[name]
	if !ok {
		panic("kerneltest: reference reads " + name + ", which the kernel does not")
	}
	c := &in.pool.in[j]
	at := in.pool.first + in.row
	if c.valid.Bytes()[at>>3]>>(at&7)&1 == 0 {
		return nil
	}
	in.ints[j] = int64(c.kind.load(c.values.Bytes()[at*c.kind.width:]))
	return &in.ints[j]
}

// Float returns a float column's value, NaN for null.
func (in *In) Float(name string) float64 {
	j, ok := in.at[name]
	if !ok {
		panic("kerneltest: reference reads " + name + ", which the kernel does not")
	}
	c := &in.pool.in[j]
	at := in.pool.first + in.row
	return math.Float64frombits(c.kind.load(c.values.Bytes()[at*c.kind.width:]))
}

// Out takes what a reference worked out for one row.
type Out struct {
	pool    *pool
	at      map[string]int
	row     int
	written int
}

func newOut(p *pool) *Out {
	out := &Out{pool: p, at: map[string]int{}}
	for j, r := range p.out {
		out.at[r.name] = j
	}
	return out
}

// Int gives an integer output's value.
func (out *Out) Int(name string, v int64) {
	out.put(name, uint64(v))
}

// Float gives a float output's value.
func (out *Out) Float(name string, v float64) {
	j, ok := out.at[name]
	if ok {
		out.put(name, out.pool.out[j].kind.floatBits(v))
	}
}

func (out *Out) put(name string, bits uint64) {
	j, ok := out.at[name]
	if !ok {
		return
	}
	r := &out.pool.out[j]
	r.want[out.row], r.care[out.row] = bits, true
	out.written++
}

// draw makes random columns.
type draw struct {
	edges [][]uint64 // by input
	max   []int64
	full  []bool        // never null
	span  []*[2]float64 // of a bounded float column
}

// newDraw gathers, for every input, the values worth trying: the ends of its
// type (or of its promised range), zero and its neighbours, and the caller's
// edges with theirs.
func newDraw(spec kernel.Spec, r Random) *draw {
	edges, limit := r.Edges, r.Max
	d := &draw{}
	for _, f := range spec.In {
		k := kindOf(f.Type)
		d.full = append(d.full, slices.Contains(r.NeverNull, f.Name))
		d.span = append(d.span, nil)
		if span, ok := r.Range[f.Name]; ok {
			d.span[len(d.span)-1] = &span
			d.edges, d.max = append(d.edges, []uint64{k.floatBits(span[0]), k.floatBits(span[1])}), append(d.max, 0)
			continue
		}
		if k.float {
			var own []uint64
			for _, x := range []float64{math.NaN(), 0, math.Copysign(0, -1), 1, -1, 0.5, 1e-300, 1e15, -1e15} {
				own = append(own, k.floatBits(x))
			}
			for _, x := range append(edges[f.Name], edges[base(f.Name)]...) {
				own = append(own, k.floatBits(float64(x)), k.floatBits(math.Nextafter(float64(x), math.Inf(1))), k.floatBits(math.Nextafter(float64(x), math.Inf(-1))))
			}
			d.edges, d.max = append(d.edges, own), append(d.max, 0)
			continue
		}
		low, high := int64(0), int64(math.MaxInt64)
		switch {
		case k.sign && k.width < 8:
			high = 1<<(8*k.width-1) - 1
			low = -high - 1
		case k.sign:
			high = kernel.MoneyMax
			low = -high
		case k.width < 8:
			high = 1<<(8*k.width) - 1
		}
		for _, name := range []string{f.Name, base(f.Name)} {
			if m, ok := limit[name]; ok {
				high = min(high, m)
				low = max(low, -m)
				break
			}
		}
		own := []uint64{uint64(low), uint64(high), uint64(high - 1), 0, 0, 0, 1}
		if k.sign {
			own = append(own, uint64(low+1), ^uint64(0))
		}
		extra := append([]int64{}, edges[f.Name]...)
		if b := base(f.Name); b != f.Name {
			extra = append(extra, edges[b]...)
		}
		for _, x := range extra {
			for _, y := range []int64{x - 1, x, x, x + 1} {
				if y >= low && y <= high {
					own = append(own, uint64(y))
				}
			}
		}
		d.edges, d.max = append(d.edges, own), append(d.max, high)
	}
	return d
}

// fill draws the pool's rows. Each column is, for one pool, without nulls, with
// few, with many, or null throughout.
func (d *draw) fill(p *pool, rng *rand.Rand) {
	for j := range p.in {
		k := p.in[j].kind
		if span := d.span[j]; span != nil {
			for i := range PoolRows {
				bits := d.edges[j][rng.IntN(2)]
				if rng.IntN(8) > 0 {
					bits = k.floatBits(span[0] + rng.Float64()*(span[1]-span[0]))
				}
				p.set(j, i, bits, true)
			}
			continue
		}
		nulls := []uint64{0, 16, 16, 16, 128, 256}[rng.IntN(6)] // of 256
		if d.full[j] {
			nulls = 0
		}
		edges, high := d.edges[j], d.max[j]
		for i := range PoolRows {
			r := rng.Uint64()
			valid := r&255 >= nulls
			r >>= 8
			var bits uint64
			switch pick := r & 7; {
			case pick < 3:
				bits = edges[(r>>3)%uint64(len(edges))]
			case k.float:
				bits = k.floatBits(math.Ldexp(float64(r>>8), -int(r>>3&63)) - 1000)
			case pick < 5:
				bits = (r >> 3) % uint64(min(high, 8)+1)
			case pick < 7:
				bits = (r >> 3) % uint64(min(high, 50_000)+1)
			default:
				bits = (r >> 3) % (uint64(high) + 1)
				if k.sign && r>>55&1 == 1 {
					bits = -bits
				}
			}
			if k.float && !valid { // null by NaN, no bitmap
				bits, valid = k.floatBits(math.NaN()), true
			}
			if valid || r&16 == 0 { // half the nulls have a likely value behind them
				p.set(j, i, bits, true)
			}
			if !valid {
				p.set(j, i, 0, false)
			}
		}
	}
}
