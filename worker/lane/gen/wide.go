package main

import "fmt"

// wide is AVX-512 (F, BW, DQ, VL): 64 bytes a vector, a bit a place in K1.
type wide struct{}

func (wide) run() string      { return "run512" }
func (wide) bytes() int       { return 64 }
func (wide) reg(n int) string { return fmt.Sprintf("Z%d", n) }

// kmov moves a bit for each of a vector's places of w bits.
func kmov(w int) string { return map[int]string{8: "KMOVQ", 16: "KMOVD", 32: "KMOVW", 64: "KMOVB"}[w] }

func (wide) truth(p *page, q question, w int, x, y operand, to string) {
	bits := size(w)
	for row := 0; row < 64; row += 512 / bits {
		from, other := x.at(row*bits/8), y.at(row*bits/8)
		switch {
		case w == float:
			p.op("VMOVUPD", "%s, Z2", from)
			p.op("VCMPPD", "$%#x, %s, Z2, K1", floatTest[q], other)
		case q == below:
			p.op("VXORPD", "%s, Z1, Z2", from)
			if y.base != "" {
				p.op("VXORPD", "%s, Z1, Z3", other)
				other = "Z3"
			}
			p.op("VPCMP"+letter(bits), "$1, %s, Z2, K1", other)
		case q == same && y.base != "":
			p.op("VMOVUPD", "%s, Z2", from)
			p.op("VPCMPEQ"+letter(bits), "%s, Z2, K1", other)
		case q == same:
			p.op("VPCMPEQ"+letter(bits), "%s, %s, K1", from, other)
		case q == touches:
			p.op("VPTESTM"+letter(bits), "%s, %s, K1", from, other)
		}
		p.op(kmov(bits), "K1, %s", at(row/8, to))
	}
}

func (wide) read(*page, int) {}

func (wide) mask(p *page, w, row int, base string) { p.op(kmov(w), "%s, K1", at(row/8, base)) }

func (wide) only(p *page, w int, from, to string) {
	p.op(fmt.Sprintf("VMOVDQU%d.Z", w), "%s, K1, %s", from, to)
}

func (wide) choose(p *page, w int, from, otherwise, to string) {
	p.op("VPBLENDM"+letter(w), "%s, %s, K1, %s", from, otherwise, to)
}

func (wide) join(p *page, w int, from, to string) {
	p.op("VPADD"+letter(w), "%[1]s, %[2]s, K1, %[2]s", from, to)
}

func (wide) add(p *page, from, to string) { p.op("VADDPD", "%s, %[2]s, K1, %[2]s", from, to) }

func (wide) times(p *page, a, b, to string) { p.op("VMULPD.Z", "%s, %s, K1, %s", a, b, to) }

func (wide) prepareConvert(*page, string) {}

func (wide) convert(p *page, kind, x, to string) {
	switch kind {
	case "Int8", "Int16", "Uint8", "Uint16":
		p.op(map[string]string{"Int8": "VPMOVSXBD", "Int16": "VPMOVSXWD", "Uint8": "VPMOVZXBD", "Uint16": "VPMOVZXWD"}[kind], "%s, Y2", x)
		p.op("VCVTDQ2PD", "Y2, %s", to)
	default:
		p.op(map[string]string{"Int32": "VCVTDQ2PD", "Int64": "VCVTQQ2PD", "Uint32": "VCVTUDQ2PD", "Uint64": "VCVTUQQ2PD"}[kind], "%s, %s", x, to)
	}
}

func (wide) extend(p *page, kind, x, to string) { p.op(extension(kind), "%s, %s", x, to) }

func (wide) prepareRound(*page) {}

func (wide) round(p *page, x, to string) { p.op("VCVTPD2QQ", "%s, %s", x, to) }

func (wide) prepareScale(*page) {}

func (wide) scale(p *page, x, to string) { p.op("VPMULLQ", "%s, Z0, %s", x, to) }

func (wide) shorten(p *page, x, to string) {
	p.op("VCVTPD2PS", "%s, Y2", x)
	p.op("VMOVUPS", "Y2, %s", to)
}

func (wide) whole(p *page, x, to string) { p.op("VRNDSCALEPD", "$8, %s, %s", x, to) }

func (wide) power(p *page, k, to string) { p.op("VSCALEFPD", "%s, %[2]s, %[2]s", k, to) }

func (wide) quarter(p *page, from, to string) { p.op("VBROADCASTI32X4", "%s, %s", from, to) }

func (wide) where(p *page, q question, x, y string) {
	p.op("VCMPPD", "$%#x, %s, %s, K1", floatTest[q], y, x)
}

func (wide) month(k int) string { return fmt.Sprintf("Z%d", 16+k) }
func (wide) local() int         { return 0 }

// extension is the instruction that makes int64 of a kind.
func extension(kind string) string {
	return map[string]string{
		"Int8": "VPMOVSXBQ", "Int16": "VPMOVSXWQ", "Int32": "VPMOVSXDQ", "Int64": "VMOVUPD",
		"Uint8": "VPMOVZXBQ", "Uint16": "VPMOVZXWQ", "Uint32": "VPMOVZXDQ", "Uint64": "VMOVUPD",
	}[kind]
}
