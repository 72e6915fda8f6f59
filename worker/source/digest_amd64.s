#include "textflag.h"

// BLAKE3 of sixteen chunks, or of sixteen parents, at once: a lane of each register is
// one of them. Z0 to Z15 are the state, of which the first eight come out as chaining
// values, Z16 to Z31 the words of the message.

DATA initial<>+0(SB)/4, $0x6a09e667
DATA initial<>+4(SB)/4, $0xbb67ae85
DATA initial<>+8(SB)/4, $0x3c6ef372
DATA initial<>+12(SB)/4, $0xa54ff53a
DATA initial<>+16(SB)/4, $0x510e527f
DATA initial<>+20(SB)/4, $0x9b05688c
DATA initial<>+24(SB)/4, $0x1f83d9ab
DATA initial<>+28(SB)/4, $0x5be0cd19
GLOBL initial<>(SB), RODATA|NOPTR, $32

// lanes<> counts them.
DATA lanes<>+0(SB)/8, $0x0000000100000000
DATA lanes<>+8(SB)/8, $0x0000000300000002
DATA lanes<>+16(SB)/8, $0x0000000500000004
DATA lanes<>+24(SB)/8, $0x0000000700000006
DATA lanes<>+32(SB)/8, $0x0000000900000008
DATA lanes<>+40(SB)/8, $0x0000000b0000000a
DATA lanes<>+48(SB)/8, $0x0000000d0000000c
DATA lanes<>+56(SB)/8, $0x0000000f0000000e
GLOBL lanes<>(SB), RODATA|NOPTR, $64

#define FLAG_START 1
#define FLAG_END 2
#define FLAG_PARENT 4

// FOUR mixes four columns of the state, or four diagonals, with eight words.
#define FOUR(b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3, x0, x1, x2, x3, y0, y1, y2, y3) \
	VPADDD x0, Z0, Z0; VPADDD x1, Z1, Z1; VPADDD x2, Z2, Z2; VPADDD x3, Z3, Z3 \
	VPADDD b0, Z0, Z0; VPADDD b1, Z1, Z1; VPADDD b2, Z2, Z2; VPADDD b3, Z3, Z3 \
	VPXORD Z0, d0, d0; VPXORD Z1, d1, d1; VPXORD Z2, d2, d2; VPXORD Z3, d3, d3 \
	VPRORD $16, d0, d0; VPRORD $16, d1, d1; VPRORD $16, d2, d2; VPRORD $16, d3, d3 \
	VPADDD d0, c0, c0; VPADDD d1, c1, c1; VPADDD d2, c2, c2; VPADDD d3, c3, c3 \
	VPXORD c0, b0, b0; VPXORD c1, b1, b1; VPXORD c2, b2, b2; VPXORD c3, b3, b3 \
	VPRORD $12, b0, b0; VPRORD $12, b1, b1; VPRORD $12, b2, b2; VPRORD $12, b3, b3 \
	VPADDD y0, Z0, Z0; VPADDD y1, Z1, Z1; VPADDD y2, Z2, Z2; VPADDD y3, Z3, Z3 \
	VPADDD b0, Z0, Z0; VPADDD b1, Z1, Z1; VPADDD b2, Z2, Z2; VPADDD b3, Z3, Z3 \
	VPXORD Z0, d0, d0; VPXORD Z1, d1, d1; VPXORD Z2, d2, d2; VPXORD Z3, d3, d3 \
	VPRORD $8, d0, d0; VPRORD $8, d1, d1; VPRORD $8, d2, d2; VPRORD $8, d3, d3 \
	VPADDD d0, c0, c0; VPADDD d1, c1, c1; VPADDD d2, c2, c2; VPADDD d3, c3, c3 \
	VPXORD c0, b0, b0; VPXORD c1, b1, b1; VPXORD c2, b2, b2; VPXORD c3, b3, b3 \
	VPRORD $7, b0, b0; VPRORD $7, b1, b1; VPRORD $7, b2, b2; VPRORD $7, b3, b3

#define ROUND(m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15) \
	FOUR(Z4, Z5, Z6, Z7, Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15, m0, m2, m4, m6, m1, m3, m5, m7) \
	FOUR(Z5, Z6, Z7, Z4, Z10, Z11, Z8, Z9, Z15, Z12, Z13, Z14, m8, m10, m12, m14, m9, m11, m13, m15)

// COMPRESS makes chaining values of the message, in Z0 to Z7, which hold those before it.
// Z12 and Z13 are the counter, R8 the flags.
#define COMPRESS \
	VPBROADCASTD initial<>+0(SB), Z8   \
	VPBROADCASTD initial<>+4(SB), Z9   \
	VPBROADCASTD initial<>+8(SB), Z10  \
	VPBROADCASTD initial<>+12(SB), Z11 \
	MOVL $64, R9          \
	VPBROADCASTD R9, Z14  \
	VPBROADCASTD R8, Z15  \
	ROUND(Z16, Z17, Z18, Z19, Z20, Z21, Z22, Z23, Z24, Z25, Z26, Z27, Z28, Z29, Z30, Z31) \
	ROUND(Z18, Z22, Z19, Z26, Z23, Z16, Z20, Z29, Z17, Z27, Z28, Z21, Z25, Z30, Z31, Z24) \
	ROUND(Z19, Z20, Z26, Z28, Z29, Z18, Z23, Z30, Z22, Z21, Z25, Z16, Z27, Z31, Z24, Z17) \
	ROUND(Z26, Z23, Z28, Z25, Z30, Z19, Z29, Z31, Z20, Z16, Z27, Z18, Z21, Z24, Z17, Z22) \
	ROUND(Z28, Z29, Z25, Z27, Z31, Z26, Z30, Z24, Z23, Z18, Z21, Z19, Z16, Z17, Z22, Z20) \
	ROUND(Z25, Z30, Z27, Z21, Z24, Z28, Z31, Z17, Z29, Z19, Z16, Z26, Z18, Z22, Z20, Z23) \
	ROUND(Z27, Z31, Z21, Z16, Z17, Z25, Z24, Z22, Z30, Z26, Z18, Z28, Z19, Z20, Z23, Z29) \
	VPXORD Z8, Z0, Z0  \
	VPXORD Z9, Z1, Z1  \
	VPXORD Z10, Z2, Z2 \
	VPXORD Z11, Z3, Z3 \
	VPXORD Z12, Z4, Z4 \
	VPXORD Z13, Z5, Z5 \
	VPXORD Z14, Z6, Z6 \
	VPXORD Z15, Z7, Z7

#define INITIAL \
	VPBROADCASTD initial<>+0(SB), Z0  \
	VPBROADCASTD initial<>+4(SB), Z1  \
	VPBROADCASTD initial<>+8(SB), Z2  \
	VPBROADCASTD initial<>+12(SB), Z3 \
	VPBROADCASTD initial<>+16(SB), Z4 \
	VPBROADCASTD initial<>+20(SB), Z5 \
	VPBROADCASTD initial<>+24(SB), Z6 \
	VPBROADCASTD initial<>+28(SB), Z7

#define STORE \
	VMOVDQU32 Z0, 0(DI)   \
	VMOVDQU32 Z1, 64(DI)  \
	VMOVDQU32 Z2, 128(DI) \
	VMOVDQU32 Z3, 192(DI) \
	VMOVDQU32 Z4, 256(DI) \
	VMOVDQU32 Z5, 320(DI) \
	VMOVDQU32 Z6, 384(DI) \
	VMOVDQU32 Z7, 448(DI) \
	VZEROUPPER            \
	RET

// ROWS takes four words of every fourth chunk, 16 bytes at at of each.
#define ROWS(at, r0, r1, r2, r3, z) \
	VBROADCASTI32X4 r0*1024+at(SI), z    \
	VINSERTI32X4 $1, r1*1024+at(SI), z, z \
	VINSERTI32X4 $2, r2*1024+at(SI), z, z \
	VINSERTI32X4 $3, r3*1024+at(SI), z, z

// WORDS makes registers of four words, a lane a chunk, of the 16 bytes at at of each chunk.
#define WORDS(at, w0, w1, w2, w3) \
	ROWS(at, 0, 4, 8, 12, Z8)   \
	ROWS(at, 1, 5, 9, 13, Z9)   \
	ROWS(at, 2, 6, 10, 14, Z10) \
	ROWS(at, 3, 7, 11, 15, Z11) \
	VPUNPCKLDQ Z9, Z8, Z12    \
	VPUNPCKHDQ Z9, Z8, Z13    \
	VPUNPCKLDQ Z11, Z10, Z14  \
	VPUNPCKHDQ Z11, Z10, Z15  \
	VPUNPCKLQDQ Z14, Z12, w0  \
	VPUNPCKHQDQ Z14, Z12, w1  \
	VPUNPCKLQDQ Z15, Z13, w2  \
	VPUNPCKHQDQ Z15, Z13, w3

// AHEAD has a chunk of the next sixteen come near, one for each block of these.
#define AHEAD \
	PREFETCHT0 0(R12); PREFETCHT0 64(R12); PREFETCHT0 128(R12); PREFETCHT0 192(R12) \
	PREFETCHT0 256(R12); PREFETCHT0 320(R12); PREFETCHT0 384(R12); PREFETCHT0 448(R12) \
	PREFETCHT0 512(R12); PREFETCHT0 576(R12); PREFETCHT0 640(R12); PREFETCHT0 704(R12) \
	PREFETCHT0 768(R12); PREFETCHT0 832(R12); PREFETCHT0 896(R12); PREFETCHT0 960(R12) \
	ADDQ $1024, R12

// func chunks512(to *chains, data *byte, counter uint64)
TEXT ·chunks512(SB), NOSPLIT, $0-24
	MOVQ to+0(FP), DI
	MOVQ data+8(FP), SI
	MOVQ counter+16(FP), R10
	MOVQ R10, R11
	LEAQ 16384(SI), R12
	SHRQ $32, R11
	INITIAL
	MOVL $FLAG_START, R8
	MOVQ $15, CX

block:
	WORDS(0, Z16, Z17, Z18, Z19)
	WORDS(16, Z20, Z21, Z22, Z23)
	WORDS(32, Z24, Z25, Z26, Z27)
	WORDS(48, Z28, Z29, Z30, Z31)
	VPBROADCASTD R10, Z12
	VPADDD lanes<>(SB), Z12, Z12
	VPBROADCASTD R11, Z13
	COMPRESS
	AHEAD
	ADDQ $64, SI
	XORL R8, R8
	DECQ CX
	JGT  block
	MOVL $FLAG_END, R8
	JEQ  block
	STORE

// func parents512(to, left, right *chains)
TEXT ·parents512(SB), NOSPLIT, $0-24
	MOVQ to+0(FP), DI
	MOVQ left+8(FP), SI
	MOVQ right+16(FP), DX
	VMOVDQU32 lanes<>(SB), Z0
	VPADDD Z0, Z0, Z0   // even lanes of both
	MOVL $1, R9
	VPBROADCASTD R9, Z1
	VPADDD Z0, Z1, Z1   // odd ones

#define PAIRS(at, l, r) \
	VMOVDQU32 at(SI), l     \
	VMOVDQA32 l, r          \
	VMOVDQU32 at(DX), Z2    \
	VPERMT2D Z2, Z0, l      \
	VPERMT2D Z2, Z1, r

	PAIRS(0, Z16, Z24)
	PAIRS(64, Z17, Z25)
	PAIRS(128, Z18, Z26)
	PAIRS(192, Z19, Z27)
	PAIRS(256, Z20, Z28)
	PAIRS(320, Z21, Z29)
	PAIRS(384, Z22, Z30)
	PAIRS(448, Z23, Z31)
	INITIAL
	VPXORD Z12, Z12, Z12
	VPXORD Z13, Z13, Z13
	MOVL $FLAG_PARENT, R8
	COMPRESS
	STORE
