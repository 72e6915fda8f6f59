#include "textflag.h"

// Integers of as many bits as they need, with AVX-512.

// SUMUP makes values of the bytes of eight differences, one a lane of Z0: by how much each
// is shifted, and which bits are left; Z14 is the least difference, Z15 the value before,
// and then the last one.
#define SUMUP(shift, mask) \
	VPSRLVQ shift, Z0, Z0 \
	VPANDQ mask, Z0, Z0 \
	VPADDQ Z14, Z0, Z0 \
	VALIGNQ $7, Z13, Z0, Z1 \
	VPADDQ Z1, Z0, Z0 \
	VALIGNQ $6, Z13, Z0, Z1 \
	VPADDQ Z1, Z0, Z0 \
	VALIGNQ $4, Z13, Z0, Z1 \
	VPADDQ Z1, Z0, Z0 \
	VPADDQ Z15, Z0, Z0 \
	VMOVDQU64 Z0, (DI) \
	VPERMQ Z0, Z16, Z15

// func sums512(dst *int64, src *byte, widths *byte, parts, groups int, tables *sumTable, least, last int64) int64
//
// A part is groups of eight differences, of width bytes each; three shifted additions
// make sums of them. What lies a kilobyte on is fetched: many columns are read in turns,
// some kilobytes of each, too few for the processor to see where it goes.
TEXT ·sums512(SB), NOSPLIT, $0-72
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ widths+16(FP), R9
	MOVQ parts+24(FP), BX
	MOVQ groups+32(FP), R10
	MOVQ tables+40(FP), R8
	VPBROADCASTQ least+48(FP), Z14
	VPBROADCASTQ last+56(FP), Z15
	VPXORQ Z13, Z13, Z13
	MOVQ $7, AX
	VPBROADCASTQ AX, Z16
	MOVQ $-1, AX

part:
	MOVBLZX (R9), DX
	INCQ R9
	BZHIQ DX, AX, R11
	KMOVQ R11, K1
	IMUL3Q $136, DX, R11
	ADDQ R8, R11
	VMOVDQU64 0(R11), Z10
	VMOVDQU64 64(R11), Z11
	VPBROADCASTQ 128(R11), Z12
	MOVQ R10, CX
	PREFETCHT0 1024(SI)
	PREFETCHT0 1088(SI)

sums:
	VMOVDQU8.Z (SI), K1, Z0
	VPERMB Z0, Z10, Z0
	SUMUP(Z11, Z12)
	ADDQ DX, SI
	ADDQ $64, DI
	DECQ CX
	JNZ sums
	DECQ BX
	JNZ part

	VMOVQ X15, AX
	MOVQ AX, ret+64(FP)
	VZEROUPPER
	RET

// WIDEN makes 64 bits of each of eight sums, four of even place and four of odd, adds what
// the least comes to, and the value before the part, and writes them.
#define WIDEN(i, lanes, least, to) \
	VMOVDQA64 lanes, to              \
	VPERMI2D.Z Z11, Z10, K4, to      \
	VPADDQ least, to, to             \
	VPADDQ Z15, to, to               \
	VMOVDQU64 to, (64*i)(DI)

// func blocks512(dst *int64, src *byte, size, blocks int, narrow *narrowTable, tables *sumTable, last int64) (end int64, left int, rest *byte)
//
// A block is the least difference, as a varint, the widths of its four parts, a byte each,
// and the parts, 32 values each. What is taken for its head is taken once, and checked. It
// stops before a block whose least takes more than eight bytes, that has a width above 57,
// or that does not end 64 bytes before the end of src: those are read beyond a part.
//
// Parts of up to 25 bits are added up in lanes of 32 bits, pairs first; wider ones as sums512
// does.
TEXT ·blocks512(SB), NOSPLIT, $0-80
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ size+16(FP), R13
	LEAQ -64(SI)(R13*1), R13
	MOVQ blocks+24(FP), BX
	MOVQ narrow+32(FP), R8
	MOVQ tables+40(FP), R12
	VPBROADCASTQ last+48(FP), Z15
	MOVL $0xcccc, AX
	KMOVW AX, K1
	MOVL $0xf0f0, AX
	KMOVW AX, K2
	MOVL $0xff00, AX
	KMOVW AX, K3
	MOVL $0x5555, AX
	KMOVW AX, K4
	MOVQ $-1, AX
	SHLQ $32, AX
	KMOVQ AX, K5
	VMOVDQU64 lanes<>+0(SB), Z17
	VMOVDQU64 lanes<>+64(SB), Z18
	VMOVDQU64 lanes<>+128(SB), Z20
	VMOVDQU64 lanes<>+192(SB), Z21
	VMOVDQU64 lanes<>+256(SB), Z22
	VMOVDQU64 lanes<>+320(SB), Z23
	VMOVDQU64 lanes<>+384(SB), Z24
	MOVQ $7, AX
	VPBROADCASTQ AX, Z16
	VPXORQ Z13, Z13, Z13

block:
	LEAQ 16(SI), R9
	CMPQ R9, R13
	JHI done
	MOVQ (SI), AX
	MOVQ $0x8080808080808080, R10
	ANDNQ R10, AX, DX
	BSFQ DX, R9 // the last byte's highest bit
	JZ done
	BLSMSKQ DX, R10
	ANDQ R10, AX
	MOVQ $0x7f7f7f7f7f7f7f7f, R10
	PEXTQ R10, AX, AX
	SHRQ $3, R9
	LEAQ 1(SI)(R9*1), R9
	MOVL (R9), DX // widths
	MOVL DX, R10
	ADDL $0x46464646, R10
	ORL DX, R10
	TESTL $0x80808080, R10
	JNZ done
	IMUL3L $0x01010101, DX, R10
	SHRL $24, R10
	LEAQ 4(R9)(R10*4), R10
	CMPQ R10, R13
	JHI done
	LEAQ 4(R9), SI
	MOVQ AX, R10
	SHRQ $1, AX
	ANDQ $1, R10
	NEGQ R10
	XORQ R10, AX
	VPBROADCASTQ AX, Z14
	VPMULLQ Z24, Z14, Z4
	VPSLLQ $3, Z14, Z8
	VPADDQ Z8, Z4, Z5
	VPADDQ Z8, Z5, Z6
	VPADDQ Z8, Z6, Z7
	MOVQ $4, CX

part:
	MOVBLZX DX, R9
	SHRL $8, DX
	PREFETCHT0 1024(SI)
	PREFETCHT0 1088(SI)
	CMPL R9, $25
	JHI wide
	IMUL3Q $192, R9, R10
	ADDQ R8, R10
	VMOVDQU64 (SI), Z0
	VMOVDQU64 (SI)(R9*2), Z1
	VBROADCASTI64X4 0(R10), Z2
	VBROADCASTI64X4 32(R10), Z3
	VPERMB Z0, Z2, Z9
	VPERMB Z0, Z3, Z10
	VPERMB Z1, Z2, K5, Z9
	VPERMB Z1, Z3, K5, Z10
	VBROADCASTI64X4 64(R10), Z2
	VBROADCASTI64X4 96(R10), Z3
	VPSRLVD Z2, Z9, Z9
	VPSRLVD Z3, Z10, Z10
	VPANDD.BCST 128(R10), Z9, Z9
	VPANDD.BCST 128(R10), Z10, Z10
	VPADDD Z10, Z9, Z11
	VPSLLQ $32, Z11, Z12
	VPADDD Z12, Z11, Z11
	VPSHUFD $0x55, Z11, Z12
	VPADDD Z12, Z11, K1, Z11
	VPERMD Z11, Z17, Z12
	VPADDD Z12, Z11, K2, Z11
	VPERMD Z11, Z18, Z12
	VPADDD Z12, Z11, K3, Z11
	VPSUBD Z10, Z11, Z10
	WIDEN(3, Z23, Z7, Z3)
	WIDEN(0, Z20, Z4, Z0)
	WIDEN(1, Z21, Z5, Z1)
	WIDEN(2, Z22, Z6, Z2)
	VPERMQ Z3, Z16, Z15
	LEAQ (SI)(R9*4), SI
	ADDQ $256, DI
	DECQ CX
	JNZ part
	JMP next

wide:
	IMUL3Q $136, R9, R10
	ADDQ R12, R10
	VMOVDQU64 0(R10), Z2
	VMOVDQU64 64(R10), Z3
	VPBROADCASTQ 128(R10), Z9
	MOVQ $4, AX

sums:
	VPERMB (SI), Z2, Z0
	SUMUP(Z3, Z9)
	ADDQ R9, SI
	ADDQ $64, DI
	DECQ AX
	JNZ sums
	DECQ CX
	JNZ part

next:
	DECQ BX
	JNZ block

done:
	VMOVQ X15, AX
	MOVQ AX, end+56(FP)
	MOVQ BX, left+64(FP)
	MOVQ SI, rest+72(FP)
	VZEROUPPER
	RET

// APART loads eight values, and takes from each the one before it.
#define APART(i, z) \
	VMOVDQU64 (64*i+8)(SI), z \
	VPSUBQ (64*i)(SI), z, z

// LESS writes eight differences less the least, Z16.
#define LESS(i, z) \
	VPSUBQ Z16, z, z \
	VMOVDQU64 z, (64*i)(DI)

// func differences512(block *[128]int64, values *int64, largest *[4]uint64) int64
//
// The block stays in registers: what each value has more than the one before it, then
// less the least. A part is four of them.
TEXT ·differences512(SB), NOSPLIT, $0-32
	MOVQ block+0(FP), DI
	MOVQ values+8(FP), SI
	MOVQ largest+16(FP), DX
	APART(0, Z0)
	APART(1, Z1)
	APART(2, Z2)
	APART(3, Z3)
	APART(4, Z4)
	APART(5, Z5)
	APART(6, Z6)
	APART(7, Z7)
	APART(8, Z8)
	APART(9, Z9)
	APART(10, Z10)
	APART(11, Z11)
	APART(12, Z12)
	APART(13, Z13)
	APART(14, Z14)
	APART(15, Z15)

	VPMINSQ Z0, Z1, Z16
	VPMINSQ Z2, Z3, Z17
	VPMINSQ Z4, Z5, Z18
	VPMINSQ Z6, Z7, Z19
	VPMINSQ Z8, Z16, Z16
	VPMINSQ Z9, Z17, Z17
	VPMINSQ Z10, Z18, Z18
	VPMINSQ Z11, Z19, Z19
	VPMINSQ Z12, Z16, Z16
	VPMINSQ Z13, Z17, Z17
	VPMINSQ Z14, Z18, Z18
	VPMINSQ Z15, Z19, Z19
	VPMINSQ Z17, Z16, Z16
	VPMINSQ Z19, Z18, Z18
	VPMINSQ Z18, Z16, Z16
	VEXTRACTI64X4 $1, Z16, Y17
	VPMINSQ Y17, Y16, Y16
	VEXTRACTI64X2 $1, Y16, X17
	VPMINSQ X17, X16, X16
	VPSHUFD $0x4e, X16, X17
	VPMINSQ X17, X16, X16
	VMOVQ X16, AX
	MOVQ AX, ret+24(FP)
	VPBROADCASTQ X16, Z16

	LESS(0, Z0)
	LESS(1, Z1)
	LESS(2, Z2)
	LESS(3, Z3)
	LESS(4, Z4)
	LESS(5, Z5)
	LESS(6, Z6)
	LESS(7, Z7)
	LESS(8, Z8)
	LESS(9, Z9)
	LESS(10, Z10)
	LESS(11, Z11)
	LESS(12, Z12)
	LESS(13, Z13)
	LESS(14, Z14)
	LESS(15, Z15)

	// The bits of each part come together in a lane of its own.
	VPORQ Z1, Z0, Z0
	VPTERNLOGQ $0xfe, Z2, Z3, Z0
	VPORQ Z5, Z4, Z4
	VPTERNLOGQ $0xfe, Z6, Z7, Z4
	VPORQ Z9, Z8, Z8
	VPTERNLOGQ $0xfe, Z10, Z11, Z8
	VPORQ Z13, Z12, Z12
	VPTERNLOGQ $0xfe, Z14, Z15, Z12
	VPUNPCKLQDQ Z4, Z0, Z1
	VPUNPCKHQDQ Z4, Z0, Z2
	VPORQ Z2, Z1, Z1
	VPUNPCKLQDQ Z12, Z8, Z3
	VPUNPCKHQDQ Z12, Z8, Z5
	VPORQ Z5, Z3, Z3
	VSHUFI64X2 $0x44, Z3, Z1, Z0
	VSHUFI64X2 $0xee, Z3, Z1, Z2
	VPORQ Z2, Z0, Z0
	VSHUFI64X2 $0xd8, Z0, Z0, Z0
	VEXTRACTI64X4 $1, Z0, Y1
	VPORQ Y1, Y0, Y0
	VMOVDQU Y0, (DX)
	VZEROUPPER
	RET

// JOINTABLE loads from R8 which fields a lane takes, and by how much each is shifted.
#define JOINTABLE \
	VMOVDQU64 0(R8), Z24   \
	VMOVDQU64 64(R8), Z25  \
	VMOVDQU64 128(R8), Z26 \
	VMOVDQU64 192(R8), Z27 \
	VMOVDQU64 256(R8), Z28 \
	VMOVDQU64 320(R8), Z29

// JOINTABLEOF is JOINTABLE of fields of so many bits.
#define JOINTABLEOF(bits) \
	IMUL3Q $384, bits, R9 \
	ADDQ R9, R8           \
	JOINTABLE

// JOIN writes bytes of eight fields.
#define JOIN(fields, dst) \
	VPERMQ fields, Z24, Z20         \
	VPERMQ fields, Z25, Z21         \
	VPERMQ fields, Z26, Z22         \
	VPSRLVQ Z27, Z20, Z20           \
	VPSLLVQ Z28, Z21, Z21           \
	VPSLLVQ Z29, Z22, Z22           \
	VPTERNLOGQ $0xfe, Z21, Z22, Z20 \
	VMOVDQU64 Z20, dst

// PAIR makes fields of twice the bits, X23, of two and two in lanes side by side: those of
// low and, behind them, those of high.
#define PAIR(low, high, to) \
	VMOVDQA64 Z30, to       \
	VPERMI2Q high, low, to  \
	VMOVDQA64 Z31, Z21      \
	VPERMI2Q high, low, Z21 \
	VPSLLQ X23, Z21, Z21    \
	VPORQ Z21, to, to

// func pack512(dst *byte, values *int64, width int, tables *joinTable)
//
// 32 fields are joined in pairs until they have more than 32 bits.
TEXT ·pack512(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ values+8(FP), SI
	MOVQ width+16(FP), CX
	MOVQ tables+24(FP), R8
	VMOVDQU64 0(SI), Z0
	VMOVDQU64 64(SI), Z1
	VMOVDQU64 128(SI), Z2
	VMOVDQU64 192(SI), Z3
	MOVQ CX, DX // bits of a field
	CMPQ DX, $32
	JGT four

	VMOVDQU64 even<>(SB), Z30
	VMOVDQU64 odd<>(SB), Z31
	VMOVQ CX, X23
	PAIR(Z0, Z1, Z4)
	PAIR(Z2, Z3, Z5)
	ADDQ DX, DX
	CMPQ DX, $32
	JGT two
	VPADDQ X23, X23, X23
	PAIR(Z4, Z5, Z0)
	ADDQ DX, DX
	CMPQ DX, $32
	JGT one

pairs: // of one bit there is one of 32 at last: what joins it goes into what is behind
	VPADDQ X23, X23, X23
	PAIR(Z0, Z0, Z1)
	VMOVDQA64 Z1, Z0
	ADDQ DX, DX
	CMPQ DX, $32
	JLE pairs

one:
	JOINTABLEOF(DX)
	JOIN(Z0, (DI))
	VZEROUPPER
	RET

two:
	JOINTABLEOF(DX)
	JOIN(Z4, (DI))
	JOIN(Z5, (DI)(DX*1))
	VZEROUPPER
	RET

four:
	JOINTABLEOF(DX)
	JOIN(Z0, (DI))
	ADDQ DX, DI
	JOIN(Z1, (DI))
	ADDQ DX, DI
	JOIN(Z2, (DI))
	ADDQ DX, DI
	JOIN(Z3, (DI))
	VZEROUPPER
	RET

// func codes512(dst *byte, codes *uint16, width int, times int, table *joinTable)
//
// For 32 codes at a time, two in 32 bits and then four in 64 are fields.
TEXT ·codes512(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ codes+8(FP), SI
	MOVQ width+16(FP), DX
	MOVQ times+24(FP), CX
	MOVQ table+32(FP), R8
	JOINTABLE
	VMOVQ DX, X18
	VPADDQ X18, X18, X19
	MOVL $0xffff, AX
	VPBROADCASTD AX, Z16
	MOVL $-1, AX
	VMOVQ AX, X17
	VPBROADCASTQ X17, Z17
	SHLQ $2, DX

block:
	VMOVDQU64 (SI), Z0
	VPSRLD $16, Z0, Z1
	VPANDD Z16, Z0, Z0
	VPSLLD X18, Z1, Z1
	VPORD Z1, Z0, Z0
	VPSRLQ $32, Z0, Z1
	VPANDQ Z17, Z0, Z0
	VPSLLQ X19, Z1, Z1
	VPORQ Z1, Z0, Z0
	JOIN(Z0, (DI))
	ADDQ DX, DI
	ADDQ $64, SI
	DECQ CX
	JNZ block
	VZEROUPPER
	RET

// The lanes of even and of odd place.
DATA even<>+0(SB)/8, $0
DATA even<>+8(SB)/8, $2
DATA even<>+16(SB)/8, $4
DATA even<>+24(SB)/8, $6
DATA even<>+32(SB)/8, $8
DATA even<>+40(SB)/8, $10
DATA even<>+48(SB)/8, $12
DATA even<>+56(SB)/8, $14
GLOBL even<>(SB), RODATA|NOPTR, $64

DATA odd<>+0(SB)/8, $1
DATA odd<>+8(SB)/8, $3
DATA odd<>+16(SB)/8, $5
DATA odd<>+24(SB)/8, $7
DATA odd<>+32(SB)/8, $9
DATA odd<>+40(SB)/8, $11
DATA odd<>+48(SB)/8, $13
DATA odd<>+56(SB)/8, $15
GLOBL odd<>(SB), RODATA|NOPTR, $64

// What the last dword of a lane of 128 bits is added to: the lane beside it, then two. Which
// sums follow one another, even and odd, eight at a time. And one to eight.
DATA lanes<>+0(SB)/4, $0
DATA lanes<>+4(SB)/4, $0
DATA lanes<>+8(SB)/4, $0
DATA lanes<>+12(SB)/4, $0
DATA lanes<>+16(SB)/4, $3
DATA lanes<>+20(SB)/4, $3
DATA lanes<>+24(SB)/4, $3
DATA lanes<>+28(SB)/4, $3
DATA lanes<>+32(SB)/4, $0
DATA lanes<>+36(SB)/4, $0
DATA lanes<>+40(SB)/4, $0
DATA lanes<>+44(SB)/4, $0
DATA lanes<>+48(SB)/4, $11
DATA lanes<>+52(SB)/4, $11
DATA lanes<>+56(SB)/4, $11
DATA lanes<>+60(SB)/4, $11
DATA lanes<>+64(SB)/4, $0
DATA lanes<>+68(SB)/4, $0
DATA lanes<>+72(SB)/4, $0
DATA lanes<>+76(SB)/4, $0
DATA lanes<>+80(SB)/4, $0
DATA lanes<>+84(SB)/4, $0
DATA lanes<>+88(SB)/4, $0
DATA lanes<>+92(SB)/4, $0
DATA lanes<>+96(SB)/4, $7
DATA lanes<>+100(SB)/4, $7
DATA lanes<>+104(SB)/4, $7
DATA lanes<>+108(SB)/4, $7
DATA lanes<>+112(SB)/4, $7
DATA lanes<>+116(SB)/4, $7
DATA lanes<>+120(SB)/4, $7
DATA lanes<>+124(SB)/4, $7
DATA lanes<>+128(SB)/4, $0
DATA lanes<>+132(SB)/4, $0
DATA lanes<>+136(SB)/4, $16
DATA lanes<>+140(SB)/4, $0
DATA lanes<>+144(SB)/4, $1
DATA lanes<>+148(SB)/4, $0
DATA lanes<>+152(SB)/4, $17
DATA lanes<>+156(SB)/4, $0
DATA lanes<>+160(SB)/4, $2
DATA lanes<>+164(SB)/4, $0
DATA lanes<>+168(SB)/4, $18
DATA lanes<>+172(SB)/4, $0
DATA lanes<>+176(SB)/4, $3
DATA lanes<>+180(SB)/4, $0
DATA lanes<>+184(SB)/4, $19
DATA lanes<>+188(SB)/4, $0
DATA lanes<>+192(SB)/4, $4
DATA lanes<>+196(SB)/4, $0
DATA lanes<>+200(SB)/4, $20
DATA lanes<>+204(SB)/4, $0
DATA lanes<>+208(SB)/4, $5
DATA lanes<>+212(SB)/4, $0
DATA lanes<>+216(SB)/4, $21
DATA lanes<>+220(SB)/4, $0
DATA lanes<>+224(SB)/4, $6
DATA lanes<>+228(SB)/4, $0
DATA lanes<>+232(SB)/4, $22
DATA lanes<>+236(SB)/4, $0
DATA lanes<>+240(SB)/4, $7
DATA lanes<>+244(SB)/4, $0
DATA lanes<>+248(SB)/4, $23
DATA lanes<>+252(SB)/4, $0
DATA lanes<>+256(SB)/4, $8
DATA lanes<>+260(SB)/4, $0
DATA lanes<>+264(SB)/4, $24
DATA lanes<>+268(SB)/4, $0
DATA lanes<>+272(SB)/4, $9
DATA lanes<>+276(SB)/4, $0
DATA lanes<>+280(SB)/4, $25
DATA lanes<>+284(SB)/4, $0
DATA lanes<>+288(SB)/4, $10
DATA lanes<>+292(SB)/4, $0
DATA lanes<>+296(SB)/4, $26
DATA lanes<>+300(SB)/4, $0
DATA lanes<>+304(SB)/4, $11
DATA lanes<>+308(SB)/4, $0
DATA lanes<>+312(SB)/4, $27
DATA lanes<>+316(SB)/4, $0
DATA lanes<>+320(SB)/4, $12
DATA lanes<>+324(SB)/4, $0
DATA lanes<>+328(SB)/4, $28
DATA lanes<>+332(SB)/4, $0
DATA lanes<>+336(SB)/4, $13
DATA lanes<>+340(SB)/4, $0
DATA lanes<>+344(SB)/4, $29
DATA lanes<>+348(SB)/4, $0
DATA lanes<>+352(SB)/4, $14
DATA lanes<>+356(SB)/4, $0
DATA lanes<>+360(SB)/4, $30
DATA lanes<>+364(SB)/4, $0
DATA lanes<>+368(SB)/4, $15
DATA lanes<>+372(SB)/4, $0
DATA lanes<>+376(SB)/4, $31
DATA lanes<>+380(SB)/4, $0
DATA lanes<>+384(SB)/4, $1
DATA lanes<>+388(SB)/4, $0
DATA lanes<>+392(SB)/4, $2
DATA lanes<>+396(SB)/4, $0
DATA lanes<>+400(SB)/4, $3
DATA lanes<>+404(SB)/4, $0
DATA lanes<>+408(SB)/4, $4
DATA lanes<>+412(SB)/4, $0
DATA lanes<>+416(SB)/4, $5
DATA lanes<>+420(SB)/4, $0
DATA lanes<>+424(SB)/4, $6
DATA lanes<>+428(SB)/4, $0
DATA lanes<>+432(SB)/4, $7
DATA lanes<>+436(SB)/4, $0
DATA lanes<>+440(SB)/4, $8
DATA lanes<>+444(SB)/4, $0
GLOBL lanes<>(SB), RODATA|NOPTR, $448
