#include "go_asm.h"
#include "textflag.h"

// Bytes and codes, 64 at a time, with AVX-512.

// func repeats8x512(repeats, again *uint64, codes *uint8, times int)
//
// Of times times 64 groups of eight codes, and one more: which are of one code, and which
// of these the next is like.
TEXT ·repeats8x512(SB), NOSPLIT, $0-32
	MOVQ      repeats+0(FP), DI
	MOVQ      again+8(FP), DX
	MOVQ      codes+16(FP), SI
	MOVQ      times+24(FP), CX
	VMOVDQU64 first8<>(SB), Z31
	SHLQ      $3, CX

eight:
	VMOVDQU64 (SI), Z0
	VPSHUFB   Z31, Z0, Z1
	VPCMPEQQ  Z0, Z1, K1
	VPCMPEQQ  8(SI), Z0, K1, K2
	KMOVB     K1, (DI)
	KMOVB     K2, (DX)
	ADDQ      $64, SI
	INCQ      DI
	INCQ      DX
	DECQ      CX
	JNZ       eight
	VZEROUPPER
	RET

// func repeats16x512(repeats, again *uint64, codes *uint16, times int)
//
// As repeats8x512. A group is two words of a register, and eight are two registers.
TEXT ·repeats16x512(SB), NOSPLIT, $0-32
	MOVQ      repeats+0(FP), DI
	MOVQ      again+8(FP), DX
	MOVQ      codes+16(FP), SI
	MOVQ      times+24(FP), CX
	VMOVDQU64 first16<>(SB), Z31
	SHLQ      $3, CX
	MOVQ      $0x5555, R8

eight:
	VMOVDQU64 (SI), Z0
	VMOVDQU64 64(SI), Z1
	VPSHUFB   Z31, Z0, Z2
	VPSHUFB   Z31, Z1, Z3
	VPCMPEQQ  Z0, Z2, K1
	VPCMPEQQ  Z1, Z3, K3
	VPCMPEQQ  16(SI), Z0, K1, K2
	VPCMPEQQ  80(SI), Z1, K3, K4
	KUNPCKBW  K1, K3, K1
	KUNPCKBW  K2, K4, K2
	KMOVW     K1, AX
	KMOVW     K2, BX
	MOVQ      AX, R9
	MOVQ      BX, R10
	SHRQ      $1, R9
	SHRQ      $1, R10
	ANDQ      R9, AX
	ANDQ      R10, BX
	PEXTQ     R8, AX, AX
	PEXTQ     R8, BX, BX
	MOVB      AX, (DI)
	MOVB      BX, (DX)
	SUBQ      $-128, SI
	INCQ      DI
	INCQ      DX
	DECQ      CX
	JNZ       eight
	VZEROUPPER
	RET

// first8 makes of eight bytes eight times the first.
DATA first8<>+0(SB)/8, $0x0000000000000000
DATA first8<>+8(SB)/8, $0x0808080808080808
DATA first8<>+16(SB)/8, $0x0000000000000000
DATA first8<>+24(SB)/8, $0x0808080808080808
DATA first8<>+32(SB)/8, $0x0000000000000000
DATA first8<>+40(SB)/8, $0x0808080808080808
DATA first8<>+48(SB)/8, $0x0000000000000000
DATA first8<>+56(SB)/8, $0x0808080808080808
GLOBL first8<>(SB), RODATA|NOPTR, $64

// first16 makes of eight pairs of bytes eight times the first.
DATA first16<>+0(SB)/8, $0x0100010001000100
DATA first16<>+8(SB)/8, $0x0100010001000100
DATA first16<>+16(SB)/8, $0x0100010001000100
DATA first16<>+24(SB)/8, $0x0100010001000100
DATA first16<>+32(SB)/8, $0x0100010001000100
DATA first16<>+40(SB)/8, $0x0100010001000100
DATA first16<>+48(SB)/8, $0x0100010001000100
DATA first16<>+56(SB)/8, $0x0100010001000100
GLOBL first16<>(SB), RODATA|NOPTR, $64

// func pack512(dst, codes *uint8, by *packing, times int)
//
// Of 64 codes, two are joined to a word, two of these to 32 bits and two of these to 64, of
// which by.bytes picks those that have bits. 64 bytes are written for each time, the last of
// which go past its groups.
TEXT ·pack512(SB), NOSPLIT, $0-32
	MOVQ         dst+0(FP), DI
	MOVQ         codes+8(FP), SI
	MOVQ         by+16(FP), DX
	MOVQ         times+24(FP), CX
	VMOVDQU64    0(DX), Z16
	VMOVDQU64    64(DX), Z17
	VMOVDQU64    128(DX), Z18
	VMOVQ        192(DX), X19
	MOVQ         200(DX), R8
	MOVL         $-1, AX
	VPBROADCASTQ AX, Z20

block:
	VMOVDQU64  (SI), Z0
	VPMADDUBSW Z0, Z16, Z0
	VPMADDWD   Z17, Z0, Z0
	VPSRLQ     $32, Z0, Z1
	VPANDQ     Z20, Z0, Z0
	VPSLLQ     X19, Z1, Z1
	VPORQ      Z1, Z0, Z0
	VPERMB     Z0, Z18, Z0
	VMOVDQU64  Z0, (DI)
	ADDQ       $64, SI
	ADDQ       R8, DI
	DECQ       CX
	JNZ        block
	VZEROUPPER
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

// func note512(found *[2][64]uint8, values *uint8, times int, base uint8)
//
// Of the bytes from base to base+15, each adds the bit of its lowest three bits to some byte
// of one of two: that of its fourth. Others are lifted past 127, of which VPSHUFB makes 0.
TEXT ·note512(SB), NOSPLIT, $0-25
	MOVQ            found+0(FP), DI
	MOVQ            values+8(FP), SI
	MOVQ            times+16(FP), CX
	VPBROADCASTB    base+24(FP), Z16
	MOVL            $0x70, AX
	VPBROADCASTB    AX, Z17
	VBROADCASTI32X4 bit<>+0(SB), Z18
	VBROADCASTI32X4 bit<>+8(SB), Z19
	VPXORQ          Z0, Z0, Z0
	VPXORQ          Z1, Z1, Z1

block:
	VMOVDQU64 (SI), Z2
	VPSUBB    Z16, Z2, Z2
	VPADDUSB  Z17, Z2, Z2
	VPSHUFB   Z2, Z18, Z3
	VPSHUFB   Z2, Z19, Z4
	VPORQ     Z3, Z0, Z0
	VPORQ     Z4, Z1, Z1
	ADDQ      $64, SI
	DECQ      CX
	JNZ       block
	VMOVDQU64 Z0, 0(DI)
	VMOVDQU64 Z1, 64(DI)
	VZEROUPPER
	RET

// The bit of the lowest three bits, of numbers below eight and of others.
DATA bit<>+0(SB)/8, $0x8040201008040201
DATA bit<>+8(SB)/8, $0
DATA bit<>+16(SB)/8, $0x8040201008040201
GLOBL bit<>(SB), RODATA|NOPTR, $24

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

// COUNT adds how many words have a bit.
#define COUNT(bit, at) \
	VPTESTMW bit, Z0, K1 \
	KMOVD    K1, BX      \
	POPCNTL  BX, BX      \
	ADDQ     BX, at(DI)

// func bits16x512(rows *[16]int64, values *uint16, times int)
TEXT ·bits16x512(SB), NOSPLIT, $0-24
	MOVQ rows+0(FP), DI
	MOVQ values+8(FP), SI
	MOVQ times+16(FP), CX
	MOVL $1, AX
	VPBROADCASTW AX, Z16
	ADDL AX, AX
	VPBROADCASTW AX, Z17
	ADDL AX, AX
	VPBROADCASTW AX, Z18
	ADDL AX, AX
	VPBROADCASTW AX, Z19
	ADDL AX, AX
	VPBROADCASTW AX, Z20
	ADDL AX, AX
	VPBROADCASTW AX, Z21
	ADDL AX, AX
	VPBROADCASTW AX, Z22
	ADDL AX, AX
	VPBROADCASTW AX, Z23
	ADDL AX, AX
	VPBROADCASTW AX, Z24
	ADDL AX, AX
	VPBROADCASTW AX, Z25
	ADDL AX, AX
	VPBROADCASTW AX, Z26
	ADDL AX, AX
	VPBROADCASTW AX, Z27
	ADDL AX, AX
	VPBROADCASTW AX, Z28
	ADDL AX, AX
	VPBROADCASTW AX, Z29
	ADDL AX, AX
	VPBROADCASTW AX, Z30
	ADDL AX, AX
	VPBROADCASTW AX, Z31
	ADDL AX, AX

block:
	VMOVDQU64 (SI), Z0
	COUNT(Z16, 0)
	COUNT(Z17, 8)
	COUNT(Z18, 16)
	COUNT(Z19, 24)
	COUNT(Z20, 32)
	COUNT(Z21, 40)
	COUNT(Z22, 48)
	COUNT(Z23, 56)
	COUNT(Z24, 64)
	COUNT(Z25, 72)
	COUNT(Z26, 80)
	COUNT(Z27, 88)
	COUNT(Z28, 96)
	COUNT(Z29, 104)
	COUNT(Z30, 112)
	COUNT(Z31, 120)
	ADDQ $64, SI
	DECQ CX
	JNZ block
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

// BOUNDS is the smallest and the largest of each lane of blocks of 64 bytes, of which
// there is one at least.
#define BOUNDS(block, MIN, MAX) \
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

// func bounds512(kind int, low, high, values unsafe.Pointer, times int)
TEXT ·bounds512(SB), NOSPLIT, $0-40
	MOVQ      kind+0(FP), AX
	MOVQ      low+8(FP), DI
	MOVQ      high+16(FP), DX
	MOVQ      values+24(FP), SI
	MOVQ      times+32(FP), CX
	VMOVDQU64 (SI), Z0
	VMOVDQA64 Z0, Z1
	CMPQ      AX, $const_kindUint8
	JEQ       uint8
	CMPQ      AX, $const_kindInt8
	JEQ       int8
	CMPQ      AX, $const_kindUint16
	JEQ       uint16
	CMPQ      AX, $const_kindInt32
	JEQ       int32
	CMPQ      AX, $const_kindUint32
	JEQ       uint32

	BOUNDS(int64, VPMINSQ, VPMAXSQ)
	BOUNDS(uint8, VPMINUB, VPMAXUB)
	BOUNDS(int8, VPMINSB, VPMAXSB)
	BOUNDS(uint16, VPMINUW, VPMAXUW)
	BOUNDS(int32, VPMINSD, VPMAXSD)
	BOUNDS(uint32, VPMINUD, VPMAXUD)
