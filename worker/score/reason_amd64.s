#include "textflag.h"

// Credits of leaves, added to the sums of 512 rows. A row of sums, and of a table,
// is width bytes long.

// LOOK leaves the table's row of a leaf in reg.
#define LOOK(leaf, table, reg) \
	MOVBLZX leaf, reg  \
	IMULQ   DX, reg    \
	ADDQ    table, reg

// ONE reads the arguments: a table of one tree, or four of four.
#define ONE \
	MOVQ sums+0(FP), DI  \
	MOVQ leaf+8(FP), SI  \
	MOVQ table+16(FP), R8 \
	MOVQ width+24(FP), DX \
	MOVQ $512, CX

#define FOUR \
	ONE            \
	MOVQ 8(R8), R9   \
	MOVQ 16(R8), R10 \
	MOVQ 24(R8), R11 \
	MOVQ 0(R8), R8

// LOOKFOUR leaves the rows of four trees' leaves in R12 to R15.
#define LOOKFOUR \
	LOOK(0(SI), R8, R12)     \
	LOOK(512(SI), R9, R13)   \
	LOOK(1024(SI), R10, R14) \
	LOOK(1536(SI), R11, R15)

// NEXT goes on with the next 16 columns, with the next row, or is done.
#define NEXT(column, row) \
	ADDQ $64, BX \
	CMPQ BX, DX  \
	JLT  column  \
	ADDQ DX, DI  \
	INCQ SI      \
	DECQ CX      \
	JNZ  row     \
	VZEROUPPER   \
	RET

// func credits256(sums *int32, leaf *uint8, table *[4]*int32, width int)
TEXT ·credits256(SB), NOSPLIT, $0-32
	FOUR

row:
	LOOKFOUR
	XORQ BX, BX

column:
	VMOVDQU (DI)(BX*1), Y0
	VMOVDQU 32(DI)(BX*1), Y1
	VPADDD (R12)(BX*1), Y0, Y0
	VPADDD 32(R12)(BX*1), Y1, Y1
	VPADDD (R13)(BX*1), Y0, Y0
	VPADDD 32(R13)(BX*1), Y1, Y1
	VPADDD (R14)(BX*1), Y0, Y0
	VPADDD 32(R14)(BX*1), Y1, Y1
	VPADDD (R15)(BX*1), Y0, Y0
	VPADDD 32(R15)(BX*1), Y1, Y1
	VMOVDQU Y0, (DI)(BX*1)
	VMOVDQU Y1, 32(DI)(BX*1)
	NEXT(column, row)

// func credit256(sums *int32, leaf *uint8, table *int32, width int)
TEXT ·credit256(SB), NOSPLIT, $0-32
	ONE

row:
	LOOK(0(SI), R8, R12)
	XORQ BX, BX

column:
	VMOVDQU (DI)(BX*1), Y0
	VMOVDQU 32(DI)(BX*1), Y1
	VPADDD (R12)(BX*1), Y0, Y0
	VPADDD 32(R12)(BX*1), Y1, Y1
	VMOVDQU Y0, (DI)(BX*1)
	VMOVDQU Y1, 32(DI)(BX*1)
	NEXT(column, row)
