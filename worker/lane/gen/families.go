package main

import "fmt"

// family is one step for several kinds of rows.
type family struct {
	name     string
	variants []string
	build    func(m machine, variant string) kernel
}

// kernel is one step: how far 64 rows move each of its arguments (0 for one it
// does not walk), what it does first, and what it does with 64 rows.
type kernel struct {
	dst, x, y, m int
	byEight      bool // rows does eight rows instead, one byte of masks
	prepare      func(p *page)
	rows         func(p *page)
}

var (
	widths  = []string{"8", "16", "32", "64"}
	columns = []string{"8", "16", "32", "64", "Float"}
	kinds   = []string{"Int8", "Int16", "Int32", "Int64", "Uint8", "Uint16", "Uint32", "Uint64"}
	floats  = []string{"Float"}
	sums    = []string{"64", "Float"}
	monthly = []string{"Int16", "Int32", "Int64"}
)

func widthOf(variant string) int {
	return map[string]int{"8": 8, "16": 16, "32": 32, "64": 64, "Float": float}[variant]
}

func kindBytes(kind string) int {
	return map[string]int{"Int8": 1, "Int16": 2, "Int32": 4, "Int64": 8, "Uint8": 1, "Uint16": 2, "Uint32": 4, "Uint64": 8}[kind]
}

var families = []family{
	{"Less", columns, against(below)},
	{"Equal", columns, against(same)},
	{"AtMost", floats, against(atMost)},
	{"LessThan", columns, pairs(below)},
	{"EqualTo", columns, pairs(same)},
	{"Bit", widths, against(touches)},

	{"Float", kinds, turn(machine.convert)},
	{"Int", kinds, turn(machine.extend)},
	{"Round", floats, round},
	{"Widen", floats, widen},
	{"Narrow", floats, shorten},
	{"Code", widths, code},
	{"Select", widths, choice},
	{"Put", widths, put},
	{"Look", []string{"8"}, look},
	{"Count", []string{"8"}, count},
	{"Flag", []string{"8", "64"}, flag},
	{"Valid", []string{""}, valid},
	{"Pack", widths, pack},
	{"Unpack", widths, unpack},

	{"Add", sums, both("VPADDQ", "VADDPD")},
	{"Sub", sums, both("VPSUBQ", "VSUBPD")},
	{"AddTo", sums, each("VPADDQ", "VADDPD")},
	{"Scale", sums, scale},
	{"Mul", floats, both("", "VMULPD")},
	{"Div", floats, both("", "VDIVPD")},
	{"Min", floats, lesser(false)},
	{"Max", floats, lesser(true)},
	{"Abs", floats, abs},
	{"Sqrt", floats, sqrt},
	{"Exp", floats, exponential},
	{"AddFloat", kinds, addFloat},

	{"Mean3", monthly, mean(3)},
	{"Mean6", monthly, mean(6)},
	{"Change", monthly, statistic(2, change)},
	{"Compare", monthly, compare},
}

// against asks q of x and c.
func against(q question) func(machine, string) kernel {
	return func(m machine, variant string) kernel {
		w := widthOf(variant)
		return kernel{
			dst: 8, x: 8 * size(w),
			prepare: func(p *page) {
				p.dup(size(w), argC, m.reg(0))
				if q == below && w != float {
					p.dup(size(w), argD, m.reg(1))
				}
			},
			rows: func(p *page) {
				m.truth(p, q, w, operand{base: "(SI)"}, operand{register: m.reg(0)}, "(DI)")
			},
		}
	}
}

// pairs asks q of x and y.
func pairs(q question) func(machine, string) kernel {
	return func(m machine, variant string) kernel {
		w := widthOf(variant)
		return kernel{
			dst: 8, x: 8 * size(w), y: 8 * size(w),
			prepare: func(p *page) {
				if q == below && w != float {
					p.dup(size(w), argD, m.reg(1))
				}
			},
			rows: func(p *page) {
				m.truth(p, q, w, operand{base: "(SI)"}, operand{base: "(DX)"}, "(DI)")
			},
		}
	}
}

// turn writes x as 64 bits where m is set and c elsewhere.
func turn(how func(m machine, p *page, kind, x, to string)) func(machine, string) kernel {
	return func(m machine, kind string) kernel {
		return kernel{
			dst: 64 * 8, x: 64 * kindBytes(kind), m: 8,
			prepare: func(p *page) {
				p.dup(64, argC, m.reg(0))
				m.read(p, 64)
				m.prepareConvert(p, kind)
			},
			rows: func(p *page) {
				vectors(m, 64, func(row, off int) {
					m.mask(p, 64, row, "(R8)")
					how(m, p, kind, at(row*kindBytes(kind), "(SI)"), m.reg(2))
					m.choose(p, 64, m.reg(2), m.reg(0), m.reg(2))
					p.op("VMOVUPD", "%s, %s", m.reg(2), at(off, "(DI)"))
				})
			},
		}
	}
}

func addFloat(m machine, kind string) kernel {
	return kernel{
		dst: 64 * 8, x: 64 * kindBytes(kind), m: 8,
		prepare: func(p *page) {
			m.read(p, 64)
			m.prepareConvert(p, kind)
		},
		rows: func(p *page) {
			vectors(m, 64, func(row, off int) {
				m.mask(p, 64, row, "(R8)")
				m.convert(p, kind, at(row*kindBytes(kind), "(SI)"), m.reg(2))
				addWhere(p, m, off)
			})
		},
	}
}

// addWhere adds register 2 to dst where the fetched bits are set.
func addWhere(p *page, m machine, off int) {
	p.op("VMOVUPD", "%s, %s", at(off, "(DI)"), m.reg(8))
	p.op("VADDPD", "%[1]s, %[2]s, %[1]s", m.reg(2), m.reg(8))
	m.choose(p, 64, m.reg(2), m.reg(8), m.reg(2))
	p.op("VMOVUPD", "%s, %s", m.reg(2), at(off, "(DI)"))
}

func code(m machine, variant string) kernel {
	w := widthOf(variant)
	return kernel{
		dst: 8 * w, x: 8 * w, m: 8,
		prepare: func(p *page) { m.read(p, w) },
		rows: func(p *page) {
			vectors(m, w, func(row, off int) {
				m.mask(p, w, row, "(R8)")
				m.only(p, w, at(off, "(SI)"), m.reg(2))
				p.op("VMOVUPD", "%s, %s", m.reg(2), at(off, "(DI)"))
			})
		},
	}
}

func choice(m machine, variant string) kernel {
	w := widthOf(variant)
	return kernel{
		dst: 8 * w, x: 8 * w, y: 8 * w, m: 8,
		prepare: func(p *page) { m.read(p, w) },
		rows: func(p *page) {
			vectors(m, w, func(row, off int) {
				m.mask(p, w, row, "(R8)")
				p.op("VMOVUPD", "%s, %s", at(off, "(DX)"), m.reg(2))
				m.choose(p, w, at(off, "(SI)"), m.reg(2), m.reg(2))
				p.op("VMOVUPD", "%s, %s", m.reg(2), at(off, "(DI)"))
			})
		},
	}
}

func put(m machine, variant string) kernel {
	w := widthOf(variant)
	return kernel{
		dst: 8 * w, m: 8,
		prepare: func(p *page) {
			p.dup(w, argC, m.reg(0))
			m.read(p, w)
		},
		rows: func(p *page) {
			vectors(m, w, func(row, off int) {
				m.mask(p, w, row, "(R8)")
				p.op("VMOVUPD", "%s, %s", at(off, "(DI)"), m.reg(2))
				m.choose(p, w, m.reg(0), m.reg(2), m.reg(2))
				p.op("VMOVUPD", "%s, %s", m.reg(2), at(off, "(DI)"))
			})
		},
	}
}

func flag(m machine, variant string) kernel {
	w := widthOf(variant)
	return kernel{
		dst: 8 * w, m: 8,
		prepare: func(p *page) {
			p.dup(w, argC, m.reg(0))
			m.read(p, w)
		},
		rows: func(p *page) {
			vectors(m, w, func(row, off int) {
				m.mask(p, w, row, "(R8)")
				m.only(p, w, m.reg(0), m.reg(2))
				p.op("VMOVUPD", "%s, %s", m.reg(2), at(off, "(DI)"))
			})
		},
	}
}

func count(m machine, _ string) kernel {
	k := flag(m, "8")
	k.rows = func(p *page) {
		vectors(m, 8, func(row, off int) {
			m.mask(p, 8, row, "(R8)")
			m.only(p, 8, m.reg(0), m.reg(2))
			p.op("VPADDB", "%s, %s, %s", at(off, "(DI)"), m.reg(2), m.reg(2))
			p.op("VMOVUPD", "%s, %s", m.reg(2), at(off, "(DI)"))
		})
	}
	return k
}

// valid moves bits down by c, of which 0 is not one, to begin at a word: eight
// words a turn, from the eight bytes of each word and from the eight that begin
// one later, which go up by d, 8 - c.
func valid(m machine, _ string) kernel {
	return kernel{
		dst: 64, x: 64,
		prepare: func(p *page) {
			p.op("VMOVQ", "%s, X0", argC)
			p.op("VMOVQ", "%s, X1", argD)
		},
		rows: func(p *page) {
			vectors(m, 8, func(_, off int) {
				p.op("VMOVUPD", "%s, %s", at(off, "(SI)"), m.reg(2))
				p.op("VMOVUPD", "%s, %s", at(off+1, "(SI)"), m.reg(3))
				p.op("VPSRLQ", "X0, %[1]s, %[1]s", m.reg(2))
				p.op("VPSLLQ", "X1, %[1]s, %[1]s", m.reg(3))
				p.op("VORPD", "%[1]s, %[2]s, %[2]s", m.reg(2), m.reg(3))
				p.op("VMOVUPD", "%s, %s", m.reg(3), at(off, "(DI)"))
			})
		},
	}
}

// pack gathers up to eight vectors of rows in registers, mask after mask, whose
// bit doubles as it goes. x is the list of masks, c its length, d is 1 and R12
// the place of the word in every mask.
func pack(m machine, variant string) kernel {
	w := widthOf(variant)
	perWord := 8 * w / m.bytes()
	perPart := min(perWord, 8)
	return kernel{
		dst: 8 * w,
		prepare: func(p *page) {
			p.dup(w, argD, m.reg(1))
			m.read(p, w)
			p.op("XORL", "R12, R12")
		},
		rows: func(p *page) {
			for part := 0; part < perWord; part += perPart {
				for i := range perPart {
					p.op("VXORPD", "%[1]s, %[1]s, %[1]s", m.reg(8+i))
				}
				masks(p, m, w, argX, fmt.Sprintf("part%d", part), func() {
					for i := range perPart {
						m.mask(p, w, (part+i)*m.bytes()*8/w, "(AX)(R12*1)")
						m.join(p, w, m.reg(0), m.reg(8+i))
					}
				})
				for i := range perPart {
					p.op("VMOVUPD", "%s, %s", m.reg(8+i), at((part+i)*m.bytes(), "(DI)"))
				}
			}
			p.op("ADDQ", "$8, R12")
		},
	}
}

// unpack is pack's inverse; dst is the list of masks.
func unpack(m machine, variant string) kernel {
	w := widthOf(variant)
	return kernel{
		x: 8 * w,
		prepare: func(p *page) {
			p.dup(w, argD, m.reg(1))
			p.op("XORL", "R12, R12")
		},
		rows: func(p *page) {
			masks(p, m, w, argDst, "mask", func() {
				m.truth(p, touches, w, operand{base: "(SI)"}, operand{register: m.reg(0)}, "(AX)(R12*1)")
			})
			p.op("ADDQ", "$8, R12")
		},
	}
}

// masks does body for each mask of a list, which AX points to, register 0 holding
// its bit. nil is passed over.
func masks(p *page, m machine, w int, list, label string, body func()) {
	p.op("MOVQ", "%s, R10", list)
	p.op("MOVQ", "%s, R11", argC)
	p.op("VMOVUPD", "%s, %s", m.reg(1), m.reg(0))
	p.raw("\n" + label + ":")
	p.op("MOVQ", "(R10), AX")
	p.op("TESTQ", "AX, AX")
	p.op("JZ", "%sdone", label)
	body()
	p.raw("\n" + label + "done:")
	p.op("VPADD"+letter(w), "%[1]s, %[1]s, %[1]s", m.reg(0))
	p.op("ADDQ", "$8, R10")
	p.op("DECQ", "R11")
	p.op("JNZ", "%s", label)
}

// vectors calls f for each vector of 64 rows of w bits.
func vectors(m machine, w int, f func(row, off int)) {
	for off := 0; off < 8*w; off += m.bytes() {
		f(off*8/w, off)
	}
}

// arithmetic is a step of 64-bit values that is one expression a row.
func arithmetic(m machine, y bool, prepare func(p *page), value func(p *page, x, y string)) kernel {
	k := kernel{dst: 512, x: 512, prepare: prepare}
	if y {
		k.y = 512
	}
	k.rows = func(p *page) {
		vectors(m, 64, func(_, off int) {
			value(p, at(off, "(SI)"), at(off, "(DX)"))
			p.op("VMOVUPD", "%s, %s", m.reg(2), at(off, "(DI)"))
		})
	}
	return k
}

func pick(variant, integer, real string) string {
	if variant == "Float" {
		return real
	}
	return integer
}

// both applies an instruction to x and y.
func both(integer, real string) func(machine, string) kernel {
	return func(m machine, variant string) kernel {
		return arithmetic(m, true, nil, func(p *page, x, y string) {
			p.op("VMOVUPD", "%s, %s", x, m.reg(2))
			p.op(pick(variant, integer, real), "%s, %s, %s", y, m.reg(2), m.reg(2))
		})
	}
}

func dupC(m machine) func(*page) { return func(p *page) { p.dup(64, argC, m.reg(0)) } }

// each applies an instruction to x and c.
func each(integer, real string) func(machine, string) kernel {
	return func(m machine, variant string) kernel {
		return arithmetic(m, false, dupC(m), func(p *page, x, _ string) {
			p.op(pick(variant, integer, real), "%s, %s, %s", x, m.reg(0), m.reg(2))
		})
	}
}

func scale(m machine, variant string) kernel {
	if variant == "Float" {
		return each("", "VMULPD")(m, variant)
	}
	prepare := func(p *page) {
		dupC(m)(p)
		m.prepareScale(p)
	}
	return arithmetic(m, false, prepare, func(p *page, x, _ string) { m.scale(p, x, m.reg(2)) })
}

// lesser is Min, and Max by turning over the signs of both and of the answer.
// MINPD answers its second operand where one is NaN or both are zero; asked both
// ways round, the two answers or'ed are NaN and -0 as they must be.
func lesser(turned bool) func(machine, string) kernel {
	return func(m machine, _ string) kernel {
		var prepare func(p *page)
		load, a, b := "VMOVUPD", m.reg(2), m.reg(3)
		fetch := func(p *page, from, to string) { p.op(load, "%s, %s", from, to) }
		if turned {
			prepare = func(p *page) { p.dup(64, "sign<>(SB)", m.reg(1)) }
			fetch = func(p *page, from, to string) { p.op("VXORPD", "%s, %s, %s", from, m.reg(1), to) }
		}
		return arithmetic(m, true, prepare, func(p *page, x, y string) {
			fetch(p, x, a)
			fetch(p, y, b)
			p.op("VMINPD", "%s, %s, %s", b, a, m.reg(8))
			p.op("VMINPD", "%s, %s, %s", a, b, b)
			p.op("VORPD", "%s, %s, %s", m.reg(8), b, a)
			if turned {
				p.op("VXORPD", "%s, %s, %s", m.reg(1), a, a)
			}
		})
	}
}

func abs(m machine, _ string) kernel {
	prepare := func(p *page) { p.dup(64, "magnitude<>(SB)", m.reg(0)) }
	return arithmetic(m, false, prepare, func(p *page, x, _ string) {
		p.op("VANDPD", "%s, %s, %s", x, m.reg(0), m.reg(2))
	})
}

func round(m machine, _ string) kernel {
	return arithmetic(m, false, m.prepareRound, func(p *page, x, _ string) { m.round(p, x, m.reg(2)) })
}

// widen reads half as many bytes as it writes.
func widen(m machine, _ string) kernel {
	return kernel{dst: 512, x: 256, rows: func(p *page) {
		vectors(m, 64, func(row, off int) {
			p.op("VCVTPS2PD", "%s, %s", at(row*4, "(SI)"), m.reg(2))
			p.op("VMOVUPD", "%s, %s", m.reg(2), at(off, "(DI)"))
		})
	}}
}

// shorten writes half as many bytes as it reads.
func shorten(m machine, _ string) kernel {
	return kernel{dst: 256, x: 512, rows: func(p *page) {
		vectors(m, 64, func(row, off int) { m.shorten(p, at(off, "(SI)"), at(row*4, "(DI)")) })
	}}
}

// look finds bytes in a table of 64, y, by quarters: PSHUFB looks among 16 and
// answers 0 to what is 128 or more, which is where miss takes all that a quarter
// does not hold.
func look(m machine, _ string) kernel {
	quarters := []string{"", "second", "third", "fourth"}
	return kernel{
		dst: 64, x: 64,
		prepare: func(p *page) {
			p.op("MOVQ", "%s, DX", argY)
			p.dup(64, "index<>(SB)", m.reg(0))
			p.dup(64, "miss<>(SB)", m.reg(1))
			for q, first := range quarters {
				m.quarter(p, at(16*q, "(DX)"), m.reg(12+q))
				if q > 0 {
					p.dup(64, first+"<>(SB)", m.reg(8+q))
				}
			}
		},
		rows: func(p *page) {
			vectors(m, 8, func(_, off int) {
				p.op("VANDPD", "%s, %s, %s", at(off, "(SI)"), m.reg(0), m.reg(2))
				p.op("VPADDB", "%s, %s, %s", m.reg(2), m.reg(1), m.reg(3))
				p.op("VPSHUFB", "%s, %s, %s", m.reg(3), m.reg(12), m.reg(4))
				for q := 1; q < len(quarters); q++ {
					p.op("VXORPD", "%s, %s, %s", m.reg(2), m.reg(8+q), m.reg(3))
					p.op("VPADDB", "%s, %s, %s", m.reg(3), m.reg(1), m.reg(3))
					p.op("VPSHUFB", "%s, %s, %s", m.reg(3), m.reg(12+q), m.reg(3))
					p.op("VORPD", "%s, %s, %s", m.reg(3), m.reg(4), m.reg(4))
				}
				p.op("VMOVUPD", "%s, %s", m.reg(4), at(off, "(DI)"))
			})
		},
	}
}

func sqrt(m machine, _ string) kernel {
	return arithmetic(m, false, nil, func(p *page, x, _ string) { p.op("VSQRTPD", "%s, %s", x, m.reg(2)) })
}
