#include "go_asm.h"
#include "textflag.h"

// Sums over columns: h[i] += k * value i.

// func weigh512(h *uint64, values unsafe.Pointer, k uint64, times int)
//
// 32 values of 64 bits at a time.
TEXT ·weigh512(SB), NOSPLIT, $0-32
	MOVQ         h+0(FP), DI
	MOVQ         values+8(FP), SI
	VPBROADCASTQ k+16(FP), Z0
	MOVQ         times+24(FP), CX

again:
	VPMULLQ   0(SI), Z0, Z1
	VPMULLQ   64(SI), Z0, Z2
	VPMULLQ   128(SI), Z0, Z3
	VPMULLQ   192(SI), Z0, Z4
	VPADDQ    0(DI), Z1, Z1
	VPADDQ    64(DI), Z2, Z2
	VPADDQ    128(DI), Z3, Z3
	VPADDQ    192(DI), Z4, Z4
	VMOVDQU64 Z1, 0(DI)
	VMOVDQU64 Z2, 64(DI)
	VMOVDQU64 Z3, 128(DI)
	VMOVDQU64 Z4, 192(DI)
	ADDQ      $256, SI
	ADDQ      $256, DI
	DECQ      CX
	JNZ       again
	VZEROUPPER
	RET

// DIGIT adds to two sums, of 16 rows each, the products of four bytes of a row, Z8 and Z9, and
// digits.
#define DIGIT(at, low, high) \
	VPBROADCASTD (quad_digit+at)(SI), Z10 \
	VPDPBUSD     Z10, Z8, low             \
	VPDPBUSD     Z10, Z9, high

// DIGITS does so for all eight digits.
#define DIGITS \
	VPBROADCASTD quad_flip(SI), Z10 \
	VPXORD       Z10, Z8, Z8        \
	VPXORD       Z10, Z9, Z9        \
	DIGIT(0 , Z0, Z16) \
	DIGIT(4 , Z1, Z17) \
	DIGIT(8 , Z2, Z18) \
	DIGIT(12, Z3, Z19) \
	DIGIT(16, Z4, Z20) \
	DIGIT(20, Z5, Z21) \
	DIGIT(24, Z6, Z22) \
	DIGIT(28, Z7, Z23) \
	ADDQ $quad__size, SI

// ZERO makes 16 sums nothing.
#define ZERO(a, b, c, d) \
	VPXORQ a, a, a \
	VPXORQ b, b, b \
	VPXORQ c, c, c \
	VPXORQ d, d, d

// HIGHER adds a sum of digits to that of those so many bits lower.
#define HIGHER(bits, from, to) \
	VPSLLD $bits, from, from \
	VPADDD from, to, to

// WIDEN makes 64 bits of each sum of 16 rows, so many bits higher, and adds them to Z8 and Z9.
#define WIDEN(bits, y, z) \
	VEXTRACTI64X4 $1, z, Y11      \
	VPMOVSXDQ     y, Z10          \
	VPMOVSXDQ     Y11, Z11        \
	VPSLLQ        $bits, Z10, Z10 \
	VPSLLQ        $bits, Z11, Z11 \
	VPADDQ        Z10, Z8, Z8     \
	VPADDQ        Z11, Z9, Z9

// JOIN makes of eight sums of 16 rows, by digit, the first one's 64 bits. Of those that count
// 2^32 times as much, 32 bits are enough.
#define JOIN(at, base, y0, z0, z1, y2, z2, z3, y4, z4, z5, z6, z7) \
	HIGHER(8, z1, z0)             \
	HIGHER(8, z3, z2)             \
	HIGHER(8, z5, z4)             \
	HIGHER(8, z7, z6)             \
	HIGHER(16, z6, z4)            \
	VMOVDQA64 base, Z8            \
	VMOVDQA64 base, Z9            \
	WIDEN(0, y0, z0)              \
	WIDEN(16, y2, z2)             \
	WIDEN(32, y4, z4)             \
	VMOVDQU64 Z8, (at)(DI)        \
	VMOVDQU64 Z9, (at+64)(DI)

// func quads512(h *uint64, quads *quad, bytes, pairs, words int, base uint64, from, times int)
//
// 32 rows at a time: what is of one row is brought together in 32 bits.
TEXT ·quads512(SB), NOSPLIT, $0-64
	MOVQ         h+0(FP), DI
	MOVQ         quads+8(FP), R8
	MOVQ         bytes+16(FP), R9
	MOVQ         pairs+24(FP), R10
	MOVQ         words+32(FP), R11
	VPBROADCASTQ base+40(FP), Z12
	MOVQ         from+48(FP), DX
	MOVQ         times+56(FP), CX
	VMOVDQU64    rows4<>(SB), Z13
	VMOVDQU64    rows2<>(SB), Z14

block:
	ZERO(Z0, Z1, Z2, Z3)
	ZERO(Z4, Z5, Z6, Z7)
	ZERO(Z16, Z17, Z18, Z19)
	ZERO(Z20, Z21, Z22, Z23)
	MOVQ  R8, SI
	MOVQ  R9, BX
	TESTQ BX, BX
	JEQ   pairs

byte:
	MOVQ         0(SI), AX
	VMOVDQU      0(AX)(DX*1), X8
	VMOVDQU      16(AX)(DX*1), X9
	MOVQ         8(SI), AX
	VINSERTI32X4 $1, 0(AX)(DX*1), Z8, Z8
	VINSERTI32X4 $1, 16(AX)(DX*1), Z9, Z9
	MOVQ         16(SI), AX
	VINSERTI32X4 $2, 0(AX)(DX*1), Z8, Z8
	VINSERTI32X4 $2, 16(AX)(DX*1), Z9, Z9
	MOVQ         24(SI), AX
	VINSERTI32X4 $3, 0(AX)(DX*1), Z8, Z8
	VINSERTI32X4 $3, 16(AX)(DX*1), Z9, Z9
	VPERMB       Z8, Z13, Z8
	VPERMB       Z9, Z13, Z9
	DIGITS
	DECQ         BX
	JNZ          byte

pairs:
	MOVQ  R10, BX
	TESTQ BX, BX
	JEQ   words

pair:
	MOVQ         0(SI), AX
	VMOVDQU      0(AX)(DX*2), Y8
	VMOVDQU      32(AX)(DX*2), Y9
	MOVQ         8(SI), AX
	VINSERTI64X4 $1, 0(AX)(DX*2), Z8, Z8
	VINSERTI64X4 $1, 32(AX)(DX*2), Z9, Z9
	VPERMB       Z8, Z14, Z8
	VPERMB       Z9, Z14, Z9
	DIGITS
	DECQ         BX
	JNZ          pair

words:
	MOVQ  R11, BX
	TESTQ BX, BX
	JEQ   join

word:
	MOVQ      0(SI), AX
	VMOVDQU64 0(AX)(DX*4), Z8
	VMOVDQU64 64(AX)(DX*4), Z9
	DIGITS
	DECQ      BX
	JNZ       word

join:
	JOIN(0, Z12, Y0, Z0, Z1, Y2, Z2, Z3, Y4, Z4, Z5, Z6, Z7)
	JOIN(128, Z12, Y16, Z16, Z17, Y18, Z18, Z19, Y20, Z20, Z21, Z22, Z23)
	ADDQ $256, DI
	ADDQ $32, DX
	DECQ CX
	JNZ  block
	VZEROUPPER
	RET

// Of four columns of 16 bytes, and of two of 16 pairs, those of one row side by side.
DATA rows4<>+0(SB)/8, $0x3121110130201000
DATA rows4<>+8(SB)/8, $0x3323130332221202
DATA rows4<>+16(SB)/8, $0x3525150534241404
DATA rows4<>+24(SB)/8, $0x3727170736261606
DATA rows4<>+32(SB)/8, $0x3929190938281808
DATA rows4<>+40(SB)/8, $0x3b2b1b0b3a2a1a0a
DATA rows4<>+48(SB)/8, $0x3d2d1d0d3c2c1c0c
DATA rows4<>+56(SB)/8, $0x3f2f1f0f3e2e1e0e
GLOBL rows4<>(SB), RODATA|NOPTR, $64

DATA rows2<>+0(SB)/8, $0x2322030221200100
DATA rows2<>+8(SB)/8, $0x2726070625240504
DATA rows2<>+16(SB)/8, $0x2b2a0b0a29280908
DATA rows2<>+24(SB)/8, $0x2f2e0f0e2d2c0d0c
DATA rows2<>+32(SB)/8, $0x3332131231301110
DATA rows2<>+40(SB)/8, $0x3736171635341514
DATA rows2<>+48(SB)/8, $0x3b3a1b1a39381918
DATA rows2<>+56(SB)/8, $0x3f3e1f1e3d3c1d1c
GLOBL rows2<>(SB), RODATA|NOPTR, $64

// AVX2 multiplies 32 bits by 32: k is split, and a value of more bits too.

// WEIGH256 does four values without a sign, of 32 bits at most: low products, and
// those with the high half of k, which count 32 bits higher.
#define WEIGH256(again, LOAD, size) \
again:                      \
	LOAD     (SI), Y1       \
	VPMULUDQ Y15, Y1, Y2    \
	VPMULUDQ Y0, Y1, Y1     \
	VPSLLQ   $32, Y2, Y2    \
	VPADDQ   (DI), Y1, Y1   \
	VPADDQ   Y2, Y1, Y1     \
	VMOVDQU  Y1, (DI)       \
	ADDQ     $(4*size), SI  \
	ADDQ     $32, DI        \
	DECQ     CX             \
	JNZ      again          \
	VZEROUPPER              \
	RET

// WIDE256 does four values of 64 bits: those with a sign are widened to as many.
#define WIDE256(again, LOAD, size) \
again:                      \
	LOAD     (SI), Y1       \
	VPSRLQ   $32, Y1, Y3    \
	VPMULUDQ Y15, Y1, Y2    \
	VPMULUDQ Y0, Y3, Y3     \
	VPMULUDQ Y0, Y1, Y1     \
	VPADDQ   Y3, Y2, Y2     \
	VPSLLQ   $32, Y2, Y2    \
	VPADDQ   (DI), Y1, Y1   \
	VPADDQ   Y2, Y1, Y1     \
	VMOVDQU  Y1, (DI)       \
	ADDQ     $(4*size), SI  \
	ADDQ     $32, DI        \
	DECQ     CX             \
	JNZ      again          \
	VZEROUPPER              \
	RET

// func weigh256(kind int, h *uint64, values unsafe.Pointer, k uint64, times int)
//
// As weigh512, with AVX2.
TEXT ·weigh256(SB), NOSPLIT, $0-40
	MOVQ         kind+0(FP), AX
	MOVQ         h+8(FP), DI
	MOVQ         values+16(FP), SI
	VPBROADCASTQ k+24(FP), Y0
	VPSRLQ       $32, Y0, Y15
	MOVQ         times+32(FP), CX
	SHLQ         $3, CX
	CMPQ AX, $const_kindUint8
	JEQ  uint8
	CMPQ AX, $const_kindInt8
	JEQ  int8
	CMPQ AX, $const_kindUint16
	JEQ  uint16
	CMPQ AX, $const_kindInt32
	JEQ  int32
	CMPQ AX, $const_kindUint32
	JEQ  uint32

	WIDE256(wide, VMOVDQU, 8)
	WEIGH256(uint8, VPMOVZXBQ, 1)
	WIDE256(int8, VPMOVSXBQ, 1)
	WEIGH256(uint16, VPMOVZXWQ, 2)
	WIDE256(int32, VPMOVSXDQ, 4)
	WEIGH256(uint32, VPMOVZXDQ, 4)
