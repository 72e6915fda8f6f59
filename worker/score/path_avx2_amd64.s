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
