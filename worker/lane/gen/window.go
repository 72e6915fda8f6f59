package main

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

func meanChange(p *page, s six) {
	const recent, earlier, nRecent, nEarlier, zero = 9, 10, 11, 12, 13
	s.sum(p, 0, recent)
	s.sum(p, 3, earlier)
	s.zero(p, nRecent)
	s.zero(p, nEarlier)
	for k := range 6 {
		s.known(p, k)
		s.count(p, []int{nRecent, nEarlier}[k/3])
	}
	s.put(p, 1, below, nRecent, 0, nRecent)
	s.put(p, 1, below, nEarlier, 0, nEarlier)
	s.do(p, "MUL", earlier, nRecent, nRecent)
	s.do(p, "MUL", recent, nEarlier, nEarlier)
	s.do(p, "SUB", nRecent, nEarlier, nEarlier)
	s.do(p, "DIV", nRecent, nEarlier, result)
	s.zero(p, zero)
	s.put(p, 1, same, earlier, zero, result)
	s.put(p, zero, same, nEarlier, zero, result)
}

// slope finds the months' positions by adding up: when the months from the
// newest on are counted, n, the month of position i is in n for i turns before
// the last; so all n of those turns add up to Σi, and all of these to Σi(i+1)/2.
func slope(p *page, s six) {
	const sum, n, places, triangles, zero, x = 9, 11, 12, 13, 14, 10
	s.sum(p, 0, sum)
	s.sum(p, 3, x)
	s.do(p, "ADD", x, sum, sum)
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
	for _, r := range []int{n, places, triangles, zero} {
		s.zero(p, r)
	}
	for k := range 6 {
		s.known(p, k)
		s.count(p, n)
		if k < 5 {
			s.do(p, "ADD", n, places, places)
			s.do(p, "ADD", places, triangles, triangles)
		}
	}
	const squares, spread = triangles, triangles
	s.do(p, "ADD", triangles, triangles, triangles)
	s.do(p, "SUB", places, triangles, squares)
	s.do(p, "MUL", n, squares, squares)
	s.do(p, "MUL", places, places, x)
	s.do(p, "SUB", x, squares, spread)

	s.put(p, 1, same, sum, zero, sum)
	s.put(p, 1, below, n, 0, n)
	s.do(p, "MUL", n, result, result)
	s.do(p, "MUL", places, sum, places)
	s.do(p, "SUB", places, result, result)
	s.do(p, "MUL", n, result, result)
	s.do(p, "MUL", spread, sum, sum)
	s.do(p, "DIV", sum, result, result)
	s.do(p, "ADD", zero, result, result)
}

func variation(p *page, s six) {
	const sum, n, zero, x = 9, 11, 12, 10
	s.sum(p, 0, sum)
	s.sum(p, 3, x)
	s.do(p, "ADD", x, sum, sum)
	for _, r := range []int{n, result, zero} {
		s.zero(p, r)
	}
	for k := range 6 {
		s.known(p, k)
		s.count(p, n)
	}
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
