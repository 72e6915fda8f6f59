package main

import (
	"fmt"
	"go/format"
	"strings"
)

// page is a file being written.
type page struct {
	strings.Builder
	machine machine
}

func (p *page) raw(line string) { p.WriteString(line + "\n") }

func (p *page) gofmt() string {
	b, err := format.Source([]byte(p.String()))
	if err != nil {
		panic(fmt.Sprintf("the generated Go does not parse: %v", err))
	}
	return string(b)
}

// op writes one instruction.
func (p *page) op(name, format string, args ...any) {
	p.raw(fmt.Sprintf("\t%-12s %s", name, fmt.Sprintf(format, args...)))
}

// dup writes an instruction that repeats a value of w bits, or one of Go's
// arguments of that width, in every place of register to.
func (p *page) dup(w int, from string, to string) {
	p.op("VPBROADCAST"+letter(w), "%s, %s", from, to)
}

// Where an argument of run is: the frame is the same for every step.
const (
	argWords = "words+8(FP)"
	argDst   = "dst+16(FP)"
	argX     = "x+24(FP)"
	argY     = "y+32(FP)"
	argM     = "m+40(FP)"
	argC     = "c+48(FP)"
	argD     = "d+56(FP)"
	frame    = 64
)

// step writes one function: what the family prepares, and a loop that does 64
// rows a turn, or eight. DI walks dst, SI x, DX y and R8 m; CX counts the turns left.
func (p *page) step(name string, f family, variant string) {
	k := f.build(p.machine, variant)
	local := 0
	if k.byEight {
		local = p.machine.local()
	}
	p.raw(fmt.Sprintf("TEXT %s<>(SB), NOSPLIT, $%d-%d", name, local, frame))
	p.op("MOVQ", "%s, CX", argWords)
	if k.byEight {
		p.op("SHLQ", "$3, CX")
	}
	walks := []struct {
		arg, reg string
		stride   int
	}{{argDst, "DI", k.dst}, {argX, "SI", k.x}, {argY, "DX", k.y}, {argM, "R8", k.m}}
	for _, w := range walks {
		if w.stride != 0 {
			p.op("MOVQ", "%s, %s", w.arg, w.reg)
		}
	}
	if k.prepare != nil {
		k.prepare(p)
	}
	p.raw("\nloop:")
	k.rows(p)
	for _, w := range walks {
		if w.stride > 0 {
			p.op("ADDQ", "$%d, %s", w.stride, w.reg)
		}
	}
	p.op("DECQ", "CX")
	p.op("JNZ", "loop")
	p.raw("\tVZEROUPPER\n\tRET\n")
}

// table writes the steps' addresses in the order of their numbers and the
// function that goes to one. The step finds run's arguments where run found
// them and returns to run's caller.
func (p *page) table(names []string) {
	for i, name := range names {
		p.raw(fmt.Sprintf("DATA steps<>+%d(SB)/8, $%s<>(SB)", 8*i, name))
	}
	p.raw(fmt.Sprintf("GLOBL steps<>(SB), RODATA, $%d\n", 8*len(names)))
	run := p.machine.run()
	p.raw(fmt.Sprintf("// func %s(s step, words int, dst, x, y, m unsafe.Pointer, c, d uint64)", run))
	p.raw(fmt.Sprintf("TEXT ·%s(SB), NOSPLIT, $0-%d", run, frame))
	p.op("MOVQ", "s+0(FP), AX")
	p.op("LEAQ", "steps<>(SB), BX")
	p.op("MOVQ", "(BX)(AX*8), AX")
	p.op("JMP", "AX")
}

// constants writes the vectors that steps read: bit i in place i, which tell
// the places of a vector apart once they hold the same mask bits, and 64 bits that
// are repeated.
func (p *page) constants() {
	for _, w := range []int{16, 32, 64} {
		places := map[int]int{16: 16, 32: 8, 64: 8}[w]
		for i := range places {
			p.raw(fmt.Sprintf("DATA bit%d<>+%d(SB)/%d, $%#x", w, i*w/8, w/8, 1<<i))
		}
		p.raw(fmt.Sprintf("GLOBL bit%d<>(SB), RODATA|NOPTR, $%d\n", w, places*w/8))
	}
	p.raw("DATA bit8<>+0(SB)/8, $0x8040201008040201")
	p.raw("GLOBL bit8<>(SB), RODATA|NOPTR, $8\n")
	for i, v := range []string{"0", "0x0101010101010101", "0x0202020202020202", "0x0303030303030303"} {
		p.raw(fmt.Sprintf("DATA byte8<>+%d(SB)/8, $%s", 8*i, v))
	}
	p.raw("GLOBL byte8<>(SB), RODATA|NOPTR, $32\n")
	for i, t := range terms {
		p.raw(fmt.Sprintf("DATA term%d<>+0(SB)/8, $%s\nGLOBL term%d<>(SB), RODATA|NOPTR, $8\n", i, t, i))
	}
	for _, c := range []struct{ name, value string }{
		{"sign", "0x8000000000000000"},
		{"magnitude", "0x7fffffffffffffff"},
		{"nan", "0x7ff8000000000001"},
		{"one", "0x3ff0000000000000"},
		{"two", "0x4000000000000000"},
		{"three", "0x4008000000000000"},
		{"four", "0x4010000000000000"},
		{"five", "0x4014000000000000"},
		{"two52", "0x4330000000000000"},   // 2^52 as a float64
		{"three51", "0x4338000000000000"}, // 2^52 + 2^51
		{"up32", "0x41f0000000000000"},    // 2^32
		{"down32", "0x3df0000000000000"},  // 2^-32
		{"index", "0x3f3f3f3f3f3f3f3f"},   // of a table of 64
		{"miss", "0x7070707070707070"},    // takes what is 16 or more to 128 or more
		{"second", "0x1010101010101010"},
		{"third", "0x2020202020202020"},
		{"fourth", "0x3030303030303030"},
		{"two84", "0x4530000000000000"},    // 2^84
		{"unsigned", "0x4530000000100000"}, // 2^84 + 2^52
		{"signed", "0x4530000080100000"},   // 2^84 + 2^63 + 2^52
		{"half", "0x3fe0000000000000"},
		{"exponent", "0x43300000000003ff"}, // 2^52 + 1023
		{"farthest", "0x408f400000000000"}, // 1000
		{"deepest", "0xc08f400000000000"},  // -1000
		{"log2e", "0x3ff71547652b82fe"},
		{"ln2Hi", "0x3fe62e42fee00000"},
		{"ln2Lo", "0x3dea39ef35793c76"},
	} {
		p.raw(fmt.Sprintf("DATA %s<>+0(SB)/8, $%s\nGLOBL %s<>(SB), RODATA|NOPTR, $8\n", c.name, c.value, c.name))
	}
}

// letter is how instructions name a width.
func letter(w int) string { return map[int]string{8: "B", 16: "W", 32: "D", 64: "Q"}[w] }
