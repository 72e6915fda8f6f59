// The quantiser of a forest with AVX2. Written by hand; each function says which
// function of this package it is the twin of, and quantise_test.go holds the two
// against each other.

#include "go_asm.h"
#include "textflag.h"

// BINS loads four values to Y0 and looks the bases of their buckets up, to X3. NaN
// becomes 0.
#define BINS(from) \
	VMOVUPD from(SI), Y0        \
	VMULPD Y8, Y0, Y1           \
	VADDPD Y9, Y1, Y1           \
	VMAXPD Y10, Y1, Y1          \
	VMINPD Y11, Y1, Y1          \
	VCVTTPD2DQY Y1, X2          \
	VPCMPEQD X4, X4, X4         \
	VPXOR X3, X3, X3            \
	VPGATHERDD X4, (R9)(X2*1), X3 \
	VPAND X12, X3, X3

// func search256(bins *[512]uint8, x *[512]float64, s *scale)
//
// scale.bin, for eight values at a time.
TEXT ·search256(SB), NOSPLIT, $0-24
	MOVQ bins+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ s+16(FP), BX
	VBROADCASTSD scale_slope(BX), Y8
	VBROADCASTSD scale_offset(BX), Y9
	VPXOR Y10, Y10, Y10
	MOVL $(const_buckets-1), R8
	VCVTSI2SDL R8, X11, X11
	VBROADCASTSD X11, Y11
	MOVL $255, R8
	VMOVD R8, X12
	VPBROADCASTD X12, X12
	LEAQ scale_base(BX), R9
	LEAQ scale_threshold(BX), R10
	MOVQ scale_step(BX), R11
	MOVQ $64, CX

eight:
	BINS(0)
	VMOVDQA X3, X6
	VMOVDQA Y0, Y5
	BINS(32) // values Y0, bins X3; before them Y5, X6
	MOVQ R11, DX

step:
	LEAQ -8(R10)(DX*8), R12
	VPCMPEQD Y4, Y4, Y4
	VXORPD Y7, Y7, Y7
	VGATHERDPD Y4, (R12)(X6*8), Y7
	VCMPPD $0x1e, Y7, Y5, Y7 // value > threshold
	VEXTRACTF128 $1, Y7, X1
	VSHUFPS $0x88, X1, X7, X7 // one dword a value
	VMOVD DX, X2
	VPBROADCASTD X2, X2
	VPAND X2, X7, X7
	VPADDD X7, X6, X6
	VPCMPEQD Y4, Y4, Y4
	VXORPD Y7, Y7, Y7
	VGATHERDPD Y4, (R12)(X3*8), Y7
	VCMPPD $0x1e, Y7, Y0, Y7
	VEXTRACTF128 $1, Y7, X1
	VSHUFPS $0x88, X1, X7, X7
	VPAND X2, X7, X7
	VPADDD X7, X3, X3
	SHRQ $1, DX
	JNZ  step

	VPACKUSDW X3, X6, X6
	VPACKUSWB X6, X6, X6
	VMOVQ X6, (DI)
	ADDQ $64, SI
	ADDQ $8, DI
	DECQ CX
	JNZ  eight
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
// stand, up to the bits of the bins.
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
