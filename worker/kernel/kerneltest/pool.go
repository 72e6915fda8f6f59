package kerneltest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"rescore/worker/kernel"
)

// NewVector returns a zeroed vector of n rows, without nulls.
func NewVector(t arrow.DataType, n int) kernel.Vector {
	values := memory.NewBufferBytes(make([]byte, n*kindOf(t).width))
	return kernel.AsVector(array.MakeFromData(array.NewData(t, n, []*memory.Buffer{nil, values}, nil, 0, 0)))
}

// margin is how many poisoned rows lie before and after a pool's rows.
const margin = 128

// kind is how a column's cells are read and written.
type kind struct {
	width int // bytes
	sign  bool
	float bool
}

func kindOf(t arrow.DataType) kind {
	switch t.ID() {
	case arrow.INT8:
		return kind{1, true, false}
	case arrow.INT16:
		return kind{2, true, false}
	case arrow.INT32, arrow.DATE32:
		return kind{4, true, false}
	case arrow.INT64:
		return kind{8, true, false}
	case arrow.UINT8:
		return kind{1, false, false}
	case arrow.UINT16:
		return kind{2, false, false}
	case arrow.UINT32:
		return kind{4, false, false}
	case arrow.UINT64:
		return kind{8, false, false}
	case arrow.FLOAT32:
		return kind{4, false, true}
	case arrow.FLOAT64:
		return kind{8, false, true}
	}
	panic(fmt.Sprintf("kerneltest: no vector holds %s", t))
}

// column is one input: two Arrow buffers with margins, and the array over them.
type column struct {
	name   string
	kind   kind
	dtype  arrow.DataType
	values *memory.Buffer
	valid  *memory.Buffer
	array  arrow.Array
	before []byte // what values and valid held when the pool was sealed
}

// result is one output: what was wanted, bits by row, and the vector handed to
// the kernel.
type result struct {
	name   string
	kind   kind
	want   []uint64
	care   []bool
	vector kernel.Vector
}

// pool is a set of rows in Arrow arrays with the outputs they should give.
type pool struct {
	spec  kernel.Spec
	size  int // rows
	alloc *memory.CheckedAllocator
	first int // row 0 of the pool, counted from the start of the buffers
	in    []column
	out   []result
}

func newPool(spec kernel.Spec, size int) *pool {
	p := &pool{spec: spec, size: size, alloc: memory.NewCheckedAllocator(memory.DefaultAllocator)}
	rows := margin + size + margin
	for _, f := range spec.In {
		c := column{name: f.Name, kind: kindOf(f.Type), dtype: f.Type}
		c.values, c.valid = memory.NewResizableBuffer(p.alloc), memory.NewResizableBuffer(p.alloc)
		c.values.Resize(rows * c.kind.width)
		c.valid.Resize((rows + 7) / 8)
		c.before = make([]byte, c.values.Len()+c.valid.Len())
		p.in = append(p.in, c)
	}
	for _, f := range spec.Out {
		p.out = append(p.out, result{
			name: f.Name, kind: kindOf(f.Type),
			want: make([]uint64, size), care: make([]bool, size),
			vector: NewVector(f.Type, size+margin),
		})
	}
	return p
}

func (p *pool) release() {
	for i := range p.in {
		c := &p.in[i]
		if c.array != nil {
			c.array.Release()
		}
		c.values.Release()
		c.valid.Release()
	}
	if n := p.alloc.CurrentAlloc(); n != 0 {
		panic(fmt.Sprintf("kerneltest: %d bytes of Arrow memory not released", n))
	}
}

// poison fills every cell, margins included, with values that look right and
// every validity bit with noise, and puts row 0 at the given offset.
func (p *pool) poison(rng *rand.Rand, offset int) {
	p.first = offset
	for i := range p.in {
		c := &p.in[i]
		raw := c.values.Bytes()
		if c.kind.float {
			for at := 0; at < len(raw); at += c.kind.width {
				c.kind.store(raw[at:], c.kind.floatBits(float64(rng.IntN(9)-4)))
			}
		} else {
			// Small numbers: flags, codes and zeroes that would be believed.
			for at := 0; at < len(raw); at += c.kind.width {
				c.kind.store(raw[at:], uint64(rng.IntN(5)))
			}
		}
		noise(c.valid.Bytes(), rng)
	}
	for i := range p.out {
		clear(p.out[i].care)
	}
}

// noise fills b with random bytes.
func noise(b []byte, rng *rand.Rand) {
	i := 0
	for ; i+8 <= len(b); i += 8 {
		binary.LittleEndian.PutUint64(b[i:], rng.Uint64())
	}
	for ; i < len(b); i++ {
		b[i] = byte(rng.Uint32())
	}
}

func (k kind) store(b []byte, bits uint64) {
	switch k.width {
	case 1:
		b[0] = byte(bits)
	case 2:
		binary.LittleEndian.PutUint16(b, uint16(bits))
	case 4:
		binary.LittleEndian.PutUint32(b, uint32(bits))
	case 8:
		binary.LittleEndian.PutUint64(b, bits)
	}
}

// load returns a cell: sign-extended for signed integers, the bits of the
// float64 for floats.
func (k kind) load(b []byte) uint64 {
	switch {
	case k.float && k.width == 4:
		return math.Float64bits(float64(math.Float32frombits(binary.LittleEndian.Uint32(b))))
	case k.sign && k.width == 1:
		return uint64(int64(int8(b[0])))
	case k.sign && k.width == 2:
		return uint64(int64(int16(binary.LittleEndian.Uint16(b))))
	case k.sign && k.width == 4:
		return uint64(int64(int32(binary.LittleEndian.Uint32(b))))
	case k.width == 1:
		return uint64(b[0])
	case k.width == 2:
		return uint64(binary.LittleEndian.Uint16(b))
	case k.width == 4:
		return uint64(binary.LittleEndian.Uint32(b))
	}
	return binary.LittleEndian.Uint64(b)
}

// floatBits returns what store writes for a float.
func (k kind) floatBits(x float64) uint64 {
	if k.width == 4 {
		return uint64(math.Float32bits(float32(x)))
	}
	return math.Float64bits(x)
}

// set writes a value to row i of an input; null leaves the poison behind it.
func (p *pool) set(col, i int, bits uint64, valid bool) {
	c := &p.in[col]
	at := p.first + i
	if valid {
		c.kind.store(c.values.Bytes()[at*c.kind.width:], bits)
		c.valid.Bytes()[at>>3] |= 1 << (at & 7)
	} else {
		c.valid.Bytes()[at>>3] &^= 1 << (at & 7)
	}
}

// put writes a hand-written row.
func (p *pool) put(i int, row, want Row) error {
	for j := range p.in {
		c := &p.in[j]
		v := row[c.name]
		if v == nil {
			if c.kind.float { // floats are null by NaN and have no bitmap
				p.set(j, i, c.kind.floatBits(math.NaN()), true)
			} else {
				p.set(j, i, 0, false)
			}
			continue
		}
		bits, err := c.kind.bits(v)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		p.set(j, i, bits, true)
	}
	for j := range p.out {
		o := &p.out[j]
		v, ok := want[o.name]
		if o.care[i] = ok; !ok {
			continue
		}
		if v == nil {
			v = math.NaN()
		}
		bits, err := o.kind.bits(v)
		if err != nil {
			return fmt.Errorf("%s: %w", o.name, err)
		}
		o.want[i] = bits
	}
	return nil
}

// bits returns what store writes for a Go number.
func (k kind) bits(v any) (uint64, error) {
	var n int64
	switch x := v.(type) {
	case float64:
		if k.float {
			return k.floatBits(x), nil
		}
		return 0, fmt.Errorf("float %v in an integer column", x)
	case float32:
		return k.bits(float64(x))
	case uint64:
		n = int64(x)
	case int:
		n = int64(x)
	case int64:
		n = x
	case int32:
		n = int64(x)
	case int16:
		n = int64(x)
	case int8:
		n = int64(x)
	case uint32:
		n = int64(x)
	case uint16:
		n = int64(x)
	case uint8:
		n = int64(x)
	default:
		return 0, fmt.Errorf("%T is not a number", v)
	}
	if k.float {
		return k.floatBits(float64(n)), nil
	}
	var cell [8]byte
	k.store(cell[:], uint64(n))
	if int64(k.load(cell[:])) != n {
		return 0, fmt.Errorf("%d does not fit the column", n)
	}
	return uint64(n), nil
}

// seal builds the Arrow arrays and remembers every input byte.
func (p *pool) seal() {
	rows := margin + p.size + margin
	for i := range p.in {
		c := &p.in[i]
		if c.array != nil {
			c.array.Release()
		}
		bitmap := c.valid
		if c.kind.float {
			bitmap = nil
		}
		data := array.NewData(c.dtype, rows, []*memory.Buffer{bitmap, c.values}, nil, array.UnknownNullCount, 0)
		c.array = array.MakeFromData(data)
		data.Release()
		n := copy(c.before, c.values.Bytes())
		copy(c.before[n:], c.valid.Bytes())
	}
}

// run evaluates rows 0 to n-1 in batches of the sizes that next gives and
// compares every row.
func (p *pool) run(k kernel.Kernel, n int, next func() int, rng *rand.Rand) error {
	in, out := make([]kernel.Vector, len(p.in)), make([]kernel.Vector, len(p.out))
	for j := range p.out {
		out[j] = p.out[j].vector
	}
	for from, batches := 0, 0; from < n; {
		size := min(next(), n-from)
		p.view(in, from, size, rng)
		dirt := uint64(0x0101010101010101) * uint64(1+rng.IntN(255))
		for j := range p.out {
			o := &p.out[j]
			for i := range size + 8 {
				o.kind.storeAt(&o.vector, i, dirt)
			}
		}
		if err := p.eval(k, size, in, out); err != nil {
			return err
		}
		for j := range p.out {
			o := &p.out[j]
			if out[j].Valid.Bits != nil {
				return fmt.Errorf("%s: output %s has a bitmap", p.spec.Name, o.name)
			}
			for i := range size {
				row := from + i
				if o.care[row] && !o.kind.same(o.kind.loadAt(&o.vector, i), o.kind.canonical(o.want[row])) {
					return p.wrong(o, row, i, size)
				}
			}
			for i := size; i < size+8; i++ {
				if o.kind.raw(&o.vector, i) != o.kind.mask(dirt) {
					return fmt.Errorf("%s: output %s: row %d written by a batch of %d rows", p.spec.Name, o.name, i, size)
				}
			}
		}
		from += size
		if batches++; batches%64 == 0 || from == n {
			if err := p.untouched(); err != nil {
				return err
			}
		}
	}
	return nil
}

// untouched reports an input that is not bit for bit what it was when sealed.
func (p *pool) untouched() error {
	for i := range p.in {
		c := &p.in[i]
		at := c.values.Len()
		if !bytes.Equal(c.before[:at], c.values.Bytes()) || !bytes.Equal(c.before[at:], c.valid.Bytes()) {
			return fmt.Errorf("%s: input %s was written to", p.spec.Name, c.name)
		}
	}
	return nil
}

// view cuts the arrays to one batch. A column without nulls in the batch is
// sometimes given without a bitmap, as Arrow does, and sometimes with one;
// vectors are sometimes longer than the batch.
func (p *pool) view(in []kernel.Vector, from, size int, rng *rand.Rand) {
	longer := 0
	if rng.IntN(2) == 0 {
		longer = 5
	}
	for j := range p.in {
		at := int64(p.first + from)
		s := array.NewSlice(p.in[j].array, at, at+int64(size))
		in[j] = kernel.AsVector(s)
		none := in[j].Valid.All()
		s.Release()
		if longer > 0 || none && !p.in[j].kind.float && rng.IntN(2) == 0 {
			l := array.NewSlice(p.in[j].array, at, at+int64(size+longer))
			in[j] = kernel.AsVector(l)
			l.Release()
			if !p.in[j].kind.float && !(none && rng.IntN(2) == 0) {
				in[j].Valid = kernel.Bitmap{Bits: p.in[j].valid.Bytes(), Offset: int(at)}
			} else {
				in[j].Valid = kernel.Bitmap{}
			}
		}
	}
}

// eval runs the kernel and turns a panic into an error.
func (p *pool) eval(k kernel.Kernel, n int, in, out []kernel.Vector) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: panic on a batch of %d rows: %v", p.spec.Name, n, r)
		}
	}()
	k.Eval(n, in, out)
	return nil
}

// allocations runs the kernel once more, counting what it allocates.
func (p *pool) allocations(k kernel.Kernel) error {
	in, out := make([]kernel.Vector, len(p.in)), make([]kernel.Vector, len(p.out))
	n := min(p.size, 1000)
	p.view(in, 0, n, rand.New(rand.NewPCG(3, 4)))
	for j := range p.out {
		out[j] = p.out[j].vector
	}
	if n := testing.AllocsPerRun(5, func() { k.Eval(n, in, out) }); n != 0 {
		return fmt.Errorf("%s: Eval allocates %.0f times a batch", p.spec.Name, n)
	}
	return nil
}

// wrong describes the first wrong row with everything needed to try it again.
func (p *pool) wrong(o *result, row, at, size int) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s is %s, want %s (row %d of a batch of %d)\n", p.spec.Name, o.name,
		o.kind.text(o.kind.loadAt(&o.vector, at)), o.kind.text(o.kind.canonical(o.want[row])), at, size)
	for j := range p.in {
		c := &p.in[j]
		cell := p.first + row
		if !c.kind.float && c.valid.Bytes()[cell>>3]>>(cell&7)&1 == 0 {
			fmt.Fprintf(&b, "  %s: null\n", c.name)
			continue
		}
		fmt.Fprintf(&b, "  %s: %s\n", c.name, c.kind.text(c.kind.load(c.values.Bytes()[cell*c.kind.width:])))
	}
	return fmt.Errorf("%s", b.String())
}

func (k kind) text(bits uint64) string {
	switch {
	case k.float:
		return fmt.Sprintf("%v (%x)", math.Float64frombits(bits), bits)
	case k.sign:
		return fmt.Sprint(int64(bits))
	}
	return fmt.Sprint(bits)
}

// canonical brings stored bits to the form load returns.
func (k kind) canonical(bits uint64) uint64 {
	var cell [8]byte
	k.store(cell[:], bits)
	return k.load(cell[:])
}

// same compares two loaded cells: bit for bit, any NaN equal to any NaN.
func (k kind) same(a, b uint64) bool {
	if a == b {
		return true
	}
	return k.float && math.IsNaN(math.Float64frombits(a)) && math.IsNaN(math.Float64frombits(b))
}

// mask cuts a pattern to the cell's width.
func (k kind) mask(bits uint64) uint64 {
	if k.width == 8 {
		return bits
	}
	return bits & (1<<(8*k.width) - 1)
}

// storeAt, raw and loadAt reach into a vector by the cell's kind.
func (k kind) storeAt(v *kernel.Vector, i int, bits uint64) {
	switch {
	case v.I8 != nil:
		v.I8[i] = int8(bits)
	case v.I16 != nil:
		v.I16[i] = int16(bits)
	case v.I32 != nil:
		v.I32[i] = int32(bits)
	case v.I64 != nil:
		v.I64[i] = int64(bits)
	case v.U8 != nil:
		v.U8[i] = uint8(bits)
	case v.U16 != nil:
		v.U16[i] = uint16(bits)
	case v.U32 != nil:
		v.U32[i] = uint32(bits)
	case v.U64 != nil:
		v.U64[i] = bits
	case v.F32 != nil:
		v.F32[i] = math.Float32frombits(uint32(bits))
	case v.F64 != nil:
		v.F64[i] = math.Float64frombits(bits)
	}
}

func (k kind) raw(v *kernel.Vector, i int) uint64 {
	switch {
	case v.I8 != nil:
		return k.mask(uint64(v.I8[i]))
	case v.I16 != nil:
		return k.mask(uint64(v.I16[i]))
	case v.I32 != nil:
		return k.mask(uint64(v.I32[i]))
	case v.I64 != nil:
		return uint64(v.I64[i])
	case v.U8 != nil:
		return uint64(v.U8[i])
	case v.U16 != nil:
		return uint64(v.U16[i])
	case v.U32 != nil:
		return uint64(v.U32[i])
	case v.U64 != nil:
		return v.U64[i]
	case v.F32 != nil:
		return uint64(math.Float32bits(v.F32[i]))
	}
	return math.Float64bits(v.F64[i])
}

func (k kind) loadAt(v *kernel.Vector, i int) uint64 { return k.canonical(k.raw(v, i)) }
