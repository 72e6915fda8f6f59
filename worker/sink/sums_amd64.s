#include "textflag.h"

// Sums over columns: h[i] += k * value i, for four times eight rows, or four, at a
// time, and what becomes of h.

// Constants of partition.Mix and of the two lanes of a sum.
DATA mixing<>+0(SB)/8, $0xbf58476d1ce4e5b9
DATA mixing<>+8(SB)/8, $0x94d049bb133111eb
DATA mixing<>+16(SB)/8, $0x9e3779b97f4a7c15
DATA mixing<>+24(SB)/8, $0xd1b54a32d192ed03
GLOBL mixing<>(SB), RODATA|NOPTR, $32

// Arguments are h, the values, the factor, and how often 32 rows are done.
#define ARGUMENTS512 \
	MOVQ         h+0(FP), DI      \
	MOVQ         values+8(FP), SI \
	VPBROADCASTQ k+16(FP), Z0     \
	MOVQ         times+24(FP), CX

// WEIGH512 loads eight values by an instruction, size bytes each, and adds their
// products to h.
#define WEIGH512(LOAD, size) \
	LOAD      (0*8*size)(SI), Z1 \
	LOAD      (1*8*size)(SI), Z2 \
	LOAD      (2*8*size)(SI), Z3 \
	LOAD      (3*8*size)(SI), Z4 \
	VPMULLQ   Z0, Z1, Z1         \
	VPMULLQ   Z0, Z2, Z2         \
	VPMULLQ   Z0, Z3, Z3         \
	VPMULLQ   Z0, Z4, Z4         \
	VPADDQ    0(DI), Z1, Z1      \
	VPADDQ    64(DI), Z2, Z2     \
	VPADDQ    128(DI), Z3, Z3    \
	VPADDQ    192(DI), Z4, Z4    \
	VMOVDQU64 Z1, 0(DI)          \
	VMOVDQU64 Z2, 64(DI)         \
	VMOVDQU64 Z3, 128(DI)        \
	VMOVDQU64 Z4, 192(DI)        \
	ADDQ      $(32*size), SI     \
	ADDQ      $256, DI           \
	DECQ      CX

#define DONE \
	VZEROUPPER \
	RET

// func weighUint8x512(h *uint64, values unsafe.Pointer, k uint64, times int)
TEXT ·weighUint8x512(SB), NOSPLIT, $0-32
	ARGUMENTS512

loop:
	WEIGH512(VPMOVZXBQ, 1)
	JNZ loop
	DONE

// func weighInt8x512(h *uint64, values unsafe.Pointer, k uint64, times int)
TEXT ·weighInt8x512(SB), NOSPLIT, $0-32
	ARGUMENTS512

loop:
	WEIGH512(VPMOVSXBQ, 1)
	JNZ loop
	DONE

// func weighUint16x512(h *uint64, values unsafe.Pointer, k uint64, times int)
TEXT ·weighUint16x512(SB), NOSPLIT, $0-32
	ARGUMENTS512

loop:
	WEIGH512(VPMOVZXWQ, 2)
	JNZ loop
	DONE

// func weighInt32x512(h *uint64, values unsafe.Pointer, k uint64, times int)
TEXT ·weighInt32x512(SB), NOSPLIT, $0-32
	ARGUMENTS512

loop:
	WEIGH512(VPMOVSXDQ, 4)
	JNZ loop
	DONE

// func weighUint32x512(h *uint64, values unsafe.Pointer, k uint64, times int)
TEXT ·weighUint32x512(SB), NOSPLIT, $0-32
	ARGUMENTS512

loop:
	WEIGH512(VPMOVZXDQ, 4)
	JNZ loop
	DONE

// func weighUint64x512(h *uint64, values unsafe.Pointer, k uint64, times int)
TEXT ·weighUint64x512(SB), NOSPLIT, $0-32
	ARGUMENTS512

loop:
	WEIGH512(VMOVDQU64, 8)
	JNZ loop
	DONE

// AVX2 multiplies 32 bits by 32: k is split, and a value of more bits too.
#define ARGUMENTS256 \
	MOVQ         h+0(FP), DI      \
	MOVQ         values+8(FP), SI \
	VPBROADCASTQ k+16(FP), Y0     \
	VPSRLQ       $32, Y0, Y15     \
	MOVQ         times+24(FP), CX \
	SHLQ         $3, CX

// WEIGH256 does four values without a sign, of 32 bits at most: low products, and
// those with the high half of k, which count 32 bits higher.
#define WEIGH256(LOAD, size) \
	LOAD     (SI), Y1       \
	VPMULUDQ Y15, Y1, Y2    \
	VPMULUDQ Y0, Y1, Y1     \
	VPSLLQ   $32, Y2, Y2    \
	VPADDQ   (DI), Y1, Y1   \
	VPADDQ   Y2, Y1, Y1     \
	VMOVDQU  Y1, (DI)       \
	ADDQ     $(4*size), SI  \
	ADDQ     $32, DI        \
	DECQ     CX

// WIDE256 does four values of 64 bits: those with a sign are widened to as many.
#define WIDE256(LOAD, size) \
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
	DECQ     CX

// func weighUint8x256(h *uint64, values unsafe.Pointer, k uint64, times int)
TEXT ·weighUint8x256(SB), NOSPLIT, $0-32
	ARGUMENTS256

loop:
	WEIGH256(VPMOVZXBQ, 1)
	JNZ loop
	DONE

// func weighInt8x256(h *uint64, values unsafe.Pointer, k uint64, times int)
TEXT ·weighInt8x256(SB), NOSPLIT, $0-32
	ARGUMENTS256

loop:
	WIDE256(VPMOVSXBQ, 1)
	JNZ loop
	DONE

// func weighUint16x256(h *uint64, values unsafe.Pointer, k uint64, times int)
TEXT ·weighUint16x256(SB), NOSPLIT, $0-32
	ARGUMENTS256

loop:
	WEIGH256(VPMOVZXWQ, 2)
	JNZ loop
	DONE

// func weighInt32x256(h *uint64, values unsafe.Pointer, k uint64, times int)
TEXT ·weighInt32x256(SB), NOSPLIT, $0-32
	ARGUMENTS256

loop:
	WIDE256(VPMOVSXDQ, 4)
	JNZ loop
	DONE

// func weighUint32x256(h *uint64, values unsafe.Pointer, k uint64, times int)
TEXT ·weighUint32x256(SB), NOSPLIT, $0-32
	ARGUMENTS256

loop:
	WEIGH256(VPMOVZXDQ, 4)
	JNZ loop
	DONE

// func weighUint64x256(h *uint64, values unsafe.Pointer, k uint64, times int)
TEXT ·weighUint64x256(SB), NOSPLIT, $0-32
	ARGUMENTS256

loop:
	WIDE256(VMOVDQU, 8)
	JNZ loop
	DONE

// MIX is partition.Mix of eight hashes.
#define MIX(x, t) \
	VPSRLQ  $30, x, t  \
	VPXORQ  t, x, x    \
	VPMULLQ Z16, x, x  \
	VPSRLQ  $27, x, t  \
	VPXORQ  t, x, x    \
	VPMULLQ Z17, x, x  \
	VPSRLQ  $31, x, t  \
	VPXORQ  t, x, x

// func mix512(sum *[2][8]uint64, h *uint64, times int)
TEXT ·mix512(SB), NOSPLIT, $0-24
	MOVQ         sum+0(FP), DI
	MOVQ         h+8(FP), SI
	MOVQ         times+16(FP), CX
	VPBROADCASTQ mixing<>+0(SB), Z16
	VPBROADCASTQ mixing<>+8(SB), Z17
	VPBROADCASTQ mixing<>+16(SB), Z18
	VPBROADCASTQ mixing<>+24(SB), Z19
	VMOVDQU64    0(DI), Z20
	VMOVDQU64    64(DI), Z21

loop:
	VPXORQ 0(SI), Z18, Z0
	VPXORQ 0(SI), Z19, Z1
	VPXORQ 64(SI), Z18, Z2
	VPXORQ 64(SI), Z19, Z3
	MIX(Z0, Z4)
	MIX(Z1, Z5)
	MIX(Z2, Z6)
	MIX(Z3, Z7)
	VPADDQ Z0, Z20, Z20
	VPADDQ Z1, Z21, Z21
	VPADDQ Z2, Z20, Z20
	VPADDQ Z3, Z21, Z21
	ADDQ   $128, SI
	DECQ   CX
	JNZ    loop
	VMOVDQU64 Z20, 0(DI)
	VMOVDQU64 Z21, 64(DI)
	DONE
