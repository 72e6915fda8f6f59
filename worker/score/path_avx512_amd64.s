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

// EIGHT folds the masks of eight leaves from byte at on: to bits 0 and 1 of the
// leaf numbers, in Z24 and Z25, and to the rows of each four, in low and high.
#define EIGHT(at, low, high) \
	VMOVDQU64  (at+64)(SI), Z16           \
	VMOVDQU64  (at+192)(SI), Z17          \
	VMOVDQU64  (at+320)(SI), Z18          \
	VMOVDQU64  (at+448)(SI), Z19          \
	VPORQ      (at+128)(SI), Z17, low     \
	VPORQ      (at+384)(SI), Z19, high    \
	VPTERNLOGQ $0xfe, Z16, Z17, Z24       \
	VPTERNLOGQ $0xfe, low, high, Z25      \
	VPTERNLOGQ $0xfe, Z18, Z19, Z24       \
	VPTERNLOGQ $0xfe, (at)(SI), Z16, low  \
	VPTERNLOGQ $0xfe, (at+256)(SI), Z18, high

// FOLD folds the masks of 32 leaves to bits 0 to 4, in Z24 to Z28. Z0 to Z7 have
// the rows of each four leaves.
#define FOLD \
	EIGHT(0, Z0, Z1)                \
	EIGHT(512, Z2, Z3)              \
	EIGHT(1024, Z4, Z5)             \
	EIGHT(1536, Z6, Z7)             \
	VPTERNLOGQ $0xfe, Z1, Z3, Z26   \
	VPTERNLOGQ $0xfe, Z2, Z3, Z27   \
	VPTERNLOGQ $0xfe, Z4, Z5, Z28   \
	VPTERNLOGQ $0xfe, Z5, Z7, Z26   \
	VPTERNLOGQ $0xfe, Z6, Z7, Z27   \
	VPTERNLOGQ $0xfe, Z6, Z7, Z28

// NODE is the body of replay, for node i of a drill at BX, with masks at R9. Loads
// are dear: one takes at and low.
#define NODE(i) \
	MOVQ (node__size*(i)+node_at)(BX), DX   \
	MOVL (node__size*(i)+node_old)(BX), R8  \
	MOVL DX, AX                             \
	SHRQ $32, DX                            \
	VMOVDQU64 (R10)(AX*1), Z29              \
	VMOVDQU64 -64(R10)(AX*1), Z30           \
	VPTERNLOGQ $0xf8, (R10)(DX*1), Z30, Z29 \
	VMOVDQU64 (R9)(R8*1), Z30               \
	VPANDQ    Z29, Z30, Z31                 \
	VPANDNQ   Z30, Z29, Z30                 \
	VMOVDQU64 Z31, (64*(i)+64)(R9)          \
	VMOVDQU64 Z30, (R9)(R8*1)

// SWAP is swap: it exchanges the bits of a above the mask with those of b in it.
#define SWAP(shift, mask, a, b, x, y) \
	VPSLLD     $shift, b, x        \
	VPSRLD     $shift, a, y        \
	VPTERNLOGD $0xb8, a, mask, x   \
	VPTERNLOGD $0xe2, b, mask, y

// SWAPMASKS loads the masks to swap single bits, pairs and fours with.
#define SWAPMASKS \
	MOVL $0x55555555, AX       \
	VPBROADCASTD AX, Z29       \
	MOVL $0x33333333, AX       \
	VPBROADCASTD AX, Z30       \
	MOVL $0x0f0f0f0f, AX       \
	VPBROADCASTD AX, Z31

// BYTES32 turns bits 0 to 4 into bytes, as numbers does: Z0, Z1, Z2, Z3, Z11, Z13,
// Z12 and Z14 get the leaves of rows 0 to 7 of each eight. The three bits on top are
// anything.
#define BYTES32 \
	SWAP(1, Z29, Z24, Z25, Z0, Z1) \
	SWAP(1, Z29, Z26, Z27, Z2, Z3) \
	VPSRLD $1, Z28, Z4             \
	BYTES

// BYTES64 does with bit 5, in Z23.
#define BYTES64 \
	SWAP(1, Z29, Z24, Z25, Z0, Z1) \
	SWAP(1, Z29, Z26, Z27, Z2, Z3) \
	SWAP(1, Z29, Z28, Z23, Z5, Z4) \
	VMOVDQA64 Z5, Z28              \
	BYTES

#define BYTES \
	SWAP(2, Z30, Z0, Z2, Z5, Z6)     \
	SWAP(2, Z30, Z1, Z3, Z7, Z8)     \
	VPSRLD $2, Z28, Z9               \
	VPSRLD $2, Z4, Z10               \
	SWAP(4, Z31, Z5, Z28, Z0, Z11)   \
	SWAP(4, Z31, Z7, Z4, Z1, Z13)    \
	SWAP(4, Z31, Z6, Z9, Z2, Z12)    \
	SWAP(4, Z31, Z8, Z10, Z3, Z14)

// KEEP stores the leaves that BYTES has left at R12, and moves on to the next tree's;
// nobody asks for them when R12 is 0.
#define KEEP(kept) \
	TESTQ R12, R12          \
	JZ    kept              \
	VMOVDQU64 Z0, 0(R12)    \
	VMOVDQU64 Z1, 64(R12)   \
	VMOVDQU64 Z2, 128(R12)  \
	VMOVDQU64 Z3, 192(R12)  \
	VMOVDQU64 Z11, 256(R12) \
	VMOVDQU64 Z13, 320(R12) \
	VMOVDQU64 Z12, 384(R12) \
	VMOVDQU64 Z14, 448(R12) \
	ADDQ $512, R12          \
kept:

// FIRST replays the drill at BX, with masks at R9: nothing is looked up meanwhile.
#define FIRST(size, node) \
	MOVQ BX, R11             \
	MOVQ R9, R12             \
	MOVQ $size, R13          \
	VPTERNLOGD $0xff, Z0, Z0, Z0 \
	VMOVDQU64 Z0, (R9)       \
node:                            \
	MOVL node_at(R11), AX    \
	MOVL node_low(R11), DX   \
	MOVL node_old(R11), R8   \
	VMOVDQU64 (R10)(AX*1), Z0 \
	VMOVDQU64 -64(R10)(AX*1), Z1 \
	VPTERNLOGQ $0xf8, (R10)(DX*1), Z1, Z0 \
	VMOVDQU64 (R9)(R8*1), Z1 \
	VPANDQ    Z0, Z1, Z2     \
	VPANDNQ   Z1, Z0, Z1     \
	ADDQ $64, R12            \
	VMOVDQU64 Z2, (R12)      \
	VMOVDQU64 Z1, (R9)(R8*1) \
	ADDQ $node__size, R11    \
	DECQ R13                 \
	JNZ  node

// TURN begins with a tree: its masks, which were replayed, are at SI from now on, and
// those at R9 are for the drill of the next.
#define TURN(size) \
	XCHGQ SI, R9                 \
	ADDQ $(size*node__size), BX  \
	VPTERNLOGD $0xff, Z0, Z0, Z0 \
	VMOVDQU64 Z0, (R9)           \
	SWAPMASKS                    \
	VPXORQ Z24, Z24, Z24         \
	VPXORQ Z25, Z25, Z25         \
	VPXORQ Z26, Z26, Z26         \
	VPXORQ Z27, Z27, Z27         \
	VPXORQ Z28, Z28, Z28

// EACH does rows 0 to 7 of each eight, whose leaves BYTES has left.
#define EACH(rows) \
	rows(Z0, 0)  \
	rows(Z1, 1)  \
	rows(Z2, 2)  \
	rows(Z3, 3)  \
	rows(Z11, 4) \
	rows(Z13, 5) \
	rows(Z12, 6) \
	rows(Z14, 7)

// LOOK32 looks the values of the leaves in the low bytes up, from the words in Z16
// to Z19, and adds them to sums; and moves on to the next bytes.
#define LOOK32(leaf, at) \
	VMOVDQA64  leaf, Z20            \
	VMOVDQA64  leaf, Z21            \
	VPERMI2D   Z17, Z16, Z20        \
	VPERMI2D   Z19, Z18, Z21        \
	VPSRLD     $8, leaf, leaf       \
	VPUNPCKLDQ Z21, Z20, Z22        \
	VPUNPCKHDQ Z21, Z20, Z23        \
	VADDPD     (at)(DI), Z22, Z22   \
	VADDPD     (at+64)(DI), Z23, Z23 \
	VMOVUPD    Z22, (at)(DI)        \
	VMOVUPD    Z23, (at+64)(DI)

#define ROWS32(leaf, i) \
	LOOK32(leaf, (512*i+0))        \
	NODE(4*i+0)                    \
	LOOK32(leaf, (512*i+128))      \
	NODE(4*i+1)                    \
	LOOK32(leaf, (512*i+256))      \
	NODE(4*i+2)                    \
	LOOK32(leaf, (512*i+384))      \
	NODE(4*i+3)

// func sum32(sum *float64, masks, planes *plane, drill *node, table *uint32, trees int, leaf *uint8)
//
// sumPlain, for trees of at most 32 leaves, each with a drill of 32 nodes and a table of
// the low words of 32 values and then their high words. Looking a tree's values up
// keeps the shuffles busy, replaying nodes loads and stores: while one tree is looked
// up, the next is replayed. Sums stand in slots: rowAVX512. Where leaf is not nil, it
// gets the leaves of each tree, a byte a row: of 64 rows, those that are i more than a
// multiple of eight are the i-th 64 bytes. What is above a leaf's bits is anything.
TEXT ·sum32(SB), NOSPLIT, $0-56
	MOVQ sum+0(FP), DI
	MOVQ masks+8(FP), R9
	MOVQ planes+16(FP), R10
	MOVQ drill+24(FP), BX
	MOVQ trees+40(FP), CX
	LEAQ (64*const_drillStride)(R9), SI
	FIRST(32, node)
	MOVQ table+32(FP), R11
	MOVQ leaf+48(FP), R12

tree:
	TURN(32)
	FOLD
	BYTES32
	KEEP(kept)
	VMOVDQU64 0(R11), Z16
	VMOVDQU64 64(R11), Z17
	VMOVDQU64 128(R11), Z18
	VMOVDQU64 192(R11), Z19
	EACH(ROWS32)
	ADDQ $256, R11
	DECQ CX
	JNZ  tree
	VZEROUPPER
	RET

// LOOKSINGLE32 is LOOK32 for the float32s in Z16 and Z17.
#define LOOKSINGLE32(leaf, at) \
	VMOVDQA64  leaf, Z20            \
	VPERMI2D   Z17, Z16, Z20        \
	VPSRLD     $8, leaf, leaf       \
	VADDPS     (at)(DI), Z20, Z20   \
	VMOVUPS    Z20, (at)(DI)

#define ROWSSINGLE32(leaf, i) \
	LOOKSINGLE32(leaf, (256*i+0))  \
	NODE(4*i+0)                    \
	LOOKSINGLE32(leaf, (256*i+64)) \
	NODE(4*i+1)                    \
	LOOKSINGLE32(leaf, (256*i+128))\
	NODE(4*i+2)                    \
	LOOKSINGLE32(leaf, (256*i+192))\
	NODE(4*i+3)

// func sum32Single(sum *float32, masks, planes *plane, drill *node, table *uint32, trees int, leaf *uint8)
//
// sum32 with tables of 32 float32s.
TEXT ·sum32Single(SB), NOSPLIT, $0-56
	MOVQ sum+0(FP), DI
	MOVQ masks+8(FP), R9
	MOVQ planes+16(FP), R10
	MOVQ drill+24(FP), BX
	MOVQ trees+40(FP), CX
	LEAQ (64*const_drillStride)(R9), SI
	FIRST(32, node)
	MOVQ table+32(FP), R11
	MOVQ leaf+48(FP), R12

tree:
	TURN(32)
	FOLD
	BYTES32
	KEEP(kept)
	VMOVDQU64 0(R11), Z16
	VMOVDQU64 64(R11), Z17
	EACH(ROWSSINGLE32)
	ADDQ $128, R11
	DECQ CX
	JNZ  tree
	VZEROUPPER
	RET

// HALF tells in K1 which of the leaves in the low bytes are in the upper half of
// 64, in K2 which are in the lower.
#define HALF(leaf) \
	VPSLLD   $26, leaf, Z24 \
	VPMOVD2M Z24, K1        \
	KNOTW    K1, K2

// LOOK64 is LOOK32 for the words in Z16 to Z23. Each lane looks in one half of the
// table and keeps its number until it has.
#define LOOK64(leaf, at) \
	HALF(leaf)                      \
	VMOVDQA64  leaf, Z25            \
	VMOVDQA64  leaf, Z26            \
	VPERMI2D   Z17, Z16, K2, Z25    \
	VPERMI2D   Z21, Z20, K2, Z26    \
	VPERMI2D   Z19, Z18, K1, Z25    \
	VPERMI2D   Z23, Z22, K1, Z26    \
	VPSRLD     $8, leaf, leaf       \
	VPUNPCKLDQ Z26, Z25, Z27        \
	VPUNPCKHDQ Z26, Z25, Z28        \
	VADDPD     (at)(DI), Z27, Z27   \
	VADDPD     (at+64)(DI), Z28, Z28 \
	VMOVUPD    Z27, (at)(DI)        \
	VMOVUPD    Z28, (at+64)(DI)

#define ROWS64(leaf, i) \
	LOOK64(leaf, (512*i+0))        \
	NODE(8*i+0)                    \
	NODE(8*i+1)                    \
	LOOK64(leaf, (512*i+128))      \
	NODE(8*i+2)                    \
	NODE(8*i+3)                    \
	LOOK64(leaf, (512*i+256))      \
	NODE(8*i+4)                    \
	NODE(8*i+5)                    \
	LOOK64(leaf, (512*i+384))      \
	NODE(8*i+6)                    \
	NODE(8*i+7)

// FOLD64 folds the masks of 64 leaves to bits 0 to 4 and, in Z23, bit 5.
#define FOLD64 \
	FOLD                            \
	ADDQ $2048, SI                  \
	FOLD                            \
	SUBQ $2048, SI                  \
	VPORQ Z0, Z1, Z23               \
	VPTERNLOGQ $0xfe, Z2, Z3, Z23   \
	VPTERNLOGQ $0xfe, Z4, Z5, Z23   \
	VPTERNLOGQ $0xfe, Z6, Z7, Z23

// func sum64(sum *float64, masks, planes *plane, drill *node, table *uint32, trees int, leaf *uint8)
//
// sum32 for 64 leaves.
TEXT ·sum64(SB), NOSPLIT, $0-56
	MOVQ sum+0(FP), DI
	MOVQ masks+8(FP), R9
	MOVQ planes+16(FP), R10
	MOVQ drill+24(FP), BX
	MOVQ trees+40(FP), CX
	LEAQ (64*const_drillStride)(R9), SI
	FIRST(64, node)
	MOVQ table+32(FP), R11
	MOVQ leaf+48(FP), R12

tree:
	TURN(64)
	FOLD64
	BYTES64
	KEEP(kept)
	VMOVDQU64 0(R11), Z16
	VMOVDQU64 64(R11), Z17
	VMOVDQU64 128(R11), Z18
	VMOVDQU64 192(R11), Z19
	VMOVDQU64 256(R11), Z20
	VMOVDQU64 320(R11), Z21
	VMOVDQU64 384(R11), Z22
	VMOVDQU64 448(R11), Z23
	EACH(ROWS64)
	ADDQ $512, R11
	DECQ CX
	JNZ  tree
	VZEROUPPER
	RET

// LOOKSINGLE64 is LOOK64 for the float32s in Z16 to Z19.
#define LOOKSINGLE64(leaf, at) \
	HALF(leaf)                      \
	VMOVDQA64  leaf, Z25            \
	VPERMI2D   Z17, Z16, K2, Z25    \
	VPERMI2D   Z19, Z18, K1, Z25    \
	VPSRLD     $8, leaf, leaf       \
	VADDPS     (at)(DI), Z25, Z25   \
	VMOVUPS    Z25, (at)(DI)

#define ROWSSINGLE64(leaf, i) \
	LOOKSINGLE64(leaf, (256*i+0))  \
	NODE(8*i+0)                    \
	NODE(8*i+1)                    \
	LOOKSINGLE64(leaf, (256*i+64)) \
	NODE(8*i+2)                    \
	NODE(8*i+3)                    \
	LOOKSINGLE64(leaf, (256*i+128))\
	NODE(8*i+4)                    \
	NODE(8*i+5)                    \
	LOOKSINGLE64(leaf, (256*i+192))\
	NODE(8*i+6)                    \
	NODE(8*i+7)

// func sum64Single(sum *float32, masks, planes *plane, drill *node, table *uint32, trees int, leaf *uint8)
//
// sum32Single for 64 leaves.
TEXT ·sum64Single(SB), NOSPLIT, $0-56
	MOVQ sum+0(FP), DI
	MOVQ masks+8(FP), R9
	MOVQ planes+16(FP), R10
	MOVQ drill+24(FP), BX
	MOVQ trees+40(FP), CX
	LEAQ (64*const_drillStride)(R9), SI
	FIRST(64, node)
	MOVQ table+32(FP), R11
	MOVQ leaf+48(FP), R12

tree:
	TURN(64)
	FOLD64
	BYTES64
	KEEP(kept)
	VMOVDQU64 0(R11), Z16
	VMOVDQU64 64(R11), Z17
	VMOVDQU64 128(R11), Z18
	VMOVDQU64 192(R11), Z19
	EACH(ROWSSINGLE64)
	ADDQ $256, R11
	DECQ CX
	JNZ  tree
	VZEROUPPER
	RET

// COLUMNS writes eight slots of each lane, unpacked in pairs, as eight rows.
#define COLUMNS(t0, t1, t2, t3, at) \
	VSHUFF64X2 $0x88, t1, t0, Z16   \
	VSHUFF64X2 $0xdd, t1, t0, Z17   \
	VSHUFF64X2 $0x88, t3, t2, Z18   \
	VSHUFF64X2 $0xdd, t3, t2, Z19   \
	VSHUFF64X2 $0x88, Z18, Z16, Z20 \
	VSHUFF64X2 $0x88, Z19, Z17, Z21 \
	VSHUFF64X2 $0xdd, Z18, Z16, Z22 \
	VSHUFF64X2 $0xdd, Z19, Z17, Z23 \
	VMOVUPD Z20, (at)(DI)           \
	VMOVUPD Z21, (at+1024)(DI)      \
	VMOVUPD Z22, (at+2048)(DI)      \
	VMOVUPD Z23, (at+3072)(DI)

// func order512(scores, sum *float64)
//
// order. A matrix of eight slots by eight, 64 slots apart, is eight rows of eight.
TEXT ·order512(SB), NOSPLIT, $0-16
	MOVQ scores+0(FP), DI
	MOVQ sum+8(FP), SI
	MOVQ $4, CX

eights:
	MOVQ $2, DX

half:
	VMOVUPD 0(SI), Z0
	VMOVUPD 512(SI), Z1
	VMOVUPD 1024(SI), Z2
	VMOVUPD 1536(SI), Z3
	VMOVUPD 2048(SI), Z4
	VMOVUPD 2560(SI), Z5
	VMOVUPD 3072(SI), Z6
	VMOVUPD 3584(SI), Z7
	VUNPCKLPD Z1, Z0, Z8
	VUNPCKLPD Z3, Z2, Z9
	VUNPCKLPD Z5, Z4, Z10
	VUNPCKLPD Z7, Z6, Z11
	VUNPCKHPD Z1, Z0, Z12
	VUNPCKHPD Z3, Z2, Z13
	VUNPCKHPD Z5, Z4, Z14
	VUNPCKHPD Z7, Z6, Z15
	COLUMNS(Z8, Z9, Z10, Z11, 0)
	COLUMNS(Z12, Z13, Z14, Z15, 256)
	ADDQ $64, SI
	ADDQ $512, DI
	DECQ DX
	JNZ  half
	SUBQ $(2*512-64), DI
	DECQ CX
	JNZ  eights
	VZEROUPPER
	RET

// func orderSingle512(scores *float64, sum *float32)
//
// order, of float32s: eight slots, 64 slots apart, are eight rows.
TEXT ·orderSingle512(SB), NOSPLIT, $0-16
	MOVQ scores+0(FP), DI
	MOVQ sum+8(FP), SI
	VMOVDQU apart<>(SB), Y0
	MOVQ $4, CX

eights:
	MOVQ $16, DX

row:
	KXNORB K1, K1, K1
	VGATHERDPS (SI)(Y0*4), K1, Y1
	VCVTPS2PD Y1, Z1
	VMOVUPD Z1, (DI)
	ADDQ $4, SI
	ADDQ $256, DI
	DECQ DX
	JNZ  row
	SUBQ $(16*256-64), DI
	DECQ CX
	JNZ  eights
	VZEROUPPER
	RET

DATA apart<>+0(SB)/8, $0x0000004000000000
DATA apart<>+8(SB)/8, $0x000000c000000080
DATA apart<>+16(SB)/8, $0x0000014000000100
DATA apart<>+24(SB)/8, $0x000001c000000180
GLOBL apart<>(SB), RODATA|NOPTR, $32
