#include "go_asm.h"
#include "textflag.h"

// CLEAR12 clears the first twelve vectors.
#define CLEAR12 \
	VPXORQ Z0, Z0, Z0 \
	VPXORQ Z1, Z1, Z1 \
	VPXORQ Z2, Z2, Z2 \
	VPXORQ Z3, Z3, Z3 \
	VPXORQ Z4, Z4, Z4 \
	VPXORQ Z5, Z5, Z5 \
	VPXORQ Z6, Z6, Z6 \
	VPXORQ Z7, Z7, Z7 \
	VPXORQ Z8, Z8, Z8 \
	VPXORQ Z9, Z9, Z9 \
	VPXORQ Z10, Z10, Z10 \
	VPXORQ Z11, Z11, Z11

// CLASS looks 64 rows' classes up, in Z26, of the tree whose leaves are at AX.
#define CLASS(at, to) \
	VMOVDQU64 (at)(SI)(AX*1), to \
	VPERMB    Z26, to, to

// ADDCLASS adds another tree's.
#define ADDCLASS(at, to) \
	CLASS(at, Z20)       \
	VPADDB Z20, to, to

// CREDITS adds the credits of 64 rows, in Z24 and Z25, by their classes' sums: of every
// fourth row those in the low bytes, then those of the next. What is above their bits
// does not count.
#define CREDITS(class, a, b, c, d) \
	VPSRLD   $8, class, Z20   \
	VPSRLD   $16, class, Z21  \
	VPSRLD   $24, class, Z22  \
	VPERMI2D Z25, Z24, class  \
	VPERMI2D Z25, Z24, Z20    \
	VPERMI2D Z25, Z24, Z21    \
	VPERMI2D Z25, Z24, Z22    \
	VPADDD   class, a, a      \
	VPADDD   Z20, b, b        \
	VPADDD   Z21, c, c        \
	VPADDD   Z22, d, d

// func credit512(sum *int32, leaf *uint8, trees, at *uint32, class *[64]uint8, credit *[32]int32, bunches int)
TEXT ·credit512(SB), NOSPLIT, $0-56
	MOVQ sum+0(FP), DI
	MOVQ leaf+8(FP), SI
	MOVQ trees+16(FP), R8
	MOVQ at+24(FP), R9
	MOVQ class+32(FP), R10
	MOVQ credit+40(FP), R11
	MOVQ bunches+48(FP), CX
	CLEAR12
	VPXORQ Z12, Z12, Z12
	VPXORQ Z13, Z13, Z13
	VPXORQ Z14, Z14, Z14
	VPXORQ Z15, Z15, Z15

bunch:
	MOVL (R8), DX
	MOVL (R9), AX
	VMOVDQU64 (R10), Z26
	CLASS(0, Z16)
	CLASS(64, Z17)
	CLASS(128, Z18)
	CLASS(192, Z19)
	ADDQ $4, R8
	ADDQ $4, R9
	ADDQ $64, R10
	DECL DX
	JZ   found

tree:
	MOVL (R9), AX
	VMOVDQU64 (R10), Z26
	ADDCLASS(0, Z16)
	ADDCLASS(64, Z17)
	ADDCLASS(128, Z18)
	ADDCLASS(192, Z19)
	ADDQ $4, R9
	ADDQ $64, R10
	DECL DX
	JNZ  tree

found:
	VMOVDQU64 0(R11), Z24
	VMOVDQU64 64(R11), Z25
	CREDITS(Z16, Z0, Z1, Z2, Z3)
	CREDITS(Z17, Z4, Z5, Z6, Z7)
	CREDITS(Z18, Z8, Z9, Z10, Z11)
	CREDITS(Z19, Z12, Z13, Z14, Z15)
	ADDQ $128, R11
	DECQ CX
	JNZ  bunch
	VMOVDQU64 Z0, 0(DI)
	VMOVDQU64 Z1, 64(DI)
	VMOVDQU64 Z2, 128(DI)
	VMOVDQU64 Z3, 192(DI)
	VMOVDQU64 Z4, 256(DI)
	VMOVDQU64 Z5, 320(DI)
	VMOVDQU64 Z6, 384(DI)
	VMOVDQU64 Z7, 448(DI)
	VMOVDQU64 Z8, 512(DI)
	VMOVDQU64 Z9, 576(DI)
	VMOVDQU64 Z10, 640(DI)
	VMOVDQU64 Z11, 704(DI)
	VMOVDQU64 Z12, 768(DI)
	VMOVDQU64 Z13, 832(DI)
	VMOVDQU64 Z14, 896(DI)
	VMOVDQU64 Z15, 960(DI)
	VZEROUPPER
	RET

// RANK puts sum x, of the feature in Z16, where it stands among the largest a, b and c
// of features fa, fb and fc: behind those that it equals.
#define RANK(x, a, b, c, fa, fb, fc) \
	VPCMPGTD  a, x, K1       \
	VPCMPGTD  b, x, K2       \
	VPCMPGTD  c, x, K3       \
	VMOVDQA32 x, K3, c       \
	VMOVDQA32 Z16, K3, fc    \
	VMOVDQA32 b, K2, c       \
	VMOVDQA32 fb, K2, fc     \
	VMOVDQA32 x, K2, b       \
	VMOVDQA32 Z16, K2, fb    \
	VMOVDQA32 a, K1, b       \
	VMOVDQA32 fa, K1, fb     \
	VMOVDQA32 x, K1, a       \
	VMOVDQA32 Z16, K1, fa

// func largest512(code *[3][512]uint16, sums *int32, feature *uint16, columns int)
TEXT ·largest512(SB), NOSPLIT, $0-32
	MOVQ code+0(FP), DI
	MOVQ sums+8(FP), SI
	MOVQ feature+16(FP), R8
	MOVQ $16, DX

rows:
	CLEAR12
	MOVQ SI, R10
	MOVQ R8, R9
	MOVQ columns+24(FP), CX

column:
	MOVWLZX (R9), AX
	VPBROADCASTD AX, Z16
	VMOVDQU64 0(R10), Z17
	VMOVDQU64 64(R10), Z18
	RANK(Z17, Z0, Z1, Z2, Z3, Z4, Z5)
	RANK(Z18, Z6, Z7, Z8, Z9, Z10, Z11)
	ADDQ $2, R9
	ADDQ $2048, R10
	DECQ CX
	JNZ  column
	VPMOVDW Z3, 0(DI)
	VPMOVDW Z9, 32(DI)
	VPMOVDW Z4, 1024(DI)
	VPMOVDW Z10, 1056(DI)
	VPMOVDW Z5, 2048(DI)
	VPMOVDW Z11, 2080(DI)
	ADDQ $64, DI
	ADDQ $128, SI
	DECQ DX
	JNZ  rows
	VZEROUPPER
	RET

// PAIRS interleaves words, or dwords or qwords, of a and b: the lower halves of each
// 16 bytes, and the upper ones.
#define PAIRS(low, high, a, b, x, y) \
	low  b, a, x \
	high b, a, y

// ROWS stores the eight words of a row in each half of x, of slots i and i+8.
#define ROWS(x, y, i) \
	VMOVDQU y, (64*i)(DI)              \
	VEXTRACTI128 $1, x, (64*i+512)(DI)

// func deal512(code, slots *[512]uint16)
//
// deal. Eight vectors of 16 slots, 64 slots apart, are 16 times eight rows.
TEXT ·deal512(SB), NOSPLIT, $0-16
	MOVQ code+0(FP), DI
	MOVQ slots+8(FP), SI
	MOVQ $4, CX

quarter:
	VMOVDQU 0(SI), Y0
	VMOVDQU 128(SI), Y1
	VMOVDQU 256(SI), Y2
	VMOVDQU 384(SI), Y3
	VMOVDQU 512(SI), Y4
	VMOVDQU 640(SI), Y5
	VMOVDQU 768(SI), Y6
	VMOVDQU 896(SI), Y7
	PAIRS(VPUNPCKLWD, VPUNPCKHWD, Y0, Y1, Y8, Y9)
	PAIRS(VPUNPCKLWD, VPUNPCKHWD, Y2, Y3, Y10, Y11)
	PAIRS(VPUNPCKLWD, VPUNPCKHWD, Y4, Y5, Y12, Y13)
	PAIRS(VPUNPCKLWD, VPUNPCKHWD, Y6, Y7, Y14, Y15)
	PAIRS(VPUNPCKLDQ, VPUNPCKHDQ, Y8, Y10, Y0, Y1)
	PAIRS(VPUNPCKLDQ, VPUNPCKHDQ, Y9, Y11, Y2, Y3)
	PAIRS(VPUNPCKLDQ, VPUNPCKHDQ, Y12, Y14, Y4, Y5)
	PAIRS(VPUNPCKLDQ, VPUNPCKHDQ, Y13, Y15, Y6, Y7)
	PAIRS(VPUNPCKLQDQ, VPUNPCKHQDQ, Y0, Y4, Y8, Y9)
	PAIRS(VPUNPCKLQDQ, VPUNPCKHQDQ, Y1, Y5, Y10, Y11)
	PAIRS(VPUNPCKLQDQ, VPUNPCKHQDQ, Y2, Y6, Y12, Y13)
	PAIRS(VPUNPCKLQDQ, VPUNPCKHQDQ, Y3, Y7, Y14, Y15)
	ROWS(Y8, X8, 0)
	ROWS(Y9, X9, 1)
	ROWS(Y10, X10, 2)
	ROWS(Y11, X11, 3)
	ROWS(Y12, X12, 4)
	ROWS(Y13, X13, 5)
	ROWS(Y14, X14, 6)
	ROWS(Y15, X15, 7)
	ADDQ $32, SI
	ADDQ $16, DI
	DECQ CX
	JNZ  quarter
	VZEROUPPER
	RET
