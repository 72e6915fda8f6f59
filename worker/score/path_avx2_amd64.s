// The steps of a forest with AVX2: a plane is two vectors. Written by hand; each
// function says which function of this package it is the twin of.

#include "go_asm.h"
#include "textflag.h"

// SPLIT splits half a leaf's mask.
#define SPLIT(half, a, b, rows) \
	VMOVDQU half(SI)(AX*1), a     \
	VMOVDQU (half-64)(SI)(AX*1), b \
	VPAND   half(SI)(DX*1), b, b  \
	VPOR    b, a, a               \
	VMOVDQU half(DI)(R9*1), rows  \
	VPAND   a, rows, a            \
	VPXOR   a, rows, rows         \
	VMOVDQU a, half(R8)           \
	VMOVDQU rows, half(DI)(R9*1)

// func replay256(masks, planes *plane, nodes *node, count int)
//
// replay.
TEXT ·replay256(SB), NOSPLIT, $0-32
	MOVQ masks+0(FP), DI
	MOVQ planes+8(FP), SI
	MOVQ nodes+16(FP), BX
	MOVQ count+24(FP), CX
	LEAQ 64(DI), R8 // the new leaf's mask
	TESTQ CX, CX
	JZ   done

node:
	MOVL node_at(BX), AX
	MOVL node_low(BX), DX
	MOVL node_old(BX), R9
	SPLIT(0, Y0, Y1, Y2)
	SPLIT(32, Y3, Y4, Y5)
	ADDQ $node__size, BX
	ADDQ $64, R8
	DECQ CX
	JNZ  node
	VZEROUPPER

done:
	RET

// func encode256(leaf *[512]uint8, masks *plane, leaves int, bits *[8]plane)
//
// encode.
TEXT ·encode256(SB), NOSPLIT, $0-32
	MOVQ leaf+0(FP), DI
	MOVQ masks+8(FP), SI
	MOVQ leaves+16(FP), CX
	MOVQ bits+24(FP), BX
	MOVQ BX, R8
	XORQ R9, R9 // bits

fold:
	CMPQ CX, $1
	JLE  folded
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	MOVQ SI, R10 // even and odd
	MOVQ SI, R11 // both
	MOVQ CX, DX
	SHRQ $1, DX

pair:
	VMOVDQU 64(R10), Y2
	VMOVDQU 96(R10), Y3
	VPOR Y2, Y0, Y0
	VPOR Y3, Y1, Y1
	VPOR (R10), Y2, Y2
	VPOR 32(R10), Y3, Y3
	VMOVDQU Y2, (R11)
	VMOVDQU Y3, 32(R11)
	ADDQ $128, R10
	ADDQ $64, R11
	DECQ DX
	JNZ  pair
	VMOVDQU Y0, (R8)
	VMOVDQU Y1, 32(R8)
	ADDQ $64, R8
	INCQ R9
	TESTQ $1, CX
	JZ   even
	VMOVDQU (R10), Y2
	VMOVDQU 32(R10), Y3
	VMOVDQU Y2, (R11)
	VMOVDQU Y3, 32(R11)

even:
	INCQ CX
	SHRQ $1, CX
	JMP  fold

folded:
	// From planes to bytes: 32 bits, each in its byte, tell which bytes get the
	// bit's worth.
	VMOVDQU spread256<>(SB), Y10
	VPBROADCASTQ each256<>(SB), Y11
	VPCMPEQB Y9, Y9, Y9
	VPABSB Y9, Y9 // 1
	MOVQ $16, DX

rows:
	VPXOR   Y0, Y0, Y0
	VMOVDQA Y9, Y1
	MOVQ    BX, R8
	MOVQ    R9, CX
	TESTQ   CX, CX
	JZ      put

bit:
	VPBROADCASTD (R8), Y2
	VPSHUFB  Y10, Y2, Y2
	VPAND    Y11, Y2, Y2
	VPCMPEQB Y11, Y2, Y2
	VPAND    Y1, Y2, Y2
	VPOR     Y2, Y0, Y0
	VPADDB   Y1, Y1, Y1
	ADDQ     $64, R8
	DECQ     CX
	JNZ      bit

put:
	VMOVDQU Y0, (DI)
	ADDQ $32, DI
	ADDQ $4, BX
	DECQ DX
	JNZ  rows
	VZEROUPPER
	RET

// spread256 gives each of 32 bytes the byte its bit is in.
DATA spread256<>+0(SB)/8, $0x0000000000000000
DATA spread256<>+8(SB)/8, $0x0101010101010101
DATA spread256<>+16(SB)/8, $0x0202020202020202
DATA spread256<>+24(SB)/8, $0x0303030303030303
GLOBL spread256<>(SB), RODATA|NOPTR, $32

DATA each256<>+0(SB)/8, $0x8040201008040201
GLOBL each256<>(SB), RODATA|NOPTR, $8

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
