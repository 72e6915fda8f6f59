package main

import "fmt"

// terms are 1/n! for n from 13 down to 2, what elementary.Exp sums up.
var terms = []string{
	"0x3de6124613a86d09", "0x3e21eed8eff8d898", "0x3e5ae64567f544e4", "0x3e927e4fb7789f5c", "0x3ec71de3a556c734", "0x3efa01a01a01a01a",
	"0x3f2a01a01a01a01a", "0x3f56c16c16c16c17", "0x3f81111111111111", "0x3fa5555555555555", "0x3fc5555555555555", "0x3fe0000000000000",
}

// exponential is elementary.Exp, operation for operation. What is so far out that the
// answer is 0 or infinite is first brought nearer, where it still is.
func exponential(m machine, _ string) kernel {
	const x, k, hi, lo, r, tail, poly, sum, one, by = 2, 8, 9, 10, 11, 12, 13, 14, 15, 3
	return kernel{
		dst: 512, x: 512,
		prepare: func(p *page) { p.dup(64, "one<>(SB)", m.reg(one)) },
		rows: func(p *page) {
			// do writes b op a, as the assembler has it.
			do := func(op string, a, b, to int) { p.op("V"+op+"PD", "%s, %s, %s", m.reg(a), m.reg(b), m.reg(to)) }
			constant := func(name string) { p.dup(64, name+"<>(SB)", m.reg(by)) }
			vectors(m, 64, func(_, off int) {
				p.op("VMOVUPD", "%s, %s", at(off, "(SI)"), m.reg(x))
				constant("farthest")
				do("MIN", x, by, x) // NaN stays
				constant("deepest")
				do("MAX", x, by, x)
				constant("log2e")
				do("MUL", by, x, k)
				m.whole(p, m.reg(k), m.reg(k))
				constant("ln2Hi")
				do("MUL", by, k, hi)
				do("SUB", hi, x, hi)
				constant("ln2Lo")
				do("MUL", by, k, lo)
				do("SUB", lo, hi, r)
				do("SUB", r, hi, tail)
				do("SUB", lo, tail, tail)
				p.dup(64, "term0<>(SB)", m.reg(poly))
				for i := range terms[1:] {
					do("MUL", r, poly, poly)
					constant(fmt.Sprintf("term%d", i+1))
					do("ADD", by, poly, poly)
				}
				do("MUL", r, r, x)
				do("MUL", x, poly, poly)
				do("ADD", tail, poly, poly)
				do("ADD", r, one, sum)
				do("SUB", one, sum, by)
				do("SUB", by, r, by) // what rounding the sum lost
				do("ADD", by, poly, poly)
				do("ADD", poly, sum, sum)
				m.power(p, m.reg(k), m.reg(sum))
				p.op("VMOVUPD", "%s, %s", m.reg(sum), at(off, "(DI)"))
			})
		},
	}
}
