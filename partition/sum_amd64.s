#include "textflag.h"

// Constants of Mix and of the two lanes of a sum.
DATA mixing<>+0(SB)/8, $0xbf58476d1ce4e5b9
DATA mixing<>+8(SB)/8, $0x94d049bb133111eb
DATA mixing<>+16(SB)/8, $0x9e3779b97f4a7c15
DATA mixing<>+24(SB)/8, $0xd1b54a32d192ed03
GLOBL mixing<>(SB), RODATA|NOPTR, $32

// MIX is Mix of eight hashes.
#define MIX(x, t) \
	VPSRLQ  $30, x, t  \
	VPXORQ  t, x, x    \
	VPMULLQ Z16, x, x  \
	VPSRLQ  $27, x, t  \
	VPXORQ  t, x, x    \
	VPMULLQ Z17, x, x  \
	VPSRLQ  $31, x, t  \
	VPXORQ  t, x, x

// func mix512(sum *[2][8]uint64, hashes *uint64, times int)
//
// 16 hashes at a time.
TEXT ·mix512(SB), NOSPLIT, $0-24
	MOVQ         sum+0(FP), DI
	MOVQ         hashes+8(FP), SI
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
	VZEROUPPER
	RET
