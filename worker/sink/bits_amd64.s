#include "textflag.h"

// Bytes and codes, 64 at a time, with AVX-512.

// BOUNDS is the smallest and the largest of each lane of blocks of 64 bytes, of which
// there is one at least.
#define BOUNDS(MIN, MAX) \
	MOVQ      low+0(FP), DI     \
	MOVQ      high+8(FP), DX    \
	MOVQ      values+16(FP), SI \
	MOVQ      times+24(FP), CX  \
	VMOVDQU64 (SI), Z0          \
	VMOVDQA64 Z0, Z1            \
block:                              \
	VMOVDQU64 (SI), Z2          \
	MIN       Z2, Z0, Z0        \
	MAX       Z2, Z1, Z1        \
	ADDQ      $64, SI           \
	DECQ      CX                \
	JNZ       block             \
	VMOVDQU64 Z0, (DI)          \
	VMOVDQU64 Z1, (DX)          \
	VZEROUPPER                  \
	RET

// func uniform512(masks *uint64, codes *uint8, times int)
//
// For each of times words of masks: of 64 groups of eight codes, which hold one code.
TEXT ·uniform512(SB), NOSPLIT, $0-24
	MOVQ      masks+0(FP), DI
	MOVQ      codes+8(FP), SI
	MOVQ      times+16(FP), CX
	VMOVDQU64 first<>(SB), Z31

word:
	XORQ AX, AX
	MOVQ $8, DX

eight:
	VMOVDQU64 (SI), Z0
	VPSHUFB   Z31, Z0, Z1
	VPCMPEQQ  Z0, Z1, K1
	KMOVB     K1, BX
	SHRQ      $8, AX
	SHLQ      $56, BX
	ORQ       BX, AX
	ADDQ      $64, SI
	DECQ      DX
	JNZ       eight
	MOVQ      AX, (DI)
	ADDQ      $8, DI
	DECQ      CX
	JNZ       word
	VZEROUPPER
	RET

// first makes of eight bytes eight times the first.
DATA first<>+0(SB)/8, $0x0000000000000000
DATA first<>+8(SB)/8, $0x0808080808080808
DATA first<>+16(SB)/8, $0x0000000000000000
DATA first<>+24(SB)/8, $0x0808080808080808
DATA first<>+32(SB)/8, $0x0000000000000000
DATA first<>+40(SB)/8, $0x0808080808080808
DATA first<>+48(SB)/8, $0x0000000000000000
DATA first<>+56(SB)/8, $0x0808080808080808
GLOBL first<>(SB), RODATA|NOPTR, $64

// func pack512(dst *uint8, codes *uint8, mask uint64, width, groups int)
//
// Mask has the bits of each byte that are a code's. Eight bytes are written for each
// group, the last of which go past its width.
TEXT ·pack512(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ codes+8(FP), SI
	MOVQ mask+16(FP), R8
	MOVQ width+24(FP), R9
	MOVQ groups+32(FP), CX

group:
	MOVQ  (SI), AX
	PEXTQ R8, AX, AX
	MOVQ  AX, (DI)
	ADDQ  $8, SI
	ADDQ  R9, DI
	DECQ  CX
	JNZ   group
	RET

// func unpack512(dst unsafe.Pointer, src *uint8, by *spreading, times int)
//
// From by.stride bytes come 64: first by.bytes brings the bytes of eight bytes'
// codes together, then by.shifts takes eight bits from anywhere in them for each
// byte, of which by.mask leaves the code's. It reads 64 bytes at a time.
TEXT ·unpack512(SB), NOSPLIT, $0-32
	MOVQ      dst+0(FP), DI
	MOVQ      src+8(FP), SI
	MOVQ      by+16(FP), DX
	MOVQ      times+24(FP), CX
	VMOVDQU64 0(DX), Z0
	VMOVDQU64 64(DX), Z1
	VMOVDQU64 128(DX), Z2
	MOVQ      192(DX), R8

block:
	VPERMB         (SI), Z0, Z3
	VPMULTISHIFTQB Z3, Z1, Z3
	VPANDQ         Z2, Z3, Z3
	VMOVDQU64      Z3, (DI)
	ADDQ           R8, SI
	ADDQ           $64, DI
	DECQ           CX
	JNZ            block
	VZEROUPPER
	RET

// func lookup512(dst, src *uint8, table *[256]uint8, times int)
//
// Each byte becomes its entry of the table.
TEXT ·lookup512(SB), NOSPLIT, $0-32
	MOVQ      dst+0(FP), DI
	MOVQ      src+8(FP), SI
	MOVQ      table+16(FP), DX
	MOVQ      times+24(FP), CX
	VMOVDQU64 0(DX), Z0
	VMOVDQU64 64(DX), Z1
	VMOVDQU64 128(DX), Z2
	VMOVDQU64 192(DX), Z3

block:
	VMOVDQU64 (SI), Z4
	VMOVDQA64 Z4, Z5
	VPMOVB2M  Z4, K1
	VPERMI2B  Z1, Z0, Z4
	VPERMI2B  Z3, Z2, Z5
	VMOVDQU8  Z5, K1, Z4
	VMOVDQU64 Z4, (DI)
	ADDQ      $64, SI
	ADDQ      $64, DI
	DECQ      CX
	JNZ       block
	VZEROUPPER
	RET

// func lookup16x512(dst *uint16, src *uint8, halves *[2][256]uint8, times int)
//
// Each byte becomes its entries of both tables: the first's is the low byte. VPERMQ
// parts the bytes as VPUNPCK brings them together, within 128 bits.
TEXT ·lookup16x512(SB), NOSPLIT, $0-32
	MOVQ      dst+0(FP), DI
	MOVQ      src+8(FP), SI
	MOVQ      halves+16(FP), DX
	MOVQ      times+24(FP), CX
	VMOVDQU64 0(DX), Z0
	VMOVDQU64 64(DX), Z1
	VMOVDQU64 128(DX), Z2
	VMOVDQU64 192(DX), Z3
	VMOVDQU64 256(DX), Z16
	VMOVDQU64 320(DX), Z17
	VMOVDQU64 384(DX), Z18
	VMOVDQU64 448(DX), Z19
	VMOVDQU64 parts<>(SB), Z20

block:
	VPERMQ     (SI), Z20, Z4
	VMOVDQA64  Z4, Z5
	VMOVDQA64  Z4, Z6
	VMOVDQA64  Z4, Z7
	VPMOVB2M   Z4, K1
	VPERMI2B   Z1, Z0, Z4
	VPERMI2B   Z3, Z2, Z5
	VMOVDQU8   Z5, K1, Z4
	VPERMI2B   Z17, Z16, Z6
	VPERMI2B   Z19, Z18, Z7
	VMOVDQU8   Z7, K1, Z6
	VPUNPCKLBW Z6, Z4, Z8
	VPUNPCKHBW Z6, Z4, Z9
	VMOVDQU64  Z8, (DI)
	VMOVDQU64  Z9, 64(DI)
	ADDQ       $64, SI
	ADDQ       $128, DI
	DECQ       CX
	JNZ        block
	VZEROUPPER
	RET

// parts are the eights of bytes whose pairs VPUNPCK writes in order: low ones to the
// first 64 bytes, high ones to the second.
DATA parts<>+0(SB)/8, $0
DATA parts<>+8(SB)/8, $4
DATA parts<>+16(SB)/8, $1
DATA parts<>+24(SB)/8, $5
DATA parts<>+32(SB)/8, $2
DATA parts<>+40(SB)/8, $6
DATA parts<>+48(SB)/8, $3
DATA parts<>+56(SB)/8, $7
GLOBL parts<>(SB), RODATA|NOPTR, $64

// func note512(found *[4][64]uint8, values *uint8, times int, base uint8) (others uint64)
//
// Of bytes from base on, less base and then below 32, each adds the bit of its lowest three bits to some byte of one of
// four: that of its highest two. Bit 0 of others says that there were 255s, bit 1
// that there were others still.
TEXT ·note512(SB), NOSPLIT, $0-40
	MOVQ           found+0(FP), DI
	MOVQ           values+8(FP), SI
	MOVQ           times+16(FP), CX
	VBROADCASTI32X4 bit<>+0(SB), Z16
	VPBROADCASTQ   lift<>+0(SB), Z17
	VPBROADCASTQ   lift<>+8(SB), Z18
	VPBROADCASTQ   lift<>+16(SB), Z19
	VPBROADCASTQ   lift<>+24(SB), Z20
	VPBROADCASTQ   lift<>+32(SB), Z21
	VPTERNLOGQ     $0xff, Z22, Z22, Z22
	VPBROADCASTB   base+24(FP), Z23
	VPXORQ         Z0, Z0, Z0
	VPXORQ         Z1, Z1, Z1
	VPXORQ         Z2, Z2, Z2
	VPXORQ         Z3, Z3, Z3
	KXORQ          K1, K1, K1
	KXORQ          K2, K2, K2

block:
	VMOVDQU64 (SI), Z4
	VPCMPEQB  Z22, Z4, K3
	VPSUBB    Z23, Z4, Z4
	VPCMPUB   $6, Z21, Z4, K4
	KORQ      K3, K1, K1
	KANDNQ    K4, K3, K4
	KORQ      K4, K2, K2

	// What is not below eight is lifted past 127, and VPSHUFB makes it 0.
	VPADDUSB Z17, Z4, Z5
	VPXORQ   Z18, Z4, Z6
	VPXORQ   Z19, Z4, Z7
	VPXORQ   Z20, Z4, Z8
	VPADDUSB Z17, Z6, Z6
	VPADDUSB Z17, Z7, Z7
	VPADDUSB Z17, Z8, Z8
	VPSHUFB  Z5, Z16, Z5
	VPSHUFB  Z6, Z16, Z6
	VPSHUFB  Z7, Z16, Z7
	VPSHUFB  Z8, Z16, Z8
	VPORQ    Z5, Z0, Z0
	VPORQ    Z6, Z1, Z1
	VPORQ    Z7, Z2, Z2
	VPORQ    Z8, Z3, Z3
	ADDQ     $64, SI
	DECQ     CX
	JNZ      block

	VMOVDQU64 Z0, 0(DI)
	VMOVDQU64 Z1, 64(DI)
	VMOVDQU64 Z2, 128(DI)
	VMOVDQU64 Z3, 192(DI)
	XORQ      AX, AX
	KORTESTQ  K1, K1
	SETNE     AX
	XORQ      BX, BX
	KORTESTQ  K2, K2
	SETNE     BX
	LEAQ      (AX)(BX*2), AX
	MOVQ      AX, others+32(FP)
	VZEROUPPER
	RET

// The bit of eight numbers, lifted by eight.
DATA bit<>+0(SB)/8, $0x0000000000000000
DATA bit<>+8(SB)/8, $0x8040201008040201
GLOBL bit<>(SB), RODATA|NOPTR, $16

DATA lift<>+0(SB)/8, $0x7878787878787878
DATA lift<>+8(SB)/8, $0x0808080808080808
DATA lift<>+16(SB)/8, $0x1010101010101010
DATA lift<>+24(SB)/8, $0x1818181818181818
DATA lift<>+32(SB)/8, $0x1f1f1f1f1f1f1f1f
GLOBL lift<>(SB), RODATA|NOPTR, $40

// func count512(values *uint8, value uint8, times int) int
//
// How often a byte occurs.
TEXT ·count512(SB), NOSPLIT, $0-32
	MOVQ         values+0(FP), SI
	VPBROADCASTB value+8(FP), Z0
	MOVQ         times+16(FP), CX
	XORQ         AX, AX

block:
	VPCMPEQB (SI), Z0, K1
	KMOVQ    K1, BX
	POPCNTQ  BX, BX
	ADDQ     BX, AX
	ADDQ     $64, SI
	DECQ     CX
	JNZ      block
	MOVQ     AX, ret+24(FP)
	VZEROUPPER
	RET

// func shorten512(dst *uint8, values *uint16, times int)
//
// The low bytes of 64 values.
TEXT ·shorten512(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ values+8(FP), SI
	MOVQ times+16(FP), CX

block:
	VMOVDQU64 (SI), Z0
	VMOVDQU64 64(SI), Z1
	VPMOVWB   Z0, (DI)
	VPMOVWB   Z1, 32(DI)
	ADDQ      $128, SI
	ADDQ      $64, DI
	DECQ      CX
	JNZ       block
	VZEROUPPER
	RET

// func boundsUint8x512(low, high, values unsafe.Pointer, times int)
TEXT ·boundsUint8x512(SB), NOSPLIT, $0-32
	BOUNDS(VPMINUB, VPMAXUB)

// func boundsUint16x512(low, high, values unsafe.Pointer, times int)
TEXT ·boundsUint16x512(SB), NOSPLIT, $0-32
	BOUNDS(VPMINUW, VPMAXUW)

// func boundsUint32x512(low, high, values unsafe.Pointer, times int)
TEXT ·boundsUint32x512(SB), NOSPLIT, $0-32
	BOUNDS(VPMINUD, VPMAXUD)

// func boundsInt32x512(low, high, values unsafe.Pointer, times int)
TEXT ·boundsInt32x512(SB), NOSPLIT, $0-32
	BOUNDS(VPMINSD, VPMAXSD)

// func boundsInt64x512(low, high, values unsafe.Pointer, times int)
TEXT ·boundsInt64x512(SB), NOSPLIT, $0-32
	BOUNDS(VPMINSQ, VPMAXSQ)
