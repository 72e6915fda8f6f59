// The quantiser of a forest with AVX2. Written by hand; each function says which
// function of this package it is the twin of, and quantise_test.go holds the two
// against each other.

#include "go_asm.h"
#include "textflag.h"

// BUCKETS finds the buckets of eight values.
#define BUCKETS \
	VADDPD  (SI), Y8, Y0       \
	VADDPD  32(SI), Y8, Y1     \
	VSHUFPS $0xdd, Y1, Y0, Y0  \
	VPERMQ  $0xd8, Y0, Y0      \
	VPMAXSD Y9, Y0, Y0         \
	VPSUBD  Y9, Y0, Y0         \
	VPSRLD  X10, Y0, Y0        \
	VPMINUD Y11, Y0, Y0        \
	VMOVDQU Y0, buckets-32(SP)

// BIN adds, to the base of value i's bucket, whether its threshold is below it.
#define BIN(i) \
	MOVL     buckets-(32-4*i)(SP), R8 \
	MOVBLZX  (R9)(R8*1), R8           \
	VMOVSD   (R10)(R8*8), X1          \
	VUCOMISD (8*i)(SI), X1            \
	ADCL     $0, R8                   \
	MOVB     R8, i(DI)

// func search256(bins *[512]uint8, x *[512]float64, s *scale)
//
// scale.bin, in order. Buckets are found in vectors; to look them up one by one is faster
// than to gather.
TEXT ·search256(SB), NOSPLIT, $32-24
	MOVQ bins+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ s+16(FP), BX
	VBROADCASTSD (scale_ruler+ruler_offset)(BX), Y8
	VPBROADCASTD (scale_ruler+ruler_first)(BX), Y9
	VMOVD (scale_ruler+ruler_shift)(BX), X10
	MOVL $(const_buckets-1), R8
	VMOVD R8, X11
	VPBROADCASTD X11, Y11
	LEAQ scale_base(BX), R9
	LEAQ scale_threshold(BX), R10
	MOVQ scale_step(BX), R11
	MOVQ $64, CX
	CMPQ R11, $1
	JNE  crowded

eight:
	BUCKETS
	BIN(0)
	BIN(1)
	BIN(2)
	BIN(3)
	BIN(4)
	BIN(5)
	BIN(6)
	BIN(7)
	ADDQ $64, SI
	ADDQ $8, DI
	DECQ CX
	JNZ  eight
	VZEROUPPER
	RET

crowded:
	BUCKETS
	XORQ DX, DX

value:
	MOVL    buckets-32(SP)(DX*4), R8
	MOVBLZX (R9)(R8*1), R8
	VMOVSD  (SI)(DX*8), X0
	MOVQ    R11, R12

step:
	LEAQ     (R8)(R12*1), R13
	VMOVSD   -8(R10)(R13*8), X1
	VUCOMISD X0, X1 // threshold < value
	CMOVQCS  R13, R8
	SHRQ     $1, R12
	JNZ      step
	MOVB R8, (DI)(DX*1)
	INCQ DX
	CMPQ DX, $8
	JLT  value
	ADDQ $64, SI
	ADDQ $8, DI
	DECQ CX
	JNZ  crowded
	VZEROUPPER
	RET

// func mark256(absent *plane, x *[512]float64, least uint64)
//
// missing. Doubled, the bits of a number are those of its size; the highest bit is
// turned over, because what is compared has signs.
TEXT ·mark256(SB), NOSPLIT, $0-24
	MOVQ absent+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ least+16(FP), R8
	MOVQ $(0x7ff<<53), R9
	SUBQ R8, R9
	DECQ R9
	MOVQ $(1<<63), R10
	XORQ R10, R9
	ADDQ R10, R8
	VMOVQ R8, X6
	VPBROADCASTQ X6, Y6
	VMOVQ R9, X7
	VPBROADCASTQ X7, Y7
	MOVQ $64, CX

marks:
	VMOVDQU (SI), Y0
	VMOVDQU 32(SI), Y1
	VPADDQ  Y0, Y0, Y0
	VPADDQ  Y1, Y1, Y1
	VPSUBQ  Y6, Y0, Y0
	VPSUBQ  Y6, Y1, Y1
	VPCMPGTQ Y7, Y0, Y0
	VPCMPGTQ Y7, Y1, Y1
	VMOVMSKPD Y0, R8
	VMOVMSKPD Y1, R9
	SHLL $4, R9
	ORL  R9, R8
	MOVB R8, (DI)
	ADDQ $64, SI
	INCQ DI
	DECQ CX
	JNZ  marks
	VZEROUPPER
	RET

// BIT moves the top bit of 32 bytes to a plane, and the next bit to the top.
#define BIT(i) \
	VPMOVMSKB Y0, AX     \
	MOVL AX, (64*i)(BX)  \
	VPADDB Y0, Y0, Y0

// func bits256(bits *[8]plane, bins *[512]uint8)
//
// stand, as far as the bits of the bins.
TEXT ·bits256(SB), NOSPLIT, $0-16
	MOVQ bits+0(FP), BX
	MOVQ bins+8(FP), SI
	MOVQ $16, DX

bytes:
	VMOVDQU (SI), Y0
	BIT(7)
	BIT(6)
	BIT(5)
	BIT(4)
	BIT(3)
	BIT(2)
	BIT(1)
	BIT(0)
	ADDQ $32, SI
	ADDQ $4, BX
	DECQ DX
	JNZ  bytes
	VZEROUPPER
	RET

// DIGIT makes, of the bits of a digit at BX, what its planes are of: with Y3 joined,
// those of at least 1 to 8 in Y6 to Y8, Y2, Y9 to Y11 and Y3; with Y3 met, those of
// at least 9 to 15 (digits).
#define DIGIT(at) \
	VMOVDQU at(BX), Y0        \
	VMOVDQU (at+64)(BX), Y1   \
	VMOVDQU (at+128)(BX), Y2  \
	VMOVDQU (at+192)(BX), Y3  \
	VPOR    Y0, Y1, Y4        \
	VPAND   Y0, Y1, Y5        \
	VPOR    Y2, Y4, Y6        \
	VPOR    Y2, Y1, Y7        \
	VPOR    Y2, Y5, Y8        \
	VPAND   Y2, Y4, Y9        \
	VPAND   Y2, Y1, Y10       \
	VPAND   Y2, Y5, Y11

// PUT stores plane i, or is done when it is one too many.
#define PUT(i, op, g, done) \
	CMPQ CX, $i          \
	JLE  done            \
	op   g, Y3, Y12      \
	VMOVDQU Y12, (64*i)(DI)

#define PUTLEFT(i, op, g, done) \
	CMPQ CX, $i          \
	JLE  done            \
	op   g, Y3, Y12      \
	VPANDN Y12, Y13, Y12 \
	VMOVDQU Y12, (64*i)(DI)

#define PUTRIGHT(i, op, g, done) \
	CMPQ CX, $i          \
	JLE  done            \
	op   g, Y3, Y12      \
	VPOR Y12, Y13, Y12   \
	VMOVDQU Y12, (64*i)(DI)

// HIGHS puts the planes of at least 0 to at least 16.
#define HIGHS(put, done) \
	put(0, VPOR, Y14, done) \
	put(1, VPOR, Y6, done) \
	put(2, VPOR, Y7, done) \
	put(3, VPOR, Y8, done) \
	put(4, VPOR, Y2, done) \
	put(5, VPOR, Y9, done) \
	put(6, VPOR, Y10, done) \
	put(7, VPOR, Y11, done) \
	put(8, VPOR, Y3, done) \
	put(9, VPAND, Y6, done) \
	put(10, VPAND, Y7, done) \
	put(11, VPAND, Y8, done) \
	put(12, VPAND, Y2, done) \
	put(13, VPAND, Y9, done) \
	put(14, VPAND, Y10, done) \
	put(15, VPAND, Y11, done) \
	put(16, VPAND, Y15, done)

// func stand256(bits *[8]plane, absent *plane, low *plane, lows int, left, right *plane, highs int)
//
// stand, from the bits of bins: low gets the lows (at most 15) planes after the first; left and right, where
// they are not nil, the highs. Half of each plane is made at a time.
TEXT ·stand256(SB), NOSPLIT, $0-56
	MOVQ bits+0(FP), BX
	MOVQ absent+8(FP), AX
	MOVQ low+16(FP), R8
	MOVQ left+32(FP), R9
	MOVQ right+40(FP), R10
	MOVQ $2, DX
	VPCMPEQB Y14, Y14, Y14
	VPXOR Y15, Y15, Y15

half:
	VMOVDQU (AX), Y13
	DIGIT(0)
	MOVQ R8, DI
	MOVQ lows+24(FP), CX
	PUT(0, VPOR, Y6, high)
	PUT(1, VPOR, Y7, high)
	PUT(2, VPOR, Y8, high)
	PUT(3, VPOR, Y2, high)
	PUT(4, VPOR, Y9, high)
	PUT(5, VPOR, Y10, high)
	PUT(6, VPOR, Y11, high)
	PUT(7, VPOR, Y3, high)
	PUT(8, VPAND, Y6, high)
	PUT(9, VPAND, Y7, high)
	PUT(10, VPAND, Y8, high)
	PUT(11, VPAND, Y2, high)
	PUT(12, VPAND, Y9, high)
	PUT(13, VPAND, Y10, high)
	PUT(14, VPAND, Y11, high)

high:
	DIGIT(256)
	MOVQ highs+48(FP), CX
	MOVQ R9, DI
	TESTQ DI, DI
	JZ   right
	HIGHS(PUTLEFT, right)

right:
	MOVQ R10, DI
	TESTQ DI, DI
	JZ   stood
	HIGHS(PUTRIGHT, stood)

stood:
	ADDQ $32, BX
	ADDQ $32, AX
	ADDQ $32, R8
	TESTQ R9, R9
	JZ   noLeft
	ADDQ $32, R9

noLeft:
	TESTQ R10, R10
	JZ   noRight
	ADDQ $32, R10

noRight:
	DECQ DX
	JNZ  half
	VZEROUPPER
	RET
