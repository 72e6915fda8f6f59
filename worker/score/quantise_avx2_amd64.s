// The quantiser of a forest with AVX2. Written by hand; each function says which
// function of this package it is the twin of, and replay_test.go holds the two
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

// func quantise256(bins *uint8, absent *plane, x *float64, eights int, s *scale)
//
// quantise, for eight values at a time. It marks NaN and infinities only.
TEXT ·quantise256(SB), NOSPLIT, $0-40
	MOVQ bins+0(FP), DI
	MOVQ absent+8(FP), AX
	MOVQ x+16(FP), SI
	MOVQ eights+24(FP), CX
	MOVQ s+32(FP), BX
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
	TESTQ CX, CX
	JZ   quantised

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
	VSUBPD Y5, Y5, Y5 // 0, or NaN of what is no number
	VSUBPD Y0, Y0, Y0
	VCMPPD $3, Y5, Y5, Y5
	VCMPPD $3, Y0, Y0, Y0
	VMOVMSKPD Y5, R8
	VMOVMSKPD Y0, R12
	SHLL $4, R12
	ORL  R12, R8
	MOVB R8, (AX)
	ADDQ $64, SI
	ADDQ $8, DI
	INCQ AX
	DECQ CX
	JNZ  eight
	VZEROUPPER

quantised:
	RET
