#include "textflag.h"

// What a page's bytes become, 64 bytes of registers at a time (AVX-512 with VBMI and
// VBMI2). Widths, counts and places were checked by who calls: nothing here looks at a
// number from a file but as a value.

// The looks fetch values of 32 bits by index, 16 at a time: of a dictionary of up to 32
// entries from two registers, of a longer one from memory. Indexes are below its length.
#define LOOK \
	MOVQ dst+0(FP), DI     \
	MOVQ codes+8(FP), SI   \
	MOVQ table+16(FP), R8  \
	MOVQ turns+24(FP), CX  \
	MOVQ entries+32(FP), DX

#define SHORT \
	VMOVDQU32 (SI), Z0       \
	VPERMI2D Z11, Z10, Z0

#define LONG \
	VMOVDQU32 (SI), Z1           \
	KXNORW K1, K1, K1            \
	VPXORQ Z0, Z0, Z0            \
	VPGATHERDD (R8)(Z1*4), K1, Z0

#define FOUR \
	VMOVDQU32 Z0, (DI) \
	ADDQ $64, DI

#define TWO \
	VPMOVDW Z0, Y0   \
	VMOVDQU Y0, (DI) \
	ADDQ $32, DI

#define ONE \
	VPMOVDB Z0, X0   \
	VMOVDQU X0, (DI) \
	ADDQ $16, DI

#define BOTH(store) \
	LOOK                  \
	CMPQ DX, $32          \
	JGT long              \
	VMOVDQU32 0(R8), Z10  \
	VMOVDQU32 64(R8), Z11 \
short:                    \
	SHORT                 \
	store                 \
	ADDQ $64, SI          \
	DECQ CX               \
	JNZ short             \
	VZEROUPPER            \
	RET                   \
long:                     \
	LONG                  \
	store                 \
	ADDQ $64, SI          \
	DECQ CX               \
	JNZ long              \
	VZEROUPPER            \
	RET

// The spreads move the first set values of words of 64 rows to the rows whose bit is
// set, backwards, and under to the others. A value never stands behind its row, so what
// is loaded before its place is written lies inside the rows.
//
//	DI rows, past the last  SI first row  BX words, past the last  R9 values left, then
//	their address  Z2 under
#define SPREAD(size, wide) \
	MOVQ dst+0(FP), SI    \
	MOVQ words+8(FP), BX  \
	MOVQ count+16(FP), CX \
	MOVQ set+24(FP), R9   \
	wide under+32(FP), Z2 \
	LEAQ (BX)(CX*8), BX   \
	SHLQ $6, CX           \
	LEAQ (SI)(CX*size), DI \
	LEAQ (SI)(R9*size), R9

// NEXTWORD is done when all rows before have values, which is where they are.
#define NEXTWORD(done) \
	CMPQ R9, DI      \
	JEQ  done        \
	CMPQ DI, SI      \
	JEQ  done        \
	SUBQ $8, BX      \
	MOVQ (BX), R8

// The fetches unpack indexes of up to eight bits, 64 of them a turn, the last turn under a
// mask: eight bytes that hold eight of them are brought to each lane, and each index to a
// byte. It is what picks an entry of up to 64 from one register of bytes or two of words.
//
//	R10 bytes of a turn  K1 of them  R9 groups of the turn  Z13 greatest
#define FETCH \
	MOVQ dst+0(FP), DI     \
	MOVQ src+8(FP), SI     \
	MOVQ groups+16(FP), CX \
	MOVQ width+24(FP), DX  \
	MOVQ w+32(FP), R8      \
	MOVQ value+40(FP), R11 \
	MOVQ $-1, AX           \
	VMOVDQU64 0(R8), Z8    \
	VMOVDQU64 64(R8), Z9   \
	VPBROADCASTQ 128(R8), Z12 \
	VPXORQ Z13, Z13, Z13

#define TURN \
	CMPQ CX, $8       \
	MOVQ $8, R9       \
	CMOVQLT CX, R9    \
	MOVQ R9, R10      \
	IMULQ DX, R10     \
	BZHIQ R10, AX, BX \
	KMOVQ BX, K1      \
	VMOVDQU8.Z (SI), K1, Z0      \
	VPERMB Z0, Z8, Z0            \
	VPMULTISHIFTQB Z0, Z9, Z0    \
	VPANDQ Z12, Z0, Z0           \
	VPMAXUB Z0, Z13, Z13         \
	ADDQ R10, SI

#define GREATEST \
	VEXTRACTI64X4 $1, Z13, Y0 \
	VPMAXUB Y0, Y13, Y0       \
	VEXTRACTI128 $1, Y0, X1   \
	VPMAXUB X1, X0, X0        \
	VPSRLDQ $8, X0, X1        \
	VPMAXUB X1, X0, X0        \
	VPSRLDQ $4, X0, X1        \
	VPMAXUB X1, X0, X0        \
	VPSRLDQ $2, X0, X1        \
	VPMAXUB X1, X0, X0        \
	VPSRLDQ $1, X0, X1        \
	VPMAXUB X1, X0, X0        \
	VMOVD X0, AX              \
	VZEROUPPER

// func codes512(dst *uint32, src *byte, groups int, width int, w *widthTable) uint32
//
// A group is eight values: width bytes. Two are done at a time: loaded under a mask, so
// that nothing past them is touched, each value's four bytes brought to its lane and
// shifted down.
TEXT ·codes512(SB), NOSPLIT, $0-44
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ groups+16(FP), CX
	MOVQ width+24(FP), DX
	MOVQ w+32(FP), R8
	MOVQ $-1, AX
	BZHIQ DX, AX, BX
	KMOVQ BX, K2
	LEAQ (DX)(DX*1), R9
	BZHIQ R9, AX, BX
	KMOVQ BX, K1
	VMOVDQU64 0(R8), Z10   // which bytes
	VMOVDQU64 64(R8), Z11  // shifts
	VPBROADCASTD 128(R8), Z12 // mask
	VPXORQ Z13, Z13, Z13   // greatest
	SUBQ $2, CX
	JLT  last

codes:
	VMOVDQU8.Z (SI), K1, Z0
	VPERMB Z0, Z10, Z0
	VPSRLVD Z11, Z0, Z0
	VPANDD Z12, Z0, Z0
	VMOVDQU32 Z0, (DI)
	VPMAXUD Z0, Z13, Z13
	ADDQ R9, SI
	ADDQ $64, DI
	SUBQ $2, CX
	JGE codes

last:
	ADDQ $2, CX
	JZ   most
	VMOVDQU8.Z (SI), K2, Z0
	VPERMB Z0, Z10, Z0
	VPSRLVD Z11, Z0, Z0
	VPAND Y12, Y0, Y0
	VMOVDQU Y0, (DI)
	VPMAXUD Z0, Z13, Z13

most:
	VEXTRACTI64X4 $1, Z13, Y0
	VPMAXUD Y0, Y13, Y0
	VEXTRACTI128 $1, Y0, X1
	VPMAXUD X1, X0, X0
	VPSHUFD $0x4e, X0, X1
	VPMAXUD X1, X0, X0
	VPSHUFD $0xb1, X0, X1
	VPMAXUD X1, X0, X0
	VMOVD X0, AX
	MOVL AX, ret+40(FP)
	VZEROUPPER
	RET

// func fetch8x512(dst *uint8, src *byte, groups, width int, w *widthTable, value *byte) uint8
TEXT ·fetch8x512(SB), NOSPLIT, $0-49
	FETCH
	VMOVDQU64 0(R11), Z10

turn:
	TURN
	SHLQ $3, R9
	BZHIQ R9, AX, BX
	KMOVQ BX, K1
	VPERMB Z10, Z0, Z0
	VMOVDQU8 Z0, K1, (DI)
	ADDQ $64, DI
	SUBQ $8, CX
	JGT turn
	GREATEST
	MOVB AX, ret+48(FP)
	RET

// func fetch16x512(dst *uint16, src *byte, groups, width int, w *widthTable, value *byte) uint8
TEXT ·fetch16x512(SB), NOSPLIT, $0-49
	FETCH
	VMOVDQU64 0(R11), Z10
	VMOVDQU64 64(R11), Z11

turn:
	TURN
	SHLQ $3, R9
	BZHIQ R9, AX, BX
	KMOVD BX, K1
	SHRQ $32, BX
	KMOVD BX, K2
	VEXTRACTI64X4 $1, Z0, Y1
	VPMOVZXBW Y0, Z0
	VPMOVZXBW Y1, Z1
	VPERMI2W Z11, Z10, Z0
	VPERMI2W Z11, Z10, Z1
	VMOVDQU16 Z0, K1, 0(DI)
	VMOVDQU16 Z1, K2, 64(DI)
	SUBQ $-128, DI
	SUBQ $8, CX
	JGT turn
	GREATEST
	MOVB AX, ret+48(FP)
	RET

// func flood512(dst *byte, size int, pattern uint64)
TEXT ·flood512(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ size+8(FP), CX
	VPBROADCASTQ pattern+16(FP), Z0
	SUBQ $64, CX
	JLT last

flood:
	VMOVDQU64 Z0, (DI)
	ADDQ $64, DI
	SUBQ $64, CX
	JGE flood

last:
	ADDQ $64, CX
	MOVQ $-1, AX
	BZHIQ CX, AX, BX
	KMOVQ BX, K1
	VMOVDQU8 Z0, K1, (DI)
	VZEROUPPER
	RET

// func words512(dst, src *byte, words, shift int) (set int)
//
// Eight words a turn, the last turn under a mask; bits that are shifted in come from the
// word behind each, of which no more is loaded than there is.
TEXT ·words512(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ words+16(FP), CX
	MOVQ shift+24(FP), DX
	VPBROADCASTQ DX, Z2
	VPXORQ Z3, Z3, Z3 // counts
	MOVQ $-1, AX
	XORQ R8, R8
	TESTQ DX, DX
	CMOVQNE AX, R8    // whether there is a word behind

eight:
	CMPQ CX, $8
	MOVQ $8, R9
	CMOVQLT CX, R9
	BZHIQ R9, AX, R10
	KMOVB R10, K1
	ANDQ R8, R10
	KMOVB R10, K2
	VMOVDQU64.Z 0(SI), K1, Z0
	VMOVDQU64.Z 8(SI), K2, Z1
	VPSHRDVQ Z2, Z1, Z0
	VPOPCNTQ Z0, Z1
	VPADDQ Z1, Z3, Z3
	VMOVDQU64 Z0, K1, (DI)
	ADDQ $64, SI
	ADDQ $64, DI
	SUBQ $8, CX
	JGT eight

	VEXTRACTI64X4 $1, Z3, Y0
	VPADDQ Y0, Y3, Y0
	VEXTRACTI128 $1, Y0, X1
	VPADDQ X1, X0, X0
	VPSHUFD $0x4e, X0, X1
	VPADDQ X1, X0, X0
	VMOVQ X0, AX
	MOVQ AX, set+32(FP)
	VZEROUPPER
	RET

// func spread8x512(dst *uint8, words *uint64, count, set int, under uint8)
TEXT ·spread8x512(SB), NOSPLIT, $0-33
	SPREAD(1, VPBROADCASTB)

word:
	NEXTWORD(done)
	POPCNTQ R8, R10
	SUBQ R10, R9
	KMOVQ R8, K1
	VMOVDQU64 (R9), Z0
	VMOVDQA64 Z2, Z1
	VPEXPANDB Z0, K1, Z1
	SUBQ $64, DI
	VMOVDQU64 Z1, (DI)
	JMP word

done:
	VZEROUPPER
	RET

// func spread16x512(dst *uint16, words *uint64, count, set int, under uint16)
TEXT ·spread16x512(SB), NOSPLIT, $0-34
	SPREAD(2, VPBROADCASTW)

word:
	NEXTWORD(done)
	MOVQ $2, CX

part:
	ROLQ $32, R8
	MOVL R8, R11
	POPCNTL R11, R10
	ADDQ R10, R10
	SUBQ R10, R9
	KMOVD R11, K1
	VMOVDQU64 (R9), Z0
	VMOVDQA64 Z2, Z1
	VPEXPANDW Z0, K1, Z1
	SUBQ $64, DI
	VMOVDQU64 Z1, (DI)
	DECQ CX
	JNZ part
	JMP word

done:
	VZEROUPPER
	RET

// func spread32x512(dst *uint32, words *uint64, count, set int, under uint32)
TEXT ·spread32x512(SB), NOSPLIT, $0-36
	SPREAD(4, VPBROADCASTD)

word:
	NEXTWORD(done)
	MOVQ $4, CX

part:
	ROLQ $16, R8
	MOVWLZX R8, R11
	POPCNTL R11, R10
	SHLQ $2, R10
	SUBQ R10, R9
	KMOVW R11, K1
	VMOVDQU64 (R9), Z0
	VMOVDQA64 Z2, Z1
	VPEXPANDD Z0, K1, Z1
	SUBQ $64, DI
	VMOVDQU64 Z1, (DI)
	DECQ CX
	JNZ part
	JMP word

done:
	VZEROUPPER
	RET

// func spread64x512(dst *uint64, words *uint64, count, set int, under uint64)
TEXT ·spread64x512(SB), NOSPLIT, $0-40
	SPREAD(8, VPBROADCASTQ)

word:
	NEXTWORD(done)
	MOVQ $8, CX

part:
	ROLQ $8, R8
	MOVBLZX R8, R11
	POPCNTL R11, R10
	SHLQ $3, R10
	SUBQ R10, R9
	KMOVB R11, K1
	VMOVDQU64 (R9), Z0
	VMOVDQA64 Z2, Z1
	VPEXPANDQ Z0, K1, Z1
	SUBQ $64, DI
	VMOVDQU64 Z1, (DI)
	DECQ CX
	JNZ part
	JMP word

done:
	VZEROUPPER
	RET

// func look8x512(dst *uint8, codes, table *uint32, turns, entries int)
TEXT ·look8x512(SB), NOSPLIT, $0-40
	BOTH(ONE)

// func look16x512(dst *uint16, codes, table *uint32, turns, entries int)
TEXT ·look16x512(SB), NOSPLIT, $0-40
	BOTH(TWO)

// func look32x512(dst, codes, table *uint32, turns, entries int)
TEXT ·look32x512(SB), NOSPLIT, $0-40
	BOTH(FOUR)

// func look64x512(dst *uint64, codes *uint32, table *uint64, turns int)
//
// A turn is eight values.
TEXT ·look64x512(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ codes+8(FP), SI
	MOVQ table+16(FP), R8
	MOVQ turns+24(FP), CX

look:
	VMOVDQU32 (SI), Y1
	KXNORW K1, K1, K1
	VPXORQ Z0, Z0, Z0
	VPGATHERDQ (R8)(Y1*8), K1, Z0
	VMOVDQU64 Z0, (DI)
	ADDQ $32, SI
	ADDQ $64, DI
	DECQ CX
	JNZ look
	VZEROUPPER
	RET
