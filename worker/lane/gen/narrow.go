package main

import "fmt"

// narrow is AVX2: 32 bytes a vector, and masks of whole places.
type narrow struct{}

func (narrow) run() string      { return "run256" }
func (narrow) bytes() int       { return 32 }
func (narrow) reg(n int) string { return fmt.Sprintf("Y%d", n) }

func (n narrow) truth(p *page, q question, w int, x, y operand, to string) {
	bits := size(w)
	places := 256 / bits
	ask := func(row int, into string) { n.ask(p, q, w, x.at(row*bits/8), y.at(row*bits/8), y.base != "", into) }
	switch bits {
	case 8:
		for row := 0; row < 64; row += places {
			ask(row, "Y4")
			p.op("VPMOVMSKB", "Y4, R9")
			p.op("MOVL", "R9, %s", at(row/8, to))
		}
	case 16: // two vectors' words become one of bytes, whose middle quarters lie crosswise
		for row := 0; row < 64; row += 2 * places {
			ask(row, "Y4")
			ask(row+places, "Y5")
			p.op("VPACKSSWB", "Y5, Y4, Y4")
			p.op("VPERMQ", "$0xd8, Y4, Y4")
			p.op("VPMOVMSKB", "Y4, R9")
			p.op("MOVL", "R9, %s", at(row/8, to))
		}
	case 32:
		for row := 0; row < 64; row += places {
			ask(row, "Y4")
			p.op("VMOVMSKPS", "Y4, R9")
			p.op("MOVB", "R9, %s", at(row/8, to))
		}
	case 64:
		for row := 0; row < 64; row += 2 * places {
			ask(row, "Y4")
			ask(row+places, "Y5")
			p.op("VMOVMSKPD", "Y4, R9")
			p.op("VMOVMSKPD", "Y5, BX")
			p.op("SHLL", "$4, BX")
			p.op("ORL", "BX, R9")
			p.op("MOVB", "R9, %s", at(row/8, to))
		}
	}
}

// ask makes each place of into all ones or all zeros.
func (narrow) ask(p *page, q question, w int, x, y string, memory bool, into string) {
	l := letter(size(w))
	switch {
	case w == float:
		p.op("VMOVUPD", "%s, Y2", x)
		p.op("VCMPPD", "$%#x, %s, Y2, %s", floatTest[q], y, into)
	case q == below:
		p.op("VPXOR", "%s, Y1, Y2", x)
		if memory {
			p.op("VPXOR", "%s, Y1, Y3", y)
			y = "Y3"
		}
		p.op("VPCMPGT"+l, "Y2, %s, %s", y, into)
	case q == same && memory:
		p.op("VMOVDQU", "%s, Y2", x)
		p.op("VPCMPEQ"+l, "%s, Y2, %s", y, into)
	case q == same:
		p.op("VPCMPEQ"+l, "%s, %s, %s", x, y, into)
	case q == touches:
		p.op("VPAND", "%s, %s, Y2", x, y)
		p.op("VPCMPEQ"+l, "Y2, %s, %s", y, into)
	}
}

// read loads the bit that tells each place apart.
func (narrow) read(p *page, w int) {
	switch w {
	case 8:
		p.op("VPBROADCASTQ", "bit8<>(SB), Y6")
		p.op("VMOVDQU", "byte8<>(SB), Y7")
	case 64:
		p.op("VMOVDQU", "bit64<>+0(SB), Y6")
		p.op("VMOVDQU", "bit64<>+32(SB), Y7")
	default:
		p.op("VMOVDQU", "bit%d<>(SB), Y6", w)
	}
}

// mask gives every place a copy of the bits and lets it keep its own: Y5 is all
// ones where the bit is set.
func (narrow) mask(p *page, w, row int, base string) {
	own := "Y6"
	switch w {
	case 8:
		p.op("VPBROADCASTD", "%s, Y4", at(row/8, base))
		p.op("VPSHUFB", "Y7, Y4, Y4")
	case 16:
		p.op("VPBROADCASTW", "%s, Y4", at(row/8, base))
	case 32:
		p.op("VPBROADCASTB", "%s, Y4", at(row/8, base))
	case 64:
		p.op("VPBROADCASTB", "%s, Y4", at(row/8, base))
		if row%8 != 0 {
			own = "Y7" // the byte's upper half
		}
	}
	p.op("VPAND", "%s, Y4, Y5", own)
	p.op("VPCMPEQ"+letter(w), "%s, Y5, Y5", own)
}

func (narrow) only(p *page, _ int, from, to string) { p.op("VPAND", "%s, Y5, %s", from, to) }

func (narrow) choose(p *page, _ int, from, otherwise, to string) {
	p.op("VPBLENDVB", "Y5, %s, %s, %s", from, otherwise, to)
}

func (narrow) join(p *page, _ int, from, to string) {
	p.op("VPAND", "%s, Y5, Y2", from)
	p.op("VPOR", "Y2, %[1]s, %[1]s", to)
}

func (n narrow) add(p *page, from, to string) {
	n.only(p, 64, from, "Y3")
	p.op("VADDPD", "Y3, %[1]s, %[1]s", to)
}

func (n narrow) times(p *page, a, b, to string) {
	p.op("VMULPD", "%s, %s, %s", a, b, to)
	n.only(p, 64, to, to)
}

// prepareConvert loads what convert needs of kinds that AVX2 has no conversion for.
func (narrow) prepareConvert(p *page, kind string) {
	switch kind {
	case "Uint32":
		p.op("VPBROADCASTQ", "two52<>(SB), Y10")
	case "Int64":
		p.op("VPBROADCASTQ", "two52<>(SB), Y10")
		p.op("VPBROADCASTQ", "sign<>(SB), Y11")
		p.op("VPBROADCASTQ", "two84<>(SB), Y12")
		p.op("VPBROADCASTQ", "signed<>(SB), Y13")
	case "Uint64":
		p.op("VPBROADCASTQ", "two52<>(SB), Y10")
		p.op("VPBROADCASTQ", "two84<>(SB), Y12")
		p.op("VPBROADCASTQ", "unsigned<>(SB), Y13")
	}
}

// convert writes 32 bits into the last places of 2^52, which makes them that
// much more than 2^52. Of 64 bits the upper half goes to 2^84, the lower to
// 2^52: taking 2^84 + 2^52 from the upper is exact, so the sum of the two is the
// only rounding, to the nearest even. A signed x is moved up by 2^63 first, and
// down again with the upper half.
func (narrow) convert(p *page, kind, x, to string) {
	switch kind {
	case "Int8", "Int16", "Uint8", "Uint16":
		p.op(map[string]string{"Int8": "VPMOVSXBD", "Int16": "VPMOVSXWD", "Uint8": "VPMOVZXBD", "Uint16": "VPMOVZXWD"}[kind], "%s, X2", x)
		p.op("VCVTDQ2PD", "X2, %s", to)
	case "Int32":
		p.op("VCVTDQ2PD", "%s, %s", x, to)
	case "Uint32":
		p.op("VPMOVZXDQ", "%s, Y2", x)
		p.op("VPOR", "Y10, Y2, Y2")
		p.op("VSUBPD", "Y10, Y2, %s", to)
	default:
		if kind == "Int64" {
			p.op("VPXOR", "%s, Y11, Y2", x)
		} else {
			p.op("VMOVDQU", "%s, Y2", x)
		}
		p.op("VPSRLQ", "$32, Y2, Y3")
		p.op("VPOR", "Y12, Y3, Y3")
		p.op("VSUBPD", "Y13, Y3, Y3")
		p.op("VPBLENDD", "$0xaa, Y10, Y2, Y2")
		p.op("VADDPD", "Y3, Y2, %s", to)
	}
}

func (narrow) extend(p *page, kind, x, to string) { p.op(extension(kind), "%s, %s", x, to) }

func (narrow) prepareRound(p *page) {
	p.op("VPBROADCASTQ", "down32<>(SB), Y10")
	p.op("VPBROADCASTQ", "up32<>(SB), Y11")
	p.op("VPBROADCASTQ", "two52<>(SB), Y12")
	p.op("VPBROADCASTQ", "three51<>(SB), Y13")
}

// round finds the nearest integer and splits it, exactly, into 32 upper bits and
// 32 lower ones, which it reads off the last places of 2^52 (upper ones may be
// below 0, and go to 2^52 + 2^51).
func (narrow) round(p *page, x, to string) {
	p.op("VROUNDPD", "$8, %s, Y2", x) // to the nearest, halves to even
	p.op("VMULPD", "Y10, Y2, Y3")
	p.op("VROUNDPD", "$9, Y3, Y3") // down
	p.op("VMULPD", "Y11, Y3, Y4")
	p.op("VSUBPD", "Y4, Y2, Y2")
	p.op("VADDPD", "Y13, Y3, Y3")
	p.op("VPSLLQ", "$32, Y3, Y3")
	p.op("VADDPD", "Y12, Y2, Y2")
	p.op("VPXOR", "Y12, Y2, Y2")
	p.op("VPOR", "Y3, Y2, %s", to)
}

func (narrow) prepareScale(p *page) { p.op("VPSRLQ", "$32, Y0, Y1") }

// scale adds up the three products of 32-bit halves that reach the low 64 bits.
func (narrow) scale(p *page, x, to string) {
	p.op("VMOVDQU", "%s, Y2", x)
	p.op("VPSRLQ", "$32, Y2, Y3")
	p.op("VPMULUDQ", "Y0, Y3, Y3")
	p.op("VPMULUDQ", "Y1, Y2, Y4")
	p.op("VPADDQ", "Y3, Y4, Y4")
	p.op("VPSLLQ", "$32, Y4, Y4")
	p.op("VPMULUDQ", "Y0, Y2, Y2")
	p.op("VPADDQ", "Y4, Y2, %s", to)
}

func (narrow) shorten(p *page, x, to string) {
	p.op("VCVTPD2PSY", "%s, X2", x)
	p.op("VMOVUPS", "X2, %s", to)
}

func (narrow) whole(p *page, x, to string) { p.op("VROUNDPD", "$8, %s, %s", x, to) }

// power multiplies twice, by two powers whose exponents a float64 has room for: the
// first product is exact. An exponent is read off the last places of 2^52 more.
func (n narrow) power(p *page, k, to string) {
	p.op("VPBROADCASTQ", "half<>(SB), Y2")
	p.op("VMULPD", "%s, Y2, Y2", k)
	p.op("VROUNDPD", "$9, Y2, Y2") // down
	p.op("VSUBPD", "Y2, %s, Y8", k)
	p.op("VPBROADCASTQ", "exponent<>(SB), Y3")
	for _, part := range []string{"Y2", "Y8"} {
		p.op("VADDPD", "%s, Y3, %[1]s", part)
		p.op("VPSLLQ", "$52, %s, %[1]s", part)
		p.op("VMULPD", "%s, %[2]s, %[2]s", part, to)
	}
}

func (narrow) quarter(p *page, from, to string) { p.op("VBROADCASTI128", "%s, %s", from, to) }

func (narrow) where(p *page, q question, x, y string) {
	p.op("VCMPPD", "$%#x, %s, %s, Y5", floatTest[q], y, x)
}

func (narrow) month(k int) string { return at(32*k, "(SP)") }
func (narrow) local() int         { return (total + 1) * 32 }
