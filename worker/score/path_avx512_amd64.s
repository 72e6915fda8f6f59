// The steps of a forest with AVX-512: a plane is one vector. Written by hand; each
// function says which function of this package it is the twin of, and
// replay_test.go holds the two against each other.

#include "go_asm.h"
#include "textflag.h"

// func replay512(masks, planes *plane, nodes *node, count int)
//
// replay. A node costs four loads and two stores; the rest hides behind them.
TEXT ·replay512(SB), NOSPLIT, $0-32
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
	VMOVDQU64 (SI)(AX*1), Z0
	VMOVDQU64 -64(SI)(AX*1), Z1
	VPTERNLOGQ $0xf8, (SI)(DX*1), Z1, Z0 // Z0 | Z1 & low
	VMOVDQU64 (DI)(R9*1), Z2
	VPANDQ    Z0, Z2, Z3
	VPANDNQ   Z2, Z0, Z4
	VMOVDQU64 Z3, (R8)
	VMOVDQU64 Z4, (DI)(R9*1)
	ADDQ $node__size, BX
	ADDQ $64, R8
	DECQ CX
	JNZ  node
	VZEROUPPER

done:
	RET

// PAIR joins masks 2i and 2i+1 in reg and leaves the odd one in odd.
#define PAIR(i, odd, reg) \
	VMOVDQU64 (128*i+64)(SI), odd  \
	VPORQ     (128*i)(SI), odd, reg

// func encode512(leaf *[512]uint8, masks *plane, leaves int, bits *[8]plane)
//
// encode. Masks are folded 32 at a time, in registers; the masks up to the next
// multiple of 32 are cleared first.
TEXT ·encode512(SB), NOSPLIT, $0-32
	MOVQ leaf+0(FP), DI
	MOVQ masks+8(FP), SI
	MOVQ leaves+16(FP), CX
	MOVQ bits+24(FP), BX
	VPXORQ Z24, Z24, Z24 // bits 0 to 7 of the numbers
	VPXORQ Z25, Z25, Z25
	VPXORQ Z26, Z26, Z26
	VPXORQ Z27, Z27, Z27
	VPXORQ Z28, Z28, Z28
	VPXORQ Z29, Z29, Z29
	VPXORQ Z30, Z30, Z30
	VPXORQ Z31, Z31, Z31

	MOVQ CX, R8
	SHLQ $6, R8
	VPXORQ Z0, Z0, Z0
	JMP  padded

pad:
	VMOVDQU64 Z0, (SI)(R8*1)
	ADDQ $64, R8

padded:
	TESTQ $2047, R8
	JNZ  pad
	SHRQ $11, R8 // chunks of 32
	XORQ DX, DX  // chunk

chunk:
	PAIR(0, Z16, Z0)
	PAIR(1, Z17, Z1)
	VPTERNLOGQ $0xfe, Z16, Z17, Z24
	PAIR(2, Z16, Z2)
	PAIR(3, Z17, Z3)
	VPTERNLOGQ $0xfe, Z16, Z17, Z24
	PAIR(4, Z16, Z4)
	PAIR(5, Z17, Z5)
	VPTERNLOGQ $0xfe, Z16, Z17, Z24
	PAIR(6, Z16, Z6)
	PAIR(7, Z17, Z7)
	VPTERNLOGQ $0xfe, Z16, Z17, Z24
	PAIR(8, Z16, Z8)
	PAIR(9, Z17, Z9)
	VPTERNLOGQ $0xfe, Z16, Z17, Z24
	PAIR(10, Z16, Z10)
	PAIR(11, Z17, Z11)
	VPTERNLOGQ $0xfe, Z16, Z17, Z24
	PAIR(12, Z16, Z12)
	PAIR(13, Z17, Z13)
	VPTERNLOGQ $0xfe, Z16, Z17, Z24
	PAIR(14, Z16, Z14)
	PAIR(15, Z17, Z15)
	VPTERNLOGQ $0xfe, Z16, Z17, Z24

	VPTERNLOGQ $0xfe, Z1, Z3, Z25
	VPTERNLOGQ $0xfe, Z5, Z7, Z25
	VPTERNLOGQ $0xfe, Z9, Z11, Z25
	VPTERNLOGQ $0xfe, Z13, Z15, Z25
	VPORQ Z0, Z1, Z0
	VPORQ Z2, Z3, Z2
	VPORQ Z4, Z5, Z4
	VPORQ Z6, Z7, Z6
	VPORQ Z8, Z9, Z8
	VPORQ Z10, Z11, Z10
	VPORQ Z12, Z13, Z12
	VPORQ Z14, Z15, Z14

	VPTERNLOGQ $0xfe, Z2, Z6, Z26
	VPTERNLOGQ $0xfe, Z10, Z14, Z26
	VPORQ Z0, Z2, Z0
	VPORQ Z4, Z6, Z4
	VPORQ Z8, Z10, Z8
	VPORQ Z12, Z14, Z12

	VPTERNLOGQ $0xfe, Z4, Z12, Z27
	VPORQ Z8, Z12, Z8
	VPORQ Z8, Z28, Z28
	VPTERNLOGQ $0xfe, Z4, Z8, Z0 // all rows of the chunk

	TESTQ $1, DX
	JZ   bit6
	VPORQ Z0, Z29, Z29

bit6:
	TESTQ $2, DX
	JZ   bit7
	VPORQ Z0, Z30, Z30

bit7:
	TESTQ $4, DX
	JZ   folded
	VPORQ Z0, Z31, Z31

folded:
	ADDQ $2048, SI
	INCQ DX
	CMPQ DX, R8
	JLT  chunk

	// From planes to bytes: each bit adds its worth where it is set.
	VMOVDQU64 Z24, 0(BX)
	VMOVDQU64 Z25, 64(BX)
	VMOVDQU64 Z26, 128(BX)
	VMOVDQU64 Z27, 192(BX)
	VMOVDQU64 Z28, 256(BX)
	VMOVDQU64 Z29, 320(BX)
	VMOVDQU64 Z30, 384(BX)
	VMOVDQU64 Z31, 448(BX)
	VPTERNLOGD $0xff, Z0, Z0, Z0
	VPABSB    Z0, Z1 // 1
	VPADDB    Z1, Z1, Z2
	VPADDB    Z2, Z2, Z3
	VPADDB    Z3, Z3, Z4
	VPADDB    Z4, Z4, Z5
	VPADDB    Z5, Z5, Z6
	VPADDB    Z6, Z6, Z7
	VPADDB    Z7, Z7, Z8
	MOVQ $8, DX
	CMPQ R8, $1
	JGT  wide

narrow:
	KMOVQ 0(BX), K1
	KMOVQ 64(BX), K2
	KMOVQ 128(BX), K3
	KMOVQ 192(BX), K4
	KMOVQ 256(BX), K5
	VMOVDQU8.Z Z1, K1, Z9
	VPADDB Z2, Z9, K2, Z9
	VPADDB Z3, Z9, K3, Z9
	VPADDB Z4, Z9, K4, Z9
	VPADDB Z5, Z9, K5, Z9
	VMOVDQU64 Z9, (DI)
	ADDQ $8, BX
	ADDQ $64, DI
	DECQ DX
	JNZ  narrow
	VZEROUPPER
	RET

wide:
	KMOVQ 0(BX), K1
	KMOVQ 64(BX), K2
	KMOVQ 128(BX), K3
	KMOVQ 192(BX), K4
	KMOVQ 256(BX), K5
	KMOVQ 320(BX), K6
	KMOVQ 384(BX), K7
	VMOVDQU8.Z Z1, K1, Z9
	VPADDB Z2, Z9, K2, Z9
	VPADDB Z3, Z9, K3, Z9
	VPADDB Z4, Z9, K4, Z9
	VPADDB Z5, Z9, K5, Z9
	KMOVQ 448(BX), K1
	VPADDB Z6, Z9, K6, Z9
	VPADDB Z7, Z9, K7, Z9
	VPADDB Z8, Z9, K1, Z9
	VMOVDQU64 Z9, (DI)
	ADDQ $8, BX
	ADDQ $64, DI
	DECQ DX
	JNZ  wide
	VZEROUPPER
	RET

// GATHER4 makes, of the leaves of 64 rows in four trees, dwords with the four
// leaves of a row, the first tree's lowest: rows of Z8 to Z11 stand so that the
// unpacking of doubles puts them in order.
#define GATHER4 \
	VPERMB (SI), Z31, Z12       \
	VPERMB 512(SI), Z31, Z13    \
	VPERMB 1024(SI), Z31, Z14   \
	VPERMB 1536(SI), Z31, Z15   \
	VPUNPCKLBW Z13, Z12, Z24    \
	VPUNPCKHBW Z13, Z12, Z25    \
	VPUNPCKLBW Z15, Z14, Z26    \
	VPUNPCKHBW Z15, Z14, Z27    \
	VPUNPCKLWD Z26, Z24, Z8     \
	VPUNPCKHWD Z26, Z24, Z9     \
	VPUNPCKLWD Z27, Z25, Z10    \
	VPUNPCKHWD Z27, Z25, Z11

#define SCORES(op) \
	op(0, Z0)   \
	op(64, Z1)  \
	op(128, Z2) \
	op(192, Z3) \
	op(256, Z4) \
	op(320, Z5) \
	op(384, Z6) \
	op(448, Z7)

#define LOAD(at, reg) VMOVUPD at(DI), reg
#define STORE(at, reg) VMOVUPD reg, at(DI)

// ADD32 adds the values of 16 rows' leaves, from the low and the high words of
// 32 values in Z16 to Z19, and moves on to the leaves of the next tree.
#define ADD32(leaf, x, y, score0, score1) \
	VMOVDQA64 leaf, x         \
	VMOVDQA64 leaf, y         \
	VPERMI2D  Z17, Z16, x     \
	VPERMI2D  Z19, Z18, y     \
	VPSRLD    $8, leaf, leaf  \
	VPUNPCKLDQ y, x, Z28      \
	VPUNPCKHDQ y, x, Z29      \
	VADDPD    Z28, score0, score0 \
	VADDPD    Z29, score1, score1

// func sum32(score *float64, leaf *uint8, table *uint32, trees int)
//
// sum, for 1 to 4 trees of at most 32 leaves, each with a table of the low words
// of 32 values and then their high words.
TEXT ·sum32(SB), NOSPLIT, $0-32
	MOVQ score+0(FP), DI
	MOVQ leaf+8(FP), SI
	MOVQ table+16(FP), BX
	MOVQ trees+24(FP), CX
	VMOVDQU64 unshuffle<>(SB), Z31
	MOVQ $8, R8

rows32:
	GATHER4
	SCORES(LOAD)
	MOVQ BX, R9
	MOVQ CX, R10

tree32:
	VMOVDQU64 (R9), Z16
	VMOVDQU64 64(R9), Z17
	VMOVDQU64 128(R9), Z18
	VMOVDQU64 192(R9), Z19
	ADDQ $256, R9
	ADD32(Z8, Z12, Z13, Z0, Z1)
	ADD32(Z9, Z14, Z15, Z2, Z3)
	ADD32(Z10, Z24, Z25, Z4, Z5)
	ADD32(Z11, Z26, Z27, Z6, Z7)
	DECQ R10
	JNZ  tree32
	SCORES(STORE)
	ADDQ $64, SI
	ADDQ $512, DI
	DECQ R8
	JNZ  rows32
	VZEROUPPER
	RET

// ADD64 is ADD32 for the words of 64 values in Z16 to Z23. Each lane looks in one
// half of the table and keeps its number until it has; Z30 holds 32.
#define ADD64(leaf, x, y, score0, score1) \
	VPTESTMD  Z30, leaf, K1   \
	KNOTW     K1, K2          \
	VMOVDQA64 leaf, x         \
	VMOVDQA64 leaf, y         \
	VPERMI2D  Z17, Z16, K2, x \
	VPERMI2D  Z19, Z18, K1, x \
	VPERMI2D  Z21, Z20, K2, y \
	VPERMI2D  Z23, Z22, K1, y \
	VPSRLD    $8, leaf, leaf  \
	VPUNPCKLDQ y, x, Z28      \
	VPUNPCKHDQ y, x, Z29      \
	VADDPD    Z28, score0, score0 \
	VADDPD    Z29, score1, score1

// func sum64(score *float64, leaf *uint8, table *uint32, trees int)
//
// sum, for 1 to 4 trees of at most 64 leaves.
TEXT ·sum64(SB), NOSPLIT, $0-32
	MOVQ score+0(FP), DI
	MOVQ leaf+8(FP), SI
	MOVQ table+16(FP), BX
	MOVQ trees+24(FP), CX
	VMOVDQU64 unshuffle<>(SB), Z31
	MOVL $32, AX
	VPBROADCASTD AX, Z30
	MOVQ $8, R8

rows64:
	GATHER4
	SCORES(LOAD)
	MOVQ BX, R9
	MOVQ CX, R10

tree64:
	VMOVDQU64 (R9), Z16
	VMOVDQU64 64(R9), Z17
	VMOVDQU64 128(R9), Z18
	VMOVDQU64 192(R9), Z19
	VMOVDQU64 256(R9), Z20
	VMOVDQU64 320(R9), Z21
	VMOVDQU64 384(R9), Z22
	VMOVDQU64 448(R9), Z23
	ADDQ $512, R9
	ADD64(Z8, Z12, Z13, Z0, Z1)
	ADD64(Z9, Z14, Z15, Z2, Z3)
	ADD64(Z10, Z24, Z25, Z4, Z5)
	ADD64(Z11, Z26, Z27, Z6, Z7)
	DECQ R10
	JNZ  tree64
	SCORES(STORE)
	ADDQ $64, SI
	ADDQ $512, DI
	DECQ R8
	JNZ  rows64
	VZEROUPPER
	RET

// unshuffle[16q+4j+2h+e] = 16j+8h+2q+e: where a row's byte must stand for the
// unpacking in lanes of 16 bytes to put its double in order.
DATA unshuffle<>+0(SB)/8, $0x1918111009080100
DATA unshuffle<>+8(SB)/8, $0x3938313029282120
DATA unshuffle<>+16(SB)/8, $0x1b1a13120b0a0302
DATA unshuffle<>+24(SB)/8, $0x3b3a33322b2a2322
DATA unshuffle<>+32(SB)/8, $0x1d1c15140d0c0504
DATA unshuffle<>+40(SB)/8, $0x3d3c35342d2c2524
DATA unshuffle<>+48(SB)/8, $0x1f1e17160f0e0706
DATA unshuffle<>+56(SB)/8, $0x3f3e37362f2e2726
GLOBL unshuffle<>(SB), RODATA|NOPTR, $64
