package main

import "fmt"

// The statistics of six months go by eight rows a turn, the bits of a byte of a
// mask: R10 counts turns and R12 walks the months' columns. SI points to the list
// of columns, R8 to that of masks, DX to the factors. Register 0 holds c, 1 NaN
// and 15 ones throughout; 9 to 14 are the statistic's own.
const result = 8 // the register with the statistic

// statistic is a step of the months' values, x·w, which finish works on.
func statistic(months int, finish func(p *page, s six)) func(machine, string) kernel {
	return func(m machine, kind string) kernel {
		return window(m, kind, func(p *page, s six) {
			m.prepareConvert(p, kind) // finish may use those registers
			for k := range months {
				s.load(p, k)
				p.dup(64, at(8*k, "(DX)"), m.reg(3))
				m.times(p, m.reg(3), m.reg(2), m.reg(2))
				p.op("VMOVUPD", "%s, %s", m.reg(2), m.month(k))
			}
			finish(p, s)
		})
	}
}

func window(m machine, kind string, rows func(p *page, s six)) kernel {
	return kernel{
		dst: 64, byEight: true,
		prepare: func(p *page) {
			p.op("MOVQ", "%s, SI", argX)
			p.op("MOVQ", "%s, DX", argY)
			p.op("MOVQ", "%s, R8", argM)
			p.op("XORL", "R10, R10")
			p.op("XORL", "R12, R12")
			p.dup(64, argC, m.reg(0))
			p.dup(64, "nan<>(SB)", m.reg(1))
			p.dup(64, "one<>(SB)", m.reg(15))
			m.read(p, 64)
			m.prepareConvert(p, kind)
		},
		rows: func(p *page) {
			for off := 0; off < 64; off += m.bytes() {
				rows(p, six{m, kind, off / 8})
				p.op("VMOVUPD", "%s, %s", m.reg(result), at(off, "(DI)"))
			}
			p.op("INCQ", "R10")
			p.op("ADDQ", "$%d, R12", 8*kindBytes(kind))
		},
	}
}

// six are the months of a vector of rows, which begins at row of the eight.
type six struct {
	machine
	kind string
	row  int
}

// known fetches where month k is known.
func (s six) known(p *page, k int) {
	p.op("MOVQ", "%s, R9", at(8*k, "(R8)"))
	s.mask(p, 64, s.row, "(R9)(R10*1)")
}

// load fetches where month k is known and puts its values in register 2.
func (s six) load(p *page, k int) {
	s.known(p, k)
	p.op("MOVQ", "%s, AX", at(24*k, "(SI)")) // of a list of slices
	s.convert(p, s.kind, at(s.row*kindBytes(s.kind), "(AX)(R12*1)"), s.reg(2))
}

// count adds 1 where the fetched bits are set.
func (s six) count(p *page, to int) { s.add(p, s.reg(15), s.reg(to)) }

// sum adds up three months from the first on.
func (s six) sum(p *page, first, to int) {
	p.op("VMOVUPD", "%s, %s", s.month(first), s.reg(to))
	p.op("VADDPD", "%s, %[2]s, %[2]s", s.month(first+1), s.reg(to))
	p.op("VADDPD", "%s, %[2]s, %[2]s", s.month(first+2), s.reg(to))
}

// do writes b op a, as the assembler has it.
func (s six) do(p *page, op string, a, b, to int) {
	p.op("V"+op+"PD", "%s, %s, %s", s.reg(a), s.reg(b), s.reg(to))
}

func (s six) zero(p *page, to int) { s.do(p, "XOR", to, to, to) }

// put writes from where a is below b, or the same.
func (s six) put(p *page, from int, q question, a, b, to int) {
	s.where(p, q, s.reg(a), s.reg(b))
	s.choose(p, 64, s.reg(from), s.reg(to), s.reg(to))
}

// mean is of the newest months.
func mean(months int) func(machine, string) kernel {
	return func(m machine, kind string) kernel {
		return window(m, kind, func(p *page, s six) {
			const n = 9
			s.zero(p, n)
			for k := range months {
				s.load(p, k)
				if k == 0 {
					s.only(p, 64, s.reg(2), s.reg(result))
				} else {
					s.add(p, s.reg(2), s.reg(result))
				}
				s.count(p, n)
			}
			s.put(p, 1, below, n, 0, n)
			s.do(p, "DIV", n, result, result)
		})
	}
}

func change(p *page, s six) {
	const now, base, zero = 9, 10, 11
	s.zero(p, zero)
	p.op("VMOVUPD", "%s, %s", s.month(0), s.reg(now))
	p.op("VMOVUPD", "%s, %s", s.month(1), s.reg(base))
	s.do(p, "SUB", base, now, result)
	s.do(p, "DIV", base, result, result)
	s.put(p, 1, same, base, zero, result)
	s.put(p, zero, same, now, base, result)
	for k := range 2 {
		s.known(p, k)
		s.choose(p, 64, s.reg(result), s.reg(1), s.reg(result))
	}
}

// What Compare keeps of a vector of rows, in the places of months after the sixth: how
// many months are known, of all and of the newest three; Σi and Σi(i+1)/2 of their
// positions i, which count up to the newest's 5; and the sums of the newest three, of
// those before, and of all.
const (
	known6 = 6 + iota
	known3
	places
	triangles
	recent
	earlier
	total
)

// compare is up to four statistics of six months; dst is the list of where they go, 0
// for what nobody asks. R13 walks them.
func compare(m machine, kind string) kernel {
	k := window(m, kind, nil)
	k.dst = 0
	prepare := k.prepare
	k.prepare = func(p *page) {
		p.op("MOVQ", "%s, DI", argDst)
		p.op("XORL", "R13, R13")
		prepare(p)
	}
	k.rows = func(p *page) {
		for off := 0; off < 64; off += m.bytes() {
			s := six{m, kind, off / 8}
			s.gather(p)
			for i, finish := range []func(*page, six){change, riseOfMeans, slope, variation} {
				done := fmt.Sprintf("row%dstatistic%d", s.row, i)
				p.op("MOVQ", "%s, R11", at(8*i, "(DI)"))
				p.op("TESTQ", "R11, R11")
				p.op("JZ", "%s", done)
				finish(p, s)
				p.op("VMOVUPD", "%s, %s", m.reg(result), at(off, "(R11)(R13*1)"))
				p.raw("\n" + done + ":")
			}
		}
		p.op("INCQ", "R10")
		p.op("ADDQ", "$64, R13")
		p.op("ADDQ", "$%d, R12", 8*kindBytes(kind))
	}
	return k
}

// gather loads the months and what several statistics ask of them. When the months from
// the newest on are counted, n, the month of position i is in n for i turns before the
// last; so all n of those turns add up to Σi, and all of these to Σi(i+1)/2.
func (s six) gather(p *page) {
	const n, sumN, sumSums, x = 9, 14, 8, 9
	s.prepareConvert(p, s.kind) // finishing used those registers
	for _, r := range []int{n, sumN, sumSums} {
		s.zero(p, r)
	}
	for k := range 6 {
		s.load(p, k)
		p.dup(64, at(8*k, "(DX)"), s.reg(3))
		s.times(p, s.reg(3), s.reg(2), s.reg(2))
		p.op("VMOVUPD", "%s, %s", s.reg(2), s.month(k))
		s.count(p, n)
		if k < 5 {
			s.do(p, "ADD", n, sumN, sumN)
			s.do(p, "ADD", sumN, sumSums, sumSums)
		}
		if k == 2 {
			p.op("VMOVUPD", "%s, %s", s.reg(n), s.month(known3))
		}
	}
	for _, keep := range [][2]int{{n, known6}, {sumN, places}, {sumSums, triangles}} {
		p.op("VMOVUPD", "%s, %s", s.reg(keep[0]), s.month(keep[1]))
	}
	s.sum(p, 0, x)
	s.sum(p, 3, x+1)
	p.op("VMOVUPD", "%s, %s", s.reg(x), s.month(recent))
	p.op("VMOVUPD", "%s, %s", s.reg(x+1), s.month(earlier))
	s.do(p, "ADD", x+1, x, x)
	p.op("VMOVUPD", "%s, %s", s.reg(x), s.month(total))
}

// fetch loads what is kept.
func (s six) fetch(p *page, k, to int) { p.op("VMOVUPD", "%s, %s", s.month(k), s.reg(to)) }

func riseOfMeans(p *page, s six) {
	const late, early, nLate, nEarly, zero = 9, 10, 11, 12, 13
	s.fetch(p, recent, late)
	s.fetch(p, earlier, early)
	s.fetch(p, known3, nLate)
	s.fetch(p, known6, nEarly)
	s.do(p, "SUB", nLate, nEarly, nEarly)
	s.zero(p, zero)
	s.put(p, 1, below, nLate, 0, nLate)
	s.put(p, 1, below, nEarly, 0, nEarly)
	s.do(p, "MUL", early, nLate, nLate)
	s.do(p, "MUL", late, nEarly, nEarly)
	s.do(p, "SUB", nLate, nEarly, nEarly)
	s.do(p, "DIV", nLate, nEarly, result)
	s.put(p, 1, same, early, zero, result)
	s.put(p, zero, same, nEarly, zero, result)
}

func slope(p *page, s six) {
	const sum, n, at, squares, zero, x = 9, 11, 12, 13, 14, 10
	for k := range 4 {
		p.dup(64, []string{"five", "four", "three", "two"}[k]+"<>(SB)", s.reg(3))
		p.op("VMULPD", "%s, %[2]s, %[2]s", s.month(k), s.reg(3))
		if k == 0 {
			p.op("VMOVUPD", "%s, %s", s.reg(3), s.reg(result))
		} else {
			s.do(p, "ADD", 3, result, result)
		}
	}
	p.op("VADDPD", "%s, %[2]s, %[2]s", s.month(4), s.reg(result))
	s.fetch(p, total, sum)
	s.fetch(p, known6, n)
	s.fetch(p, places, at)
	s.fetch(p, triangles, squares)
	s.zero(p, zero)
	const spread = squares
	s.do(p, "ADD", squares, squares, squares)
	s.do(p, "SUB", at, squares, squares)
	s.do(p, "MUL", n, squares, squares)
	s.do(p, "MUL", at, at, x)
	s.do(p, "SUB", x, squares, spread)

	s.put(p, 1, same, sum, zero, sum)
	p.dup(64, argD, s.reg(3))
	s.put(p, 1, below, n, 3, n)
	s.do(p, "MUL", n, result, result)
	s.do(p, "MUL", at, sum, at)
	s.do(p, "SUB", at, result, result)
	s.do(p, "MUL", n, result, result)
	s.do(p, "MUL", spread, sum, sum)
	s.do(p, "DIV", sum, result, result)
	s.do(p, "ADD", zero, result, result)
}

func variation(p *page, s six) {
	const sum, n, zero = 9, 11, 12
	s.fetch(p, total, sum)
	s.fetch(p, known6, n)
	s.zero(p, result)
	s.zero(p, zero)
	for k := range 6 {
		s.known(p, k)
		p.op("VMULPD", "%s, %s, %s", s.month(k), s.reg(n), s.reg(2))
		s.do(p, "SUB", sum, 2, 2)
		s.do(p, "MUL", 2, 2, 2)
		s.add(p, s.reg(2), s.reg(result))
	}
	s.put(p, 1, same, sum, zero, sum)
	s.do(p, "DIV", n, result, result)
	p.op("VSQRTPD", "%s, %[1]s", s.reg(result))
	s.do(p, "DIV", sum, result, result)
	s.do(p, "ADD", zero, result, result)
}
