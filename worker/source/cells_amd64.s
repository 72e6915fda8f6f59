#include "textflag.h"

// What CSV text becomes, 64 bytes of it or eight cells at a time (AVX-512). Behind text is
// slack that may be looked at.

DATA places<>+0(SB)/8, $0x0706050403020100
DATA places<>+8(SB)/8, $0x0f0e0d0c0b0a0908
DATA places<>+16(SB)/8, $0x1716151413121110
DATA places<>+24(SB)/8, $0x1f1e1d1c1b1a1918
DATA places<>+32(SB)/8, $0x2726252423222120
DATA places<>+40(SB)/8, $0x2f2e2d2c2b2a2928
DATA places<>+48(SB)/8, $0x3736353433323130
DATA places<>+56(SB)/8, $0x3f3e3d3c3b3a3938
GLOBL places<>(SB), RODATA|NOPTR, $64

DATA lanes<>+0(SB)/8, $0x0000000100000000
DATA lanes<>+8(SB)/8, $0x0000000300000002
DATA lanes<>+16(SB)/8, $0x0000000500000004
DATA lanes<>+24(SB)/8, $0x0000000700000006
GLOBL lanes<>(SB), RODATA|NOPTR, $32

// SIXTEEN writes places 16*n and on of those in Z1, when there are as many.
#define SIXTEEN(n) \
	CMPQ AX, $(16*n)           \
	JLE  written               \
	VEXTRACTI32X4 $n, Z1, X2   \
	VPMOVZXBD X2, Z2           \
	VPADDD Z3, Z2, Z2          \
	VMOVDQU32 Z2, (64*n)(R8)

// CELLS reads the cells of a column, eight rows a turn, and stores their values.
//
//	DI values  SI text  R8 rows' places in it  R9 the cell of the first row, R10 of the
//	eighth after it  R13 outcomes, BX of this turn  CX rows left  DX which may be read
#define CELLS(size, store) \
	MOVQ dst+0(FP), DI            \
	MOVQ text+8(FP), SI           \
	MOVQ rows+16(FP), R8          \
	MOVQ starts+24(FP), R9        \
	MOVQ stride+32(FP), R10       \
	MOVQ count+40(FP), CX         \
	MOVQ plain+48(FP), DX         \
	MOVQ delim+56(FP), AX         \
	MOVQ table+64(FP), R11        \
	MOVQ out+72(FP), R13          \
	VPBROADCASTQ AX, Z27          \
	SHLQ $2, R10                  \
	VPBROADCASTD R10, Y20         \
	VPMULLD lanes<>(SB), Y20, Y20 \
	SHLQ $3, R10                  \
	VMOVDQU64 0(R11), Z29         \
	VPBROADCASTQ 64(R11), Z30     \
	VPBROADCASTQ 72(R11), Z31     \
	MOVQ $0x3030303030303030, AX  \
	VPBROADCASTQ AX, Z21          \
	MOVQ $0x0909090909090909, AX  \
	VPBROADCASTQ AX, Z22          \
	MOVQ $0x010a010a010a010a, AX  \
	VPBROADCASTQ AX, Z23          \
	MOVQ $0x0001006400010064, AX  \
	VPBROADCASTQ AX, Z24          \
	MOVQ $10000, AX               \
	VPBROADCASTQ AX, Z25          \
	MOVQ $0x1e1e1e1e1e1e1e1e, AX  \
	VPBROADCASTQ AX, Z26          \
	MOVQ $64, AX                  \
	VPBROADCASTQ AX, Z28          \
	MOVQ $8, AX                   \
	VPBROADCASTQ AX, Z17          \
	MOVQ $0xffffffff, AX          \
	VPBROADCASTQ AX, Z19          \
	VPTERNLOGQ $0xff, Z18, Z18, Z18 \
	XORQ BX, BX                   \
turn:                             \
	KMOVB DX, K1                  \
	KMOVB K1, K2                  \
	VPXORQ Z0, Z0, Z0             \
	VPGATHERDQ (R9)(Y20*1), K2, Z0 \
	VPANDQ Z19, Z0, Z1            \
	VPSRLQ $32, Z0, Z2            \
	VPSUBQ Z1, Z2, Z2             \
	VPSUBQ Z27, Z2, Z2            \
	VPMOVZXDQ (R8)(BX*4), Z3      \
	VPADDQ Z3, Z1, Z1             \
	KMOVB K1, K2                  \
	VPXORQ Z4, Z4, Z4             \
	VPGATHERQQ (SI)(Z1*1), K2, Z4 \
	VPXORQ Z21, Z4, Z4            \
	VPSLLQ $3, Z2, Z5             \
	VPSUBQ Z5, Z28, Z5            \
	VPSLLVQ Z5, Z4, Z4            \
	VPCMPEQB Z26, Z4, K3          \
	VPMOVM2B K3, Z6               \
	VPTESTMQ Z6, Z6, K4           \
	VPLZCNTQ Z6, Z7               \
	VPSRLQ $3, Z7, Z7             \
	VPXORQ Z8, Z8, Z8             \
	VPSUBQ Z6, Z8, Z8             \
	VPANDQ Z6, Z8, Z8             \
	VPADDQ Z18, Z8, Z9            \
	VPSLLQ $5, Z8, Z10            \
	VPADDQ Z8, Z8, Z11            \
	VPSUBQ Z11, Z10, Z10          \
	VPANDNQ Z4, Z9, Z11           \
	VPXORQ Z10, Z11, Z11          \
	VPANDQ Z4, Z9, Z12            \
	VPSLLQ $8, Z12, Z12           \
	VPORQ Z11, Z12, K4, Z4        \
	VPSUBUSB Z22, Z4, Z12         \
	VPTESTNMQ Z12, Z12, K1, K5    \
	VPMADDUBSW Z23, Z4, Z4        \
	VPMADDWD Z24, Z4, Z4          \
	VPSRLQ $32, Z4, Z13           \
	VPMULUDQ Z25, Z4, Z4          \
	VPADDQ Z13, Z4, Z4            \
	VPERMQ Z29, Z7, Z15           \
	VPTESTMQ Z15, Z15, K5, K5     \
	VPMULUDQ Z15, Z4, Z4          \
	VPCMPQ $5, Z30, Z4, K5, K5    \
	VPCMPQ $2, Z31, Z4, K5, K5    \
	VPADDQ Z18, Z2, Z16           \
	VPCMPUQ $1, Z17, Z16, K5, K5  \
	VPTESTNMQ Z16, Z16, K4, K6    \
	KANDNB K5, K6, K5             \
	VPTESTNMQ Z2, Z2, K1, K6      \
	VMOVDQA64.Z Z4, K5, Z4        \
	MOVQ $-1, AX                  \
	BZHIQ CX, AX, AX              \
	KMOVB AX, K7                  \
	store                         \
	KMOVB K5, AX                  \
	MOVB AX, (R13)                \
	KMOVB K6, AX                  \
	MOVB AX, 8(R13)               \
	ADDQ $(8*size), DI            \
	ADDQ R10, R9                  \
	INCQ R13                      \
	SHRQ $8, DX                   \
	ADDQ $8, BX                   \
	SUBQ $8, CX                   \
	JGT  turn                     \
	VZEROUPPER                    \
	RET

// func line512(text *byte, size int, marks *lineMarks, out, doubtful *uint32, room int) (length, count, doubts int, seen uint64)
//
// R12 is where in the text, BX how many delimiters were found, R14 and R15 the bytes
// that are not ASCII, and those that ask for care. high is 1 when the block before ends
// with a byte that is not ASCII.
TEXT ·line512(SB), NOSPLIT, $24-80
	MOVQ text+0(FP), SI
	MOVQ size+8(FP), CX
	MOVQ marks+16(FP), AX
	MOVQ out+24(FP), DI
	MOVQ room+40(FP), R13
	VPBROADCASTB 0(AX), Z11
	VPBROADCASTB 1(AX), Z12
	MOVBQZX 2(AX), DX
	MOVQ DX, more-24(SP)
	VPBROADCASTB 8(AX), Z10
	MOVL $10, AX
	VPBROADCASTB AX, Z13
	VMOVDQU8 places<>(SB), Z14
	XORQ BX, BX
	XORQ R12, R12
	XORQ R14, R14
	XORQ R15, R15
	MOVQ BX, high-8(SP)
	MOVQ BX, found-16(SP)

block:
	VMOVDQU8 (SI)(R12*1), Z0
	VPCMPEQB Z13, Z0, K1
	VPCMPEQB Z10, Z0, K2
	VPCMPEQB Z11, Z0, K3
	VPCMPEQB Z12, Z0, K4
	VPTESTNMB Z0, Z0, K5
	VPMOVB2M Z0, K6
	KORQ K3, K4, K3
	KORQ K5, K3, K3
	CMPQ more-24(SP), $0
	JNE  several

one:
	KMOVQ K1, R8
	KMOVQ K2, R9
	KMOVQ K3, R10
	KMOVQ K6, R11
	MOVQ CX, AX
	SUBQ R12, AX
	CMPQ AX, $64
	JLT  tail

whole:
	TESTQ R8, R8
	JNZ   last
	ORQ R10, R15
	ORQ R11, R14

mark: // R8 is 0 in all blocks but the last
	MOVQ high-8(SP), AX
	LEAQ (AX)(R11*2), AX
	SHRQ $63, R11
	MOVQ R11, high-8(SP)
	MOVQ more-24(SP), R10
	LEAL 1(R12)(R10*1), R10
	VPBROADCASTD R10, Z3
	ANDQ R9, AX
	JNZ  doubt

write:
	KMOVQ R9, K2
	VPCOMPRESSB.Z Z14, K2, Z1
	POPCNTQ R9, AX
	MOVQ BX, R9
	CMPQ R9, R13
	CMOVQGT R13, R9
	MOVQ R8, DX
	LEAQ (DI)(R9*4), R8
	ADDQ AX, BX
	VPMOVZXBD X1, Z2
	VPADDD Z3, Z2, Z2
	VMOVDQU32 Z2, (R8)
	SIXTEEN(1)
	SIXTEEN(2)
	SIXTEEN(3)

written:
	TESTQ DX, DX
	JNZ   ended
	ADDQ $64, R12
	CMPQ R12, CX
	JLT  block
	MOVQ $-1, R12
	JMP  done

several: // bytes in a delimiter
	MOVQ marks+16(FP), AX
	MOVQ more-24(SP), DX
	LEAQ (SI)(R12*1), R8

each:
	VMOVDQU8 (R8)(DX*1), Z1
	VPBROADCASTB 8(AX)(DX*1), Z2
	VPCMPEQB Z2, Z1, K2, K2
	DECQ DX
	JNZ  each
	JMP  one

doubt: // the byte before a delimiter is not ASCII
	MOVQ doubtful+32(FP), R10
	TESTQ R10, R10
	JZ    write
	PEXTQ R9, AX, AX       // which of the delimiters
	VPBROADCASTD BX, Z4
	KMOVQ AX, K3
	VPCOMPRESSB.Z Z14, K3, Z1
	POPCNTQ AX, AX
	MOVQ found-16(SP), R11
	ADDQ R11, AX
	MOVQ AX, found-16(SP)
	CMPQ R11, R13
	CMOVQGT R13, R11
	LEAQ (R10)(R11*4), R10
	VPMOVZXBD X1, Z2
	VPADDD Z4, Z2, Z2
	VMOVDQU32 Z2, (R10)
	VEXTRACTI32X4 $1, Z1, X2
	VPMOVZXBD X2, Z2
	VPADDD Z4, Z2, Z2
	VMOVDQU32 Z2, 64(R10)
	VEXTRACTI32X4 $2, Z1, X2
	VPMOVZXBD X2, Z2
	VPADDD Z4, Z2, Z2
	VMOVDQU32 Z2, 128(R10)
	VEXTRACTI32X4 $3, Z1, X2
	VPMOVZXBD X2, Z2
	VPADDD Z4, Z2, Z2
	VMOVDQU32 Z2, 192(R10)
	JMP write

tail: // what is past the text is none of it
	MOVQ $-1, DX
	BZHIQ AX, DX, DX
	ANDQ DX, R8
	ANDQ DX, R9
	ANDQ DX, R10
	ANDQ DX, R11
	JMP  whole

last: // what is past the line end is none of the line
	LEAQ -1(R8), AX
	ANDNQ AX, R8, AX
	ANDQ AX, R9
	ANDQ AX, R10
	ANDQ AX, R11
	ORQ R10, R15
	ORQ R11, R14
	JMP  mark

ended:
	TZCNTQ DX, DX
	ADDQ DX, R12

done:
	XORQ AX, AX
	TESTQ R15, R15
	SETNE AX
	XORQ DX, DX
	TESTQ R14, R14
	SETNE DX
	LEAQ (AX)(DX*2), AX
	MOVQ found-16(SP), DX
	MOVQ R12, length+48(FP)
	MOVQ BX, count+56(FP)
	MOVQ DX, doubts+64(FP)
	MOVQ AX, seen+72(FP)
	VZEROUPPER
	RET

// func without512(text *byte, size int, drop uint8) int
//
// What is written never lies behind what was read.
TEXT ·without512(SB), NOSPLIT, $0-32
	MOVQ text+0(FP), SI
	MOVQ size+8(FP), CX
	VPBROADCASTB drop+16(FP), Z1
	MOVQ SI, DI

bytes:
	MOVQ $-1, AX
	CMPQ CX, $64
	JGE  keep
	BZHIQ CX, AX, AX

keep:
	KMOVQ AX, K1
	VMOVDQU8.Z (SI), K1, Z0
	VPCMPUB $4, Z1, Z0, K1, K2
	VPCOMPRESSB.Z Z0, K2, Z0
	KMOVQ K2, BX
	POPCNTQ BX, BX
	MOVQ $-1, AX
	BZHIQ BX, AX, AX
	KMOVQ AX, K1
	VMOVDQU8 Z0, K1, (DI)
	ADDQ BX, DI
	ADDQ $64, SI
	SUBQ $64, CX
	JGT  bytes
	SUBQ text+0(FP), DI
	MOVQ DI, ret+24(FP)
	VZEROUPPER
	RET

#define ONE   VPMOVQB Z4, K7, (DI)
#define TWO   VPMOVQW Z4, K7, (DI)
#define FOUR  VPMOVQD Z4, K7, (DI)
#define EIGHT VMOVDQU64 Z4, K7, (DI)

// func cells8x512(dst *uint8, text *byte, rows, starts *uint32, stride, count int, plain uint64, delim int, table *cellTable, out *outcomes)
TEXT ·cells8x512(SB), NOSPLIT, $0-80
	CELLS(1, ONE)

// func cells16x512(dst *uint16, text *byte, rows, starts *uint32, stride, count int, plain uint64, delim int, table *cellTable, out *outcomes)
TEXT ·cells16x512(SB), NOSPLIT, $0-80
	CELLS(2, TWO)

// func cells32x512(dst *uint32, text *byte, rows, starts *uint32, stride, count int, plain uint64, delim int, table *cellTable, out *outcomes)
TEXT ·cells32x512(SB), NOSPLIT, $0-80
	CELLS(4, FOUR)

// func cells64x512(dst *uint64, text *byte, rows, starts *uint32, stride, count int, plain uint64, delim int, table *cellTable, out *outcomes)
TEXT ·cells64x512(SB), NOSPLIT, $0-80
	CELLS(8, EIGHT)
