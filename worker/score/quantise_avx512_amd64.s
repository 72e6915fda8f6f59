// The quantiser of a forest with AVX-512. Written by hand; each function says which
// function of this package it is the twin of, and quantise_test.go holds the two
// against each other.

#include "go_asm.h"
#include "textflag.h"

// ABOVE compares 8 values with a threshold.
#define ABOVE(threshold, at) \
	VCMPPD $0x1e, threshold, Z0, K2 \
	KMOVB  K2, at(DI)

// func above512(low, absent *plane, x *[512]float64, threshold *[512]float64, thresholds int)
//
// above, of all values and one or two thresholds: low gets a plane for each. It also
// marks NaN and infinities.
TEXT ·above512(SB), NOSPLIT, $0-40
	MOVQ low+0(FP), DI
	MOVQ absent+8(FP), AX
	MOVQ x+16(FP), SI
	MOVQ threshold+24(FP), BX
	MOVQ thresholds+32(FP), DX
	VBROADCASTSD (BX), Z1
	VBROADCASTSD 8(BX), Z2
	MOVQ $64, CX

above:
	VMOVUPD (SI), Z0
	VFPCLASSPDZ $0x99, Z0, K1 // NaN, infinities
	KMOVB  K1, (AX)
	ABOVE(Z1, 0)
	CMPQ DX, $1
	JEQ  one
	ABOVE(Z2, 64)

one:
	ADDQ $64, SI
	INCQ AX
	INCQ DI
	DECQ CX
	JNZ  above
	VZEROUPPER
	RET

// func mark512(absent *plane, x *[512]float64, least uint64)
//
// missing. Doubled, the bits of a number are those of its size.
TEXT ·mark512(SB), NOSPLIT, $0-24
	MOVQ absent+0(FP), DI
	MOVQ x+8(FP), SI
	VPBROADCASTQ least+16(FP), Z1
	MOVQ $(0x7ff<<53), R8
	VPBROADCASTQ R8, Z2
	VPSUBQ Z1, Z2, Z2
	MOVQ $64, CX

marks:
	VMOVDQU64 (SI), Z0
	VPADDQ  Z0, Z0, Z0
	VPSUBQ  Z1, Z0, Z0
	VPCMPUQ $5, Z2, Z0, K1 // not below
	KMOVB   K1, (DI)
	ADDQ $64, SI
	INCQ DI
	DECQ CX
	JNZ  marks
	VZEROUPPER
	RET

// PLACE turns the values in a and b into the high words of their sums with the
// offset, in a. From there on NaN is any number.
#define PLACE(a, b) \
	VFMADD213PD.RU_SAE Z31, Z30, a \
	VFMADD213PD.RU_SAE Z31, Z30, b \
	VPERMT2D b, Z29, a

// MARK marks NaN and infinities, and turns high words into places.
#define MARK(at, a, k) \
	VFPCLASSPSZ $0x99, a, k \
	VPMAXSD  Z28, a, a \
	KMOVW    k, at(AX) \
	VPSUBD   Z28, a, a \
	VPSRAVD  Z27, a, a

// STRETCH turns places into buckets, high, and places in them, low.
#define STRETCH(a, t, u) \
	VPSHLDW  $5, a, a, t \
	VPERMW   Z25, t, u   \
	VPERMW   Z26, t, a   \
	VPMULHUW u, t, t     \
	VPADDW   t, a, a

// COUNT counts the thresholds at R9 that stand below their values.
#define COUNT(at) \
	VMOVDQA64 Z4, Z6               \
	VMOVDQU64 (128*at)(R9), Z7     \
	VPERMI2B  (128*at+64)(R9), Z7, Z6 \
	VPCMPUB   $6, Z6, Z3, K2       \
	VPCMPUB   $4, Z6, Z3, K1, K1   \
	VPADDB    Z21, Z5, K2, Z5

// func chart512(bins *[512]uint8, absent *plane, x *[512]float64, c *chart, threshold *[512]float64)
//
// scale.bin by a chart, for 64 values at a time; it also marks NaN and infinities.
// Bins stand as rowPacked says.
//
// Values that share a place with a threshold are settled three groups later: by
// then they are known, so that the processor, which guesses that there are none,
// has not gone far in vain.
TEXT ·chart512(SB), NOSPLIT, $96-40
	MOVQ bins+0(FP), DI
	MOVQ absent+8(FP), AX
	MOVQ x+16(FP), SI
	MOVQ c+24(FP), BX
	MOVQ threshold+32(FP), R13
	VBROADCASTSD (chart_scaled+ruler_offset)(BX), Z31
	MOVQ $((1023-const_scaling)<<52), R8
	VPBROADCASTQ R8, Z30
	VMOVDQU64 ·highWords(SB), Z29
	VPBROADCASTD (chart_scaled+ruler_first)(BX), Z28
	VPBROADCASTD (chart_scaled+ruler_shift)(BX), Z27
	VMOVDQU64 chart_start(BX), Z26
	VMOVDQU64 chart_width(BX), Z25
	VMOVDQU64 chart_base(BX), Z24
	VMOVDQU64 (chart_base+64)(BX), Z23
	MOVL $(const_nowhere-1), R8
	VPBROADCASTB R8, Z22
	MOVL $1, R8
	VPBROADCASTB R8, Z21
	MOVL $0xff00, R8
	VPBROADCASTW R8, Z20
	LEAQ chart_at(BX), R9
	MOVQ chart_crowd(BX), R10
	MOVQ chart_alike(BX), R14
	MOVQ chart_zeroes(BX), R15
	MOVQ R15, zeroes-96(SP)
	VPBROADCASTB chart_below(BX), Z19
	LEAQ ·rowPacked(SB), R12
	LEAQ clear-88(SP), BX // of each group, who shares no place: three groups, and then eight
	MOVQ $-1, R8
	MOVQ R8, 0(BX)
	MOVQ R8, 8(BX)
	MOVQ R8, 16(BX)
	MOVQ $8, CX

group:
	VMOVUPD (SI), Z0
	VMOVUPD 64(SI), Z8
	VMOVUPD 128(SI), Z1
	VMOVUPD 192(SI), Z9
	VMOVUPD 256(SI), Z2
	VMOVUPD 320(SI), Z10
	VMOVUPD 384(SI), Z3
	VMOVUPD 448(SI), Z11
	PLACE(Z0, Z8)
	PLACE(Z1, Z9)
	PLACE(Z2, Z10)
	PLACE(Z3, Z11)
	MARK(0, Z0, K3)
	MARK(2, Z1, K4)
	MARK(4, Z2, K5)
	MARK(6, Z3, K6)
	VPACKUSDW Z1, Z0, Z0
	VPACKUSDW Z3, Z2, Z2
	STRETCH(Z0, Z8, Z9)
	STRETCH(Z2, Z10, Z11)
	VPSRLW  $8, Z0, Z4
	VPSLLW  $8, Z2, Z3
	VPTERNLOGD $0xf8, Z20, Z2, Z4 // bucket
	VPTERNLOGD $0xf4, Z20, Z0, Z3 // place in it
	VPMINUB Z22, Z3, Z3
	VMOVDQA64 Z4, Z5
	VPERMI2B Z23, Z24, Z5 // bin
	KXNORQ  K1, K1, K1    // stands where no threshold does
	COUNT(0)
	CMPQ R10, $2
	JLT  counted
	COUNT(1)
	JEQ  counted
	COUNT(2)
	CMPQ R10, $4
	JLT  counted
	COUNT(3)
	JEQ  counted
	COUNT(4)
	CMPQ R10, $6
	JLT  counted
	COUNT(5)

counted:
	VMOVDQU64 Z5, (DI)
	KMOVQ K1, 24(BX)
	ADDQ $512, SI
	ADDQ $64, DI
	ADDQ $8, AX
	MOVQ (BX), R8
	ADDQ $8, BX
	NOTQ R8
	TESTQ R8, R8
	JNZ  tied

next:
	DECQ CX
	JGT  group

	// The last three.
	CMPQ CX, $-3
	JEQ  done
	ADDQ $512, SI
	ADDQ $64, DI
	MOVQ (BX), R8
	ADDQ $8, BX
	NOTQ R8
	TESTQ R8, R8
	JZ   next

tied:
	CMPQ zeroes-96(SP), $0
	JEQ  tie

	// Zeroes are settled together.
	VPXORQ Z0, Z0, Z0
	VCMPPD $0, -2048(SI), Z0, K1
	VCMPPD $0, -1984(SI), Z0, K2
	VCMPPD $0, -1920(SI), Z0, K3
	VCMPPD $0, -1856(SI), Z0, K4
	VCMPPD $0, -1792(SI), Z0, K5
	VCMPPD $0, -1728(SI), Z0, K6
	VCMPPD $0, -1664(SI), Z0, K7
	KUNPCKBW K1, K2, K1
	KUNPCKBW K3, K4, K3
	VCMPPD $0, -1600(SI), Z0, K4
	KUNPCKBW K5, K6, K5
	KUNPCKBW K7, K4, K7
	KUNPCKWD K1, K3, K1
	KUNPCKWD K5, K7, K5
	KUNPCKDQ K1, K5, K1
	VPMOVM2B K1, Z0
	VMOVDQU64 (R12), Z1
	VPERMB   Z0, Z1, Z0
	VPMOVB2M Z0, K1
	KMOVQ    R8, K2
	KANDQ    K1, K2, K1
	VMOVDQU64 -256(DI), Z0
	VPADDB   Z19, Z0, K1, Z0
	VMOVDQU64 Z0, -256(DI)
	KMOVQ    K1, DX
	ANDNQ    R8, DX, R8
	TESTQ    R8, R8
	JZ       next

tie:
	TZCNTQ R8, R11
	BLSRQ  R8, R8
	MOVBQZX (R12)(R11*1), DX
	VMOVSD  -2048(SI)(DX*8), X0
	MOVBQZX -256(DI)(R11*1), DX
	MOVQ   R14, R15

compare:
	VMOVSD (R13)(DX*8), X1
	VUCOMISD X0, X1
	ADCQ $0, DX // threshold < value
	DECQ R15
	JNZ  compare
	MOVB DX, -256(DI)(R11*1)
	TESTQ  R8, R8
	JNZ    tie
	JMP    next

done:
	VZEROUPPER
	RET

// func look512(bins *[512]uint8, codes *[512]uint16, bin *uint8)
//
// glossary.look of 256 bins, 64 rows at a time. Bins stand as wordOctet says.
TEXT ·look512(SB), NOSPLIT, $0-24
	MOVQ bins+0(FP), DI
	MOVQ codes+8(FP), SI
	MOVQ bin+16(FP), BX
	VMOVDQU64 (BX), Z0
	VMOVDQU64 64(BX), Z1
	VMOVDQU64 128(BX), Z2
	VMOVDQU64 192(BX), Z3
	MOVQ $8, CX

look:
	VMOVDQU64 (SI), Z4
	VPACKUSWB 64(SI), Z4, Z4
	VMOVDQA64 Z4, Z5
	VPMOVB2M  Z4, K1 // 128 and more
	VPERMI2B  Z1, Z0, Z4
	VPERMI2B  Z3, Z2, Z5
	VMOVDQU8  Z5, K1, Z4
	VMOVDQU64 Z4, (DI)
	ADDQ $128, SI
	ADDQ $64, DI
	DECQ CX
	JNZ  look
	VZEROUPPER
	RET

// DIGITS makes, of the bits of a digit in Z0 to Z3, the planes of at least 1 to
// at least 15 in Z16 to Z30 (digits).
#define DIGITS \
	VPORQ  Z0, Z1, Z18     \
	VPANDQ Z0, Z1, Z20     \
	VPORQ  Z2, Z18, Z4     \
	VPORQ  Z2, Z1, Z5      \
	VPORQ  Z2, Z20, Z6     \
	VPANDQ Z2, Z18, Z8     \
	VPANDQ Z2, Z1, Z9      \
	VPANDQ Z2, Z20, Z10    \
	VPORQ  Z3, Z4, Z16     \
	VPORQ  Z3, Z5, Z17     \
	VPORQ  Z3, Z6, Z18     \
	VPORQ  Z3, Z2, Z19     \
	VPORQ  Z3, Z8, Z20     \
	VPORQ  Z3, Z9, Z21     \
	VPORQ  Z3, Z10, Z22    \
	VMOVDQA64 Z3, Z23      \
	VPANDQ Z3, Z4, Z24     \
	VPANDQ Z3, Z5, Z25     \
	VPANDQ Z3, Z6, Z26     \
	VPANDQ Z3, Z2, Z27     \
	VPANDQ Z3, Z8, Z28     \
	VPANDQ Z3, Z9, Z29     \
	VPANDQ Z3, Z10, Z30

// PUT stores plane i, or is done when it is one too many.
#define PUT(i, reg, done) \
	CMPQ CX, $i              \
	JLE  done                \
	VMOVDQU64 reg, (64*i)(DI)

#define PUTLEFT(i, reg, done) \
	CMPQ CX, $i              \
	JLE  done                \
	VPANDNQ reg, Z31, Z11    \
	VMOVDQU64 Z11, (64*i)(DI)

#define PUTRIGHT(i, reg, done) \
	CMPQ CX, $i              \
	JLE  done                \
	VPORQ reg, Z31, Z11      \
	VMOVDQU64 Z11, (64*i)(DI)

// HIGHS puts the planes of at least 0 to at least 16.
#define HIGHS(put, done) \
	put(0, Z12, done) \
	put(1, Z16, done) \
	put(2, Z17, done) \
	put(3, Z18, done) \
	put(4, Z19, done) \
	put(5, Z20, done) \
	put(6, Z21, done) \
	put(7, Z22, done) \
	put(8, Z23, done) \
	put(9, Z24, done) \
	put(10, Z25, done) \
	put(11, Z26, done) \
	put(12, Z27, done) \
	put(13, Z28, done) \
	put(14, Z29, done) \
	put(15, Z30, done) \
	put(16, Z13, done)

// TRANSPOSE makes of 64 bins the words of their bits, lowest first.
#define TRANSPOSE(at, a) \
	VPERMB   (64*at)(SI), Z29, a \
	VGF2P8AFFINEQB $0, a, Z30, a \
	VPERMB   a, Z28, a

// func stand512(bins *[512]uint8, order *[64]uint8, absent *plane, low *plane, lows int, left, right *plane, highs int)
//
// stand: low gets the lows (at most 15) planes after the first; left and right,
// where they are not nil, the highs. Where absent is nil, missing is whose bin is gone.
// Order says which byte of 64 is the bin of which
// row, the last of eight first.
TEXT ·stand512(SB), NOSPLIT, $0-64
	MOVQ bins+0(FP), SI
	MOVQ order+8(FP), BX
	MOVQ absent+16(FP), AX
	VMOVDQU64 (BX), Z29
	MOVQ $0x8040201008040201, R8
	VPBROADCASTQ R8, Z30
	VMOVDQU64 ·octets(SB), Z28
	TRANSPOSE(0, Z0)
	TRANSPOSE(1, Z1)
	TRANSPOSE(2, Z2)
	TRANSPOSE(3, Z3)
	TRANSPOSE(4, Z4)
	TRANSPOSE(5, Z5)
	TRANSPOSE(6, Z6)
	TRANSPOSE(7, Z7)

	// Words become planes.
	VPUNPCKLQDQ Z1, Z0, Z8
	VPUNPCKHQDQ Z1, Z0, Z9
	VPUNPCKLQDQ Z3, Z2, Z10
	VPUNPCKHQDQ Z3, Z2, Z11
	VPUNPCKLQDQ Z5, Z4, Z12
	VPUNPCKHQDQ Z5, Z4, Z13
	VPUNPCKLQDQ Z7, Z6, Z14
	VPUNPCKHQDQ Z7, Z6, Z15
	VSHUFI64X2 $0x88, Z10, Z8, Z16
	VSHUFI64X2 $0x88, Z14, Z12, Z17
	VSHUFI64X2 $0x88, Z11, Z9, Z18
	VSHUFI64X2 $0x88, Z15, Z13, Z19
	VSHUFI64X2 $0xdd, Z10, Z8, Z20
	VSHUFI64X2 $0xdd, Z14, Z12, Z21
	VSHUFI64X2 $0xdd, Z11, Z9, Z22
	VSHUFI64X2 $0xdd, Z15, Z13, Z23
	VSHUFI64X2 $0x88, Z17, Z16, Z0
	VSHUFI64X2 $0x88, Z19, Z18, Z1
	VSHUFI64X2 $0x88, Z21, Z20, Z2
	VSHUFI64X2 $0x88, Z23, Z22, Z3
	VSHUFI64X2 $0xdd, Z17, Z16, Z12
	VSHUFI64X2 $0xdd, Z19, Z18, Z13
	VSHUFI64X2 $0xdd, Z21, Z20, Z14
	VSHUFI64X2 $0xdd, Z23, Z22, Z15
	TESTQ AX, AX
	JZ   gone
	VMOVDQU64 (AX), Z31

low:
	DIGITS
	MOVQ low+24(FP), DI
	MOVQ lows+32(FP), CX
	PUT(0, Z16, high)
	PUT(1, Z17, high)
	PUT(2, Z18, high)
	PUT(3, Z19, high)
	PUT(4, Z20, high)
	PUT(5, Z21, high)
	PUT(6, Z22, high)
	PUT(7, Z23, high)
	PUT(8, Z24, high)
	PUT(9, Z25, high)
	PUT(10, Z26, high)
	PUT(11, Z27, high)
	PUT(12, Z28, high)
	PUT(13, Z29, high)
	PUT(14, Z30, high)

high:
	VMOVDQA64 Z12, Z0
	VMOVDQA64 Z13, Z1
	VMOVDQA64 Z14, Z2
	VMOVDQA64 Z15, Z3
	DIGITS
	VPTERNLOGD $0xff, Z12, Z12, Z12
	VPXORQ Z13, Z13, Z13
	MOVQ highs+56(FP), CX
	MOVQ left+40(FP), DI
	TESTQ DI, DI
	JZ   right
	HIGHS(PUTLEFT, right)

right:
	MOVQ right+48(FP), DI
	TESTQ DI, DI
	JZ   stood
	HIGHS(PUTRIGHT, stood)

stood:
	VZEROUPPER
	RET

gone:
	VPANDQ Z0, Z1, Z31
	VPTERNLOGQ $0x80, Z2, Z3, Z31
	VPTERNLOGQ $0x80, Z12, Z13, Z31
	VPTERNLOGQ $0x80, Z14, Z15, Z31
	JMP  low
